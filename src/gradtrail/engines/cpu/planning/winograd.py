"""Which convolutions are done by Winograd's algorithm, and their calls.

A form is a plane convolution where it reads a 3 × 3 window at stride 1 without dilation or groups:

    forward     Z[n,k,y,x] = b[k] + Σ W[k,c,i,j]·X[n,c,y+i−p,x+j−p]
    turned      dX[n,c,h,w] = Σ W[k,c,i,j]·dZ[n,k,h+p−i,w+p−j]          all planes turned by half
    weights     dW[k,c,i,j] = Σ dZ[n,k,y,x]·X[n,c,y+i−p,x+j−p]
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from math import prod, sqrt
from typing import TYPE_CHECKING

from ....equation import Access, Term
from ....equation.frozen import frozen
from ..addresses import lanes_of
from ..contraction import Form
from ..keys import ArrayKey
from ..layout import Layout
from ..nest import Stream
from ..options import EngineSetup
from ..target import Target

if TYPE_CHECKING:
    from .draft import Draft, Job


@frozen
class Plane:
    """A plane convolution of 3 × 3.

    Args:
        kind: `forward`, `turned` or `weights`.
        weights: the letter of W; of a weight gradient, that of dZ.
        source: the letter of what is read by windows.
        bias: the letter of b, or None.
        channels: summed over, and of the target; of a weight gradient C and K.
        size: height and width of the outputs.
        start: the position that output (0, 0) reads with kernel offset (0, 0).
        m: outputs a side of a tile.
    """

    kind: str
    weights: str
    source: str
    bias: str | None
    channels: tuple[int, int]
    size: tuple[int, int]
    start: tuple[int, int]
    m: int = 4

    @property
    def products(self) -> int:
        """Multiply–adds for one sample, computed directly."""
        return prod(self.size) * prod(self.channels) * 9


def choose(several: Sequence[Form], setup: EngineSetup) -> Plane | None:
    """The plane convolution that a form is, where Winograd's algorithm is to compute it."""
    if setup.winograd == "off" or len(several) != 1:
        return None
    plane = _plane(several[0])
    if plane is None:
        return None
    sizes = {"f2": (2,), "f4": (4, 2)}.get(setup.winograd, (4, 2))
    fitting = [replace(plane, m=m) for m in sizes if min(plane.size) >= m]
    if not fitting or setup.winograd != "auto":
        return fitting[0] if fitting else None
    fitting = [p for p in fitting if _deviation(p) <= _BOUND]
    if not fitting:
        return None
    best = min(fitting, key=lambda p: cycles(p, setup.target))
    direct = _direct_cycles(plane, setup.target)
    return best if cycles(best, setup.target) < direct else None


def cycles(plane: Plane, target: Target) -> float:
    """What Winograd's algorithm takes for a block, on one core."""
    from ..winograd import Tiles, estimated_cycles

    weights = plane.kind == "weights"
    return estimated_cycles(target, Tiles(plane.m, *plane.size), *plane.channels, gradient=weights)


_BOUND = 5e-6
"""The largest error, relative to the result, that is taken for speed."""

_OF_TILES = {2: 4e-8, 4: 1.6e-7}
"""m → the root mean square of the error, relative to that of the result, of one channel; measured
from 64 to 4,096 channels, of which it grows with the root."""


def _deviation(plane: Plane) -> float:
    """The relative error that is to be expected; a weight gradient does not sum over channels."""
    summed = 1 if plane.kind == "weights" else plane.channels[0]
    return _OF_TILES[plane.m] * sqrt(summed)


def _direct_cycles(plane: Plane, target: Target) -> float:
    """What a direct nest takes: measured at three quarters of the peak, a weight gradient at half.

    With one input channel there is little to sum, and the rows stay near.
    """
    return plane.products / target.rate * (2.0 if plane.kind == "weights" else 1.33)


# -- recognition ------------------------------------------------------------------------------


def _plane(form: Form) -> Plane | None:
    """The plane convolution that a form is, or None."""
    *biases, term = sorted(form.terms, key=lambda t: len(t.factors))
    plain = len(term.factors) == 2 and all(isinstance(f, Access) for f in term.factors)
    if not plain or len(biases) > 1 or term.scale.value != 1 or not form.dense:
        return None
    if len(term.target.positions) != 4:
        return None
    if form.over_lanes:
        return None if biases else _weights_plane(form, term)
    return _convolution_plane(form, term, biases)


def _convolution_plane(form: Form, term: Term, biases: Sequence[Term]) -> Plane | None:
    """Forward or turned."""
    by_lanes = sorted((f.access for f in term.factors), key=lanes_of)
    weights, source = by_lanes
    if lanes_of(weights) or not lanes_of(source) or not lanes_of(term.target):
        return None
    names = [p.plain for p in weights.positions]
    if None in names or len(names) != 4 or source.positions[1].plain is None:
        return None
    _, k, y, x = (p.plain or "" for p in term.target.positions)
    c = source.positions[1].plain
    window = _window(form, source, (y, x), (names[2] or "", names[3] or ""))
    turned = names[:2] == [c, k]
    if window is None or (names[:2] != [k, c] and not turned) or window[0] == turned:
        return None
    bias = _bias(biases, k)
    if biases and bias is None:
        return None
    ranges = form.equation.range_of
    back = 2 if turned else 0
    return Plane(
        "turned" if turned else "forward",
        weights.array,
        source.array,
        bias,
        (ranges[c], ranges[k]),
        (ranges[y], ranges[x]),
        (window[1] - back, window[2] - back),
    )


