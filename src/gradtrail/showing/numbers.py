"""How numbers stand in tables, sentences and pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence


def number_text(value: float, digits: int = 4) -> str:
    """A number as it stands in tables and sentences."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}g}".replace("-", "−")


def percent_text(share: float) -> str:
    """A share as it stands in tables: two digits where it is small."""
    if not math.isfinite(share):
        return number_text(share)
    return f"{100 * share:.{1 if abs(share) < 0.0995 else 0}f} %".replace("-", "−")


def ranges_text(positions: Sequence[int]) -> str:
    """`27`, `3–5` or `1, 3, 5 … (13 in all)`."""
    runs: list[list[int]] = []
    for position in positions:
        if runs and position == runs[-1][-1] + 1:
            runs[-1].append(position)
        else:
            runs.append([position])
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs]
    if len(texts) > 4:
        return f"{', '.join(texts[:3])} … ({len(positions)} in all)"
    return ", ".join(texts)


def duration_text(seconds: float) -> str:
    """`12 s`, `3 min`, `1 h 5 min`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def count_text(number: int) -> str:
    """A count in three digits: `312`, `28.2 k`, `1.5 M`."""
    return _scaled(number, 1000, ("", "k", "M", "G", "T"))


def bytes_text(number: int) -> str:
    """What memory something takes in three digits: `312 B`, `4.5 KiB`, `1.5 MiB`."""
    return _scaled(number, 1024, ("B", "KiB", "MiB", "GiB", "TiB"))


def megabytes_text(size: int) -> str:
    """The bytes of a file: `1.5 MB`."""
    return f"{size / 1e6:.1f} MB"


def _scaled(number: int, base: int, units: Sequence[str]) -> str:
    value, place = float(number), 0
    while value >= base and place < len(units) - 1:
        value, place = value / base, place + 1
    digits = f"{value:.0f}" if place == 0 else f"{value:.3g}" if value < 1000 else f"{value:.0f}"
    return f"{digits} {units[place]}".strip()
