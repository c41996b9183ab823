"""Receptive fields in closed form: size, jump and offset per axis of the network's input.

Position y of a layer's output sees the input positions from y·jump + offset to
y·jump + offset + size − 1. Behind a transposed convolution the jump is a fraction and the field
differs from one position to the next: its size is the largest, its start is rounded up. Where
branches with different jumps meet, the field is what all positions see together.
`System.preimage` gives the exact elements; this is their arithmetic.

Batch norm is taken as what it is at each place, as in evaluation. In training its statistics read
the whole batch, and so would every field behind it, which says nothing about a layer. A norm of
each sample by itself reads in evaluation, too, all that it takes its statistics over.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import floor

from ..equation import Affine, Equation, Normalisation, Sparse, System
from ..equation.equation import Dependence
from ..equation.frozen import frozen


@frozen
class AxisField:
    """What one output position sees of one spatial axis of the input.

    Args:
        size: how many positions, padding included.
        jump: how far the field moves from one output position to the next; 0 where every output
            sees the same, None where it follows no single step (behind a flatten, or where
            branches with different jumps meet), and size is what all positions see together.
        offset: where the field of output position 0 begins.
        axis: which axis of the output the field moves along; None where it does not.
    """

    size: int
    jump: Fraction | None
    offset: Fraction
    axis: int | None = None

    def __str__(self) -> str:
        start = str(self.offset).replace("-", "−")
        if not self.jump:
            return f"{self.size} in all, from {start}"
        return f"{self.size}, jump {self.jump}, from {start}"


def input_fields(shape: tuple[int, ...]) -> tuple[AxisField, ...]:
    """Each spatial position of the input sees itself."""
    return tuple(AxisField(1, Fraction(1), Fraction(0), axis) for axis in range(1, len(shape)))


def next_fields(
    equation: Equation, sources: Mapping[str, tuple[tuple[AxisField, ...], tuple[int, ...]]]
) -> tuple[AxisField, ...]:
    """The fields behind an equation; those before it behind batch norm.

    Args:
        equation: a layer's.
        sources: for each source letter its fields and its shape without the batch axis.
    """
    if isinstance(equation, Normalisation) and equation.ties_samples:
        return sources[equation.source.array][0]
    found: list[tuple[AxisField, ...]] = []
    for read in equation.reads:
        if read.operand.array in sources:
            fields, shape = sources[read.operand.array]
            moved = (_moved(f, equation, read, shape) for f in fields)
            found.append(tuple(moved))
    output = equation.shape_of[equation.target.array]
    return tuple(_joined(fields, output) for fields in zip(*found, strict=True))


def system_fields(system: System, of: str) -> Mapping[str, tuple[AxisField, ...]]:
    """The fields of every array between the layers, by name.

    Args:
        system: the equations of a network.
        of: the name of an input; arrays that do not depend on it have no field.
    """
    shapes = system.shapes
    found = {of: input_fields(shapes[of][1:])}
    for node in system.nodes:
        if len(shapes[node.output]) > 1 and any(name in found for name in node.inputs):
            here = {a: node.array_of[a] for a in node.sources}
            known = {a: (found[n], shapes[n][1:]) for a, n in here.items() if n in found}
            found[node.output] = next_fields(node.equation, known)
    return found


def _moved(
    field: AxisField, equation: Equation, read: Dependence, shape: tuple[int, ...]
) -> AxisField:
    """One axis's field carried from a source to the target."""
    target, source = read.target, read.operand
    if field.jump is None:
        kept = source.positions[1].plain is not None and source.positions[1] in target.positions
        return field if kept else AxisField(field.size, Fraction(0), field.offset)
    if field.axis is None:
        return field
    position = source.positions[field.axis + 1]
    for axis, ahead in enumerate(target.positions):
        shared = [n for n in ahead.names if n in position.names]
        if len(shared) != 1:
            continue
        elsewhere = [n for q in source.positions if q is not position for n in q.names]
        if any(n in elsewhere for n in ahead.names):
            # several axes in one row: each place still sees what its source saw
            whole = field.size + int(field.jump * (shape[field.axis] - 1))
            return AxisField(whole, None, field.offset)
        return _through(field, equation, position, ahead, shared[0], axis)
    for axis, ahead in enumerate(target.positions):
        for sparse in read.sparse:
            if {ahead.plain, position.plain} == {*sparse.names}:
                return _resampled(
                    field, equation, sparse, (position.names[0], ahead.names[0]), axis
                )
    low, high = position.bounds(equation.range_of)
    first, last = field.jump * max(low, 0), field.jump * min(high, shape[field.axis] - 1)
    return AxisField(int(last - first) + field.size, Fraction(0), field.offset + first)


def _through(
    field: AxisField, equation: Equation, position: Affine, ahead: Affine, name: str, axis: int
) -> AxisField:
    """`y·s + i·d − p` behind a field: the jump grows by s, the size by the window."""
    assert field.jump is not None
    rest = {**equation.range_of, name: 1}
    low, high = position.bounds(rest)
    ahead_low, ahead_high = ahead.bounds(rest)
    step = Fraction(position.coefficient(name), ahead.coefficient(name))
    first = low - step * ahead_high
    last = high - step * ahead_low
    size = int(field.jump * floor(last - first)) + field.size
    return AxisField(size, field.jump * step, field.offset + field.jump * first, axis - 1)


def _resampled(
    field: AxisField, equation: Equation, sparse: Sparse, names: tuple[str, str], axis: int
) -> AxisField:
    """Constants that say what each position takes: the step by which the field is narrowest."""
    assert field.jump is not None
    here, there = (equation.range_of[name] for name in names)
    partners = sparse.partners(names[1], there)
    taken = [(place, own[0], own[-1]) for place, own in enumerate(partners) if own]
    steps = (Fraction(here, there), Fraction(here - 1, max(there - 1, 1)), Fraction(1))
    fields = []
    for step in steps:
        low = min(begin - step * place for place, begin, _ in taken)
        high = max(until - step * place for place, _, until in taken)
        size = floor(field.jump * (high - low)) + field.size
        fields.append(AxisField(size, field.jump * step, field.offset + field.jump * low, axis - 1))
    return min(fields, key=lambda f: f.size)


def _joined(fields: tuple[AxisField, ...], output: tuple[int, ...]) -> AxisField:
    """The field that covers those of several branches."""
    first = fields[0]
    alike = len({(f.jump, f.axis) for f in fields}) == 1
    ends = [f.offset + f.size for f in fields]
    if not alike:
        lengths = [0 if f.axis is None else output[f.axis + 1] - 1 for f in fields]
        ends = [e + (f.jump or 0) * n for e, f, n in zip(ends, fields, lengths, strict=True)]
    start = min(f.offset for f in fields)
    size = floor(max(ends) - start)
    return AxisField(size, first.jump, start, first.axis) if alike else AxisField(size, None, start)
