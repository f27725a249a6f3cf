"""Laws of multiple choice: rows and loss of the published reading, COPA and XCOPA as published, a study end to end."""

from __future__ import annotations

import dataclasses
import json
import os
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import torch.nn.functional as F
from tiny import LAYERS, make_encoder, make_tokenizer, rewriter_of

from suite.cli import main
from suite.kinds import KINDS, Encoded
from suite.methods import METHODS, StepStreams, hyperparameters
from suite.methods.interface import EMBEDDINGS
from suite.models.classifier import Classifier, training_pass
from suite.models.predict import predict_logits
from suite.plan import plan
from suite.records import load_record
from suite.seeding import Streams
from suite.study_file import load_study
from suite.tasks import TASKS, Examples
from suite.tasks.retrieval_subsets import noisy_choices
from suite.trial_spec import Scalar

KIND = KINDS["multiple choice"]
HUB = Path(os.environ.get("SUITE_HUB") or Path(__file__).parents[2] / "shared" / "hub")
THINGS = ("light", "lamp", "window", "door", "fan", "music", "timer", "alarm", "heating", "curtains")
ASKED = {"cause": "What was the cause?", "effect": "What was the effect?"}


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUITE_XTREME", raising=False)
    monkeypatch.delenv("SUITE_HUB", raising=False)


def needs(repository: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not (HUB / repository).is_dir(), reason=f"no copy of {repository} under {HUB}; set SUITE_HUB"
    )


def items(count: int, size: int = 2, seed: int = 0) -> Examples:
    """The right choice names the thing of the premise."""
    rng = random.Random(seed)
    texts, choices, labels = [], [], []
    for i in range(count):
        drawn = rng.sample(THINGS, size)
        labels.append(rng.randrange(size))
        texts.append(f"turn on the {drawn[labels[-1]]} {'please ' * (i % 4)}")
        choices.append(tuple(f"the {thing}{' is on' * rng.randrange(3)}" for thing in drawn))
    ids = tuple(f"item-{i}" for i in range(count))
    return Examples(
        language="en",
        subset="clean",
        ids=ids,
        texts=tuple(texts),
        pairs=tuple(list(ASKED.values())[i % 2] for i in range(count)),
        choices=tuple(choices),
        labels=np.array(labels),
        label_names=tuple(f"choice{k + 1}" for k in range(size)),
        base_ids=ids,
        groups=ids,
        source="made 1",
        licence="CC0-1.0",
    )


def encoded(examples: Examples, max_length: int = 40) -> Encoded:
    (block,) = KIND.encode(make_tokenizer(), [examples], max_length, "query: ")
    return block


def make_chooser(seed: int = 0) -> Classifier:
    return Classifier(make_encoder("bert"), 2, Streams(seed), KIND)


def reference(classifier: Classifier, examples: Examples, max_length: int) -> torch.Tensor:
    """Scores [items, choices] by padding: XTREME-R's preprocessing, Hugging Face's model, a mean and a linear layer."""
    first, second = [], []
    for premise, question, own in zip(examples.texts, examples.pairs or (), examples.choices or (), strict=True):
        first += [f"query: {premise} {question}"] * len(own)
        second += own
    out = make_tokenizer()(
        first, second, truncation=True, max_length=max_length, padding=True, return_token_type_ids=True,
        return_tensors="pt",
    )  # fmt: skip
    states = classifier.encoder(**out).last_hidden_state
    mask = out["attention_mask"][:, :, None]
    pooled = (states * mask).sum(1) / mask.sum(1)
    scores: torch.Tensor = F.linear(pooled, classifier.head.weight, classifier.head.bias).view(len(examples), -1)
    return scores


