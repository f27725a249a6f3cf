"""Voice-command grammars of home-assistant-intents, read as data: templates, their division, and random expansion.

The package is never imported: its files are located with `importlib.metadata` and verified by SHA-256. Templates are in
the hassil language: `(a|b)` alternatives, `[a]` optional, `(a;b)` permutation, `<rule>` reference, `{list:slot}` slot.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
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
    expression: Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """The templates of one language with their expansion rules."""

    language: str
    templates: tuple[Template, ...]
    rules: dict[str, Group]


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
        raise ValueError(
            f"the home-intents task reads the package {PACKAGE}, which is not installed; {remedy}"
        ) from None
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
    Optional parts are split only where no alternatives are left.
    """
    parts = [replace(t, expression=_flat(grammar, t.expression)) for t in templates]
    while 0 < len(parts) < wanted:
        i, at = max(
            ((i, at) for i, part in enumerate(parts) for at in range(len(part.expression.items))),
            key=lambda c: (_width(parts[c[0]].expression.items[c[1]]), -c[0], -c[1]),
        )
        if _width(parts[i].expression.items[at]) == (False, 0):
            break
        parts[i : i + 1] = _split_at(grammar, parts[i], at)
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


def _parse(sentence: str) -> Group:
    from hassil.expression import Group
    from hassil.parse_expression import parse_sentence
    from hassil.parser import ParseError

    try:
        expression = parse_sentence(sentence).expression
        assert isinstance(expression, Group)
        return expression
    except (ParseError, AssertionError) as error:
        raise ValueError(f"not a hassil template: {sentence!r}; check the edits of its language ({error})") from None


def _domains(block: dict[str, Any]) -> tuple[str, ...]:
    domain = block.get("requires_context", {}).get("domain", block.get("slots", {}).get("domain", ()))
    return (domain,) if isinstance(domain, str) else tuple(domain)


def _rule(grammar: Grammar, name: str) -> Group:
    if name not in grammar.rules:
        raise ValueError(f"a {grammar.language} template refers to the rule <{name}>, which its grammar lacks")
    return grammar.rules[name]


def _split_at(grammar: Grammar, whole: Template, at: int) -> list[Template]:
    from hassil.expression import Group, Sequence

    items = whole.expression.items
    alternatives = items[at]
    assert isinstance(alternatives, Group)
    return [
        replace(
            whole,
            name=f"{whole.name}.{k}",
            expression=_flat(grammar, Sequence(items=[*items[:at], part, *items[at + 1 :]])),
        )
        for k, part in enumerate(alternatives.items)
    ]


def _flat(grammar: Grammar, expression: Expression) -> Group:
    """One sequence of what is said in turn: nested sequences, rules and permutations (as written) spliced in."""
    from hassil.expression import Permutation, RuleReference, Sequence

    def items(node: Expression) -> list[Expression]:
        if isinstance(node, RuleReference):
            return items(_rule(grammar, node.rule_name))
        if isinstance(node, Sequence | Permutation):
            return [item for part in node.items for item in items(part)]
        return [node]

    return Sequence(items=items(expression))


def _width(expression: Expression) -> tuple[bool, int]:
    """How much there is to choose: alternatives before optional parts, then by number; (False, 0) when nothing is."""
    from hassil.expression import Alternative

    if not isinstance(expression, Alternative) or len(expression.items) < 2:
        return False, 0
    return not expression.is_optional, len(expression.items)
