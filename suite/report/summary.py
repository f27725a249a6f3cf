"""`summary.md`: the study's answer in sentences, what it rests on, what is missing and where the files are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from suite.comparison.verify import verify
from suite.records import RunRecord
from suite.report.completeness import missing, warnings_of
from suite.report.explanations import breadth_sentences, claim_sentences, explanation_sentences
from suite.report.gather import Comparisons, chosen, suite_versions
from suite.report.render import escape_markdown
from suite.report.sentences import (
    alignment_sentences,
    language_sentences,
    primary_sentence,
    subset_sentences,
)
from suite.results import Results
from suite.spec import StudySpec
from suite.trial_spec import Scale

EMBEDDED = "me5-small-q4"
_EMBEDDED_IS = (
    f"`{EMBEDDED}` is multilingual-e5-small's tensors in 4-bit blocks: the rounding to 4 bits is part of it, "
    "so its scores are not those of the original checkpoint."
)


def write_summary(study: StudySpec, said: Mapping[str, Sequence[str]], files: Mapping[str, str]) -> str:
    """The report's first page, as Markdown: what `sections` says, and `files`, names to what they hold."""
    head = f"# {escape_markdown(study.name)}\n\n{escape_markdown(study.question)}\n"
    parts = {**said, "Files": [f"{names}: {escape_markdown(content)}" for names, content in files.items()]}
    bodies = [f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines) for title, lines in parts.items() if lines]
    return "\n".join([head, "\n\n".join(bodies)]) + "\n"


def sections(
    study: StudySpec, records: Sequence[RunRecord], results: Results, left_out: Mapping[str, str]
) -> dict[str, list[str]]:
    """Headings to Markdown sentences, the answer first; a section with nothing to say is empty.

    `left_out` is a table's or figure's name to why it is not there; without a reason nothing is missing.
    """
    comparisons = results.comparisons
    lacking = [*missing(study, records, comparisons), *(f"{name}: {why}" for name, why in left_out.items() if why)]
    weak = [*results.warnings, *warnings_of(study, records)]
    return {
        "Answer": _answer(study, comparisons),
        "Published claims": claim_sentences(verify(study, comparisons, study.claim)),
        "Languages": [
            *language_sentences(study, chosen(comparisons, "language")),
            *breadth_sentences(results.breadths),
        ],
        "Adversarial subsets": subset_sentences(chosen(comparisons, "subset", "interaction")),
        "Alignment": [*alignment_sentences(study, chosen(comparisons, "alignment")), *_explained(study, results)],
        "What was run": [*_models(study), *_design(study, records), *_versions(study, records)],
        "Warnings": [escape_markdown(line) for line in weak] or ["No run warned of anything."],
        "Missing": [escape_markdown(line) for line in lacking] or ["Nothing that the study planned."],
    }


def _explained(study: StudySpec, results: Results) -> list[str]:
    return [sentence for one in results.explanations for sentence in explanation_sentences(study, one)]


def _answer(study: StudySpec, comparisons: Comparisons) -> list[str]:
    primary = chosen(comparisons, "primary")
    if not primary:
        return ["Open: no robust method has been compared with the baseline yet."]
    return [primary_sentence(study, comparison) for comparison in primary]


def _models(study: StudySpec) -> list[str]:
    lines = [f"Scale {escape_markdown(scale.name)}: {_checkpoint(scale)}." for scale in study.scale]
    return [*lines, *([_EMBEDDED_IS] if any(scale.checkpoint == EMBEDDED for scale in study.scale) else [])]


def _checkpoint(scale: Scale) -> str:
    layers = "all layers" if scale.layers is None else f"first {scale.layers} layers"
    revision = f" at revision `{scale.revision}`" if scale.revision else ""
    return f"`{scale.checkpoint}`{revision}, {layers}"


def _design(study: StudySpec, records: Sequence[RunRecord]) -> list[str]:
    task, seeds = study.task, ", ".join(map(str, study.refit.seeds))
    sources = sorted({f"{d.source} ({d.licence})" for r in records if r.provenance for d in r.provenance.datasets})
    return [
        f"Task `{task.name}`: trained on {task.source}, tested zero-shot in {len(task.targets)} languages "
        f"({', '.join(task.targets)}); data: {escape_markdown('; '.join(sources) or 'not recorded')}.",
        f"Methods: {', '.join(m.name for m in study.method)}; {study.tune.trials} tuning trials each, selected by "
        f"source-language {study.tune.select_on} {escape_markdown(study.tune.metric)}; refitted on seeds {seeds}; "
        f"reported on {study.evaluation.report_on}.",
    ]


def _versions(study: StudySpec, records: Sequence[RunRecord]) -> list[str]:
    made = [r.provenance for r in records if r.provenance]
    packages = sorted({f"{name} {version}" for p in made for name, version in p.packages.items()})
    platforms = sorted({f"Python {p.python}, {p.platform}, {p.cpu}, {p.device}" for p in made})
    commits = sorted({p.commit[:12] + (" (modified)" if p.dirty else "") for p in made if p.commit})
    return [
        f"Study digest `{study.digest}`; suite {suite_versions(records)}; "
        f"commit {', '.join(commits) or 'not recorded'}.",
        *([escape_markdown(f"Packages: {', '.join(packages)}.")] if packages else []),
        *(escape_markdown(f"Machine: {platform}.") for platform in platforms),
    ]
