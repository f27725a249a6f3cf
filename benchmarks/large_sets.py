"""Memory and time to load and tokenise a training set of MultiNLI's size, as ratios to `datasets`, measured in one run.

    SUITE_HUB=/path/to/mirror .venv/bin/python benchmarks/large_sets.py

392,702 pairs are made of XNLI's English ones, halves of two texts each, three hypotheses to a premise, in random order.
In processes of their own, on the same parquet file and tokenizer:

1. the suite: rows checked, grouped by premise and fingerprinted, tokens into the cache;
2. the suite again: the same, tokens from the cache;
3. `datasets`: `load_dataset` and `map` with the tokenizer, in batches of 1,000, into a cache of its own.

Memory is what the process holds beyond its imports and the tokenizer: `held` is its own (anonymous), `resident` counts
pages of mapped files besides, which the system takes back when it needs them. Token ids are compared. Linux only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

PAIRS = 392_702
MAX_LENGTH = 128
CARD = """---
configs:
- config_name: en
  data_files:
  - split: train
    path: en/train.parquet
---
"""


def joined(texts: list[str], count: int, rng: random.Random) -> list[str]:
    """So many distinct texts, each the first half of one and the second half of another."""
    words, found = [text.split() for text in dict.fromkeys(texts)], dict[str, None]()
    while len(found) < count:
        first, second = rng.choice(words), rng.choice(words)
        found[" ".join(first[: len(first) // 2] + second[len(second) // 2 :])] = None
    return list(found)


def write_mirror(root: Path, pairs: int) -> Path:
    """A hub directory with a training set for XNLI; its parquet file."""
    hub = Path(os.environ["SUITE_HUB"]) / "facebook" / "xnli" / "en"
    table = pa.concat_tables([pq.read_table(hub / f"{split}.parquet") for split in ("validation", "test")])
    rng = random.Random(0)
    premises = joined(table["premise"].to_pylist(), (pairs + 2) // 3, rng)
    hypotheses = joined(table["hypothesis"].to_pylist(), pairs, rng)
    order = rng.sample(range(pairs), pairs)
    columns = {
        "premise": [premises[i // 3] for i in order],
        "hypothesis": [hypotheses[i] for i in order],
        "label": [i % 3 for i in order],
    }
    folder = root / "facebook" / "xnli"
    (folder / "en").mkdir(parents=True)
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    pq.write_table(pa.table(columns), folder / "en" / "train.parquet", row_group_size=100_000)
    return folder / "en" / "train.parquet"


class Memory(threading.Thread):
    """The most memory that this process has at once, in MB: its own, and with mapped files."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.before = self.peak = self.now()
        self.start()

    @staticmethod
    def now() -> tuple[float, float]:
        """Anonymous and resident memory."""
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(lines["RssAnon"].split()[0]) / 1024, int(lines["VmRSS"].split()[0]) / 1024

    def run(self) -> None:
        """Look every 10 ms."""
        while True:
            self.peak = tuple(map(max, self.peak, self.now()))
            time.sleep(0.01)

    def beyond(self, found: tuple[float, float]) -> list[float]:
        """Memory over that at the start."""
        return [a - b for a, b in zip(found, self.before, strict=True)]


def measured(work: Callable[[], Iterable[np.ndarray]]) -> dict[str, object]:
    """Seconds, memory at its peak and afterwards, and a digest of the token ids that the work gives in pieces."""
    memory, start, cpu = Memory(), time.perf_counter(), time.process_time()
    pieces = work()
    seconds, used = time.perf_counter() - start, time.process_time() - cpu
    peak, after = memory.beyond(memory.peak), memory.beyond(memory.now())
    whole = hashlib.sha256()
    for piece in pieces:
        whole.update(np.ascontiguousarray(piece, dtype=np.int64).tobytes())
    return {"seconds": seconds, "cpu": used, "peak": peak, "after": after, "ids": whole.hexdigest()}


