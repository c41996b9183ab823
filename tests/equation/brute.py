"""The oracle: equations evaluated by plain loops over their index points, nothing clever.

An array is a dictionary from element to number. With whole numbers and fractions in it every sum
is exact, whatever its order; a function's value enters as the exact fraction its float stands for.
"""

import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache
from itertools import product as cartesian
from typing import Any

from gradtrail.equation import (
    Applied,
    Contraction,
    Equation,
    Factor,
    Indicator,
    LossEquation,
    Normalisation,
    Selection,
    SoftmaxEquation,
    Term,
)

Element = tuple[int, ...]
Values = dict[Element, Any]
Arrays = Mapping[str, Values]


def elements(shape: Sequence[int]) -> Iterator[Element]:
    """Every index of an array, row-major."""
    return cartesian(*map(range, shape))


def evaluate(equation: Contraction, arrays: Arrays) -> Values:
    """The target of any contraction: quotients, functions and indicators included."""
    found: Values = dict.fromkeys(elements(equation.shape_of[equation.target.array]), 0)
    for t in equation.terms:
        for point in t.points(equation.range_of, equation.shape_of):
            product = t.scale.value
            for factor in t.factors:
                product = product * _value(factor, point, arrays)
            found[t.target.at(point)] += product
    return found


def _value(factor: Factor, point: Mapping[str, int], arrays: Arrays) -> Any:
    held = arrays[factor.access.array][factor.access.at(point)]
    match factor:
        case Applied(function):
            return Fraction(function(float(held)))
        case Indicator(_, value):
            return int(held == value.at(point))
    return held


def forward(equation: Equation, arrays: Arrays) -> dict[str, Values]:
    """The target of any equation and what it saves, by letter."""
    match equation:
        case Contraction():
            return {equation.target.array: evaluate(equation, arrays)}
        case Selection():
            return _select(equation, arrays)
        case Normalisation():
            return _normalise(equation, arrays)
        case SoftmaxEquation():
            return _soften(equation, arrays)
        case LossEquation():
            return _lose(equation, arrays)
    raise TypeError(equation)


def _points(equation: Equation, names: Sequence[str]) -> Iterator[dict[str, int]]:
    for values in cartesian(*(range(equation.range_of[n]) for n in names)):
        yield dict(zip(names, values, strict=True))


def _select(equation: Selection, arrays: Arrays) -> dict[str, Values]:
    source = arrays[equation.source.array]
    result, winner = Values(), Values()
    for point in _points(equation, equation.result.names):
        element = equation.result.at(point)
        for place, inside in enumerate(_points(equation, equation.over)):
            held = source.get(equation.source.at(point | inside))
            if held is not None and (element not in result or held > result[element]):
                result[element], winner[element] = held, place
    return {equation.result.array: result, equation.winner: winner}


def _normalise(equation: Normalisation, arrays: Arrays) -> dict[str, Values]:
    source, inverse = arrays[equation.source.array], Values()
    mean, variance, normalised, result = Values(), Values(), Values(), Values()
    for kept in _points(equation, equation.statistic.names):
        at = equation.statistic.at(kept)
        points = [kept | p for p in _points(equation, equation.over)]
        inside = [equation.source.at(p) for p in points]
        mean[at] = math.fsum(source[e] for e in inside) / len(inside) if equation.mean else 0
        variance[at] = math.fsum((source[e] - mean[at]) ** 2 for e in inside) / len(inside)
        inverse[at] = 1 / math.sqrt(variance[at] + equation.epsilon)
        for point, e in zip(points, inside, strict=True):
            normalised[e] = (source[e] - mean[at]) * inverse[at]
            scale, shift = equation.scale, equation.shift
            factor = arrays[scale.array][scale.at(point)] if scale else 1
            result[e] = factor * normalised[e]
            result[e] += arrays[shift.array][shift.at(point)] if shift else 0
    found = {equation.statistic.array: variance, equation.inverse: inverse}
    found |= {equation.mean: mean} if equation.mean else {}
    return {equation.result.array: result, equation.normalised: normalised, **found}