# Rows, loss and answers


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("max_length", [12, 40])
def test_loss_and_scores_are_those_of_a_padded_softmax_over_an_items_choices(size: int, max_length: int) -> None:
    examples, classifier = items(13, size), make_chooser()
    block = encoded(examples, max_length)
    expected = reference(classifier, examples, max_length)
    assert block.rows.rows_per_item == size and len(block) == 13 and len(block.rows) == 13 * size
    found = torch.from_numpy(predict_logits(classifier, block.rows, tokens=64)).view(13, size)
    assert torch.allclose(found, expected, atol=1e-5)
    batch = block.rows.batch(block.rows.rows_of(np.random.default_rng(0).permutation(13)), block.labels)
    loss = KIND.loss(classifier.logits(batch), batch)
    assert torch.allclose(loss, F.cross_entropy(expected, torch.from_numpy(examples.labels)), atol=1e-6)


def test_an_item_is_answered_alike_alone_and_in_company() -> None:
    classifier, whole = make_chooser(), encoded(items(20))
    together = predict_logits(classifier, whole.rows, tokens=50)
    some = whole.take(whole.examples.rows([17, 3, 4]))
    assert some.labels.reshape(3, 2).argmax(1).tolist() == whole.examples.labels[[17, 3, 4]].tolist()
    alone = predict_logits(classifier, some.rows)
    assert np.allclose(alone.reshape(3, 2), together.reshape(20, 2)[[17, 3, 4]], atol=1e-6)


@pytest.mark.parametrize("size", [2, 3])
def test_perfect_scores_decode_to_the_right_choices(size: int) -> None:
    block = encoded(items(9, size))
    columns = KIND.decode(block, 30.0 * block.labels[:, None].astype(np.float32))
    assert columns["predicted"].tolist() == columns["label"].tolist() == block.examples.labels.tolist()
    assert np.allclose(columns["gold_probability"], 1)
    even = KIND.decode(block, np.zeros((9 * size, 1), dtype=np.float32))
    assert np.allclose(even["gold_probability"], 1 / size)


def test_the_head_has_one_output_however_many_choices_there_are() -> None:
    assert {Classifier(make_encoder("bert"), n, Streams(0), KIND).head.out_features for n in (2, 3, 5)} == {1}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("strength", [0, 2])
def test_every_method_trains_on_choices_and_is_standard_without_strength(name: str, strength: int) -> None:
    method, block = METHODS[name], encoded(items(6))
    given: dict[str, Scalar] = {}
    if method.strength is not None:
        whole = hyperparameters(method)[method.strength].annotation is int
        given = {method.strength: strength if whole else strength / 10}
    losses, rewriter = [], rewriter_of(KIND, block, {thing: THINGS[:3] for thing in THINGS}, 40, "query: ")
    for each, settings in ((name, given), ("standard", {})):
        classifier = make_chooser()
        sites = dict.fromkeys((EMBEDDINGS, f"hidden:{LAYERS}"), 1.0)
        view = training_pass(classifier, 0.1, Streams(5), 0, sites, rewriter)
        batch = block.rows.batch(np.arange(12), block.labels)
        loss = METHODS[each].loss(batch, view, StepStreams(Streams(1), 0), **settings).value
        loss.backward()  # type: ignore[no-untyped-call]  # torch's is
        gradients = [p.grad for p in classifier.encoder.parameters() if p.grad is not None]
        assert torch.isfinite(loss) and gradients and all(bool(g.isfinite().all()) for g in gradients)
        losses.append(loss.detach())
    assert strength > 0 or torch.equal(losses[0], losses[1])


def test_noise_reaches_premise_and_choices_and_leaves_the_question() -> None:
    clean = items(30)
    found = noisy_choices(clean, 0)
    assert found is not None and len(found) == 30 and found.pairs == clean.pairs and found.base_ids == clean.ids
    assert found.labels.tolist() == clean.labels.tolist() and found.ids[3] == "item-3~char-noise"
    assert all(a != b for a, b in zip(found.texts, clean.texts, strict=True))
    for own, before in zip(found.choices or (), clean.choices or (), strict=True):
        assert all(a != b for a, b in zip(own, before, strict=True))
    again = noisy_choices(clean, 0)
    assert again is not None and again.fingerprint == found.fingerprint
    assert noisy_choices(clean.rows(range(5)), 0) is None, "too few to say anything"


