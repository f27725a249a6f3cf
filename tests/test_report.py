"""Laws of a study's export: what the summary may say, the same bytes every time, partial studies."""

from __future__ import annotations

import csv
import dataclasses
import re
from pathlib import Path

import pytest
from report_studies import COMPARISONS, RECORDS, STUDY, make_study

from suite.report import export, exported_files
from suite.report.completeness import missing
from suite.report.sentences import primary_sentence
from suite.report.tables import main_results
from suite.results import UNVARIED, Comparison, Results
from suite.trial_spec import MethodSpec, Range


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    export(STUDY, RECORDS, Results(comparisons=COMPARISONS), folder)
    return folder


# The summary


def primary(effect: float, *, half_width: float, p_adjusted: float) -> Comparison:
    """A primary comparison of the synthetic study with another outcome."""
    return dataclasses.replace(
        next(c for c in COMPARISONS if c.kind == "primary"),
        effect=effect,
        low=effect - half_width,
        high=effect + half_width,
        p=0.0021,
        p_adjusted=p_adjusted,
        n_items=1400,
        mde=0.0271,
    )


def test_no_difference_found_names_the_smallest_effect_it_would_find() -> None:
    c = primary(0.006, half_width=0.018, p_adjusted=0.05)
    sentence = primary_sentence(STUDY, c)
    assert "no difference found" in sentence
    assert "the smallest effect this comparison would find with 80 % power is 2.7 points" in sentence
    assert "raises" not in sentence and "lowers" not in sentence
    tested = dataclasses.replace(c, margin=0.01, p_equivalence=0.3, p_equivalence_adjusted=0.6, rope=(0.04, 0.66, 0.3))
    assert "Not shown to be equivalent within ±1 points" in primary_sentence(STUDY, tested)


@pytest.mark.parametrize(("effect", "verb"), [(0.021, "raises"), (-0.021, "lowers")])
def test_a_difference_found_has_a_direction(effect: float, verb: str) -> None:
    c = primary(effect, half_width=0.017, p_adjusted=0.0496)
    sentence = primary_sentence(STUDY, c)
    assert f"{verb} zero-shot mean accuracy by 2.1 points against standard" in sentence
    assert "p = 0.002, adjusted p = 0.0496 by holm over 4 comparisons" in sentence
    assert "6 matched seeds, 1,400 items, 12 languages" in sentence
    assert "no difference" not in sentence


def test_equivalence_is_said_with_its_test_and_probabilities() -> None:
    c = dataclasses.replace(
        primary(0.001, half_width=0.005, p_adjusted=0.4),
        margin=0.01, p_equivalence=0.002, p_equivalence_adjusted=0.006, rope=(0.0, 0.998, 0.002),
    )  # fmt: skip
    sentence = primary_sentence(STUDY, c)
    assert "Equivalent within ±1 points" in sentence
    assert "adjusted p = 0.006 by holm" in sentence and "below, within, above: 0.00, 1.00, 0.00" in sentence


def test_the_summary_names_model_data_seeds_digest_and_warnings(exported: Path) -> None:
    text = (exported / "summary.md").read_text(encoding="utf-8")
    assert "`me5-small-q4` is multilingual-e5-small's tensors in 4-bit blocks" in text
    assert STUDY.digest in text and "seeds 1, 2, 3, 4, 5, 6" in text
    assert "home-assistant-intents 2026.10.27 (Apache-2.0)" in text
    assert "2-layer · standard, seed 2: constant predictor in yo on polarity" in text
    assert re.search(r"no difference(?! found)", text) is None


def test_every_file_is_listed_in_the_summary(exported: Path) -> None:
    text = (exported / "summary.md").read_text(encoding="utf-8")
    for path in exported.rglob("*.*"):
        stem = path.relative_to(exported).with_suffix("").as_posix()
        assert stem == "summary" or f"`{stem}." in text, stem


