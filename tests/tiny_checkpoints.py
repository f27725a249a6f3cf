"""Randomly initialised checkpoints small enough to be written and loaded in milliseconds."""

from __future__ import annotations

from pathlib import Path

import torch


def tiny_checkpoint(directory: Path, kind: str = "bert") -> Path:
    """A randomly initialised masked-language model of three layers with a tokenizer of 60 words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoConfig, AutoModelForMaskedLM, PreTrainedTokenizerFast

    names = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", *(f"w{i}" for i in range(60)), "[MASK]"]
    words = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {f"{role}_token": f"[{role.upper()}]" for role in ("cls", "pad", "sep", "unk", "mask")}
    PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained(directory)  # type: ignore[no-untyped-call]
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
    if kind == "distilbert":
        sizes = {"dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 32}
    config = AutoConfig.for_model(kind, vocab_size=len(names), pad_token_id=1, **sizes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModelForMaskedLM.from_config(config).save_pretrained(directory)  # type: ignore[no-untyped-call]
    return directory