def _soften(equation: SoftmaxEquation, arrays: Arrays) -> dict[str, Values]:
    source, result = arrays[equation.source.array], Values()
    kept = [n for n in equation.result.names if n not in equation.along]
    for point in _points(equation, kept):
        inside = [equation.source.at(point | p) for p in _points(equation, equation.along)]
        total = math.fsum(math.exp(source[e]) for e in inside)
        for e in inside:
            result[e] = math.exp(source[e]) / total
            result[e] = math.log(result[e]) if equation.log else result[e]
    return {equation.result.array: result}


def _lose(equation: LossEquation, arrays: Arrays) -> dict[str, Values]:
    source, labels = arrays[equation.source.array], arrays[equation.labels]
    if equation.probabilities is None:
        given = arrays[equation.weight] if equation.weight else None
        counts = {e: given[e[:1]] if given else 1 for e in source}
        squares = [counts[e] * (source[e] - labels[e]) ** 2 for e in source]
        return {equation.result.array: {(): sum(squares) / len(squares)}}
    classes = range(equation.shape_of[equation.source.array][1])
    places = {(n, *p) for n, _, *p in source}  # a sample, or a position of one
    total = {(n, *p): math.fsum(math.exp(source[n, k, *p]) for k in classes) for n, *p in places}
    chances = {(n, k, *p): math.exp(source[n, k, *p]) / total[n, *p] for n, k, *p in source}
    mean = -math.fsum(labels[e] * math.log(chances[e]) for e in source) / len(places)
    found = {equation.result.array: {(): mean}, equation.probabilities: chances}
    if equation.weight is not None:
        sums = {(n, *p): sum(labels[n, k, *p] for k in classes) for n, *p in places}
        found[equation.weight] = sums
    return found


def draw(equation: Equation, seed: int = 0) -> dict[str, Values]:
    """Random whole numbers for every array but the target; places where winners are held."""
    generator = random.Random(seed)
    factors = [f for t in getattr(equation, "terms", ()) for f in t.factors]
    winners = {f.access.array for f in factors if isinstance(f, Indicator)}
    found: dict[str, Values] = {}
    for letter, shape in equation.shapes:
        # a variance is positive, a winner is a place in the window
        low, high = (0, 3) if letter in winners else (1, 9) if letter == "v" else (-9, 9)
        found[letter] = {e: generator.randint(low, high) for e in elements(shape)}
    return found


@cache
def sampled(equation: Contraction) -> Values:
    """The target with what `draw` gives for the other arrays."""
    return evaluate(equation, draw(equation))


def inner(left: Values, right: Values) -> Any:
    """The sum of the products of equal elements."""
    assert left.keys() == right.keys()
    return sum(left[e] * right[e] for e in left)


def pairs(equation: Contraction, operand: str) -> set[tuple[Element, Element]]:
    """Every (target element, operand element) that occurs together in a product."""
    found = set()
    for t in equation.terms:
        for factor in (f for f in t.factors if f.access.array == operand):
            for point in t.points(equation.range_of, equation.shape_of):
                found.add((t.target.at(point), factor.access.at(point)))
    return found


@cache
def read(equation: Equation, operand: str) -> set[tuple[Element, Element]]:
    """Every (target element, operand element) where the one depends on the other, any kind."""
    if isinstance(equation, Contraction):
        return pairs(equation, operand)
    if isinstance(equation, Selection):
        window = (Term(equation.result, (equation.source,)),)
        return pairs(Contraction(window, ranges=equation.ranges, shapes=equation.shapes), operand)
    targets = list(elements(equation.shape_of[equation.target.array]))
    sources = list(elements(equation.shape_of[operand]))
    if isinstance(equation, LossEquation):
        return set(cartesian(targets, sources))
    assert isinstance(equation, Normalisation | SoftmaxEquation)
    others = list(_points(equation, equation.over)) if operand == "X" else [{}]
    access = next(a for a in equation.accesses if a.array == operand)
    return {
        (equation.result.at(point), access.at(point | other))
        for point in _points(equation, equation.result.names)
        for other in others
    }


def preimage(together: Iterable[tuple[Element, Element]], targets: Iterable[Element]) -> set:
    """The operand elements that occur together with one of `targets`."""
    wanted = set(targets)
    return {source for target, source in together if target in wanted}


def image(together: Iterable[tuple[Element, Element]], sources: Iterable[Element]) -> set:
    """The target elements that occur together with one of `sources`."""
    wanted = set(sources)
    return {target for target, source in together if source in wanted}
