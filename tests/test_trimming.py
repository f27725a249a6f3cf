"""Laws of vocabulary trimming: fewer rows, the same outputs, and a clear word about a token that has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny_checkpoints import tiny_checkpoint
from transformers import PreTrainedTokenizerFast

from suite.models import embedded, trimming
from suite.models.checkpoints import EncoderParts, load_encoder, load_tokenizer
from suite.models.trimming import kept_ids, trim_embeddings

NAME = embedded.NAME

TEXTS = [
    "query: Turn on the light in the living room.",
    "Wie wird das Wetter morgen?  Schön!",
    "¿Qué hora es?",
    "Выключи свет на кухне",
    "打开客厅的灯。",
    "ライトを消して",
    "불을 켜 줘",
    "أطفئ الأنوار",
    "बत्ती बंद करो",
    "ไฟในห้องนอน",
    "Zima taa ya jikoni",
    "▁ <mask> </s>",
    "",
]

FAMILIES = ("bert", "roberta", "xlm-roberta", "distilbert", "electra", "deberta-v2", "modernbert")


@pytest.fixture(scope="module")
def tokenizer(cache_dir: Path) -> PreTrainedTokenizerFast:
    """The embedded checkpoint's tokenizer."""
    return load_tokenizer(NAME)


def encode(parts: EncoderParts, texts: list[str]) -> tuple[NDArray[np.int64], torch.Tensor]:
    """Padded original ids and the attention mask."""
    encoded = parts.tokenizer(texts, padding=True, return_tensors="np")
    return encoded["input_ids"], torch.from_numpy(encoded["attention_mask"])


def outputs(parts: EncoderParts, ids: NDArray[np.int64], mask: torch.Tensor) -> torch.Tensor:
    """Last hidden states at real tokens."""
    with torch.no_grad():
        hidden: torch.Tensor = parts.model(input_ids=torch.from_numpy(parts.rows(ids)), attention_mask=mask)[0]
    return hidden[mask.bool()]


def table(parts: EncoderParts) -> torch.nn.Embedding:
    """The word embeddings."""
    embeddings = parts.model.get_input_embeddings()
    assert isinstance(embeddings, torch.nn.Embedding)
    return embeddings


def test_trimming_changes_no_logit_in_any_language(cache_dir: Path) -> None:
    four = load_encoder(NAME, layers=4)
    ids, mask = encode(four, TEXTS)
    keep = kept_ids(four.tokenizer, ids)
    trimmed = load_encoder(NAME, layers=4, keep_ids=keep)
    head = torch.randn(384, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(outputs(four, ids, mask) @ head, outputs(trimmed, ids, mask) @ head)
    sizes = [sum(p.numel() for p in parts.model.parameters()) for parts in (trimmed, four)]
    assert sizes[1] - sizes[0] == (250_037 - len(keep)) * 384
    assert trimmed.model.config.vocab_size == len(keep) and table(trimmed).padding_idx == 1


@pytest.mark.parametrize("kind", FAMILIES)
def test_trimming_changes_no_output_of_any_family(tmp_path: Path, kind: str) -> None:
    path = str(tiny_checkpoint(tmp_path / kind, kind))
    whole = load_encoder(path, layers=2)
    ids, mask = encode(whole, ["w3 w50 w50 w7", "w59"])
    trimmed = load_encoder(path, layers=2, keep_ids=kept_ids(whole.tokenizer, ids))
    assert table(trimmed).num_embeddings == 9 < table(whole).num_embeddings
    assert torch.equal(outputs(whole, ids, mask), outputs(trimmed, ids, mask))
    assert whole.fingerprint == trimmed.fingerprint and trimmed.facts.model_type == kind


def test_a_trimmed_model_trains_its_embeddings_but_not_the_padding_row(tokenizer: PreTrainedTokenizerFast) -> None:
    trimmed = load_encoder(NAME, layers=2, keep_ids=kept_ids(tokenizer, [41, 1294]))
    ids = torch.from_numpy(trimmed.rows([[0, 41, 2], [0, 2, 1]]))
    trimmed.model(input_ids=ids)[0].pow(2).sum().backward()
    gradient = table(trimmed).weight.grad
    assert gradient is not None
    assert gradient.abs().sum(1).gt(0).nonzero().ravel().tolist() == trimmed.rows([0, 2, 41]).tolist()


def test_kept_ids_are_ascending_and_hold_the_special_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    kept = kept_ids(tokenizer, [[500, 7], [7, 500]])
    assert kept.tolist() == [0, 1, 2, 3, 7, 500, 250_001]
    with pytest.raises(ValueError, match=r"lie in 0\.\.250001, got 0\.\.250002"):
        kept_ids(tokenizer, [250_002])


def test_the_ids_up_to_the_padding_token_are_kept_so_that_it_stays_in_place(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_checkpoint(tmp_path)))
    tokenizer.pad_token = "w3"
    assert tokenizer.pad_token_id == 7
    assert kept_ids(tokenizer, [20]).tolist() == [*range(8), 20, 64]


def test_a_token_outside_the_trimmed_vocabulary_is_named(tokenizer: PreTrainedTokenizerFast) -> None:
    vocabulary = trimming.TrimmedVocabulary(kept=kept_ids(tokenizer, [41]))
    assert vocabulary.rows([[0, 41], [250_001, 2]], tokenizer).tolist() == [[0, 4], [5, 2]]
    with pytest.raises(ValueError, match=r"token 1294 \('ry'\)"):
        vocabulary.rows([0, 41, 1294, 2], tokenizer)


def test_the_padding_row_cannot_be_lost_or_moved(tmp_path: Path) -> None:
    model = load_encoder(str(tiny_checkpoint(tmp_path, "roberta"))).model
    for kept in ([0, 2, 3], [1, 2, 3]):
        with pytest.raises(ValueError, match="padding row 1 is kept in its place"):
            trim_embeddings(model, np.array(kept))
    with pytest.raises(ValueError, match="distinct and ascending"):
        trim_embeddings(model, np.array([0, 1, 5, 5]))


def test_a_saved_trimmed_model_is_loaded_with_its_map(tmp_path: Path) -> None:
    path = str(tiny_checkpoint(tmp_path / "whole"))
    whole = load_encoder(path)
    ids, mask = encode(whole, ["w3 w50 w7 w50", "w59"])
    trimmed = load_encoder(path, keep_ids=kept_ids(whole.tokenizer, np.append(ids, [20, 21])))
    assert trimmed.vocabulary is not None
    trimming.save_trimmed(trimmed.model, trimmed.tokenizer, trimmed.vocabulary, tmp_path / "saved")
    again = load_encoder(str(tmp_path / "saved"))
    further = load_encoder(str(tmp_path / "saved"), keep_ids=kept_ids(whole.tokenizer, ids))
    assert again.vocabulary is not None and further.vocabulary is not None
    assert len(further.vocabulary) + 2 == len(again.vocabulary) == len(trimmed.vocabulary)
    for parts in (again, further):
        assert torch.equal(outputs(parts, ids, mask), outputs(whole, ids, mask))
