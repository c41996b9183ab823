"""What logs hold: their rows, and what TensorBoard reads."""

from __future__ import annotations

import csv
import json
from pathlib import Path

TIMES = ("seconds", "images_per_second")
Rows = list[dict[str, object]]


def rows_of(path: Path) -> Rows:
    """A log's rows, numbers as numbers, without what a row does not have."""
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open(newline="") as file:
        found = list(csv.DictReader(file))
    numbers = {"step": int, "epoch": int, "kind": str}
    return [{n: numbers.get(n, float)(v) for n, v in row.items() if v} for row in found]


def scalars_of(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard itself reads."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    read.Reload()
    tags = read.Tags()["scalars"]
    return {tag: [(e.step, e.value) for e in read.Scalars(tag)] for tag in tags}


def without_times(rows: Rows) -> Rows:
    return [{n: v for n, v in row.items() if n not in TIMES} for row in rows]
