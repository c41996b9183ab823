"""All rows of a sum for other tools: NumPy's structured arrays, and pandas."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..machine.packages import optional_package
from .element import element_text
from .element_term import ElementTerm, Operand
from .index_points import Points

if TYPE_CHECKING:
    from pandas import DataFrame

    from .terms import Product, Terms


def products_array(terms: Terms) -> np.ndarray:
    """See `Terms.to_numpy`."""
    columns = _columns(terms)
    leads = [("way", "U16")] if any(part.way for part in terms.parts) else []
    kinds = [("layer", "U40"), *leads, *((n, np.int64) for n in terms.indices)]
    kinds += [(c, np.float64) for c in (*columns, "scale", "product")]
    found = np.zeros(len(terms), kinds)
    for name in terms.indices:
        found[name] = -1
    for name in columns:
        found[name] = np.nan
    for part, start in zip(terms.parts, terms.starts, strict=True):
        if len(part):
            _fill(part, found[start : start + len(part)])
    return found


def _columns(terms: Terms) -> tuple[str, ...]:
    """The letters of all factors; where one stands twice in a product, its second is numbered."""
    return tuple(dict.fromkeys(c for part in terms.parts for c in _letters(part)))


def _letters(part: ElementTerm) -> list[str]:
    found: list[str] = []
    for operand in part.operands:
        letter = operand.access.array
        times = sum(f == letter or f.startswith(f"{letter} ") for f in found)
        found.append(f"{letter} {times + 1}" if times else letter)
    return found


def _fill(part: ElementTerm, rows: np.ndarray) -> None:
    """Put one part's products into their rows."""
    sizes, block = part.points.sizes, tuple(slice(0, s) for s in part.points.sizes)
    places = np.indices(sizes, sparse=True)
    for axis, group in enumerate(part.points.groups):
        for column, name in enumerate(group.names):
            rows[name] = np.broadcast_to(group.values[places[axis], column], sizes).ravel()
    for letter, operand in zip(_letters(part), part.operands, strict=True):
        values = operand.values(part.points, block)
        rows[letter] = np.broadcast_to(values, sizes).ravel()
    rows["layer"], rows["scale"] = part.sum.layer, part.scale
    if "way" in (rows.dtype.names or ()):
        rows["way"] = part.way
    rows["product"] = part.products(block).ravel()


def products_frame(terms: Terms) -> DataFrame:
    """See `Terms.to_pandas`."""
    frame = data_frame(products_array(terms))
    elements: dict[str, list[str]] = {
        f"{letter} is": [""] * len(terms) for letter in _columns(terms)
    }
    for part, start in zip(terms.parts, terms.starts, strict=True):
        for letter, operand in zip(_letters(part), part.operands, strict=True):
            elements[f"{letter} is"][start : start + len(part)] = _elements(operand, part.points)
    return frame.assign(**elements)


def _elements(operand: Operand, points: Points) -> list[str]:
    """The element that a factor is, at every point; each is written once and then repeated."""
    whole = tuple(slice(0, size) for size in points.sizes)
    columns = [
        points.total([group.along(p) for group in points.groups], whole, p.offset.integer)
        for p in operand.access.positions
    ]
    head = element_text(operand.side, operand.name)
    if not columns:
        return [head] * len(points)
    shape = np.broadcast_shapes(*(column.shape for column in columns))
    flat = (np.broadcast_to(column, shape).ravel().tolist() for column in columns)
    place = f"[{','.join(['%d'] * len(columns))}]"
    texts = np.array([head + place % at for at in zip(*flat, strict=True)], object)
    repeated: list[str] = np.broadcast_to(texts.reshape(shape), points.sizes).ravel().tolist()
    return repeated


def terms_dict(terms: Terms, k: int) -> dict[str, Any]:
    """See `Terms.to_dict`; numbers that are not finite as text, since JSON has none."""
    found: dict[str, Any] = json_data(
        {
            "element": terms.element,
            "stored": terms.value,
            "sum": terms.sum(),
            "magnitude": terms.magnitude,
            "products": len(terms),
            "nonzero": terms.nonzero,
            "equations": () if terms.given else terms.equations(),
            **({"ways": terms.ways} if terms.ways else {}),
            "rows": [_row_dict(row) for row in (terms.top(k) if k and len(terms) else ())],
        }
    )
    return found


def _row_dict(row: Product) -> dict[str, Any]:
    told = ("letter", "function", "stored", "value")
    return {
        "layer": row.layer,
        "indices": row.indices,
        "factors": [{"element": str(f)} | {n: getattr(f, n) for n in told} for f in row.factors],
        "scale": row.scale,
        "product": row.product,
        **({"way": row.way} if row.way else {}),
    }


def json_data(value: Any) -> Any:
    """Something as JSON has it: dataclasses by their fields, and what is not finite as text."""
    if is_dataclass(value):
        return {known.name: json_data(getattr(value, known.name)) for known in fields(value)}
    if isinstance(value, Mapping):
        return {name: json_data(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [json_data(one) for one in value]
    return json_number(value)


def json_number(value: Any) -> Any:
    """A number as JSON has it, which knows neither NaN nor infinity; all else stays."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def data_frame(array: np.ndarray) -> DataFrame:
    """A structured array as a data frame.

    Raises:
        MissingPackageError: pandas is not there.
    """
    pandas = optional_package("pandas", "to_pandas", otherwise="to_numpy gives the same without it")
    found: DataFrame = pandas.DataFrame.from_records(array)
    return found
