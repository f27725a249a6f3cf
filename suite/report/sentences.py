"""Comparisons as sentences: direction only where a test found one, and never more than it found.

A difference that was not found is reported with the smallest effect the comparison would find, not as no difference.
"""

from __future__ import annotations

from collections.abc import Sequence

from suite.evaluation_spec import CLEAN
from suite.report.gather import Arm, Comparisons, finds_difference
from suite.report.render import escape_markdown
from suite.report.table import decimals_for, number_text, p_text
from suite.results import UNVARIED, Comparison
from suite.spec import StudySpec

LISTED = 6
"""Statistics named one by one before the rest are counted."""


def primary_sentence(study: StudySpec, c: Comparison) -> str:
    """The claim, with effect, interval, test, adjusted p, family, n and the smallest effect it would find."""
    metric, digits = escape_markdown(c.quantity), _digits(c)
    means = f"{_points(c.treatment_mean, digits)} against {_points(c.baseline_mean, digits)} %"
    found = f"smallest effect this comparison would find with 80 % power is {_points(c.mde, digits)} points"
    who = f"**{escape_markdown(c.scale)} · {c.treatment}**"
    if not c.is_tested:
        n = f"{c.n_seeds} seeds, {c.n_items:,} items, {len(study.task.targets)} languages"
        claim = f"no test of the difference from {c.baseline} in zero-shot mean {metric}: {UNVARIED}"
        return f"{who}: {claim}. Observed: {means}, {_signed(c.effect, digits)} points ({n})."
    evidence = _evidence(study, c)
    if finds_difference(c):
        claim = f"{'raises' if c.effect > 0 else 'lowers'} zero-shot mean {metric}"
        size = f"by {_points(abs(c.effect), digits)} points against {c.baseline}"
        return f"{who} {claim} {size}: {means} ({evidence}). The {found}.{_margin(c)}"
    claim = f"no difference found from {c.baseline} in zero-shot mean {metric}; the {found}"
    return f"{who}: {claim}. Observed: {means}, {_signed(c.effect, digits)} points ({evidence}).{_margin(c)}"


def _digits(c: Comparison) -> int:
    """Decimals in points that the interval warrants: one, or two where it is narrow."""
    return max(1, min(2, decimals_for([100 * (c.high - c.low) / 4])))


def _evidence(study: StudySpec, c: Comparison) -> str:
    statistic = f"t({c.degrees_of_freedom:.1f}) = {number_text(c.statistic, 2)}"
    matched = "matched seeds" if c.seed_correlation is not None else "seeds"
    low, high = (_signed(bound, _digits(c)) for bound in (c.low, c.high))
    return (
        f"{100 * c.confidence:g} % interval {low} to {high} points; "
        f"{c.test}, {statistic}, {_p('p', c.p)}, {_p('adjusted p', c.p_adjusted)} by {c.correction} "
        f"over {_count(c.family_size, 'comparison')}; {c.n_seeds} {matched}, {c.n_items:,} items, "
        f"{len(study.task.targets)} languages"
    )


def _margin(c: Comparison) -> str:
    """Equivalence within the smallest difference that matters, where one was declared."""
    if c.margin is None or c.p_equivalence is None or c.p_equivalence_adjusted is None or c.rope is None:
        return ""
    within = f"±{100 * c.margin:g} points, the smallest difference that matters here"
    tested = f"TOST {_p('p', c.p_equivalence)}, {_p('adjusted p', c.p_equivalence_adjusted)} by holm"
    chances = "probabilities below, within, above: " + ", ".join(number_text(part, 2) for part in c.rope)
    if c.p_equivalence_adjusted < round(1 - c.confidence, 12):
        return f" Equivalent within {within} ({tested}; {chances})."
    return f" Not shown to be equivalent within {within} ({tested}; {chances})."


