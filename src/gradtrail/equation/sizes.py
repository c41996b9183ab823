"""How each number in a shape arose: `(28 + 2·2 − 5)/1 + 1 = 28`."""

from __future__ import annotations

from collections.abc import Sequence

from .access import Access, Margin
from .equation import Equation
from .infer import extent
from .kinds import Contraction


def explain_size(equation: Equation, axis: int, asked: Sequence[Margin] = ()) -> str:
    """How the size of one axis of the target arose; empty where it is just handed on or chosen.

    Args:
        equation: any.
        axis: of its target.
        asked: padding of the last axes of what is read, where windows may reach beyond it: a
            rest that the stride leaves is then rounded up.
    """
    size = equation.shape_of[equation.target.array][axis]
    name = equation.target.positions[axis].plain
    if name is not None:
        for access in equation.accesses:
            for at, source in enumerate(access.positions):
                if name in source.names and source.plain is None:
                    return _strided(equation, access, at, name, asked)
    if not isinstance(equation, Contraction):
        return ""
    targets = list(dict.fromkeys(t.target for t in equation.terms))
    if len(targets) > 1 and all(len(t.positions[axis].terms) == 1 for t in targets):
        widths = [equation.range_of[t.positions[axis].names[0]] for t in targets]
        side_by_side = sum(widths) == size and size not in widths
        return f"{' + '.join(map(str, widths))} = {size}" if side_by_side else ""
    composed = (t for t in targets if t.positions[axis].plain is None)
    return next((_composed(equation, t, axis, size) for t in composed), "")


def _strided(
    equation: Equation, access: Access, axis: int, name: str, asked: Sequence[Margin]
) -> str:
    """A convolution's arithmetic: what fits into the padded axis, window by window."""
    position, known = access.positions[axis], equation.range_of
    before, behind = access.margin(axis)
    length, size = equation.shape_of[access.array][axis], known[name]
    stride, spanned = position.coefficient(name), extent(position, name, known)
    if equation.kind == "reindex" and len(position.names) > 1:  # an axis taken apart into digits
        whole = position.offset.integer == 0 and spanned == stride
        return f"{length}/{stride} = {size}" if whole and length == size * stride else ""
    fitting, dropped = divmod(length + before + behind - spanned, stride)
    if fitting + 1 != size:
        return ""  # a range that was chosen, not inferred
    opened, closed = ("⌊", "⌋") if dropped else ("", "")
    if asked and asked[axis - len(access.positions)][1] < behind:
        behind, opened, closed = asked[axis - len(access.positions)][1], "⌈", "⌉"
    padding = ""
    if before or behind:
        padding = f" + 2·{before}" if before == behind else f" + {before} + {behind}"
    if padding and equation.kind == "reindex" and stride == 1:
        return f"{length}{padding} = {size}" if length + before + behind == size else ""
    offsets = [(n, position.coefficient(n)) for n in position.names if n != name]
    window = "1"
    if len(offsets) == 1:
        ((offset, dilation),) = offsets
        window = str(known[offset]) if dilation == 1 else f"({dilation}·({known[offset]} − 1) + 1)"
    elif offsets:
        window = str(spanned)
    fraction = f"({length}{padding} − {window})/{stride}"
    return f"{opened}{fraction}{closed} + 1 = {size}"


def _composed(equation: Equation, target: Access, axis: int, size: int) -> str:
    """A composed position's arithmetic: mixed radix as a product, a transposed window as a sum.

    Empty where the size was given and the positions do not reach all of it.
    """
    position, known = target.positions[axis], equation.range_of
    if not position.names:
        return ""
    before, behind = target.margin(axis)
    radix = 1
    for name, coefficient in reversed(position.terms):
        if coefficient.integer != radix:
            break
        radix *= known[name]
    else:
        if (before, behind) == (0, 0) and position.offset.integer == 0 and radix == size:
            return f"{'·'.join(str(known[n]) for n in position.names)} = {size}"
    if position.bounds(known)[1] + 1 - behind != size or -position.offset.integer != before:
        return ""
    parts = [f"({known[n]} − 1)·{c.integer}" for n, c in position.terms]
    crop = f" − 2·{before}" if before else ""
    added = f" + {before - behind}" if behind < before else ""
    return f"{' + '.join(parts)} + 1{crop}{added} = {size}"
