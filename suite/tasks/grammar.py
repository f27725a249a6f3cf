"""Voice-command grammars of home-assistant-intents, read as data: templates, their division, and random expansion.

The package is never imported: its files are located with `importlib.metadata` and verified by SHA-256. Templates are in
the hassil language: `(a|b)` alternatives, `[a]` optional, `(a;b)` permutation, `<rule>` reference, `{list:slot}` slot.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from suite.tasks.words import load_wording

if TYPE_CHECKING:
    from random import Random

    from hassil.expression import Expression, Group

PACKAGE = "home-assistant-intents"
VERSION = "2026.10.27"
LICENCE = "Apache-2.0"

_SHA256 = {
    "ar": "ece7747b464e30b61d93265a45281cff678915892d11425efabff489f8ded970",
    "bg": "5a38ec40fe4491aafa09823141543f5f4209fe46b97a80fa3164483af27509ad",
    "cs": "f8de3c21c5cf9606ae044d2e8c70c59ffc3604e2788f8d6f53a57b3521b6e48e",
    "de": "e4f72dde27bee2f04225ec5716c8776c5f95310022cb7668af5929e0056df7a7",
    "el": "6861c090eeb7cb348ee61700844d9cdcf007011e97718672c47da4e443819f79",
    "en": "0b9d606a216b1712409a3d822a8edfb9ff4458e51e421792882ea24e0ce1d456",
    "es": "41d6be5446d7dd2cfa20f0ee355a158d6f8a408340214c4cbd6ce0f00cacb4ba",
    "eu": "8e3c42257abed0c7cd6c1e2cf95a07258565c17c63b1b1149f19d39fac208b2c",
    "fr": "1bf13b8ca7d92e0793ea098e22ffe2ed440d640e8320dc367d71efe9804b947f",
    "hu": "2e6bfcb93ec5d3e264b3b08be60b2a7cef1063c5a8c8e8014f2808db2eb113c5",
    "ml": "8941cd97a2f4bda1149ffa24f23f5760c2d55105123143bfb89ddeeb2a526b0c",
    "pl": "a7b831c4071c00e933865a0a81ff1f41ee9122edea8541c94d792a73e5620bd0",
    "ru": "35d8e091d9657d34070f293541e88e3877fcfcaeb97e7b753cc72097fa82fecd",
    "th": "2f7a133563c41a597f10057574f3f8b8ffef99d73abd90cf12a571e6763a3aa9",
    "zh-CN": "aaf4fcca09b3878b56652396275ea69e0d0f44508e06378434538a7a2c0c7054",
}

PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
"""A slot left open in a carrier phrase."""

_FIRST_IS_LIKELIEST = 0.75
"""Each alternative is taken so many times as often as the one before: authors list the usual wording first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One sentence template, or one part of a divided one: the unit that a split never tears apart."""

    intent: str
    signature: str
    """The set of slots it fills, such as `area_domain`: the grammar's own name, the same in every language."""
    domains: tuple[str, ...]
    """Kinds of device that may stand in its `{name}` slot, such as `light`; empty when it has none."""
    name: str
    """Stable and unique within a language."""
    expression: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """The templates of one language with their expansion rules."""

    language: str
    templates: tuple[Template, ...]
    rules: dict[str, Expression]


def read_package_file(code: str) -> dict[str, Any]:
    """A language's grammar file, verified.

    Raises:
        ValueError: the package is missing, of another version, or its file was altered.
    """
    from importlib import metadata

    remedy = f"install it with: pip install {PACKAGE}=={VERSION}"
    try:
        package = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        raise ValueError(f"the home-intents task reads the package {PACKAGE}, which is not installed; {remedy}") from None
    if package.version != VERSION:
        raise ValueError(f"home-intents is defined on {PACKAGE} {VERSION}, found {package.version}; {remedy}")
    data = package.locate_file(f"home_assistant_intents/data/{code}.json").read_bytes()  # type: ignore[attr-defined]
    found = hashlib.sha256(data).hexdigest()
    if found != _SHA256[code]:
        raise ValueError(f"{PACKAGE} data/{code}.json has SHA-256 {found}, expected {_SHA256[code]}; {remedy}")
    grammar: dict[str, Any] = json.loads(data)
    return grammar


