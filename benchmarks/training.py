"""Training and evaluation speed as ratios, measured in one run.

    SUITE_HUB=/path/to/mirror .venv/bin/python benchmarks/training.py [--pooling first]

1. adversarial (K = 1) and random-perturbation updates against standard ones, in turn on the same batches;
2. full fine-tuning of the 4-layer scale on SIB-200 at batch 32 against Hugging Face `Trainer` with dynamic padding:
   same checkpoint, data, pooling, head, optimiser, schedule, clipping, dropout rate and number of updates. The suite
   trims the vocabulary to the study's texts, which changes no output; `Trainer` trains the table it is given;
3. zero-shot evaluation in eleven languages against `Trainer.predict` on the same task;
   With `--pooling first` both read the first token, where the suite's last layer computes no other;
4. both as a share of the rate of this machine's matrix products, from the floating-point operations of the real tokens.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from transformers import Trainer, TrainingArguments, set_seed

from suite.assembly import load_workspace
from suite.evaluation_spec import EvaluationSpec
from suite.methods.interface import EMBEDDINGS
from suite.models.checkpoints import load_encoder
from suite.models.predict import predict_logits
from suite.models.tokens import TokenRows
from suite.training import Fit
from suite.trial_spec import AlignmentSpec, Pooling, Scale, TaskSpec, TrainSpec, TrialSpec
from suite.workspace import Workspace, hub_root

TARGETS = ("de", "es", "fr", "ru", "zh", "sw", "yo", "hi", "th", "fi")
HEAD_RATE = 1e-3


def trial(method: str, seed: int, pooling: Pooling = "mean", **hyperparameters: Any) -> TrialSpec:
    """SIB-200 on the first four layers, everything trained."""
    recipe = TrainSpec(learning_rate=1e-4, epochs=3, head_learning_rate=HEAD_RATE, validations=1, pooling=pooling)
    return TrialSpec(
        study="benchmark",
        phase="refit",
        scale=Scale(name="4-layer", checkpoint="me5-small-q4", layers=4),
        method=method,
        hyperparameters=hyperparameters,
        learning_rate=1e-4,
        seed=seed,
        task=TaskSpec(name="sib200", targets=TARGETS),
        train=recipe,
        evaluation=EvaluationSpec(),
        alignment=AlignmentSpec(),
    )


def product_rate() -> float:
    """Floating-point operations per second of this machine's matrix products at the shapes of a layer."""
    x, w = torch.randn(1200, 384), torch.randn(1536, 384)
    times = []
    for _ in range(60):
        start = time.perf_counter()
        F.linear(x, w)
        times.append(time.perf_counter() - start)
    return 2 * 1200 * 384 * 1536 / statistics.median(times[10:])


def layer_operations(rows: TokenRows, pooling: Pooling = "mean", layers: int = 4, hidden: int = 384) -> float:
    """Operations of one forward pass over the real tokens: 24 D^2 per token and layer, and 4 n^2 D of attention.

    Where the first token is read the last layer has 4 D^2 a token, and 20 D^2 and 4 n D a text.
    """
    lengths = rows.lengths.astype(float)
    layer = 24 * hidden**2 * lengths.sum() + 4 * hidden * (lengths**2).sum()
    if pooling == "mean":
        return float(layers * layer)
    last = 4 * hidden**2 * lengths.sum() + 20 * hidden**2 * len(lengths) + 4 * hidden * lengths.sum()
    return float((layers - 1) * layer + last)


class Peer(torch.nn.Module):
    """The same classifier as `Trainer` wants it: padded batches in, loss and logits out."""

    def __init__(self, encoder: Any, classes: int, seed: int, pooling: Pooling = "mean") -> None:
        super().__init__()
        self.pooling = pooling
        self.encoder = encoder
        self.head = torch.nn.Linear(encoder.config.hidden_size, classes)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.head.weight.normal_(0, 0.02, generator=generator)
            self.head.bias.zero_()

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The mean over real tokens or the first of them, dropout, one linear layer."""
        states = self.encoder(input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask[..., None].to(states.dtype)
        read = states[:, 0] if self.pooling == "first" else (states * mask).sum(1) / mask.sum(1)
        logits = self.head(F.dropout(read, 0.1, self.training))
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


def pad(items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Dynamic padding to the longest text of the batch."""
    longest = max(len(item["input_ids"]) for item in items)
    ids = torch.ones(len(items), longest, dtype=torch.long)
    mask = torch.zeros(len(items), longest, dtype=torch.long)
    for row, item in enumerate(items):
        n = len(item["input_ids"])
        ids[row, :n] = torch.as_tensor(item["input_ids"])
        mask[row, :n] = 1
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([item["labels"] for item in items])}


def original(space: Workspace, rows: TokenRows, labels: np.ndarray) -> list[dict[str, Any]]:
    """Texts under their original token ids, as a `Trainer` data set."""
    cuts = np.split(space.original_ids[rows.ids], rows.offsets[1:-1])
    return [{"input_ids": cut, "labels": int(label)} for cut, label in zip(cuts, labels, strict=True)]


