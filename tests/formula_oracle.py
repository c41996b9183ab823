"""Formulas evaluated as they stand, by NumPy: of each product all points at once.

Nothing of the library reads the text here. How far indices run, and the arrays' shapes, are given.
What is more than sums of products of elements, of functions of one, and of numbers is not judged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod

import numpy as np
from random_formulas import FUNCTIONS

_SUM = re.compile(r"(?:Σ|sum)_\{([^{}<=]*)\}")
_FACTOR = re.compile(
    r"(?:(?P<function>[a-z]\w*)\()?(?P<letter>[^\W\d]\w*)(?:\[(?P<positions>[^\[\]]*)\])?"
    r"(?(function)\))|(?P<number>\d+(?:\.\d+)?)"
)


class NotJudgedError(Exception):
    """The text has more in it than is evaluated here."""


def evaluated(
    text: str, numbers: Mapping[str, float], ranges: Mapping[str, int], arrays: Mapping
) -> np.ndarray:
    """The target of a formula.

    Args:
        text: the formula, one line or several.
        numbers: what its symbols are.
        ranges: how far each index runs.
        arrays: those that are read, and the target, whose numbers do not count.

    Raises:
        NotJudgedError: the text has more in it than sums of products.
    """
    if "Z" not in arrays:  # another letter is defined
        raise NotJudgedError
    target = np.zeros_like(arrays["Z"])
    spelt = text.replace("−", "-").replace("*", "·")
    for line in filter(str.strip, spelt.splitlines()):
        left, _, right = re.split(r"(\+?=)", line, maxsplit=1)
        place = re.fullmatch(r"\s*Z\s*\[([^\[\]]*)\]\s*", left)
        if not place or "=" in right:
            raise NotJudgedError
        for sign, product in _terms(right):
            _add(target, place[1], sign, product, numbers, ranges, arrays)
    return target


def _terms(right: str) -> list[tuple[float, str]]:
    """The products with their signs."""
    found, sign, depth, begin = [], 1.0, 0, 0
    for at, letter in enumerate(right + "+"):
        depth += (letter in "([{") - (letter in ")]}")
        if letter in "+-" and not depth:
            piece = right[begin:at].strip()
            if piece:
                found.append((sign, piece))
            elif begin:  # two signs in a row
                raise NotJudgedError
            sign, begin = (-1.0 if letter == "-" else 1.0), at + 1
    return found


def _add(
    target: np.ndarray,
    place: str,
    sign: float,
    product: str,
    numbers: Mapping[str, float],
    ranges: Mapping[str, int],
    arrays: Mapping,
) -> None:
    heads = [name.strip() for head in _SUM.findall(product) for name in head.split(",")]
    if len({*heads}) < len(heads):
        raise NotJudgedError
    factors = []
    for piece in re.split(r"[·\s]+", _SUM.sub(" ", product).strip()):
        match = _FACTOR.fullmatch(piece)
        if not match:
            raise NotJudgedError
        factors.append(match)
    positions = [place, *(f["positions"] for f in factors if f["positions"] is not None)]
    words = {w for p in positions for w in re.findall(r"[^\W\d]\w*", p)}
    indices = sorted(words - {w for w in numbers if w not in ranges})
    shape = tuple(ranges[name] for name in indices)
    known = dict(numbers) | dict(zip(indices, np.indices(shape), strict=True))
    inside = np.ones(shape, bool)

    def places(text: str, sizes: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        found = []
        for written, size in zip(text.split(","), sizes, strict=True):
            at = np.broadcast_to(eval(written.replace("·", "*").strip(), {}, known), shape)
            inside[...] &= (at >= 0) & (at < size)
            found.append(np.clip(at, 0, size - 1).astype(int))
        return tuple(found)

    where = places(place, target.shape)
    values = []
    for f in factors:
        if f["number"]:
            values.append(float(f["number"]))
        elif f["letter"] in numbers and f["positions"] is None:
            values.append(numbers[f["letter"]])
        else:
            if (f["function"] or "") not in FUNCTIONS:
                raise NotJudgedError
            held = arrays[f["letter"]]
            read = held[places(f["positions"], held.shape)] if f["positions"] else held
            values.append(FUNCTIONS[f["function"] or ""][0](read))
    total = np.broadcast_to(sign * prod(values), shape)
    np.add.at(target, tuple(w[inside] for w in where), total[inside])