def language_sentences(study: StudySpec, comparisons: Comparisons) -> list[str]:
    """Per scale and method: in which languages a difference was found, in how many the effect points up."""
    sentences = []
    for (scale, method), group in _by_arm(comparisons).items():
        if not (tested := [c for c in group if c.aggregate in study.task.targets and c.subset == CLEAN]):
            continue
        found = [c for c in tested if finds_difference(c)]
        parts = [
            f"{word} in {len(part)} ({', '.join(f'{c.aggregate} {_signed(c.effect)}' for c in part)})"
            for word, part in (
                ("better", [c for c in found if c.effect > 0]),
                ("worse", [c for c in found if c.effect < 0]),
            )
            if part
        ]
        untested = [c for c in tested if not c.is_tested]
        parts.append(f"no difference found in {len(tested) - len(found) - len(untested)}")
        parts += [f"no variance to test by in {len(untested)}"] if untested else []
        up = sum(c.effect > 0 for c in tested)
        sentences.append(
            f"{escape_markdown(scale)} · {method}, {len(tested)} languages: {', '.join(parts)}; "
            f"{up} of {len(tested)} effects point up ({_family(tested)})."
        )
    return sentences


def subset_sentences(comparisons: Comparisons) -> list[str]:
    """Per scale and method, a line per subset: the change of the zero-shot mean, and that beyond the clean items."""
    sentences = []
    for (scale, method), group in _by_arm(comparisons).items():
        listed = [f"  - {escape_markdown(c.subset)}: {_finding(c)}" for c in group]
        sentences.append("\n".join([f"{escape_markdown(scale)} · {method} ({_family(group)}), points:", *listed]))
    return sentences


def alignment_sentences(study: StudySpec, comparisons: Comparisons) -> list[str]:
    """Per scale and method: how many alignment statistics moved, the clearest of them with their intervals."""
    sentences = []
    for (scale, method), group in _by_arm(comparisons).items():
        found = sorted((c for c in group if finds_difference(c)), key=lambda c: c.p_adjusted)
        named = "; ".join(
            f"{escape_markdown(c.quantity)} {number_text(c.effect, 3, signed=True)} "
            f"[{number_text(c.low, 3, signed=True)}, {number_text(c.high, 3, signed=True)}]"
            for c in found[:LISTED]
        )
        rest = f" and {len(found) - LISTED} more" if len(found) > LISTED else ""
        moved = f"{len(found)} of {len(group)} alignment statistics differ from {study.comparison.baseline}"
        sentences.append(
            f"{escape_markdown(scale)} · {method}: {moved}{': ' + named + rest if found else ''} ({_family(group)})."
        )
    return sentences


def _by_arm(comparisons: Comparisons) -> dict[Arm, list[Comparison]]:
    groups: dict[Arm, list[Comparison]] = {}
    for c in comparisons:
        groups.setdefault((c.scale, c.treatment), []).append(c)
    return groups


def _finding(c: Comparison) -> str:
    if not c.is_tested:
        return f"{_signed(c.effect)}, no variance to test by"
    verdict = "" if finds_difference(c) else f", no difference found, MDE {_points(c.mde)}"
    return f"{_signed(c.effect)} [{_signed(c.low)}, {_signed(c.high)}], {_p('adjusted p', c.p_adjusted)}{verdict}"


def _family(group: Sequence[Comparison]) -> str:
    families = dict.fromkeys(f"{c.correction} over {_count(c.family_size, 'comparison')}" for c in group)
    seeds = dict.fromkeys(f"{c.n_seeds} seeds" for c in group)
    return ", ".join([*families, *seeds])


def _p(name: str, p: float) -> str:
    text = p_text(p)
    return f"{name} < {text[1:]}" if text.startswith("<") else f"{name} = {text}"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _points(share: float, digits: int = 1) -> str:
    return number_text(100 * share, digits)


def _signed(share: float, digits: int = 1) -> str:
    return number_text(100 * share, digits, signed=True)