@cache
def load_grammar(language: str, intents: tuple[str, ...]) -> Grammar:
    """Parse the templates of some intents in one language, with that language's corrections applied."""
    wording = load_wording(language)
    data = read_package_file(wording.code)
    rules = {name: wording.edit(body) for name, body in data["expansion_rules"].items()} | wording.rules
    templates = [
        Template(
            intent=intent,
            signature=block["metadata"]["slot_combination"],
            domains=_domains(block),
            name=f"{intent}.{block['metadata']['slot_combination']}.{b}.{s}",
            expression=_parse(wording.edit(sentence)),
        )
        for intent in intents
        for b, block in enumerate(data["intents"][intent]["data"])
        for s, sentence in enumerate(block["sentences"])
    ]
    parsed = {name: _parse(body) for name, body in rules.items()}
    return Grammar(language=language, templates=tuple(templates), rules=parsed)


def divide(grammar: Grammar, templates: list[Template], wanted: int) -> list[Template]:
    """Split templates at their alternatives until there are enough, the one with the most choices first.

    A signature written as a single sentence with many alternatives could otherwise not be split into train and test.
    """
    parts = list(templates)
    while len(parts) < wanted:
        choices = [(_choice(grammar, part.expression), i) for i, part in enumerate(parts)]
        (size, at), i = max(choices, key=lambda c: (c[0][0], -c[1]))
        if size < 2:
            break
        whole = parts[i]
        parts[i : i + 1] = [
            Template(
                intent=whole.intent,
                signature=whole.signature,
                domains=whole.domains,
                name=f"{whole.name}.{k}",
                expression=part,
            )
            for k, part in enumerate(_split_at(grammar, whole.expression, at))
        ]
    return parts


def expand(grammar: Grammar, expression: Expression, optional: float, rng: Random) -> str:
    """Draw one carrier phrase, slots left open as `{list:slot}`.

    `optional` is the probability that an optional part is kept.
    """
    from hassil.expression import Alternative, Group, ListReference, RuleReference, TextChunk

    def walk(node: Expression) -> str:
        if isinstance(node, TextChunk):
            return node.original_text
        if isinstance(node, ListReference):
            return "{" + f"{node.list_name}:{node.slot_name}" + "}"
        if isinstance(node, RuleReference):
            return walk(_rule(grammar, node.rule_name))
        assert isinstance(node, Group)
        items = list(node.items)
        if isinstance(node, Alternative):
            if node.is_optional:
                if rng.random() >= optional:
                    return ""
                items = [item for item in items if not (isinstance(item, TextChunk) and item.is_empty)]
            return walk(rng.choices(items, [_FIRST_IS_LIKELIEST**i for i in range(len(items))])[0])
        return "".join(walk(item) for item in items)  # a permutation in the order written, the usual one

    return " ".join(walk(expression).split())


def _parse(sentence: str) -> Expression:
    from hassil.parse_expression import ParseError, parse_sentence

    try:
        return parse_sentence(sentence).expression
    except (ParseError, AssertionError) as error:
        raise ValueError(f"not a hassil template: {sentence!r}; check the edits of its language ({error})") from None


def _domains(block: dict[str, Any]) -> tuple[str, ...]:
    domain = block.get("requires_context", {}).get("domain", block.get("slots", {}).get("domain", ()))
    return (domain,) if isinstance(domain, str) else tuple(domain)


def _rule(grammar: Grammar, name: str) -> Expression:
    if name not in grammar.rules:
        raise ValueError(f"a {grammar.language} template refers to the rule <{name}>, which its grammar lacks")
    return grammar.rules[name]


def _choice(grammar: Grammar, expression: Expression) -> tuple[int, int]:
    """Number of alternatives of the widest choice in a sequence, and its position; (0, 0) when there is none."""
    sizes = [(len(_alternatives(grammar, item)), -k) for k, item in enumerate(_items(expression))]
    size, k = max(sizes, default=(0, 0))
    return size, -k


def _split_at(grammar: Grammar, expression: Expression, at: int) -> list[Group]:
    from hassil.expression import Sequence

    items = _items(expression)
    return [Sequence(items=[*items[:at], part, *items[at + 1 :]]) for part in _alternatives(grammar, items[at])]


def _items(expression: Expression) -> list[Expression]:
    from hassil.expression import Sequence

    return list(expression.items) if isinstance(expression, Sequence) else [expression]


def _alternatives(grammar: Grammar, expression: Expression) -> list[Expression]:
    """What an expression chooses between; optional parts are no choice, they stay within one template."""
    from hassil.expression import Alternative, RuleReference, Sequence

    if isinstance(expression, RuleReference):
        return _alternatives(grammar, _rule(grammar, expression.rule_name))
    if isinstance(expression, Sequence) and len(expression.items) == 1:
        return _alternatives(grammar, expression.items[0])
    if isinstance(expression, Alternative) and not expression.is_optional:
        return list(expression.items)
    return []
