"""What a run is called and carries in MLflow: pure functions from specs and records to names, tags, params, metrics.

Final values are logged at step 0 and curves at their step, never both under one name: MLflow draws the first as bars
and the second as lines.
"""

from __future__ import annotations

from suite.evaluation_spec import CLEAN
from suite.naming import metric_name, parse_metric_name
from suite.palette import method_colour
from suite.records import AlignmentScore, RunRecord
from suite.trial_spec import TrialSpec

PARAM_LIMIT = 6000
TAG_LIMIT = 8000
"""Characters MLflow keeps of a param's and of a tag's value."""

RUN_ID_TAG = "suite.run_id"
OWNER_TAG = "suite.owner"
GROUP_TAG = "group"
"""Scale and method: what the mean over seeds is taken within."""
NOTE_TAG = "mlflow.note.content"
COMPARISON = "comparison"

_STRENGTHS = ("radius", "noise", "neighbours")
"""Hyperparameters that say how strong a method is, the first present names the run."""


def arm_of(method: str) -> str:
    """`standard`, `robust`, or `untouched` for a checkpoint as it came."""
    return method if method in ("standard", "untouched") else "robust"


def run_name(spec: TrialSpec) -> str:
    """A name a person can read, such as `4-layer · adversarial · radius 0.12 · seed 3`."""
    if spec.phase == "checkpoint":
        return f"{spec.scale.name} · untouched checkpoint"
    strength = next((f"{name} {spec.hyperparameters[name]:.3g}" for name in _STRENGTHS if _is_number(spec, name)), None)
    trial = None if spec.phase == "refit" else f"trial {spec.number}"
    seed = f"seed {spec.seed}" if spec.phase == "refit" else None
    return " · ".join(part for part in (spec.scale.name, spec.method, trial, strength, seed) if part)


def _is_number(spec: TrialSpec, name: str) -> bool:
    value = spec.hyperparameters.get(name)
    return isinstance(value, int | float) and not isinstance(value, bool)


def tags_of(spec: TrialSpec) -> dict[str, str]:
    """What runs are found, grouped and coloured by; every value within MLflow's limit."""
    tags = {
        RUN_ID_TAG: spec.run_id,
        "study": spec.study,
        "phase": spec.phase,
        "arm": arm_of(spec.method),
        "method": spec.method,
        "scale": spec.scale.name,
        GROUP_TAG: f"{spec.scale.name} · {spec.method}",
        "seed": str(spec.seed),
        "task": spec.task.name,
        "mlflow.runColor": method_colour(spec.method),
    }
    if spec.number is not None:
        tags["trial"] = str(spec.number)
    return {key: shorten(value, TAG_LIMIT) for key, value in tags.items()}


def params_of(spec: TrialSpec) -> dict[str, str]:
    """What compare pages plot against: arm, method, scale, learning rate, and the method's own hyperparameters.

    The seed stays a tag: a contour plot of radius against noise should not start with it.
    """
    params = {"arm": arm_of(spec.method), "method": spec.method, "scale": spec.scale.name}
    if spec.phase != "checkpoint":
        params["learning_rate"] = str(spec.learning_rate)
    params |= {key: str(value) for key, value in spec.hyperparameters.items()}
    return {key: shorten(value, PARAM_LIMIT) for key, value in params.items()}


def shorten(text: str, limit: int) -> str:
    """The text, or its beginning with a mark when it is longer than `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def metrics_of(record: RunRecord) -> dict[str, float]:
    """Every final value of a run under its name in the metric grammar.

    `test.accuracy/de`, `test.char-noise.macro_f1/de`, `test.generalised.accuracy/de-fr` (first text German, second
    French), `alignment.csls_p1.layer-4/de`, `validation.accuracy/final`, and the headlines `zero_shot/mean`,
    `zero_shot/source`, `zero_shot/gap`, `zero_shot.SUBSET/mean`, `alignment/mean`.
    """
    split = record.spec.evaluation.report_on
    metrics = _zero_shot(record) | _mean_alignment(record)  # first, as compare pages plot the first metric
    if record.selection is not None:
        from suite.texts import selection_metric  # torch comes with it: 130 MB that `suite ui` would keep

        metric = selection_metric(record.spec.task, record.spec.metric)
        metrics[metric_name(record.spec.select_on, "final", metric=metric)] = record.selection
    metrics |= {metric_name(split, s.language, metric=s.metric, subset=s.subset): s.value for s in record.scores}
    metrics |= {
        metric_name(split, f"{s.first}-{s.second}", metric=s.metric, subset=s.subset): s.value for s in record.pairs
    }
    return metrics | _alignment(record)


def _zero_shot(record: RunRecord) -> dict[str, float]:
    """Headlines of the study's metric: per subset the mean, and on the clean split the source score and the gap."""
    headlines = {}
    for subset in record.subsets:
        scores = record.by_language(subset)
        if any(language in scores for language in record.spec.task.targets):
            headlines[metric_name("zero_shot", "mean", subset=subset)] = record.zero_shot_mean(subset)
    if record.spec.task.source in record.by_language(CLEAN):
        headlines[metric_name("zero_shot", "source")] = record.source_score()
        if metric_name("zero_shot", "mean") in headlines:
            headlines[metric_name("zero_shot", "gap")] = record.transfer_gap()
    return headlines


def _alignment(record: RunRecord) -> dict[str, float]:
    """Alignment per metric, layer and language.

    The first source of pairs goes unnamed; statistics on a second one carry its name where a subset's stands.
    """
    first = record.alignment[0].text if record.alignment else ""
    return {_alignment_name(score, first): score.value for score in record.alignment}


def _mean_alignment(record: RunRecord) -> dict[str, float]:
    """Mean over target languages of the study's first alignment metric at the last layer, on the first pairs."""
    first = record.alignment[0].text if record.alignment else ""
    wanted = record.spec.alignment.metrics[:1]
    own = [s for s in record.alignment if s.text == first and s.metric in wanted]
    last = max((s.layer for s in own), default=0)
    values = [s.value for s in own if s.layer == last and s.language in record.spec.task.targets]
    return {metric_name("alignment", "mean"): sum(values) / len(values)} if values else {}


def _alignment_name(score: AlignmentScore, first: str) -> str:
    subset = CLEAN if score.text == first else score.text
    return metric_name("alignment", score.language, metric=score.metric, layer=score.layer, subset=subset)


def curve_of(record: RunRecord) -> dict[tuple[str, int], float]:
    """(metric name, step) to value of a run's curves; the last value counts where a step was measured twice.

    A curve under the name of a final value is left out: the final value stands.
    """
    finals = metrics_of(record)
    return {(name, step): value for step, name, value in record.curve if name not in finals}


def is_final(name: str) -> bool:
    """Whether a metric of that name is a run's final value rather than a curve."""
    parsed = parse_metric_name(name)
    return parsed.last == "final" or parsed.family in ("test", "alignment", "zero_shot")
