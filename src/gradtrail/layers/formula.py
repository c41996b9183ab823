"""A layer as a formula: the text that the plan prints is what it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar, Self, final

from ..checking.calls import in_short
from ..equation import Contraction, Selection, Term, contraction, selection
from ..equation.formula_words import Written, written
from ..equation.frozen import frozen
from ..equation.parsing import maximum_of, winner_of
from ..equation.reader import RECIPROCAL, Reader
from ..equation.scalar import Call, Function, Variable
from ..equation.spans import spans, with_margins
from ..errors import ArgumentError, EquationError
from .activations import GELU, Activation, ReLU, Sigmoid, SiLU, Tanh
from .formula_checks import (
    bare_sizes,
    check_absent,
    check_beginnings,
    check_bounded_work,
    check_defined_once,
    check_shapes,
    check_window,
    checked_numbers,
    range_given,
)
from .formula_start import starts
from .layer import Declaration, Layer, Shape, known_initialization
from .piecewise_activations import Hardsigmoid, Hardswish, ReLU6
from .smooth_activations import SELU, Mish, Softsign

_LAYERS: tuple[Activation, ...] = (
    *(ReLU(), Sigmoid(), Tanh(), GELU(), SiLU(), ReLU6(), Hardsigmoid(), Hardswish()),
    *(Mish(), SELU(), Softsign()),
)
_OPERATIONS = ("exp", "log", "sqrt", "erf", "softplus", "abs", "sign", "floor", "round", "step")

FUNCTIONS: Mapping[str, Function] = {
    **{layer.function.name: layer.function for layer in _LAYERS},
    **{name: Function(name, Call(name, (Variable("x"),))) for name in _OPERATIONS},
    RECIPROCAL.name: RECIPROCAL,
}
"""The functions of one element that a formula may have."""


@final
@frozen
class EquationLayer(Layer):
    """A layer of one's own: a formula, from which all else is derived.

    Public as `gt.Equation`; the base class of all equations has that name in its own package. As
    an example a learned scale for each channel, made of the text of its forward equation alone.

    Forward:
        Z[n,c,y,x] = g[c]·X[n,c,y,x]

    Adjoints:
        dg[c] = Σ_{n,y,x} dZ[n,c,y,x]·X[n,c,y,x]
        dX[n,c,y,x] = g[c]·dZ[n,c,y,x]

    The text is one line, or several that define one array, in the notation of the plan; `sum_{i}`,
    `*` and `-` may stand for `Σ_{i}`, `·` and `−`. Letters that are neither the target nor inputs
    are parameters, and are called so: `equation1.W`. `n` counts the samples, and is the first
    position of every input and of the target.

    Ranges: an index that stands alone at an axis of an input runs over that axis. What the position
    of an input subtracts is padding before and behind, and its index runs as far as windows fit, as
    a convolution's with that padding. All others are given as keywords, and so are symbols; what is
    given holds.

    Start: a parameter that stands alone in its term (a bias) at zeros; one in a term without a sum
    (a scale) at ones; others by he_normal, with as many products as the sum has. `parameters` says
    otherwise.

    Args:
        text: the formula.
        inputs: the letters of the inputs, in order: one letter, or several.
        parameters: letter → the name of an initialization.
        numbers: ranges and symbols by name, as an alternative to keywords.
        name: instead of equation1, equation2, …
        **given: ranges of indices, and the values of symbols.

    Raises:
        ArgumentError: the text is no formula; the message shows the column and what was expected.
    """

    prefix: ClassVar[str] = "equation"
    kind: ClassVar[str] = "Equation"

    text: str
    inputs: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]
    numbers: tuple[tuple[str, int | float], ...]
    name: str | None

    def __new__(cls, *arguments: Any, **keywords: Any) -> Self:
        """Any keywords: they are the formula's own."""
        return object.__new__(cls)

    def __init__(
        self,
        text: str,
        *,
        inputs: str | Sequence[str] = "X",
        parameters: Mapping[str, str] | None = None,
        numbers: Mapping[str, int | float] | None = None,
        name: str | None = None,
        **given: int | float,
    ) -> None:
        if not isinstance(text, str):
            raise ArgumentError(f"Equation: text must be a formula, got {in_short(text)}")
        listed = (inputs,) if isinstance(inputs, str) else tuple(inputs)
        fields = {
            "text": text,
            "inputs": listed,
            "parameters": tuple(dict(parameters or {}).items()),
            "numbers": tuple(checked_numbers({**dict(numbers or {}), **given}).items()),
            "name": name,
        }
        for field, value in fields.items():
            object.__setattr__(self, field, value)
        try:
            self._check_parameters(self.written)
        except EquationError as cause:
            raise ArgumentError(f"Equation: {cause}") from None

    def _check_parameters(self, found: Written) -> None:
        """Only parameters are given an initialization; and the terms can be read."""
        for letter, initialization in self.parameters:
            if letter not in found.parameters:
                known = ", ".join(found.parameters) or "none"
                raise ArgumentError(
                    f"Equation: parameters names {letter}, but the formula's parameters are {known}"
                )
            known_initialization("Equation", initialization)
        sizes = {f"|{name}|": 1 for name in {*found.indices, *self._given}}
        self._terms({**sizes, **self._symbols})

    @property
    def takes(self) -> tuple[int, int]:  # type: ignore[override]  # the formula says how many
        """As many nodes as the formula has inputs."""
        return (len(self.inputs), len(self.inputs))

    @cached_property
    def written(self) -> Written:
        """The formula as a tree."""
        return written(self.text, self.inputs, [name for name, _ in self.numbers])

    @cached_property
    def _symbols(self) -> dict[str, int | Fraction]:
        """The values of symbols, exact."""
        indices = self.written.indices
        exact = {n: Fraction(str(v)) for n, v in self.numbers if n not in indices}
        return {n: v.numerator if v.denominator == 1 else v for n, v in exact.items()}

    @cached_property
    def _given(self) -> dict[str, int]:
        """The ranges that are given, by keyword or in the text."""
        indices, sizes = self.written.indices, dict(self.written.sizes)
        given = {n: v for n, v in self.numbers if n in indices}
        return sizes | {n: range_given(n, v, sizes.get(n, v)) for n, v in given.items()}

    def _terms(self, constants: Mapping[str, int | Fraction]) -> list[list[Term]]:
        """The terms of each line, without padding."""
        found = self.written
        reader = Reader(constants, FUNCTIONS, strict=True, indices=frozenset(found.indices))
        head = maximum_of(found.lines[0])
        if head is None:
            return [reader.terms(line) for line in found.lines]
        over, element = head
        term = Term(reader.access(found.lines[0].target), (reader.access(element),))
        check_window(found, over, term)
        return [[term]]

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; as many inputs as the formula has, of as many axes."""
        found = self.written
        shapes = check_shapes(found, sources)
        equation = self._equation(found, shapes)
        check_bounded_work(equation, found.parameters)
        chosen = dict(self.parameters)
        parameters = {
            letter: replace(start, initialization=chosen.get(letter, start.initialization))
            for letter, start in starts(equation, found.parameters, found.inputs).items()
        }
        saved = dict.fromkeys(equation.saved, "winner")
        return Declaration(equation, found.inputs, parameters, saved=saved)

    def _equation(self, found: Written, shapes: Mapping[str, Shape]) -> Contraction | Selection:
        """The equation for inputs of these shapes."""
        given = self._given
        sizes = {f"|{name}|": size for name, size in {**bare_sizes(found, shapes), **given}.items()}
        lines = self._terms({**sizes, **self._symbols})
        terms = [term for line in lines for term in line]
        reads = [f.access for t in terms for f in t.factors if f.access.array in shapes]
        ranges, fitted = spans(reads, shapes, given)
        wide, target = with_margins(terms, shapes, ranges, fitted)
        known = {**shapes, found.target: target}
        ranges |= {
            p.plain: size
            for t in wide
            for p, size in zip(t.target.positions, target, strict=True)
            if p.plain is not None and p.plain not in ranges
        }
        check_beginnings(wide, found.parameters, ranges)
        if maximum_of(found.lines[0]) is not None:
            (term,) = wide
            return selection(
                term.target,
                term.factors[0].access,
                over=term.summed,
                winner=winner_of(known),
                ranges=ranges,
                shapes=known,
            )
        check_absent(wide, shapes, ranges)
        check_defined_once(found, wide, [len(line) for line in lines], ranges)
        return contraction(*wide, ranges=ranges, shapes=known)

    def settings(self) -> dict[str, Any]:
        """See `Layer.settings`."""
        found: dict[str, Any] = {"type": self.kind, "text": self.text}
        if self.inputs != ("X",):
            found["inputs"] = list(self.inputs)
        if self.parameters:
            found["parameters"] = dict(self.parameters)
        if self.numbers:
            found["numbers"] = dict(self.numbers)
        return found if self.name is None else {**found, "name": self.name}

    def __repr__(self) -> str:
        inside = [repr(self.text)]
        if self.inputs != ("X",):
            inside.append(f"inputs={self.inputs!r}")
        if self.parameters:
            inside.append(f"parameters={dict(self.parameters)!r}")
        plain = all(n.isidentifier() and n not in _TAKEN for n, _ in self.numbers)
        if plain:
            inside += [f"{n}={v!r}" for n, v in self.numbers]
        else:
            inside.append(f"numbers={dict(self.numbers)!r}")
        if self.name is not None:
            inside.append(f"name={self.name!r}")
        return f"Equation({', '.join(inside)})"


Equation = EquationLayer
"""The layer by its public name."""

_TAKEN = ("self", "text", "inputs", "parameters", "numbers", "name")
