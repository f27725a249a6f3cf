"""The task `home-intents`: which command is it? Sentences of voice-assistant grammars in 15 languages of 9 families.

Generated from the grammars of home-assistant-intents, written by language leads and used in production. Not sentence
parallel. Split by template; `suite.tasks.splitting` says how, `wording/*.toml` what was corrected and added.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from suite.tasks.cache import Columns, cached_table, source_digest
from suite.tasks.cldr import cldr_parallel_text
from suite.tasks.examples import SPLITS, Examples, derived_id
from suite.tasks.grammar import LICENCE, PACKAGE, VERSION
from suite.tasks.polarity import polarity_pairs
from suite.tasks.sampling import blocks, sample
from suite.tasks.sentences import DATA_SEED, Choice, Sentence
from suite.tasks.source import check_known
from suite.tasks.splitting import SplitTemplates, split_templates
from suite.tasks.types import Task
from suite.tasks.words import FOLDER

LANGUAGES = ("en", "de", "es", "ru", "ar", "zh", "th", "eu", "el", "hu", "ml", "pl", "fr", "bg", "cs")

INTENTS = (
    "HassCancelTimer",
    "HassClimateGetTemperature",
    "HassClimateSetTemperature",
    "HassDecreaseTimer",
    "HassGetWeather",
    "HassIncreaseTimer",
    "HassLightSet",
    "HassMediaNext",
    "HassMediaPause",
    "HassMediaPlayerMute",
    "HassMediaPlayerUnmute",
    "HassMediaPrevious",
    "HassMediaUnpause",
    "HassPauseTimer",
    "HassSetPosition",
    "HassSetVolume",
    "HassShoppingListAddItem",
    "HassShoppingListCompleteItem",
    "HassStartTimer",
    "HassTurnOff",
    "HassTurnOn",
    "HassUnpauseTimer",
)
"""22 of the 34 intents that the 15 languages share. Left out: those with a handful of fixed sentences somewhere
(current date, current time, never mind, small talk, vacuum base and start: 1 to 6 carrier phrases in some language),
and those with one or two templates somewhere (device state: 2 in Hungarian; timer status: 1 in Thai; cancel all timers
and clean a room: 1 in Arabic; the two general lists: 1 in Russian)."""

LABELS = tuple(intent.removeprefix("Hass") for intent in INTENTS)
NAME = "home-intents"
SOURCE = f"{NAME} ({PACKAGE} {VERSION}, data seed {DATA_SEED})"

PER_INTENT = {"train": 110, "validation": 14, "test": 14, "unseen-templates": 10}
"""Sentences per intent, fewer where a language's templates say no more."""
PAIRS_PER_OPPOSITES = 12
LEFT_TO_VALIDATION = 2
"""Sentences per intent that no minimal pair uses up."""

EVALUATION = ("test", "polarity-pairs", "unseen-templates")
TRAINING = ("validation", "train")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A generated sentence with its id and group."""

    sentence: Sentence
    id: str
    group: str


def load(language: str, split: str, hub_root: Path | None = None) -> Examples:
    """The sentences of a split; `hub_root` plays no part, as nothing is downloaded.

    Raises:
        ValueError: an unknown language or split, or the package is missing or altered.
    """
    check_known(NAME, "split", split, SPLITS)
    return to_examples(language, "clean", items(language, split))


def items(language: str, part: str) -> tuple[Item, ...]:
    """The generated items of one part (a split, or a subset that the grammar defines), in a fixed order."""
    check_known(NAME, "language", language, LANGUAGES)
    return _parts(language, "evaluation" if part in EVALUATION else "training")[part]


def find_item(language: str, item_id: str) -> Item:
    """The clean item of an id; ValueError when the language has none such."""
    for half in ("evaluation", "training"):
        index = _index(language, half)
        if item_id in index:
            return index[item_id]
    raise ValueError(f"task {NAME!r} has no item {item_id!r} in {language!r}; it was made by another version")


@lru_cache(maxsize=2 * len(LANGUAGES))
def _index(language: str, half: str) -> dict[str, Item]:
    return {item.id: item for part in _parts(language, half).values() for item in part}


def to_examples(language: str, subset: str, chosen: Iterable[Item], base_ids: Iterable[str] | None = None) -> Examples:
    """Items as examples; their own ids are the base ids unless others are given."""
    import numpy as np

    chosen = tuple(chosen)
    ids = tuple(item.id for item in chosen)
    return Examples(
        language=language,
        subset=subset,
        ids=ids,
        texts=tuple(item.sentence.text for item in chosen),
        labels=np.array([INTENTS.index(item.sentence.intent) for item in chosen], dtype=np.int64),
        label_names=LABELS,
        base_ids=ids if base_ids is None else tuple(base_ids),
        groups=tuple(item.group for item in chosen),
        source=SOURCE,
        licence=LICENCE,
    )


@lru_cache(maxsize=2 * len(LANGUAGES))
def _parts(language: str, half: str) -> dict[str, tuple[Item, ...]]:
    """Evaluation and training are cached apart: a target language needs no training sentences."""
    key = {"language": language, "half": half, "source": SOURCE, "generator": _generator_digest()}
    build = _build_evaluation if half == "evaluation" else _build_training
    columns = cached_table(f"{NAME}-{language}-{half}", key, lambda: _to_columns(build(language)))
    parts: dict[str, list[Item]] = {part: [] for part in (EVALUATION if half == "evaluation" else TRAINING)}
    for part, item in _from_columns(language, columns):
        parts[part].append(item)
    return {part: tuple(found) for part, found in parts.items()}


@lru_cache(maxsize=1)
def _generator_digest() -> str:
    """What the sentences depend on besides the package: this folder's code and wording."""
    here = Path(__file__).parent
    code = ["cldr", "grammar", "home_intents", "polarity", "sampling", "sentences", "splitting", "types", "words"]
    return source_digest([*(here / f"{name}.py" for name in code), *sorted(FOLDER.glob("*.toml"))])