def trainer(space: Workspace, spec: TrialSpec, folder: Path) -> Trainer:
    """`Trainer` on the whole checkpoint with the same recipe."""
    set_seed(spec.seed)
    encoder = load_encoder("me5-small-q4", layers=4).model
    model = Peer(encoder, len(space.texts.task.labels), spec.seed, spec.train.pooling)
    steps = spec.train.epochs * -(-len(space.lesson.train) // spec.train.batch_size)
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=spec.train.batch_size,
        per_device_eval_batch_size=32,
        num_train_epochs=spec.train.epochs,
        learning_rate=spec.learning_rate,
        warmup_steps=int(np.ceil(spec.train.warmup * steps)),
        lr_scheduler_type="linear",
        max_grad_norm=spec.train.clip_norm,
        optim="adamw_torch_fused",
        weight_decay=0.0,
        seed=spec.seed,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    )
    optimiser = torch.optim.AdamW(
        [
            {"params": list(model.encoder.parameters()), "lr": spec.learning_rate},
            {"params": list(model.head.parameters()), "lr": HEAD_RATE},
        ],
        weight_decay=0.0,
        fused=True,
    )
    data = original(space, space.lesson.train.rows, space.lesson.train.labels)
    return Trainer(model=model, args=arguments, train_dataset=data, data_collator=pad, optimizers=(optimiser, None))


def timed(work: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Wall seconds of one call, and its result."""
    start = time.perf_counter()
    result = work(*arguments)
    return time.perf_counter() - start, result


def exhaust(fit: Fit) -> None:
    """Train to the end."""
    for _ in fit.run():
        pass


def fit_for(space: Workspace, spec: TrialSpec) -> Fit:
    """A fresh run of the suite."""
    return Fit(
        spec,
        space.classifier(spec.seed, spec.train.pooling),
        space.lesson,
        space.validation,
        space.norms([EMBEDDINGS]),
        space.trained_rows,
    )


def compare_methods(space: Workspace, updates: int, pooling: Pooling) -> None:
    """Updates of each method in turn on the same rows."""
    arms = {
        "standard": trial("standard", 1, pooling),
        "adversarial K=1": trial("adversarial", 1, pooling, radius=0.1),
        "random-perturbation": trial("random-perturbation", 1, pooling, noise=0.1),
    }
    fits = {name: fit_for(space, spec) for name, spec in arms.items()}
    times: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(updates):
        for name, fit in fits.items():
            times[name].append(timed(fit._update)[0])
    base = times["standard"][3:]
    for name in arms:
        ratios = [t / b for t, b in zip(times[name][3:], base, strict=True)]
        print(
            f"  {name:<22}{1000 * statistics.median(times[name][3:]):7.0f} ms an update, "
            f"{statistics.median(ratios):.3f} x standard"
        )


def compare_trainer(space: Workspace, seeds: list[int], rate: float, pooling: Pooling) -> None:
    """Whole runs of the suite and of Trainer in turn, then their evaluation."""
    rows, labels = space.reported.rows, space.reported.labels
    test = original(space, rows, labels)
    found: dict[str, list[tuple[float, float, float]]] = {"suite": [], "Trainer": []}
    examples = 3 * len(space.lesson.train)
    for seed in seeds:
        spec = trial("standard", seed, pooling)
        fit = fit_for(space, spec)
        took, _ = timed(exhaust, fit)
        predict, logits = timed(predict_logits, fit.classifier, rows)
        found["suite"].append((took, predict, float((logits.argmax(1) == labels).mean())))
        with tempfile.TemporaryDirectory() as folder:
            peer = trainer(space, spec, Path(folder))
            took, _ = timed(peer.train)
            predict, out = timed(peer.predict, test)
        found["Trainer"].append((took, predict, float((out.predictions.argmax(1) == labels).mean())))
    for name, runs in found.items():
        train, predict = (statistics.median(run[i] for run in runs) for i in range(2))
        scores = [100 * run[2] for run in runs]
        spread = f" +- {statistics.stdev(scores):.1f}" if len(scores) > 1 else ""
        learnt, read = (layer_operations(block, pooling) for block in (space.lesson.train.rows, rows))
        work = learnt * 9 / train / rate, read / predict / rate
        print(
            f"  {name:<8}{examples / train:6.0f} examples/s trained ({work[0]:.0%} of the product rate), "
            f"{len(rows) / predict:5.0f} predicted ({work[1]:.0%}), accuracy {statistics.mean(scores):.1f}{spread}"
        )
    for index, what in ((0, "training"), (1, "evaluation")):
        ratios = [t[index] / s[index] for s, t in zip(found["suite"], found["Trainer"], strict=True)]
        print(f"  {what}: {statistics.median(ratios):.2f} x Trainer (by seed: {', '.join(f'{r:.2f}' for r in ratios)})")


def main() -> None:
    """Print every ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=25)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pooling", choices=("mean", "first"), default="mean")
    arguments = parser.parse_args()
    space = load_workspace(trial("standard", 1), hub_root())
    rate = product_rate()
    print(f"{torch.get_num_threads()} threads, matrix products at {rate / 1e9:.0f} GFLOP/s")
    tokens = space.lesson.train.rows.lengths.mean()
    print(f"updates in turn, {arguments.updates} each, batch 32, {tokens:.0f} tokens a text:")
    compare_methods(space, arguments.updates, arguments.pooling)
    print(f"whole runs in turn, {arguments.seeds} seeds:")
    compare_trainer(space, list(range(1, arguments.seeds + 1)), product_rate(), arguments.pooling)


if __name__ == "__main__":
    main()
