"""XLM-R's tokenizer, built from the pieces and the normaliser of the 4-bit source file.

A SentencePiece Unigram model (Kudo 2018, arXiv:1804.10959). The file has the normaliser as a table of characters;
`tokenizers` wants it compiled, as SentencePiece's `precompiled_charsmap`.
"""

from __future__ import annotations

import struct
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from suite.models.four_bit import SourceFile

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def build_tokenizer(source: SourceFile) -> Tokenizer:
    """XLM-R's tokenizer from the file's pieces and normaliser: Unigram, Metaspace, `<s> ... </s>`."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram(list(source.pieces), unk_id=3))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(charsmap(_rules(source.normaliser))), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.add_special_tokens(
        [AddedToken(t, special=True, normalized=False) for t in ("<s>", "<pad>", "</s>", "<unk>", "<mask>")]
    )
    return tokenizer


def tokenizer_config(source: SourceFile) -> dict[str, Any]:
    """The `tokenizer_config.json` that goes with `build_tokenizer`: special tokens by role, greatest length."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
        "model_max_length": source.positions,
        "model_input_names": ["input_ids", "attention_mask"],
    }


def _rules(table: Mapping[str, str]) -> dict[str, str]:
    """The file's table of single characters, completed by the sequences that compose to one character (NFC).

    The normaliser looks at graphemes of less than 6 bytes only, so longer sequences would never be found.
    """
    composed = (chr(point) for point in range(0xC0, 0xD800))
    pairs = ((unicodedata.normalize("NFD", c), c) for c in composed if unicodedata.normalize("NFKC", c) == c)
    return {d: c for d, c in pairs if d != c and len(d.encode()) < 6} | dict(table)


def charsmap(rules: Mapping[str, str]) -> bytes:
    """SentencePiece's compiled normaliser: u32 size of the trie, the trie, NUL-terminated replacements."""
    blob, values = bytearray(), {}
    for sequence, replacement in rules.items():
        values[sequence.encode()] = len(blob)
        blob += replacement.encode() + b"\0"
    trie = _double_array(values).tobytes()
    return struct.pack("<I", len(trie)) + trie + bytes(blob)


def _double_array(values: Mapping[bytes, int]) -> NDArray[np.uint32]:
    """A double-array trie in the layout of Darts-clone (Yata et al. 2007).

    The child of a node under byte `c` stands at `base ^ c`. A unit holds its own byte in bits 0-7, whether a value
    stands at `base` in bit 8, and `base ^ position` from bit 10; a value has bit 31 set.
    """
    children: dict[bytes, set[int]] = defaultdict(set)
    for key in values:
        for depth, byte in enumerate(key):
            children[key[:depth]].add(byte)
        children[key].add(0)
    bases = _place(children)
    # A lookup reads anywhere in the 256 units around a base, so the last block is filled up.
    units = np.zeros((max(bases.values()) | 255) + 1, dtype="<u4")
    for prefix, base in bases.items():
        position = bases[prefix[:-1]] ^ prefix[-1] if prefix else 0
        units[position] |= (base ^ position) << 10 | (prefix in values) << 8
        for byte in children[prefix]:
            units[base ^ byte] |= byte or values[prefix] | 1 << 31
    return units


def _place(children: Mapping[bytes, set[int]]) -> dict[bytes, int]:
    """A base for each node, no two alike, so that no two children share a position; first fit, widest node first."""
    bases: dict[bytes, int] = {}
    taken, used, cursor = {0}, {0}, 1
    for prefix in sorted(children, key=lambda p: (-len(children[p]), p)):
        labels = sorted(children[prefix])
        tries = (position ^ labels[0] for position in count(cursor))
        base = next(b for b in tries if b not in used and taken.isdisjoint(b ^ label for label in labels))
        bases[prefix] = base
        used.add(base)
        taken.update(base ^ label for label in labels)
        if len(labels) == 1:  # Only such nodes follow, so what was passed over is not looked at again.
            cursor = base ^ labels[0]
    return bases