# COPA and XCOPA as published


@needs("cambridgeltl/xcopa")
@needs("aps/super_glue")
def test_xcopa_is_balanced_and_parallel_and_says_which_questions_differ() -> None:
    task = TASKS["xcopa"]
    pivot = task.load("et", "test", HUB)
    assert np.bincount(pivot.labels).tolist() == [250, 250] and pivot.note == ""
    differ = {"id": 4, "it": 4, "sw": 37, "th": 250, "tr": 51}
    for language in task.languages[1:]:
        found = task.load(language, "test", HUB)
        assert (found.ids, found.labels.tolist()) == (pivot.ids, pivot.labels.tolist())
        said = f"{language}/test: {differ.get(language)} of 500 items ask another question than in et/test"
        assert found.note == (said if language in differ else "")
        assert found.take(50, 1).ids == pivot.take(50, 1).ids
        text = task.parallel_text("en", language, HUB)
        assert len(text) == 598 == len(set(text.source_texts)), "600 premises, two of which stand twice"
    thai = task.load("th", "test", HUB)
    assert set(thai.pairs or ()) == {ASKED["effect"]}, "the published Thai file asks for nothing else"


@needs("aps/super_glue")
def test_english_of_xcopa_neither_trains_nor_selects() -> None:
    copa, english = TASKS["copa"], TASKS["xcopa"].load("en", "test", HUB)
    train, chosen, test = (copa.load("en", split, HUB) for split in ("train", "validation", "test"))
    assert (len(train), len(chosen), len(test)) == (327, 73, 100)
    assert english.ids == test.ids and english.fingerprint == test.fingerprint
    assert not set(train.groups) & set(chosen.groups) and not set(train.texts) & set(chosen.texts)
    assert not {*train.texts, *chosen.texts} & set(test.texts)
    assert not set(english.ids) & {f"test-{i}" for i in range(500)}, "no other language has these items as its test"


@needs("cambridgeltl/xcopa")
@needs("aps/super_glue")
def test_validation_items_translate_copas() -> None:
    english = TASKS["xcopa"].load("en", "validation", HUB)
    found = TASKS["xcopa"].load("vi", "validation", HUB)
    assert (
        found.ids == english.ids and found.labels.tolist() == english.labels.tolist() and found.pairs == english.pairs
    )


# Fixtures in the layouts of the hub and of XTREME's directory

Table = Mapping[str, Sequence[object]]


def copa_rows(count: int, language: str = "en", seed: int = 0) -> dict[str, list[Any]]:
    rng = random.Random(seed)
    rows: dict[str, list[Any]] = {n: [] for n in ("premise", "choice1", "choice2", "question", "label", "idx")}
    for i in range(count):
        one, two = rng.sample(THINGS, 2)
        right = rng.randrange(2)
        values = (f"{language} the {(one, two)[right]} is on {i}", f"{language} {one}", f"{language} {two}")
        for name, value in zip(rows, (*values, rng.choice(list(ASKED)), right, i), strict=True):
            rows[name].append(value)
    return rows


def hub(root: Path, repository: str, tables: Mapping[tuple[str, str], Table]) -> Path:
    """A mirror with a repository: a table for each (configuration, split)."""
    folder, card = root / repository, ["---", "configs:"]
    for configuration in dict.fromkeys(name for name, _ in tables):
        card += [f"- config_name: {configuration}", "  data_files:"]
        for split in (s for name, s in tables if name == configuration):
            (folder / configuration).mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table(dict(tables[configuration, split])), folder / configuration / f"{split}.parquet")
            card += [f"  - split: {split}", f"    path: {configuration}/{split}.parquet"]
    (folder / "README.md").write_text("\n".join([*card, "---", ""]))
    return root


