"""Index equations: a layer declared once, and everything else read off it. See README.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine.first_use import at_first_use
from ..renamed import with_former_names
from .access import (
    Access,
    Applied,
    Array,
    Factor,
    Indicator,
    Margin,
    Sparse,
    Term,
    one_to_one,
    term,
)
from .adjoints import adjoint, gather, ways
from .affine import Affine, index, indices
from .constructors import contraction, loss, normalisation, selection, softmax
from .equation import Equation, count
from .kinds import Contraction, LossEquation, Selection
from .number import Number
from .over_axes import Normalisation, SoftmaxEquation
from .region import Region, image, preimage, unread
from .sample_adjoint import of_samples, per_sample
from .scalar import Penalty
from .sizes import explain_size
from .sum_of_products import sum_of
from .system import Adjoint, Node, System

if TYPE_CHECKING:
    from .codec import dumps, from_data, loads, to_data
    from .parsing import context, parse
    from .printing import latex, mathml, text

__all__ = [
    "Access",
    "Adjoint",
    "Affine",
    "Applied",
    "Array",
    "Contraction",
    "Equation",
    "Factor",
    "Indicator",
    "LossEquation",
    "Margin",
    "Node",
    "Normalisation",
    "Number",
    "Penalty",
    "Region",
    "Selection",
    "SoftmaxEquation",
    "Sparse",
    "System",
    "Term",
    "adjoint",
    "context",
    "contraction",
    "count",
    "dumps",
    "explain_size",
    "from_data",
    "gather",
    "image",
    "index",
    "indices",
    "latex",
    "loads",
    "loss",
    "mathml",
    "normalisation",
    "of_samples",
    "one_to_one",
    "parse",
    "per_sample",
    "preimage",
    "selection",
    "softmax",
    "sum_of",
    "term",
    "text",
    "to_data",
    "unread",
    "ways",
]

# Only those who write or read formulas need these; they are loaded at their first use.
_find, __dir__ = at_first_use(
    __name__,
    {
        **dict.fromkeys(("dumps", "from_data", "loads", "to_data"), "codec"),
        **dict.fromkeys(("context", "parse"), "parsing"),
        **dict.fromkeys(("latex", "mathml", "text"), "printing"),
    },
)
__getattr__ = with_former_names(_find, __name__)
