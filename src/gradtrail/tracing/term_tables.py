"""Sums and partial sums as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..showing.numbers import number_text, percent_text
from ..showing.tables import Table

if TYPE_CHECKING:
    from .shares import Shares
    from .terms import Product, ProductFactor, Terms

_SHOWN = 20


def operand_text(factor: ProductFactor, element: str) -> str:
    """A factor's element, in its function: `dZ[17,2]`, `relu′(X[0,2] = −0.31)`, `[A[0] = 1]`."""
    held = f"{element} = {number_text(factor.stored)}"
    if factor.function == "[·]":
        return f"[{held}]"
    return f"{factor.function}({held})" if factor.function else element


def _factor_text(factor: ProductFactor) -> str:
    """`dZ[17,2,5,7] −0.0123`, `relu′(X[0,2,5,7] = −0.31) 0`, `[A[0,2,2,3] = 1] 0`."""
    place = f"[{','.join(map(str, factor.index))}]" if factor.index else ""
    return f"{operand_text(factor, factor.letter + place)} {number_text(factor.value)}"


def product_text(row: Product) -> str:
    """A product in a sentence: `0.25 · dfc1.output[0,2] (0.3) · relu′(fc1.output[0,1] = 2) (1)`."""
    scale = [] if row.scale == 1 else [number_text(row.scale)]
    factors = (f"{operand_text(f, str(f))} ({number_text(f.value)})" for f in row.factors)
    return " · ".join([*scale, *factors])


def legend(terms: Terms) -> list[str]:
    """The equations with this element's numbers, and what the letters stand for."""
    if terms.given:
        return [f"{terms.element} {terms.origin}"]
    lines = []
    for equation, one in zip(terms.equations(), terms.sums, strict=True):
        letters = dict.fromkeys(a.array for t in one.equation.terms for a in t.accesses)
        meant = (
            f"{letter} is {'d' if side == 'grad' else ''}{name}"
            for letter, (side, name) in ((a, one.arrays[a]) for a in letters)
        )
        lines += [*equation.splitlines(), f"  by {one.layer}: {', '.join(meant)}"]
    return lines


def _total_lines(terms: Terms) -> list[str]:
    """What all products together are."""
    if terms.given:
        return [f"{terms.element} = {number_text(terms.value, 6)}"]
    count = f"{len(terms):,} product{'s' if len(terms) != 1 else ''}"
    lines = [f"{count}, {terms.nonzero:,} of them not 0" if len(terms) > 1 else count]
    apart = f"stored {number_text(terms.value, 6)} ({number_text(abs(terms.difference), 2)} apart)"
    line = f"Σ = {number_text(terms.sum(), 6)}, {apart}"
    if len(terms) > 1 and terms.magnitude > 0:
        line += f"; Σ|products| = {number_text(terms.magnitude)}{cancellation_text(terms)}"
    told = [f"{way} {number_text(share)}" for way, share in terms.ways.items()]
    return [*lines, line, *([", ".join(told)] if told else [])]


def cancellation_text(terms: Terms) -> str:
    """`: 97 % cancel`, where products of both signs meet."""
    share = cancelled_share(terms)
    return "" if share is None else f": {share} cancel"


def cancelled_share(terms: Terms) -> str | None:
    """`97 %`, where products of both signs meet; 100 % only where nothing is left."""
    left = 1 - min(1.0, abs(terms.sum()) / terms.magnitude)
    if left <= 5e-4:
        return None
    if left < 0.995 or terms.sum() == 0:
        return percent_text(left)
    texts = (f"{100 * left:.{digits}f}" for digits in (1, 2, 3))
    return f"{next((t for t in texts if float(t) < 100), '>99.999')} %"


def products_table(terms: Terms, rows: Sequence[Product]) -> Table:
    """Some rows of a sum."""
    shown = _moving(terms)
    several = len({part.sum.layer for part in terms.parts}) > 1
    leads = any(part.way for part in terms.parts)
    heads = [*(["by"] if several else []), *(["way"] if leads else [])]
    heads += [*(f">{n}" for n in shown), "factors"]
    scales = any(row.scale != 1 for row in rows)
    heads += [*([">scale"] if scales else []), ">product", ">of Σ|·|"]
    cells = []
    for row in rows:
        line = [*([row.layer] if several else []), *([row.way] if leads else [])]
        line += [str(row.indices.get(n, "")) for n in shown]
        line.append(" · ".join(map(_factor_text, row.factors)))
        line += [number_text(row.scale)] if scales else []
        share = row.product / terms.magnitude if terms.magnitude else 0.0
        cells.append([*line, number_text(row.product), percent_text(share)])
    return Table((), heads, cells)


def _moving(terms: Terms) -> list[str]:
    """The indices that take several values."""
    return [
        name
        for name in terms.indices
        if any(
            name in group.names and len(set(group.values[:, group.names.index(name)])) > 1
            for part in terms.parts
            for group in part.points.groups
        )
    ]


def terms_table(terms: Terms, k: int) -> Table:
    """A whole sum: its equations, its strongest rows, its totals."""
    rows = terms.top(k) if k and len(terms) and not terms.given else ()
    table = products_table(terms, rows)
    below = _total_lines(terms)
    if len(terms) > k:
        below[0] = f"the strongest {k} of {below[0]}"
    return Table(legend(terms), table.heads, table.rows, below)


def shares_table(shares: Shares) -> Table:
    """Partial sums, the strongest ones."""
    shown = shares if len(shares) <= _SHOWN else shares.top(_SHOWN)
    whole = shares.whole
    magnitude = float(whole.magnitudes.sum())
    heads = [*(f">{n}" for n in shares.names), ">products", ">sum", ">of Σ|·|"]
    rows = []
    for row in range(len(shown)):
        value = float(shown.sums[row])
        share = percent_text(value / magnitude if magnitude else 0.0)
        held = ("" if v == -1 else str(v) for v in shown.values_of(row))
        rows.append([*held, f"{int(shown.counts[row]):,}", number_text(value), share])
    above = [f"{shares.element} by {', '.join(shares.names)}"]
    together = number_text(float(whole.sums.sum()), 6)
    below = [f"{len(whole):,} partial sums; all of them together {together}"]
    if len(shown) < len(whole):
        below[0] = f"the strongest {len(shown)} of {below[0]}"
    return Table(above, heads, rows, below)
