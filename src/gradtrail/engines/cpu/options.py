"""What a program is made for, and how."""

from __future__ import annotations

from ...equation.frozen import frozen
from .target import Target

THREADS = 1024
"""How many threads there may be at most: what ten bits of a ticket count; see driver.py."""

WINOGRAD = ("auto", "off", "f2", "f4")
"""Which convolutions of 3 × 3 may go by Winograd's algorithm."""


@frozen
class Options:
    """What a program is for.

    Args:
        training: batch statistics and dropout, or evaluation.
        backward: whether there are gradients.
        keep: whether every array of the step is kept.
        outputs: whether the outputs are handed out as rows.
        per_sample: whether each sample's gradients of the parameters are kept; the batch's are
            summed only where `keep` asks for every array.
        by_class: whether the rows of the targets belong to classes, or to samples; of several
            outputs, of each.
        parts: the parameters that are moved alike, part by part, each in a row of its own; () for
            all of them in one.
    """

    training: bool
    backward: bool = False
    keep: bool = False
    outputs: bool = False
    per_sample: bool = False
    by_class: bool | tuple[bool, ...] = True
    parts: tuple[tuple[str, ...], ...] = ()

    @property
    def sums(self) -> bool:
        """Whether parameters get the batch's gradients."""
        return self.keep or not self.per_sample


@frozen
class EngineSetup:
    """How programs are made and run: the settings of `gt.CPU`, with nothing left open.

    Args:
        target: the processor.
        winograd: `auto` takes what the cost model finds fastest; `off`, `f2`, `f4` prescribe.
        threads: how many share the work; no program depends on it.
    """

    target: Target
    winograd: str = "auto"
    threads: int = 1
