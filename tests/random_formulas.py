"""Random formulas, and their values and gradients by walking all index points at once.

`drawn_formula(number)` gives the same formula every time. Nothing here knows how the library reads
a text or derives a gradient: each product is written down twice, as text and as positions, and its
points are laid out as one grid, on which arrays are looked up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np

import gradtrail as gt

Arrays = Mapping[str, np.ndarray]
Affine = tuple[dict[str, int], int]
"""A position: coefficients of indices, and what is added."""

FUNCTIONS = {
    "": (lambda x: x, np.ones_like),
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x > 0) * 1.0),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2),
}
"""By name: a function, and its slope."""


@dataclass(frozen=True)
class DrawnFactor:
    """A function of an element."""

    letter: str
    positions: tuple[Affine, ...]
    function: str = ""

    @property
    def names(self) -> set[str]:
        return {name for terms, _ in self.positions for name in terms}

    def __str__(self) -> str:
        inside = ",".join(map(_spelt, self.positions))
        element = f"{self.letter}[{inside}]" if self.positions else self.letter
        return f"{self.function}({element})" if self.function else element


@dataclass(frozen=True)
class DrawnTerm:
    """A product for a target, times a number."""

    target: tuple[Affine, ...]
    factors: tuple[DrawnFactor, ...]
    scale: float = 1.0


@dataclass
class DrawnFormula:
    """A formula that is being drawn.

    Args:
        shape: of the input, without samples.
        draw: the generator.
        numbers: the ranges that are given.
    """

    shape: tuple[int, ...]
    draw: np.random.Generator
    numbers: dict[str, int] = field(default_factory=dict)
    terms: tuple[DrawnTerm, ...] = ()

    @property
    def text(self) -> str:
        """The formula, a line for each target."""
        lines: dict[str, str] = {}
        for term in self.terms:
            target = str(DrawnFactor("Z", term.target))
            lines[target] = lines.get(target, "") + _product(term, not lines.get(target))
        bare = all(len(terms) == 1 for terms, _ in self.terms[0].target)
        signs = (" = " if bare else " += ", *(" += ",) * len(lines))
        return "\n".join(t + s + v for (t, v), s in zip(lines.items(), signs, strict=False))

    @property
    def layer(self) -> gt.Layer:
        return gt.Equation(self.text, **self.numbers)


def _product(term: DrawnTerm, first: bool) -> str:
    shown = {name for terms, _ in term.target for name in terms}
    summed = [n for f in term.factors for n in sorted(f.names) if n not in shown]
    head = f"Σ_{{{','.join(dict.fromkeys(summed))}}} " if summed else ""
    size = abs(term.scale)
    scale = "" if size == 1 else f"{size:g}·"
    sign = "−" if term.scale < 0 else "" if first else "+"
    gap = " " if sign and not first else ""
    return f"{gap}{sign}{gap}{scale}{head}{'·'.join(map(str, term.factors))}"


def _spelt(position: Affine) -> str:
    terms, offset = position
    written = ""
    for name, c in terms.items():
        sign = "−" if c < 0 else "+" if written else ""
        written += sign + (name if abs(c) == 1 else f"{abs(c)}·{name}")
    if offset or not written:
        written += f"{'−' if offset < 0 else '+' if written else ''}{abs(offset)}"
    return written


# -- drawing --------------------------------------------------------------------------------------


def drawn_formula(number: int) -> DrawnFormula:
    """The formula of a number."""
    for attempt in range(1000):
        draw = np.random.Generator(np.random.PCG64([number, attempt, 17]))
        rank = int(draw.choice([0, 1, 1, 2, 2, 2, 3]))
        channels = int(draw.choice([1, 2, 3, 3, 5, 17]))
        shape = (channels, *draw.integers(2, 7 if rank < 3 else 5, rank).tolist())
        formula = _fitting(shape, draw)
        if formula is not None:
            return formula
    raise AssertionError("no formula in a thousand draws")


DRAWN: dict[str, DrawnFormula] = {}
"""Those of layers, by their texts."""


def formula_for(shape: tuple[int, ...], draw: np.random.Generator) -> gt.Layer:
    """A layer of a formula that fits an input.

    Raises:
        ShapeError: none of twenty did.
    """
    for _ in range(20):
        formula = _fitting(shape, draw)
        if formula is not None:
            DRAWN[formula.text] = formula
            return formula.layer
    raise gt.ShapeError("no formula in twenty draws")


def _fitting(shape: tuple[int, ...], draw: np.random.Generator) -> DrawnFormula | None:
    """One draw, or None: it does not fit, or has many points or nothing but samples."""
    formula = DrawnFormula(shape, draw)
    formula.terms = tuple(_terms(formula))
    try:
        equation = formula.layer.declare((1, *shape), training=True).equation
    except gt.ShapeError:  # a window that does not fit, or two that want other sizes
        return None
    points = max(np.prod([equation.range_of[n] for n in t.names]) for t in equation.terms)
    target = equation.shape_of["Z"]
    fits = points < 30_000 and target[1:] and np.prod(target) < 3000
    return formula if fits else None


def _terms(formula: DrawnFormula) -> list[DrawnTerm]:
    """One to three products for one target, and at times a bias."""
    draw = formula.draw
    mixed = draw.random() < 0.6
    output = "k" if mixed else "c"
    if mixed:
        formula.numbers["k"] = int(draw.choice([1, 2, 4, 17]))
    places = ["yxz"[a] for a in range(len(formula.shape) - 1)]
    kept = [p for p in places if draw.random() < 0.8]
    scatters = mixed and kept == places and places and draw.random() < 0.2
    shown = [output, *kept]
    if draw.random() < 0.2:
        draw.shuffle(shown)
    bare: tuple[Affine, ...] = tuple(({name: 1}, 0) for name in ("n", *shown))
    if scatters:
        whole = ("n", "k", *"oqr"[: len(places)])  # the places of the target, not of the input
        beside = tuple(({name: 1}, 0) for name in whole)
        return [*_scattered(formula, places), *_bias(formula, beside, ["k"])]
    found = []
    for _ in range(int(draw.choice([1, 1, 1, 2, 3]))):
        factors = _factors(formula, output, places, kept)
        scale = float(draw.choice([1, 1, 1, -1, 0.5, 2]))
        found.append(DrawnTerm(bare, factors, scale))
    return [*found, *_bias(formula, bare, shown)]


def _bias(formula: DrawnFormula, target: tuple[Affine, ...], shown: list[str]) -> list[DrawnTerm]:
    if formula.draw.random() < 0.5:
        return []
    names = [n for n in shown if any(n in terms for terms, _ in target)]
    names = [n for n in names if formula.draw.random() < 0.6]
    return [DrawnTerm(target, (DrawnFactor("b", tuple(({n: 1}, 0) for n in names)),))]


def _scattered(formula: DrawnFormula, places: list[str]) -> list[DrawnTerm]:
    """A transposed convolution."""
    draw, positions, offsets = formula.draw, [], []
    for place, offset in zip(places, "ijl", strict=False):
        formula.numbers[offset] = int(draw.integers(1, 4))
        stride, cut = int(draw.integers(1, 4)), int(draw.choice([0, 0, 1]))
        positions.append(({place: stride, offset: int(draw.integers(1, 3))}, -cut))
        offsets.append(({offset: 1}, 0))
    target = (({"n": 1}, 0), ({"k": 1}, 0), *positions)
    weight = DrawnFactor("W", (({"c": 1}, 0), ({"k": 1}, 0), *offsets))
    source = DrawnFactor("X", tuple(({n: 1}, 0) for n in ("n", "c", *places)), _function(formula))
    return [DrawnTerm(target, (weight, source))]


def _function(formula: DrawnFormula) -> str:
    return str(formula.draw.choice(["", "", "", *FUNCTIONS]))


def _factors(
    formula: DrawnFormula, output: str, places: list[str], kept: list[str]
) -> tuple[DrawnFactor, ...]:
    """A weight and one or two elements of the input, in any order."""
    draw, offsets = formula.draw, list[str]()
    first = _read(formula, "c", places, offsets)
    factors = [first]
    if draw.random() < 0.3:
        channel = "d" if output == "k" and draw.random() < 0.3 else "c"
        factors.append(_read(formula, channel, places, offsets))
    read = {n for f in factors for n in f.names} - {"n"}
    needed = [] if output in read else [output]
    optional = [n for n in sorted(read) if draw.random() < (0.8 if n in ("c", *offsets) else 0.15)]
    if needed or optional:
        names = [*needed, *optional]
        draw.shuffle(names)
        letter = str(draw.choice(["V", "W"])) + str(len(names))
        factors.append(DrawnFactor(letter, tuple(({n: 1}, 0) for n in names), _function(formula)))
    draw.shuffle(factors)  # type: ignore[arg-type]
    return tuple(factors)


def _read(
    formula: DrawnFormula, channel: str, places: list[str], offsets: list[str]
) -> DrawnFactor:
    """An element of the input: windows, single places, turned round, or what is there."""
    draw, positions = formula.draw, []
    for place, offset, size in zip(places, "ijl", formula.shape[1:], strict=False):
        kind = draw.choice(["bare", "window", "window", "window", "shifted", "turned"])
        if kind == "bare":
            positions.append(({place: 1}, 0))
        elif kind == "shifted":
            positions.append(({place: 1}, int(draw.integers(-1, 2))))
        elif kind == "turned":
            positions.append(({place: -1}, size - 1))
        else:
            formula.numbers.setdefault(offset, int(draw.integers(1, 4)))
            offsets.append(offset)
            along = int(draw.choice([1, 1, 1, 2, -1]))
            start = int(draw.integers(-2, 2)) - min(0, along * (formula.numbers[offset] - 1))
            positions.append(({place: int(draw.choice([1, 1, 2])), offset: along}, start))
    fixed = (({"n": 1}, 0), ({channel: 1}, 0))
    return DrawnFactor("X", (*fixed, *positions), _function(formula))


# -- by all points --------------------------------------------------------------------------------


def values_of(formula: DrawnFormula, ranges: Mapping[str, int], arrays: Arrays) -> np.ndarray:
    """The target, zeros at first in `arrays`."""
    target = np.zeros_like(arrays["Z"])
    for term in formula.terms:
        where, factors, inside = _points(term, ranges, arrays)
        products = term.scale * prod(FUNCTIONS[f][0](x) for f, x, _ in factors)
        np.add.at(target, where, np.broadcast_to(products, inside.shape)[inside])
    return target


def gradients_of(
    formula: DrawnFormula, ranges: Mapping[str, int], arrays: Arrays, upstream: np.ndarray
) -> dict[str, np.ndarray]:
    """The gradients after everything that is read."""
    found = {letter: np.zeros_like(a) for letter, a in arrays.items() if letter != "Z"}
    for term in formula.terms:
        where, factors, inside = _points(term, ranges, arrays)
        sent = term.scale * upstream[where]
        for at, (function, held, place) in enumerate(factors):
            letter = term.factors[at].letter
            others = (FUNCTIONS[f][0](x) for i, (f, x, _) in enumerate(factors) if i != at)
            share = FUNCTIONS[function][1](held) * prod(others)
            share = np.broadcast_to(share, inside.shape)[inside] * sent
            own = tuple(p[inside] for p in place)
            np.add.at(found[letter], own, share if own else share.sum())
    return found


def _points(term: DrawnTerm, ranges: Mapping[str, int], arrays: Arrays):
    """Where each point leads, what each factor is there, and which points exist."""
    where, places, inside = laid_out(term, ranges, {a: held.shape for a, held in arrays.items()})
    factors = [
        (factor.function, arrays[factor.letter][place], place)
        for factor, place in zip(term.factors, places, strict=True)
    ]
    return where, factors, inside


Places = tuple[np.ndarray, ...]


def laid_out(
    term: DrawnTerm, ranges: Mapping[str, int], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[Places, list[Places], np.ndarray]:
    """Where each point that exists leads, where each factor is at every point, and which exist."""
    names = [n for f in (DrawnFactor("Z", term.target), *term.factors) for n in sorted(f.names)]
    names = list(dict.fromkeys(names))
    grid = dict(zip(names, np.indices([ranges[n] for n in names]), strict=True))
    shape = tuple(ranges[n] for n in names)
    inside = np.ones(shape, bool)

    def places(positions: tuple[Affine, ...], sizes: tuple[int, ...]) -> Places:
        found = []
        for (terms, offset), size in zip(positions, sizes, strict=True):
            at = np.full(shape, offset)
            for name, c in terms.items():
                at = at + c * grid[name]
            inside[...] &= (at >= 0) & (at < size)
            found.append(at.clip(0, size - 1))
        return tuple(found)

    target = places(term.target, shapes["Z"])
    read = [places(f.positions, shapes[f.letter]) for f in term.factors]
    return tuple(p[inside] for p in target), read, inside