def _bias(biases: Sequence[Term], k: str) -> str | None:
    """The letter of b[k]."""
    for term in biases:
        (*_, factor) = term.factors
        single = len(term.factors) == 1 and isinstance(factor, Access) and term.scale.value == 1
        if single and [p.plain for p in factor.access.positions] == [k]:
            return factor.access.array
    return None


def _weights_plane(form: Form, term: Term) -> Plane | None:
    """A weight gradient."""
    k, c, i, j = (p.plain or "" for p in term.target.positions)
    first, second = (f.access for f in term.factors)
    at_places = [a for a in (first, second) if all(p.plain for p in a.positions)]
    if len(at_places) != 1 or not (lanes_of(first) and lanes_of(second)):
        return None
    gradient = at_places[0]
    source = second if gradient is first else first
    if len(gradient.positions) != 4 or len(source.positions) != 4:
        return None
    _, of_gradient, y, x = (p.plain or "" for p in gradient.positions)
    window = _window(form, source, (y, x), (i, j))
    if window is None or not window[0] or of_gradient != k or source.positions[1].plain != c:
        return None
    ranges = form.equation.range_of
    return Plane(
        "weights",
        gradient.array,
        source.array,
        None,
        (ranges[c], ranges[k]),
        (ranges[y], ranges[x]),
        (window[1], window[2]),
    )


def _window(
    form: Form, source: Access, places: tuple[str, str], offsets: tuple[str, str]
) -> tuple[bool, int, int] | None:
    """Whether the window runs forwards, and where it begins; None where it is no 3 × 3 window."""
    starts, signs = [], []
    for position, place, offset in zip(source.positions[2:], places, offsets, strict=True):
        alike = set(position.names) == {place, offset} and position.coefficient(place) == 1
        sign = position.coefficient(offset)
        if not alike or abs(sign) != 1 or form.equation.range_of[offset] != 3:
            return None
        starts.append(position.offset.integer)
        signs.append(sign)
    return (signs[0] > 0, starts[0], starts[1]) if signs[0] == signs[1] else None


# -- calls ------------------------------------------------------------------------------------


def by_place(layout: Layout, argument: int, names: str, start: tuple[int, int]) -> Stream:
    """An activation's stream over channel, row and column."""
    channel, row, column = layout.strides
    offset = layout.origin + start[0] * row + start[1] * column
    strides = tuple(zip(names, (channel, row, column), strict=True))
    return Stream(argument, strides, offset, True, layout.element)


def plan_convolution(
    draft: Draft, job: Job, plane: Plane, *, adds: bool, winner: ArrayKey | None = None
) -> None:
    """A convolution, forward or turned; its weights are transformed once a step for both.

    With the array of winners, the target gets the maxima of windows of 2 × 2.
    """
    from ..winograd import Convolution, Tiles, turned

    memory, arrays = draft.memory, job.arrays
    (c, k), (height, width) = plane.channels, plane.size
    if winner is not None:  # a last row or column of which no window is made
        height, width = height // 2 * 2, width // 2 * 2
    back = plane.kind == "turned"

    def outputs(key: ArrayKey, argument: int) -> Stream:
        found = by_place(memory[key].layout, argument, "kyx", (0, 0))
        return turned(found, height, width) if back else found

    source = by_place(memory[arrays[plane.source]].layout, 1, "cyx", plane.start)
    if back:  # what the outputs read is two rows and columns larger than they
        source = turned(source, height + 2, width + 2)
    bias = None if plane.bias is None else 4
    numbers = itertools.count(4 if bias is None else 5)  # of the arguments beside
    steps = [
        step if key is None else replace(step, stream=outputs(key, next(numbers)))
        for step, key, _ in job.endings
    ]
    kernel = Convolution(
        Tiles(plane.m, height, width, backwards=back),
        c,
        k,
        source,
        outputs(job.target, 0),
        2,
        3,
        bias,
        adds,
        tuple(steps),
        exchanged=back,
        winner=None if winner is None else outputs(winner, next(numbers)),
    )
    pack = replace(kernel.packed, everything=True)
    packed = draft.pack(pack, arrays[plane.weights], f"in tiles of {plane.m}", job.layer)
    given = None if plane.bias is None else arrays[plane.bias]
    beside = [key for key in (given, *(key for _, key, _ in job.endings), winner) if key]
    names = [job.target, arrays[plane.source], packed, draft.scratch(kernel.scratch_size), *beside]
    draft.call(kernel, names, job.layer, job.does, plane.products, cycles(plane, draft.target))


def plan_weights(draft: Draft, job: Job, plane: Plane) -> None:
    """A weight gradient: the transformed one, and what it stands for."""
    from ..winograd import STRIP, Tiles, WeightGradient

    memory = draft.memory
    c, k = plane.channels
    source, dz = job.arrays[plane.source], job.arrays[plane.weights]
    kernel = WeightGradient(
        Tiles(plane.m, *plane.size),
        c,
        k,
        by_place(memory[source].layout, 1, "cyx", plane.start),
        by_place(memory[dz].layout, 2, "kyx", (0, 0)),
        0,
        3,
    )
    by_rounds = replace(kernel, unpacked=4, strip=kernel.tiles.count)
    at_once = kernel.tiles.count <= STRIP and by_rounds.unpack != kernel.unpack
    kernel = by_rounds if at_once else kernel
    unpack = replace(kernel.unpack, everything=True)
    begin = -(-max(kernel.scratch_size, unpack.scratch_size) // 64) * 64
    result = draft.scratch(unpack.size, begin)
    names = [result, source, dz, draft.scratch(kernel.scratch_size)]
    names += [job.target] if at_once else []
    draft.call(kernel, names, job.layer, job.does, plane.products, cycles(plane, draft.target))
    if not at_once:
        names = [job.target, result, draft.scratch(unpack.scratch_size)]
        draft.call(unpack, names, job.layer, job.does)