def test_without_any_variance_sentence_and_tables_say_so_instead_of_a_test(tmp_path: Path) -> None:
    bare = [c.untested() if c.scale == "2-layer" else c for c in COMPARISONS]
    primary = next(c for c in bare if c.kind == "primary" and not c.is_tested)
    sentence = primary_sentence(STUDY, dataclasses.replace(primary, margin=0.01))
    assert "no test of the difference" in sentence and UNVARIED in sentence
    assert not re.search(r"nan|\bp [=<]|quivalent|smallest effect this", sentence)
    export(STUDY, RECORDS, Results(comparisons=tuple(bare)), tmp_path)
    rows = list(csv.DictReader((tmp_path / "deltas.csv").open(encoding="utf-8")))
    for row in rows:
        numbers = [row[key] for key in ("effect_low", "effect_high", "p", "p_adjusted", "mde", "t")]
        assert any(numbers) == all(numbers) == (row["scale"] != "2-layer")
    assert UNVARIED in (tmp_path / "deltas.md").read_text(encoding="utf-8")
    export(STUDY, RECORDS, Results(comparisons=tuple(c.untested() for c in COMPARISONS)), tmp_path)
    assert "figures/power: the differences do not vary" in (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "nan" not in (tmp_path / "summary.md").read_text(encoding="utf-8").split()


# Export


def test_what_an_export_wrote_is_told_from_whatever_else_its_folder_holds(tmp_path: Path) -> None:
    for own in ("notes.md", "main-draft.csv", ".netrc", "figures/me.png", "papers/main.csv"):
        (tmp_path / own).parent.mkdir(exist_ok=True)
        (tmp_path / own).write_text("somebody's own")
    written = export(STUDY, RECORDS, Results(comparisons=COMPARISONS), tmp_path)
    assert exported_files(tmp_path) == sorted(written)


def test_exporting_again_gives_the_same_bytes_in_any_order(exported: Path, tmp_path: Path) -> None:
    paths = export(STUDY, RECORDS[::-1], Results(comparisons=COMPARISONS), tmp_path)
    assert {p.relative_to(tmp_path) for p in paths} == {p.relative_to(exported) for p in exported.rglob("*.*")}
    for path in paths:
        assert path.read_bytes() == (exported / path.relative_to(tmp_path)).read_bytes(), path.name


def test_svg_and_png_carry_neither_date_nor_version(exported: Path) -> None:
    for path in (exported / "figures").iterdir():
        assert b"<dc:date>" not in path.read_bytes() and b"matplotlib.org" not in path.read_bytes()


def test_a_partial_study_exports_what_is_there_and_names_the_rest(tmp_path: Path) -> None:
    wider = make_study(MethodSpec(name="data-augmentation", parameters={"neighbours": Range(low=2, high=8)}))
    kept = [r for r in RECORDS if r.spec.phase != "tune" and (r.spec.method, r.spec.seed) != ("adversarial", 3)]
    paths = {p.relative_to(tmp_path).as_posix() for p in export(wider, kept, Results(), tmp_path)}
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert {"main.csv", "figures/seeds.svg"} <= paths
    assert not {"deltas.csv", "tuning.csv", "figures/forest.svg", "figures/strength.png"} & paths
    assert "4-layer · data-augmentation: none of 6 refits" in text
    assert "2-layer · adversarial: 5 of 6 refits, seed 3 missing" in text
    assert "2-layer · standard: none of 12 tuning trials" in text
    assert "2-layer · adversarial: no comparison with standard" in text
    assert "figures/forest: no comparison" in text
    assert "no robust method has been compared" in text


def test_nothing_at_all_still_exports_a_summary(tmp_path: Path) -> None:
    assert [p.name for p in export(STUDY, [], Results(), tmp_path)] == ["summary.md"]


@pytest.mark.parametrize(
    ("task", "subsets", "advised"),
    [("home-intents", (), None), ("xnli-dev", (), True), ("xnli-dev", ("generalised",), False)],
)
def test_a_subset_is_advised_where_it_is_defined_and_not_named(
    task: str, subsets: tuple[str, ...], advised: bool | None, tmp_path: Path
) -> None:
    study = dataclasses.replace(
        STUDY,
        task=dataclasses.replace(STUDY.task, name=task),
        evaluation=dataclasses.replace(STUDY.evaluation, subsets=subsets),
    )
    export(study, [], Results(), tmp_path)
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert ("no pairs in two languages were measured" in text) == (advised is not None)
    assert ("in evaluation.subsets" in text) == bool(advised)


def test_files_of_what_is_left_out_are_removed(tmp_path: Path) -> None:
    for name in ("deltas.csv", "notes.txt"):
        (tmp_path / name).write_text("old", encoding="utf-8")
    export(STUDY, [], Results(), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["notes.txt", "summary.md"]


def test_failed_refits_are_named_with_their_reason() -> None:
    lost = next(r for r in RECORDS if r.spec.phase == "refit")
    failed = dataclasses.replace(lost, state="failed", reason="out of memory")
    changed = [failed if r is lost else r for r in RECORDS]
    assert any("seed 1 missing (failed: out of memory)" in line for line in missing(STUDY, changed, ()))


def test_a_comparison_of_fewer_seeds_than_there_are_is_called_old() -> None:
    old = tuple(dataclasses.replace(c, n_seeds=4) for c in COMPARISONS)
    assert any("compared on 4 of 6 matched seeds" in line for line in missing(STUDY, RECORDS, old))
    assert missing(STUDY, RECORDS, COMPARISONS) == []


def test_two_refits_of_one_seed_are_refused() -> None:
    one = next(r for r in RECORDS if r.spec.phase == "refit")
    other = dataclasses.replace(one, spec=dataclasses.replace(one.spec, learning_rate=9e-5))
    with pytest.raises(ValueError, match="one refit per scale, method and seed"):
        main_results(STUDY, [*RECORDS, other], ())