def copa_mirror(root: Path, **changed: Table) -> Path:
    """COPA in English and XCOPA in Italian and Estonian."""
    splits = ("train", "validation", "test")
    hub(root, "aps/super_glue", {("copa", split): copa_rows(60, seed=k) for k, split in enumerate(splits)})
    tables: dict[tuple[str, str], Table] = {
        (code, split): changed.get(code, copa_rows(60, code, seed=k))
        for code in ("et", "it")
        for k, split in enumerate(("validation", "test"), start=1)
    }
    return hub(root, "cambridgeltl/xcopa", tables)


def lines(path: Path, table: Table, leave_out: Sequence[str] = ()) -> None:
    kept = [name for name in table if name not in leave_out]
    rows = [dict(zip(kept, values, strict=True)) for values in zip(*(table[name] for name in kept), strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("dash", [False, True], ids=["as the script writes", "as its reader wants"])
def test_xtremes_directory_has_the_same_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dash: bool) -> None:
    root, folder = copa_mirror(tmp_path / "hub"), tmp_path / "download" / "xcopa"
    for k, name in enumerate(("train", "val", "test")):
        lines(folder / f"{name}{'-' if dash else '.'}en.jsonl", copa_rows(60, seed=k), ["label"] if k == 2 else [])
    for code in ("et", "it"):
        for k, name in enumerate(("val", "test"), start=1):
            found = copa_rows(60, code, seed=k) | {"changed": [False] * 60}
            lines(folder / f"{name}{'-' if dash else '.'}{code}.jsonl", found)
    cases = [("copa", "en", "train"), ("copa", "en", "validation"), ("xcopa", "en", "test"), ("xcopa", "it", "test")]
    expected = [TASKS[name].load(code, split, root) for name, code, split in cases]
    text = TASKS["xcopa"].parallel_text("en", "it", root)
    monkeypatch.setenv("SUITE_XTREME", str(tmp_path / "download"))
    found = [TASKS[name].load(code, split, None) for name, code, split in cases]
    assert [e.fingerprint for e in found] == [e.fingerprint for e in expected]
    assert found[3].source.startswith("xtreme/xcopa") and "60 rows, published are 500" in found[3].note
    assert TASKS["xcopa"].parallel_text("en", "it", None) == text, "premises of hidden items are there all the same"


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"label": [-1] * 60}, "none of 60 rows has a label"),
        ({"label": [2, *copa_rows(59)["label"]]}, r"1 of 60 labels are not of \['choice1', 'choice2'\]"),
        ({"question": ["why", *copa_rows(59)["question"]]}, "cause or effect, but 1 of 60 .* the first is 'why'"),
        ({"choice2": ["", *copa_rows(59)["choice2"]]}, r"1 of 60 rows \(empty text: 1\)"),
        ({"label": [1 - x for x in copa_rows(60, "it", 2)["label"]]}, "items have another label than in .*et/test"),
    ],
)
def test_items_that_are_none_are_refused_in_one_line(tmp_path: Path, change: Table, law: str) -> None:
    root = copa_mirror(tmp_path, it={**copa_rows(60, "it", 2), **change})
    with pytest.raises(ValueError, match=law) as refusal:
        TASKS["xcopa"].load("it", "test", root)
    assert "\n" not in str(refusal.value)


def test_ids_that_repeat_are_refused(tmp_path: Path) -> None:
    root = copa_mirror(tmp_path, et=copa_rows(60, "et") | {"idx": [1, *range(1, 60)]})
    with pytest.raises(ValueError, match="unique, 1 of 60 are repeated; repair"):
        TASKS["xcopa"].load("et", "test", root)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    rows = copa_rows(60, "it", 2)
    root = copa_mirror(tmp_path, it={name: column for name, column in rows.items() if name != "choice2"})
    with pytest.raises(ValueError, match=r"it/test: lacks the columns \['choice2'\]"):
        TASKS["xcopa"].load("it", "test", root)


