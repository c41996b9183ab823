"""What an array is found by in a program's memory."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal[
    "value",  # of the forward pass: parameters, statistics, outputs
    "updated",  # running statistics after the step
    "gradient",
    "share",  # each sample's, of a parameter's gradient
    "classes",  # the batch's class numbers, of a loss
    "rest",  # what float32 leaves of a batch norm's means
    "partial",  # what a block sums for a batch norm
    "total",  # the same of the whole batch
    "winner",  # of maxima that nobody asks for
    "packed",  # weights, transformed or in another order
    "transposed",  # with features as lanes
    "copied",  # for when all blocks have been here
    "waiting",  # accumulators between two rows
    "scratch",  # a call's own
]
"""What an array is."""


class ArrayKey(NamedTuple):
    """What an array is found by.

    Args:
        kind: what it is.
        array: of which of the network's arrays, or of which layer; empty where it is of none.
        detail: which, where there are several.
    """

    kind: Kind
    array: str = ""
    detail: str = ""

    @property
    def name(self) -> str:
        """Array and detail in words."""
        return ", ".join(part for part in (self.array, self.detail) if part)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def value(name: str) -> ArrayKey:
    """The key of a value."""
    return ArrayKey("value", name)


def gradient(name: str) -> ArrayKey:
    """The key of a gradient."""
    return ArrayKey("gradient", name)


def sample_share(name: str) -> ArrayKey:
    """The key of each sample's gradients of a parameter."""
    return ArrayKey("share", name)


def share_factors(name: str) -> tuple[ArrayKey, ArrayKey]:
    """The keys of what each sample's gradients of a linear weight are products of: dZ and X."""
    return ArrayKey("share", name, "dZ"), ArrayKey("share", name, "X")
