"""What every refit is measured on: subsets, attacks, votes; and the names under which predictions are reported."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from suite.canonical import ADDED
from suite.law import STRICT, law

CLEAN = "clean"
"""The subset name of the untouched reporting split."""
ATTACK = "embedding-attack"
"""The subset name of the clean items under the embedding-space PGD attack."""
WORD_ATTACK = "word-attack"
"""The subset name of the clean items under the greedy attack on words."""
SMOOTHED = "smoothed"
"""The subset name of the clean items as the smoothed classifier predicts them: by vote over noisy copies."""
RESERVED = (CLEAN, ATTACK, WORD_ATTACK, SMOOTHED)
"""Names of blocks of predictions that no subset may have."""

FEWEST_VOTES = 20
"""Noisy copies of a text, at least, for a vote to decide anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalSpec:
    """A subset that others published, read from files of theirs."""

    __pydantic_config__ = STRICT

    name: str
    path: str
    """Of a file, with `{language}` where there is one for each language."""
    format: Literal["xnli-tsv", "noisy-xnli", "squad-json"]
    licence: str
    languages: tuple[str, ...] = ()
    """Those that the files are of; none is every language of the study."""

    def __post_init__(self) -> None:
        plain = bool(self.name) and all(c.isalnum() or c in "-_" for c in self.name)
        law(plain, f"name is letters, digits, '-' and '_', as it stands in names of metrics, got {self.name!r}")
        law(self.name not in RESERVED, f"name is not one of {', '.join(RESERVED)}, got {self.name!r}")
        law(bool(self.licence.strip()), f"licence is stated, got {self.licence!r}")
        law(len(set(self.languages)) == len(self.languages), f"languages are distinct, got {list(self.languages)}")
        law(
            "{language}" in self.path or len(self.languages) == 1,
            f"path has {{language}}, or languages names the one that the file is of, got {self.path!r} for "
            f"{list(self.languages) or 'every language'}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSpec:
    """What every refit is measured on."""

    __pydantic_config__ = STRICT

    report_on: Literal["test", "validation"] = "test"
    subsets: tuple[str, ...] = ()
    """Adversarial subsets, entries of `suite.tasks.SUBSETS`."""
    lexicon: str | None = field(default=None, metadata=ADDED)
    """Folder of MUSE's bilingual dictionaries, or a path with `{source}` and `{target}`, for `code-mixed-25`."""
    external: tuple[ExternalSpec, ...] = field(default=(), metadata=ADDED)
    """Subsets that others published, in files."""
    attack_radius: float = 0.0
    """Radius of the embedding-space PGD attack at test time, relative to the mean embedding norm; 0 is no attack."""
    attack_steps: int = 3
    attack_examples: int | None = None
    """At most this many clean examples per language are attacked (and voted on); K steps cost 2 K + 1 forward passes
    each."""
    word_attack_queries: int = field(default=0, metadata=ADDED)
    """Texts that the attack on words may ask the model about for each of these; 0 is no attack on words."""
    smoothing_samples: int = 0
    """Noisy copies that vote on every attacked example of a model trained with noise, for its smoothed prediction and
    certified radius; 0 evaluates the base classifier only."""
    retrieval_layer: int | None = field(default=None, metadata=ADDED)
    """Layer whose pooled states answer a retrieval task, 0 is the embedding output; none is the last."""

    def __post_init__(self) -> None:
        law(len(set(self.subsets)) == len(self.subsets), f"subsets are distinct, got {list(self.subsets)}")
        names = [external.name for external in self.external]
        law(len({*names}) == len(names), f"external names are distinct, got {names}")
        marks = [f"{{{end}}}" in (self.lexicon or "") for end in ("source", "target")]
        law(len({*marks}) == 1, f"lexicon is a folder, or a path with {{source}} and {{target}}, got {self.lexicon!r}")
        law(self.attack_radius >= 0, f"attack_radius is not negative, got {self.attack_radius}")
        law(self.attack_steps >= 1, f"attack_steps is at least 1, got {self.attack_steps}")
        few = self.attack_examples
        law(few is None or few >= 2, f"attack_examples is at least 2, got {few}")
        layer = self.retrieval_layer
        law(layer is None or layer >= 0, f"retrieval_layer is not negative, got {layer}")
        queries = self.word_attack_queries
        law(queries >= 0, f"word_attack_queries is not negative, got {queries}")
        votes = self.smoothing_samples
        law(
            votes == 0 or votes >= FEWEST_VOTES,
            f"smoothing_samples is 0, or at least {FEWEST_VOTES} for a vote to decide, got {votes}",
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Every subset, those in files last."""
        return (*self.subsets, *(external.name for external in self.external))