@pytest.mark.parametrize(
    ("content", "law"),
    [
        (b'{"premise": "one", "cho', "row 1 was cut"),
        (b"premise\tchoice1\n", "row 1 is no JSON"),
        (b'{"premise": "one"}\n', "row 1 lacks question, choice1, choice2"),
        (b'{"premise": "\xff"}\n', "row 1 has 0xff"),
        ("{}".encode("utf-16"), "this is UTF-16"),
        (b"", "the file is empty"),
    ],
)
def test_broken_lines_are_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, law: str
) -> None:
    (tmp_path / "xcopa").mkdir()
    (tmp_path / "xcopa" / "val.en.jsonl").write_bytes(content)
    monkeypatch.setenv("SUITE_XTREME", str(tmp_path))
    with pytest.raises(ValueError, match=law) as refusal:
        TASKS["copa"].load("en", "test", None)
    assert "\n" not in str(refusal.value)
    with pytest.raises(ValueError, match=r"there is no .*train.en.jsonl, in its place val.en.jsonl"):
        TASKS["copa"].load("en", "train", None)


def test_half_a_character_is_replaced_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = copa_rows(12)
    rows["premise"][3] = "a light \ud83d"
    lines(tmp_path / "xcopa" / "val.en.jsonl", rows)
    monkeypatch.setenv("SUITE_XTREME", str(tmp_path))
    found = TASKS["copa"].load("en", "test", None)
    assert found.texts[3] == "a light \ufffd" and "1 texts with half a character" in found.note


def test_an_item_without_its_id_is_refused_with_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "xcopa" / "test.et.jsonl"
    lines(path, copa_rows(12))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    del rows[3]["idx"], rows[7]["idx"]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    monkeypatch.setenv("SUITE_XTREME", str(tmp_path))
    with pytest.raises(ValueError, match=r"every row has 'idx', but 2 of 12 have not, the first is row 4; get") as no:
        TASKS["xcopa"].load("et", "test", None)
    assert "\n" not in str(no.value)


def siqa_rows(count: int) -> dict[str, list[Any]]:
    rng = random.Random(3)
    drawn = [rng.sample(THINGS, 3) for _ in range(count)]
    right = [rng.randrange(3) for _ in range(count)]
    return {
        "context": [f"Alex turned on the {own[k]}" for own, k in zip(drawn, right, strict=True)],
        "question": ["What did Alex turn on?"] * count,
        **{f"answer{letter}": [f"the {own[k]}" for own in drawn] for k, letter in enumerate("ABC")},
        "label": [str(k + 1) for k in right],
    }


def test_social_iqa_has_three_answers_numbered_in_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = siqa_rows(40)
    root = hub(tmp_path / "hub", "lighteval/siqa", {("default", split): rows for split in ("train", "validation")})
    found = TASKS["siqa"].load("en", "train", root)
    assert found.labels.tolist() == [int(label) - 1 for label in rows["label"]]
    assert found.choices is not None and found.choices[0] == tuple(rows[f"answer{c}"][0] for c in "ABC")
    assert found.pairs == tuple(rows["question"]) and encoded(found).rows.rows_per_item == 3
    written = {**{n: c for n, c in rows.items() if n != "label"}, "correct": ["ABC"[int(x) - 1] for x in rows["label"]]}
    lines(tmp_path / "download" / "siqa" / "socialIQa_v1.4" / "socialIQa_v1.4_trn.jsonl", written)
    monkeypatch.setenv("SUITE_XTREME", str(tmp_path / "download"))
    assert TASKS["siqa"].load("en", "train", None).fingerprint == found.fingerprint


# A study