def seen_signatures() -> frozenset[tuple[str, str]]:
    """(intent, signature) of every English training template: the clean test has no others, in any language."""
    return frozenset((t.intent, t.signature) for t in split_templates("en", INTENTS).train)


def _build_evaluation(language: str) -> Iterator[tuple[str, Item]]:
    templates = split_templates(language, INTENTS)
    seen = seen_signatures()
    known = [t for t in templates.test if (t.intent, t.signature) in seen]
    test = sample(templates.grammar, known, PER_INTENT["test"], "test")
    unseen = sample(templates.grammar, templates.held_out, PER_INTENT["unseen-templates"], "unseen", blocks(test))
    yield from (("test", _item(s)) for s in test)
    yield from (("unseen-templates", _item(s)) for s in unseen)
    for pair in _pairs(templates):
        name = f"pair-{pair[0].key}"
        for sentence in pair:
            side = sentence.intent.removeprefix("Hass")
            yield "polarity-pairs", Item(sentence=sentence, id=derived_id(name, side), group=name)


def _pairs(templates: SplitTemplates) -> list[tuple[Sentence, Sentence]]:
    """Minimal pairs from templates that training never saw; a few sentences of every label are left to validation."""
    grammar = templates.grammar
    away = (*templates.test, *templates.held_out, *templates.validation)
    left = {sentence.text.casefold() for sentence in sample(grammar, templates.validation, LEFT_TO_VALIDATION, "left")}
    return polarity_pairs(grammar, away, PAIRS_PER_OPPOSITES, left)


def _build_training(language: str) -> Iterator[tuple[str, Item]]:
    """Validation, then training, which avoids the sentences and carrier phrases of all that is reported on.

    Validation may share carrier phrases with the minimal pairs, never a sentence: both are made from the few templates
    that neither train nor test, and a label without validation items could not be selected on.
    """
    templates = split_templates(language, INTENTS)
    test, pairs, unseen = ([item.sentence for item in _parts(language, "evaluation")[part]] for part in EVALUATION)
    reported = blocks([*test, *unseen])
    away = reported | {sentence.text.casefold() for sentence in pairs}
    validation = sample(templates.grammar, templates.validation, PER_INTENT["validation"], "validation", away)
    blocked = reported | blocks([*pairs, *validation])
    train = sample(templates.grammar, templates.train, PER_INTENT["train"], "train", blocked)
    yield from (("validation", _item(s)) for s in validation)
    yield from (("train", _item(s)) for s in train)


def _item(sentence: Sentence) -> Item:
    return Item(sentence=sentence, id=sentence.key.removeprefix("Hass"), group=sentence.template.removeprefix("Hass"))


_TEXT_FIELDS = ("intent", "signature", "template", "frame", "text")


def _to_columns(rows: Iterable[tuple[str, Item]]) -> Columns:
    table = [
        {
            "part": part,
            "id": item.id,
            "group": item.group,
            **{name: getattr(item.sentence, name) for name in _TEXT_FIELDS},
            "choices": json.dumps([dataclasses.astuple(c) for c in item.sentence.choices]),
        }
        for part, item in rows
    ]
    return {name: [row[name] for row in table] for name in table[0]}


def _from_columns(language: str, columns: Columns) -> Iterator[tuple[str, Item]]:
    for row in zip(*columns.values(), strict=True):
        cell: dict[str, Any] = dict(zip(columns, row, strict=True))
        choices = tuple(Choice(slot=s, form=f, value=v) for s, f, v in json.loads(cell["choices"]))
        fields = {name: cell[name] for name in _TEXT_FIELDS}
        sentence = Sentence(language=language, choices=choices, **fields)
        yield cell["part"], Item(sentence=sentence, id=cell["id"], group=cell["group"])


HOME_INTENTS = Task(
    name=NAME,
    labels=LABELS,
    languages=LANGUAGES,
    metric="accuracy",
    licence=LICENCE,
    source=SOURCE,
    parallel=False,
    load=load,
    parallel_text=cldr_parallel_text,
)
