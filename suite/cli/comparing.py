"""The verbs that compare: refits of a study or anybody's predictions, published claims, and seeds needed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from suite.cli.codes import DONE
from suite.cli.stages import emit, ended, load, part_of, pipeline_of

if TYPE_CHECKING:
    from suite.comparison_spec import ComparisonSpec
    from suite.records import RunRecord
    from suite.results import Comparison, Results
    from suite.spec import StudySpec


def add_compare(verb: argparse.ArgumentParser) -> None:
    """Options of `suite compare` beyond those of every stage."""
    verb.add_argument(
        "--over-tasks",
        nargs="+",
        type=Path,
        metavar="STUDY",
        help="also the mean with these studies of other tasks, compared before",
    )
    verb.add_argument(
        "--averages-to",
        type=Path,
        metavar="DIR",
        help="with --over-tasks: folder for the table of XTREME and XTREME-R averages",
    )
    files = verb.add_argument_group("comparing files of predictions instead of a study")
    files.add_argument(
        "--predictions",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="Parquet or CSV, one row per example: example_id, label and predicted (or score), and where there are\n"
        "several: method, seed, scale, language, subset; method and seed may stand in the name, METHOD-seedN.parquet",
    )
    files.add_argument("--baseline", metavar="METHOD", help="what the others are compared with (default: standard)")
    files.add_argument("--source", metavar="LANGUAGE", help="language trained on, left out of the mean")
    files.add_argument("--items", choices=("shared", "separate"), help="is an id the same item in every language?")
    files.add_argument("--metric", help="default: what the columns of the predictions are of")
    files.add_argument("--margin", type=float, metavar="X", help="smallest difference that matters (0.01: a point)")
    files.add_argument("--unpaired", action="store_true", help="seeds of the methods have nothing in common")
    claim = verb.add_argument_group("what is claimed")
    claim.add_argument("--claim", default="method", metavar="NAME", help="method (default), checkpoints or languages")
    claim.add_argument(
        "--test", metavar="NAME", help="another test than the claim's own; refused where it does not fit"
    )


def compare(arguments: argparse.Namespace) -> int:
    """Test robust methods against the baseline, in a study or in files of predictions."""
    from suite.comparison.claims import choose_test, find_claim

    claim = find_claim(arguments.claim)
    choose_test(claim, arguments.test)
    if bool(arguments.study) == bool(arguments.predictions):
        raise ValueError("compare a STUDY, or files with --predictions FILE ...: one of the two")
    _refuse_idle(arguments, *(("scale", "method") if arguments.predictions else _OF_FILES))
    if arguments.predictions:
        return _shown(arguments, _predictions(arguments))
    if claim.name != "method":
        raise ValueError(
            f"a study's primary claim is 'method'; what it says of {claim.name!r} stands in its table of checks "
            "(`suite export`), or name files with --predictions"
        )
    from suite.part import Part

    if arguments.averages_to and not arguments.over_tasks:
        raise ValueError("--averages-to is for averages over several studies; name the others with --over-tasks")
    with ended(arguments) as runs:
        results, shown = runs.compare(), part_of(arguments, runs)
        own = runs.study, runs.records()
    if arguments.over_tasks:
        results = replace(results, comparisons=_over_tasks(results, arguments.over_tasks))
    code = _shown(arguments, shown.of(results) if isinstance(shown, Part) else results)
    if arguments.over_tasks and (arguments.averages_to or not (arguments.json or arguments.quiet)):
        _averages(arguments, [own, *(_records_of(arguments, path) for path in arguments.over_tasks)])
    return code


def _records_of(arguments: argparse.Namespace, path: Path) -> tuple[StudySpec, list[RunRecord]]:
    """Another study with its records."""
    with ended(argparse.Namespace(**{**vars(arguments), "study": path})) as runs:
        return runs.study, runs.records()


def _averages(arguments: argparse.Namespace, studies: Sequence[tuple[StudySpec, Sequence[RunRecord]]]) -> None:
    """Show the benchmark averages of these studies, and write them where a folder is named."""
    from suite.report import write_table
    from suite.report.averages_table import benchmark_results
    from suite.report.render import to_text

    table = benchmark_results(studies)
    if not (arguments.json or arguments.quiet):
        print(f"\n{to_text(table)}")
    if arguments.averages_to:
        write_table(table, arguments.averages_to)


def _over_tasks(results: Results, others: Sequence[Path]) -> tuple[Comparison, ...]:
    """The comparisons of a study, and before them the means with studies of other tasks."""
    from suite.comparison.over_tasks import over_tasks
    from suite.results import load_results
    from suite.storage import StudyFolder
    from suite.study_file import load_study

    found = [results.comparisons]
    for path in others:
        rows = load_results(StudyFolder.of(load_study(path)).results).comparisons
        if not rows:
            raise ValueError(f"{path} has not been compared yet; run `suite compare {path}` first")
        found.append(rows)
    return (*over_tasks(found), *results.comparisons)


_OF_FILES = ("baseline", "source", "items", "metric", "margin", "unpaired", "test")


def _refuse_idle(arguments: argparse.Namespace, *options: str) -> None:
    """Refuse options that would change nothing."""
    idle = [name for name in options if str(getattr(arguments, name)) not in ("None", "False", "[]")]
    if idle and arguments.predictions:
        raise ValueError(f"--{idle[0]} chooses a part of a study and none of files; leave it out")
    if idle:
        raise ValueError(f"--{idle[0]} is for --predictions; a study says it in its file")


def _predictions(arguments: argparse.Namespace) -> Results:
    from suite.comparison import compare_files

    return compare_files(
        arguments.predictions,
        baseline=arguments.baseline or "standard",
        source=arguments.source,
        items=arguments.items,
        metric=arguments.metric,
        rules=_rules(arguments),
        claim=arguments.claim,
        test=arguments.test,
    )


def _rules(arguments: argparse.Namespace) -> ComparisonSpec:
    from suite.comparison_spec import ComparisonSpec

    if arguments.unpaired and arguments.test == "crossed-paired":
        raise ValueError("--unpaired says that seeds do not pair, --test crossed-paired that they do; choose one")
    return ComparisonSpec(margin=arguments.margin, pairing="unpaired" if arguments.unpaired else "paired")


def _shown(arguments: argparse.Namespace, results: Results) -> int:
    if arguments.json:
        emit(results)
    elif not arguments.quiet:
        from suite.console import describe_comparisons

        print(describe_comparisons(results))
    return DONE


def add_verify(verb: argparse.ArgumentParser) -> None:
    """Options of `suite verify`."""
    verb.add_argument("--claims", type=Path, metavar="FILE", help="a file of [[claim]] tables besides the study's own")


def verify(arguments: argparse.Namespace) -> int:
    """Hold published claims against a study's results."""
    from suite.study_file import load_claims

    more = load_claims(arguments.claims) if arguments.claims else ()
    own = load(arguments).study.claim
    if not (own or more):
        raise ValueError(
            f"{arguments.study} lists no [[claim]]; add some, or name a file: --claims studies/claims/robust_xlt.toml"
        )
    from suite.part import Part

    with pipeline_of(arguments) as pipeline:
        verdicts = Part(pipeline).rows(pipeline.verify((*own, *more)))
    if arguments.json:
        emit(verdicts)
    elif not arguments.quiet:
        from suite.console import describe_verdicts

        print(describe_verdicts(verdicts))
    return DONE


def add_plan(verb: argparse.ArgumentParser) -> None:
    """Options of `suite plan`."""
    verb.add_argument(
        "--effect", type=float, action="append", metavar="POINTS",
        help="difference to find, in points (repeatable; default: 0.5, 1, 2.1)",
    )  # fmt: skip
    verb.add_argument("--power", type=float, default=0.8, help="probability to find it (default: 0.8)")


def plan(arguments: argparse.Namespace) -> int:
    """How many seeds an effect needs, from the variance between a study's finished runs."""
    effects = tuple(points / 100 for points in arguments.effect or (0.5, 1.0, 2.1))
    from suite.part import Part

    with pipeline_of(arguments) as pipeline:
        plans = Part(pipeline).rows(pipeline.plan_seeds(effects, arguments.power))
    if arguments.json:
        emit(plans)
    elif not arguments.quiet:
        from suite.console import describe_seed_plans

        print(describe_seed_plans(plans))
    return DONE