STUDY = """
name = "tiny-choices"
question = "Does multiple choice hold together?"

[task]
name = "xcopa"
targets = ["et", "it"]
TRAIN_ON

[[scale]]
name = "tiny"
checkpoint = "CHECKPOINT"
layers = 1

[[method]]
name = "standard"

[[method]]
name = "adversarial"
radius = 0.1

[train]
epochs = 1
batch_size = 8
learning_rate = 1e-3
max_length = 32
validations = 1

[tune]
trials = 1

[refit]
seeds = [1, 2]

[evaluation]
attack_radius = 0.05
attack_steps = 1
attack_examples = 6

[alignment]
metrics = ["csls_p1"]
pairs = 20
"""


def study_file(tmp_path: Path, checkpoint: Path, train_on: str = "") -> Path:
    path = tmp_path / "study.toml"
    path.write_text(STUDY.replace("CHECKPOINT", str(checkpoint)).replace("TRAIN_ON", train_on))
    return path


def test_word_replacement_is_planned_and_votes_are_refused_in_one_line(tmp_path: Path, tiny_checkpoint: Path) -> None:
    study = load_study(study_file(tmp_path, tiny_checkpoint))
    method = dataclasses.replace(study.method[1], name="data-augmentation", parameters={"neighbours": 2})
    assert plan(dataclasses.replace(study, method=(study.method[0], method))).methods[1] == method
    for key, value in (("smoothing_samples", 20), ("word_attack_queries", 5)):
        evaluation = dataclasses.replace(study.evaluation, **{key: value})
        with pytest.raises(ValueError, match=rf"evaluation\.{key} .* multiple choice has more; set it to 0") as no:
            plan(dataclasses.replace(study, evaluation=evaluation))
        assert "\n" not in str(no.value)


@pytest.mark.parametrize(
    "train_on", ["", 'train_on = "siqa"', 'intermediate = "siqa"'], ids=["copa", "siqa", "siqa, then copa"]
)
def test_a_study_ends_with_records_predictions_comparisons_and_tables(
    tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, cache_dir: Path, train_on: str
) -> None:
    root = copa_mirror(tmp_path / "hub")
    hub(root, "lighteval/siqa", {("default", split): siqa_rows(40) for split in ("train", "validation")})
    for name, value in (("SUITE_HUB", root), ("SUITE_HOME", tmp_path / "home"), ("SUITE_CACHE", cache_dir)):
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    path = study_file(tmp_path, tiny_checkpoint, train_on)
    assert main(["run", str(path), "--quiet", "--to", str(tmp_path / "results")]) == 0
    folders = sorted((tmp_path / "home" / "tiny-choices" / "runs").glob("refit-*"))
    records = [load_record(folder / "record.json") for folder in folders]
    assert len(records) == 4 and {record.state for record in records} == {"complete"}
    for record in records:
        assert {(s.subset, s.language, s.metric) for s in record.scores} == {
            (subset, code, "accuracy") for subset in ("clean", "embedding-attack") for code in ("en", "et", "it")
        }
        assert record.selection is not None and {a.text for a in record.alignment} == {"xcopa"}
        assert record.provenance is not None
        trained = [data.name for data in record.provenance.datasets if data.split == "train"]
        assert ["siqa" in name for name in trained] == {"": [False], "train_on": [True]}.get(
            train_on.partition(" ")[0], [True, False]
        )
    table = pq.read_table(folders[0] / "predictions.parquet")
    assert table.column_names == [
        *("example_id", "base_id", "language", "subset", "label", "predicted", "gold_probability")
    ]
    assert set(table["predicted"].to_pylist()) <= {0, 1} and len(table) == 3 * 60 + 3 * 6
    deltas = (tmp_path / "results" / "deltas.csv").read_text().splitlines()
    assert len(deltas) == 2 and "adversarial" in deltas[1]
    assert {"main.csv", "summary.md"} <= {p.name for p in (tmp_path / "results").iterdir()}
