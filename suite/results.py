"""What comparing leaves behind besides the comparisons: checks, breadth, explanations, looks, verdicts on claims.

All of it survives a round trip through JSON, so that tables and reports need neither predictions nor records.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from suite.canonical import ADDED, to_json
from suite.law import STRICT
from suite.records import write_atomically

Answer = Literal["supported", "contradicted", "undecided"]
Kind = Literal["primary", "language", "subset", "interaction", "alignment"]
"""What a comparison is about; p-values are adjusted within a kind."""
UNVARIED = (
    "no run and no item differs from another in it, as where a predictor is constant or all answers are the same, so "
    "the test, its interval and the smallest effect it would find are undefined"
)
"""Why a difference without any variance is not tested."""
_OPEN = {**STRICT, "allow_inf_nan": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One claim about a robust method against the baseline, with all a reader needs to weigh it.

    Effects are treatment minus baseline in units of the metric (0.01 is one point of accuracy). Where nothing varies
    over seeds and items (`UNVARIED`), the numbers of the test are NaN and what is optional is none.
    """

    __pydantic_config__ = _OPEN

    study: str
    scale: str
    baseline: str
    treatment: str
    task: str
    quantity: str
    """`accuracy`, `macro_f1`, or an alignment statistic such as `csls_p1.layer-4`."""
    subset: str
    """`clean`, an adversarial subset, or `SUBSET - clean` (of a slice: `- rest`) for a difference in differences."""
    aggregate: str
    """A language code, `zero-shot mean`, or `source`."""
    kind: Kind
    """What the row is for: the primary claim, one language, a subset's macro-average, subset minus clean, alignment."""
    unit: str
    """What was resampled: `seed x item` or `seed`."""
    claim: str
    """The claim the test fits, such as `method beats baseline on new seeds and items; languages fixed`."""
    n_seeds: int
    n_items: int
    """Distinct items per run (summed over languages where they are not parallel); 0 where the unit is the seed."""
    test: str
    statistic: float
    degrees_of_freedom: float
    p: float
    p_adjusted: float
    correction: str
    family: str
    family_size: int
    baseline_mean: float
    treatment_mean: float
    effect: float
    low: float
    high: float
    confidence: float
    mde: float
    """Smallest true effect this comparison would find with 80 % power at its seeds and items."""
    seed_correlation: float | None = None
    """Correlation of the two arms' seed means; pairing helps where it is positive."""
    margin: float | None = None
    """Smallest difference that matters, as declared; what follows is measured against it."""
    p_equivalence: float | None = None
    """TOST: p of "the arms differ by the margin or more"."""
    p_equivalence_adjusted: float | None = None
    """The same by Holm over the family."""
    rope: tuple[float, float, float] | None = None
    """Posterior probabilities under a flat prior that the effect lies below, within and above the margin."""
    simultaneous: tuple[float, float] | None = None
    """The interval that holds for all languages of a (scale, method) at once, where max-t adjusts them."""
    look: int = 1
    """Which look at growing seeds this is."""
    look_rule: str = ""
    """How p was adjusted for it; empty at the first of one declared look."""
    look_factor: float = 1.0
    """What adjusted p-values were multiplied by for it, up to 1; infinite where nothing may be concluded yet."""

    detectable: tuple[tuple[int, float], ...] = field(default=(), metadata=ADDED)
    """Of a primary row: numbers of seeds per arm, each with the smallest effect it would find; `mde` at its own."""

    @property
    def is_tested(self) -> bool:
        """Whether there was variance to test the effect by; older files have an interval of one point where not."""
        return not math.isnan(self.p) and self.low != self.high

    def untested(self) -> Comparison:
        """The row without what needs a variance: statistic, p, interval, equivalence, smallest effect found."""
        nothing = math.nan
        return replace(
            self, statistic=nothing, p=nothing, p_adjusted=nothing, low=nothing, high=nothing, mde=nothing,
            p_equivalence=None, p_equivalence_adjusted=None, rope=None, simultaneous=None, detectable=(),
        )  # fmt: skip

    @property
    def standard_error(self) -> float:
        """Of the effect, from its interval: half of it over Student's t at the row's degrees of freedom."""
        from scipy.special import stdtrit  # not to be paid for by what only loads results

        return (self.high - self.low) / 2 / float(stdtrit(self.degrees_of_freedom, (1 + self.confidence) / 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One look at the primary conclusion from another side; never a claim of its own, never adjusted."""

    __pydantic_config__ = _OPEN

    scale: str
    baseline: str
    treatment: str
    analysis: str
    """`unpaired`, `seed-t`, `sign-flip of seeds`, `without seed`, `without family`, `McNemar`, `superiority`,
    `stochastic order` or `new languages`."""
    about: str
    """Which seed, language, family or part it is of; empty for the whole."""
    claim: str
    """What it would say, were it the only analysis."""
    quantity: str
    """What `estimate` is: `accuracy`, `odds ratio`, `P(treatment > baseline)`, `violation ratio`."""
    estimate: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    n_seeds: int
    n_items: int
    note: str = ""
    """What limits it, such as the smallest p that so few seeds can give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breadth:
    """In how many languages at least a method improves: Bonferroni partial conjunction (Benjamini & Heller 2008)."""

    __pydantic_config__ = _OPEN

    scale: str
    baseline: str
    treatment: str
    languages: tuple[str, ...]
    p_by_count: tuple[float, ...]
    """p of "improves in at least k languages" for k = 1, 2, ...; one-sided."""
    holding: int
    """The largest k with p at most alpha."""
    alpha: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Does the change of alignment account for the change of transfer?"""

    __pydantic_config__ = _OPEN

    baseline: str
    treatment: str
    statistic: str
    scales: tuple[str, ...]
    n_seeds: int
    n_languages: int
    between: tuple[float, float, float] | None
    """Slope, correlation and permutation p between languages; none where there is too little data or no spread."""
    within: tuple[float, float, float] | None
    """The same within a language over seeds."""
    alignment_change: float | None
    """Path a: mean change of the statistic."""
    transfer_per_alignment: float | None
    """Path b: change of transfer per unit of alignment at matched cells, the cells' mean alignment held fixed."""
    total: float | None
    direct: float | None
    indirect: float | None
    indirect_interval: tuple[float, float] | None
    proportion: float | None
    """indirect / total, only where the total is more than two standard errors from 0."""
    confounding: float | None
    """Correlation of unmeasured causes of both that would make the indirect effect 0 (Imai et al. 2010)."""
    paradox: bool
    """Both parts are distinguishable from 0 and disagree in sign (Simpson's paradox)."""
    intervention: bool
    """The study declares that this treatment changes alignment without the rest of robust training, or the reverse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A published claim held against what was measured here."""

    __pydantic_config__ = _OPEN

    name: str
    source: str
    certainty: str
    expected: float | None
    answer: Answer
    reason: str
    """One sentence with the numbers, or why nothing here bears on the claim."""
    scale: str = ""
    treatment: str = ""
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    p_adjusted: float | None = None
    family_size: int = 0
    n_seeds: int = 0
    n_items: int = 0
    mde: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedPlan:
    """What numbers of seeds find, judged by finished runs of one (scale, method) and the baseline."""

    scale: str
    treatment: str
    baseline: str
    n_seeds: int
    """Seeds that the variance was measured on."""
    n_items: int
    power: float
    seeds: tuple[int, ...]
    detectable: tuple[float, ...]
    """Smallest effect found with that power, per entry of `seeds`."""
    effects: tuple[float, ...]
    needed: tuple[int | None, ...]
    """Seeds per entry of `effects`; none where a thousand are not enough, or no number is on so many items."""
    limit: float
    """Smallest effect that any number of seeds finds on so many items."""
    seed_share: float
    """Share of the variance of today's estimate that more seeds take away; the rest only more items do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Everything one comparison of runs found."""

    __pydantic_config__ = _OPEN

    comparisons: tuple[Comparison, ...] = ()
    checks: tuple[Check, ...] = ()
    breadths: tuple[Breadth, ...] = ()
    explanations: tuple[Explanation, ...] = ()
    warnings: tuple[str, ...] = ()
    """What weakens a conclusion: looks that were not declared, too few seeds for a test, disagreeing checks."""


_RESULTS = TypeAdapter(Results)


def save_results(results: Results, path: Path) -> None:
    """Write results as JSON."""
    write_atomically(path, (json.dumps(to_json(results), indent=1, ensure_ascii=False) + "\n").encode())


def load_results(path: Path) -> Results:
    """Read results back, none where there is no file yet.

    Raises:
        ValueError: names the file and what is wrong with it.
    """
    if not path.is_file():
        return Results()
    try:
        return _RESULTS.validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        fault = f"{where}: {first['msg']}" if where else first["msg"]
        raise ValueError(f"{path} holds no results: {fault}; delete it and compare again") from None