def suite(root: Path) -> dict[str, object]:
    """The suite's way; the second time it finds the tokens in the cache."""
    import datasets  # noqa: F401  # part of the imports, as below

    from suite.kinds import KINDS
    from suite.kinds.cached import encode_cached
    from suite.models.checkpoints import load_tokenizer
    from suite.tasks import TASKS

    tokenizer = load_tokenizer("me5-small-q4")

    def work() -> Iterable[np.ndarray]:
        examples = TASKS["xnli"].load("en", "train", root)
        assert examples.fingerprint  # part of every record
        (encoded,) = encode_cached(KINDS["classification"], tokenizer, (examples,), MAX_LENGTH, "query: ")
        ids = encoded.rows.ids
        return (ids[i : i + 1_000_000] for i in range(0, len(ids), 1_000_000))

    return measured(work)


def peer(parquet: Path, cache: Path) -> dict[str, object]:
    """`datasets`, every pair tokenised whole."""
    from datasets import disable_progress_bars, load_dataset

    import suite.kinds.cached  # noqa: F401  # part of the imports, as above
    from suite.models.checkpoints import load_tokenizer

    disable_progress_bars()
    tokenizer = load_tokenizer("me5-small-q4")

    def tokenise(rows: dict[str, list[str]]) -> dict[str, object]:
        first = ["query: " + text for text in rows["premise"]]
        return dict(tokenizer(first, rows["hypothesis"], truncation=True, max_length=MAX_LENGTH))

    def work() -> Iterable[np.ndarray]:
        table = load_dataset("parquet", data_files=str(parquet), split="train", cache_dir=str(cache))
        mapped = table.map(tokenise, batched=True, remove_columns=["premise", "hypothesis"])
        chunks = mapped.data["input_ids"].chunks
        return (chunk.flatten().to_numpy() for chunk in chunks)

    return measured(work)


def process(way: str, root: Path) -> dict[str, object]:
    """Measure one way in a process of its own."""
    environment = os.environ | {"SUITE_CACHE": str(root / "cache"), "HF_HOME": str(root / "huggingface")}
    command = [sys.executable, __file__, "--way", way, "--root", str(root)]
    out = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, object] = json.loads(out.splitlines()[-1])
    return found


def compare(pairs: int) -> None:
    """Every way in turn."""
    from suite.models import embedded

    checkpoint = embedded.embedded_checkpoint().resolve()
    with tempfile.TemporaryDirectory(dir=embedded.cache_root()) as folder:
        root = Path(folder)
        (root / "cache").mkdir()  # of no tokens yet
        (root / "cache" / checkpoint.name).symlink_to(checkpoint)
        write_mirror(root, pairs)
        found = {
            "the suite": process("suite", root),
            "again": process("suite", root),
            "datasets": process("peer", root),
        }
    print(f"{pairs:,} pairs, MB beyond imports and tokenizer at the peak:")
    for way, one in found.items():
        held, resident = one["peak"]
        print(
            f"  {way:<10}{one['seconds']:7.1f} s ({one['cpu']:.1f} s of CPU), {pairs / one['seconds']:9,.0f} pairs/s, "
            f"held {held:5.0f}, resident {resident:5.0f}; afterwards {one['after'][0]:5.0f} and {one['after'][1]:5.0f}"
        )
    print(f"  token ids the same: {len({one['ids'] for one in found.values()}) == 1}")
    first, again, other = found.values()
    print(
        f"  datasets takes {other['seconds'] / first['seconds']:.2f} x the suite's time, and "
        f"{other['seconds'] / again['seconds']:.1f} x that from the cache; the suite holds "
        f"{first['peak'][0] / other['peak'][0]:.2f} x its memory"
    )


def main() -> None:
    """Print what each way takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--way", choices=("suite", "peer"), help="measure this one alone, as JSON")
    parser.add_argument("--root", type=Path, help="where the file of --way lies")
    arguments = parser.parse_args()
    if arguments.way is None:
        compare(arguments.pairs)
        return
    parquet = arguments.root / "facebook" / "xnli" / "en" / "train.parquet"
    found = suite(arguments.root) if arguments.way == "suite" else peer(parquet, arguments.root / "peer")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
