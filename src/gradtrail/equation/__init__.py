"""Index equations: a layer declared once, and everything else read off it. See README.md."""

from .access import Access, Applied, Array, Factor, Indicator, Margin, Term, term
from .adjoint import adjoint, gather
from .affine import Affine, index, indices
from .build import contraction, loss, normalisation, selection
from .codec import dumps, from_data, loads, to_data
from .explain import explain_size
from .kinds import Contraction, Equation, Loss, Normalisation, Selection, count
from .number import Number
from .parsing import context, parse
from .printing import latex, mathml, one_to_one, text
from .region import Region, image, preimage, unread
from .system import Adjoint, Node, System

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
    "Loss",
    "Margin",
    "Node",
    "Normalisation",
    "Number",
    "Region",
    "Selection",
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
    "one_to_one",
    "parse",
    "preimage",
    "selection",
    "term",
    "text",
    "to_data",
    "unread",
]
