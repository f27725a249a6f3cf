"""Tiny encoders with random weights, texts of random tokens, and a tokenizer that reads any language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from suite.evaluation_spec import EvaluationSpec
from suite.kinds import KINDS, Encoded, Kind
from suite.models.classifier import Classifier
from suite.models.rewriting import Rewriter
from suite.models.row_words import Options, RowWords
from suite.models.tokens import TokenRows, rows_from_lists
from suite.seeding import Streams
from suite.tasks import Examples
from suite.training import Fit, Lesson
from suite.trial_spec import AlignmentSpec, Scalar, Scale, TaskSpec, TrainSpec, TrialSpec

WORDS = """
the in my is are to a of and on off up down turn switch set make open close start stop add all
light lights lamp kitchen bedroom bathroom living room office garage hall door window blinds curtains
heating temperature degrees warmer colder timer minutes hours alarm music volume louder song play pause next
what weather time today tomorrow list shopping milk bread red green blue white brightness percent fan tv please
""".split()
"""Whole words of the tokenizer, so that data augmentation finds words to put for words."""
MARKS = ("<s>", "<pad>", "</s>", "<unk>")
LETTERS = "▁abcdefghijklmnopqrstuvwxyz"
VOCABULARY = len(MARKS) + len(WORDS) + len(LETTERS) + 256 + 1

HIDDEN, LAYERS, CLASSES = 32, 3, 3
SEGMENTS = {"bert": 2, "deberta-v2": 2}
"""Segment embeddings by model type; one, which is always the same, where nothing is said."""


def make_tokenizer(kind: str = "bert") -> Any:
    """Whole English words, then letters, then bytes: no text in any script is unknown."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = [(mark, 0.0) for mark in MARKS]
    pieces += [(f"▁{word}", -2.0) for word in WORDS] + [(letter, -8.0) for letter in LETTERS]
    pieces += [(f"<0x{byte:02X}>", -10.0) for byte in range(256)] + [("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    second = SEGMENTS.get(kind, 1) - 1
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair=f"<s> $A </s> $B:{second} </s>:{second}",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=128,
        **{"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"},
        **{"pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"},
    )


def make_config(kind: str, **more: Any) -> Any:
    """The configuration of a tiny encoder of a model type; without dropout unless it is asked for."""
    from transformers import AutoConfig

    sizes: dict[str, Any] = {
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "type_vocab_size": SEGMENTS.get(kind, 1),
    }
    if kind == "distilbert":
        sizes = {
            "dim": HIDDEN,
            "n_layers": LAYERS,
            "n_heads": 4,
            "hidden_dim": 64,
            "dropout": 0.0,
            "attention_dropout": 0.0,
        }
    if kind == "deberta-v2":
        sizes |= {
            "relative_attention": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_buckets": 16,
            "share_att_key": True,
        }
        sizes |= {"norm_rel_ebd": "layer_norm", "position_biased_input": False}
    return AutoConfig.for_model(
        kind, vocab_size=VOCABULARY, pad_token_id=1, max_position_embeddings=132, initializer_range=0.2, **sizes, **more
    )


def make_encoder(kind: str, seed: int = 0, **more: Any) -> Any:
    """A tiny encoder in evaluation mode; every weight is moved, so that no bias is zero and no norm one."""
    from transformers import AutoModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModel.from_config(make_config(kind, **more), attn_implementation="eager")
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return model.eval()


def save_checkpoint(directory: Path, kind: str = "bert") -> Path:
    """Save a tiny encoder and its tokenizer; the directory is a checkpoint like any other."""
    make_encoder(kind).save_pretrained(directory)
    make_tokenizer(kind).save_pretrained(directory)
    return directory


def make_rows(lengths: list[int], *, pairs: bool = False, seed: int = 0) -> TokenRows:
    """Texts of random tokens between `<s>` and `</s>`; a pair has a `</s>` and a change of segment in its middle."""
    rng = np.random.default_rng(seed)
    texts, special, types = [], [], []
    for length in lengths:
        ids, marked = rng.integers(len(MARKS), VOCABULARY - 1, length), np.zeros(length, dtype=np.int64)
        middle = length // 2
        for place, mark in ((0, 0), (length - 1, 2), *(((middle, 2),) if pairs else ())):
            ids[place], marked[place] = mark, 1
        texts.append(ids.tolist())
        special.append(marked.tolist())
        types.append((np.arange(length) > middle).astype(int).tolist())
    return rows_from_lists(texts, special, types if pairs else None)


def make_labelled(count: int, seed: int = 0) -> Encoded:
    """Texts of 3 to 12 tokens with labels that a classifier can learn: the middle token's number, modulo `CLASSES`."""
    lengths = np.random.default_rng(seed).integers(3, 13, count)
    rows = make_rows(lengths.tolist(), seed=seed)
    labels: NDArray[np.int64] = rows.ids[rows.offsets[:-1] + lengths // 2] % CLASSES
    return Encoded(examples=examples_of(labels), rows=rows, labels=labels)


def examples_of(labels: NDArray[np.int64]) -> Examples:
    """Examples of which only the labels matter."""
    ids = tuple(f"item-{i}" for i in range(len(labels)))
    return Examples(
        language="en",
        subset="clean",
        ids=ids,
        texts=ids,
        labels=labels,
        label_names=tuple(map(str, range(CLASSES))),
        base_ids=ids,
        groups=ids,
        source="tiny",
        licence="none",
    )


def make_classifier(kind: str = "bert", seed: int = 0, **more: Any) -> Classifier:
    """A tiny classifier with the initial head of a seed."""
    return Classifier(make_encoder(kind, **more), CLASSES, Streams(seed), KINDS["classification"])


def make_words(texts: Sequence[Sequence[Sequence[Sequence[int]]]], of_row: int = 1) -> RowWords:
    """Row words from those of every text, `of_row` texts a row; of each word the tokens of itself and its synonyms."""
    return RowWords(
        texts=np.arange(len(texts)).reshape(-1, of_row),
        offsets=np.concatenate([[0], np.cumsum([len(words) for words in texts])]).astype(np.int64),
        words=np.arange(sum(len(words) for words in texts), dtype=np.int32),
        options=Options.of([word for words in texts for word in words]),
        used=np.zeros(0, dtype=np.int64),
    )


def rewriter_of(
    kind: Kind, block: Encoded, synonyms: Mapping[str, Sequence[str]], max_length: int, prefix: str = ""
) -> Rewriter:
    """A rewriter of a block that a kind has encoded with the tiny tokenizer."""
    assert kind.words is not None
    words = kind.words(make_tokenizer(), block, max_length, prefix, synonyms)
    return Rewriter(block.rows, words, block.labels, max_length, kind.unasked)


def make_rewriter(data: Encoded, synonyms: int = 4, max_length: int = 128) -> Rewriter:
    """Every token is a word; its synonyms are the `synonyms` tokens that follow it in the vocabulary."""
    inner = VOCABULARY - 1 - len(MARKS)

    def options(token: int) -> list[list[int]]:
        return [[(token - len(MARKS) + k) % inner + len(MARKS)] for k in range(synonyms + 1)]

    rows = data.rows
    spans = zip(rows.offsets[:-1], rows.offsets[1:], strict=True)
    words = [[options(int(token)) for token in rows.ids[a + 1 : b - 1]] for a, b in spans]
    return Rewriter(rows, make_words(words), data.labels, max_length)


def make_trial(
    method: str = "standard", hyperparameters: dict[str, Scalar] | None = None, seed: int = 1, **train: Any
) -> TrialSpec:
    """A trial of a method on the tiny task; keywords change the recipe."""
    recipe: dict[str, Any] = {"learning_rate": 1e-3, "batch_size": 16, "epochs": 2, "validations": 4} | train
    return TrialSpec(
        study="tiny",
        phase="refit",
        scale=Scale(name="tiny", checkpoint="tiny"),
        method=method,
        hyperparameters=hyperparameters or {},
        learning_rate=recipe["learning_rate"],
        seed=seed,
        task=TaskSpec(name="home-intents", targets=("de",)),
        train=TrainSpec(**recipe),
        evaluation=EvaluationSpec(),
        alignment=AlignmentSpec(),
    )


def make_fit(spec: TrialSpec, kind: str = "bert", examples: int = 64, **more: Any) -> Fit:
    """A fine-tuning run on made-up texts that has not begun; relative radii multiply 1."""
    train, validation = make_labelled(examples, seed=7), make_labelled(40, seed=8)
    sites = ("embeddings", *(f"hidden:{layer}" for layer in range(LAYERS + 1)))
    units = dict.fromkeys(sites, 1.0)
    return Fit(
        spec,
        make_classifier(kind, spec.seed, **more),
        Lesson(train=train, rewriter=make_rewriter(train)),
        validation,
        units,
    )
