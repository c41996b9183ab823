"""Programs for one sample at a time, in evaluation: the lanes are channels instead of samples.

With sixteen samples side by side, a single image would cost as much as sixteen. Here activations
lie as `[C/16][H][W][16 channels]`: a convolution reads its weights sixteen output channels at a
time and spreads one number of the input to all of them. The equations and the nests are the same,
and so are the algorithms and the order of every sum: all bits are those of a block of samples.

    Z[k/16][y][x][k] = b[k] + Σ_{c,i,j} W[k/16][c][i][j][k]·X[c/16][y+i][x+j][c]

It takes chains and sums of the usual layers; `single` gives None for a network with others
(grouped and transposed convolutions, concatenation), which runs with sample lanes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

from ...equation import Access, Applied, Contraction, Node, Selection, Sparse, Term
from ...equation import Factor as EquationFactor
from ...graph.packed_samples import places_in_row
from .activation import function_of
from .addresses import lanes_of, reach
from .channel_lanes import (
    UnsuitableError,
    argument_of,
    as_row,
    by_channels,
    channel_stream,
    check_channels,
    flattens,
    grouped_names,
    schedule_nest,
)
from .contraction import sum_order
from .frame import Slot
from .kernels.channels import CopySample, PackChannels
from .kernels.max_pool import select_kernel
from .kernels.nest_kernel import NestKernel
from .keys import ArrayKey, value
from .layout import Layout, Margins, wider
from .nest import Epilogue, Factor, Stream, TermSum, differences
from .options import EngineSetup, Options
from .planning.draft import Draft
from .planning.forward import NoDraws
from .planning.winograd import Plane, by_place
from .planning.work import Work, functions_behind
from .program import Program
from .target import LANES

if TYPE_CHECKING:
    from ...graph import Graph


def single(network: Graph, setup: EngineSetup) -> Program | None:
    """The program of a network for one sample at a time, or None where it has none."""
    try:
        return _Builder(network, setup).program()
    except UnsuitableError:
        return None


@dataclass
class _NestInputs:
    """What a contraction's nest is made of; arguments and ranges grow factor by factor.

    Args:
        node: whose equation it is.
        equation: solved for its target.
        lane: the index of the channels that are lanes.
        letters: the nest's arguments so far.
        ranges: of the indices so far; of a summed channel, in its group and of the groups.
    """

    node: Node
    equation: Contraction
    lane: str
    letters: list[ArrayKey]
    ranges: dict[str, int]


class _Builder:
    """A program being built."""

    def __init__(self, network: Graph, setup: EngineSetup) -> None:
        if len(network.outputs) > 1:
            raise UnsuitableError
        self.network, self.target, self.system = network, setup.target, network.system(1)
        self.work = Work(self.system, Options(training=False, outputs=True), setup)
        self.draft = Draft(network, self.work)
        self.memory, self.planes = self.draft.memory, self.work.planes
        self.margins = self._margins()
        self.fused = self._fused()

    # -- what the layers look like ---------------------------------------------------------

    def _transformed(self, name: str) -> bool:
        """Whether it is Winograd's algorithm that reads an input, sixteen channels at a time."""
        readers = {node.name for node, _ in self.system.readers[name]}
        by_planes = readers & self.planes.keys()
        if by_planes and (by_planes != readers or self.network.inputs[name][0] > LANES):
            raise UnsuitableError  # what stands in the lanes beyond may be anything
        return bool(by_planes)

    def _margins(self) -> dict[str, Margins]:
        """The halo of every activation; maxima need none."""
        found: dict[str, Margins] = {}
        for node in self.system.nodes:
            forms = self.work.forward.get(node.name)
            if not forms:
                continue
            equation = forms[0].equation
            for access in equation.accesses:
                if lanes_of(access) and access.array in node.sources:
                    name = node.array_of[access.array]
                    found[name] = wider(found.get(name), reach(equation, access))
        return found

    def _fused(self) -> dict[str, Node]:
        """Contractions with products whose result goes through one function: name → that node."""
        found: dict[str, Node] = {}
        for before, node in functions_behind(self.system):
            if isinstance(before.equation, Contraction) and before.equation.kind == "contraction":
                found[before.name] = node
        return found

    # -- the program -----------------------------------------------------------------------

    def program(self) -> Program:
        """Packing, then the sample through all layers."""
        at = 0
        for name, shape in self.network.parameters.shapes.items():
            layout = Layout(tuple(shape), (), False)
            self.memory.put(value(name), Slot.PARAMETERS, layout, at)
            at += layout.size
        for name, shape in self.network.buffers.shapes.items():
            self.memory.add(value(name), Slot.CONSTANTS, Layout(tuple(shape), (), False))
        for name, shape, begin in places_in_row(self.network.inputs):
            self._input(name, shape, begin)
        done = {node.name for node in self.fused.values()}
        for place, node in enumerate(self.system.nodes):
            if node.name not in done:
                self._node(place, node)
        self._output()
        return self.draft.program(per_block=1)

    def _input(self, name: str, shape: tuple[int, ...], begin: int) -> None:
        margins = self.margins.get(name, ())[-len(shape) :]
        lanes = self._transformed(name)
        held = (1, *shape[1:]) if lanes else shape
        layout = Layout(held, margins if any(m != (0, 0) for m in margins) else (), lanes)
        self.memory.add(value(name), Slot.ARENA, layout)
        strides = (4, *layout.strides[1:]) if lanes else layout.strides
        row = prod(self.network.sample_shape) if len(self.network.inputs) > 1 else 0
        kernel = CopySample(shape, strides, layout.origin, row, begin)
        self.draft.call(kernel, (value(name),), name, "forward")

    def _activation(self, name: str) -> Layout:
        """The place of a layer's output, with channel lanes."""
        if value(name) not in self.memory:
            _, channels, *rest = self.system.shapes[name]
            margins = self.margins.get(name, ())
            halo = any(m != (0, 0) for m in margins)
            shape = (-(-channels // LANES), *rest)
            self.memory.add(value(name), Slot.ARENA, Layout(shape, margins if halo else (), True))
        return self.memory[value(name)].layout

    def _output(self) -> None:
        name = self.network.output_name
        buffer = self.memory[value(name)]
        kernel = as_row(self.system.shapes[name][1:], buffer.layout, hands_out=True)
        self.draft.call(kernel, (value(name), value(name)), "output", "forward")

    def _node(self, place: int, node: Node) -> None:
        layer = self.network.steps[place].layer
        for letter, array in layer.given(node.equation, NoDraws(0, 0, place)).items():
            name = value(node.array_of[letter])
            self.memory.add(name, Slot.CONSTANTS, Layout(array.shape, (), False))
            self.draft.constants[name] = array
        if isinstance(node.equation, Selection):
            self._select(node, node.equation)
        elif not isinstance(node.equation, Contraction):
            raise UnsuitableError
        elif node.equation.kind == "reindex" and flattens(node):
            self._flatten(node)
        else:
            self._contract(node, node.equation)

    def _select(self, node: Node, equation: Selection) -> None:
        source = node.inputs[0]
        same = equation.source.positions[1] == equation.result.positions[1]
        if not self._has_lanes(source) or not same or equation.result.positions[1].plain is None:
            raise UnsuitableError  # the channels are lanes, and stay what they are
        target = self._activation(node.output)
        layouts = {
            equation.source.array: self._activation(source),
            equation.result.array: target,
            equation.winner: Layout(target.shape, (), True, "i8"),
        }
        kernel = select_kernel(equation, layouts)
        lane = equation.result.positions[1].plain
        outer = tuple((n, target.shape[0] if n == lane else size) for n, size in kernel.outer)
        winner = ArrayKey("winner", node.name)
        self.memory.add(winner, Slot.ARENA, layouts[equation.winner])
        names = (value(node.output), value(source), winner)
        self.draft.call(replace(kernel, outer=outer), names, node.name, "forward")

    def _flatten(self, node: Node) -> None:
        """Every number in one row; the features of a linear layer are read one by one."""
        source = node.inputs[0]
        buffer = self.memory[value(source)]
        features = self.system.shapes[node.output][1]
        layout = Layout((features,), (), False)
        self.memory.add(value(node.output), Slot.ARENA, layout)
        if not self._has_lanes(source):
            if not buffer.layout.contiguous:
                raise UnsuitableError
            self.memory[value(node.output)].same = buffer
            return
        kernel = as_row(self.system.shapes[source][1:], buffer.layout)
        self.draft.call(kernel, (value(node.output), value(source)), node.name, "forward")

    def _has_lanes(self, name: str) -> bool:
        return self.memory[value(name)].layout.lanes

    def _in_lanes(self, node: Node, term: Term) -> list[bool]:
        """Which factors of a term lie in channel lanes."""
        accesses = [f.access for f in term.factors]
        return [lanes_of(a) and self._has_lanes(node.array_of[a.array]) for a in accesses]

    # -- contractions ----------------------------------------------------------------------

    def _convolve(self, node: Node, plane: Plane) -> None:
        """A convolution by Winograd's algorithm."""
        from .winograd import Convolution, SampleConvolution, Tiles

        source, weights = (value(node.array_of[a]) for a in (plane.source, plane.weights))
        if plane.kind != "forward" or not self._has_lanes(node.array_of[plane.source]):
            raise UnsuitableError
        output, epilogue = self._ending(node)
        target, read = self._activation(output), self.memory[source].layout
        (c, k), (height, width) = plane.channels, plane.size
        of = Convolution(
            Tiles(plane.m, height, width),
            -(-c // LANES),
            -(-k // LANES),
            by_place(read, 1, "cyx", plane.start),
            by_place(target, 0, "kyx", (0, 0)),
            2,
            3,
            None if plane.bias is None else 4,
            epilogue=epilogue,
        )
        kernel = SampleConvolution(of, c, k)
        packed = self.draft.pack(kernel.packed, weights, f"in tiles of {plane.m}", node.name)
        names = [value(output), source, packed, self.draft.scratch(kernel.scratch_size)]
        if plane.bias is not None:
            bias = value(node.array_of[plane.bias])
            names.append(self.draft.pack(PackChannels(k, 1, ()), bias, "by lanes", node.name))
        self.draft.call(kernel, names, node.name, "forward", plane.products)

    def _contract(self, node: Node, equation: Contraction) -> None:
        if node.name in self.planes:
            self._convolve(node, self.planes[node.name])
            return
        form = self.work.forward[node.name][0]
        equation = form.equation
        targets = {t.target for t in equation.terms}
        target = equation.terms[0].target
        if len(targets) != 1 or not all(p.plain for p in target.positions):
            raise UnsuitableError
        lane = target.positions[1].plain or ""
        output, epilogue = self._ending(node)
        layout = self._activation(output)
        ranges = {lane: layout.shape[0]}
        inputs = _NestInputs(node, equation, lane, [value(output)], ranges)
        self._divide(inputs)
        sums = []
        for term in equation.terms:
            check_channels(term, lane, inputs.ranges, self._in_lanes(node, term), equation.range_of)
            factors = tuple(self._factor(inputs, f) for f in term.factors)
            shown = set(target.names)
            order = sum_order(form, [n for n in term.names if n not in shown])
            summed = [n for t in grouped_names(order, ranges) for n in t]
            scale = None if term.scale.value == 1 else float(term.scale.value)
            sums.append(TermSum(factors, tuple(summed), scale))
        for n in dict.fromkeys(n for t in equation.terms for n in t.names if n != "n"):
            ranges.setdefault(n, equation.range_of[n])
        stored = channel_stream(target, layout, 0, lane)
        nest = schedule_nest(self.target, stored, differences(sums), ranges, target, epilogue)
        work = prod(equation.range_of[n] for n in equation.terms[-1].names)
        self.draft.call(NestKernel(nest), inputs.letters, node.name, "forward", work)

    def _ending(self, node: Node) -> tuple[str, tuple[Epilogue, ...]]:
        """The array that a layer's sums go to, and the function that they go through before."""
        after = self.fused.get(node.name)
        if after is None:
            return node.output, ()
        return after.output, (Epilogue("apply", function_of(after)),)

    def _divide(self, inputs: _NestInputs) -> None:
        """Split summed channels' indices into a group of sixteen and the place in it."""
        for term in inputs.equation.terms:
            for access in (f.access for f in term.factors):
                name = value(inputs.node.array_of[access.array])
                if not lanes_of(access) or not self.memory[name].layout.lanes:
                    continue
                channel = access.positions[1].plain
                if channel not in (None, inputs.lane) and len(access.positions) > 2:
                    size = inputs.equation.range_of[channel]
                    inputs.ranges[channel] = min(size, LANES)
                    inputs.ranges[channel + "16"] = -(-size // LANES)

    def _factor(self, inputs: _NestInputs, factor: EquationFactor) -> Factor:
        """A factor's stream; parameters with the lane's index are packed."""
        if isinstance(factor, Sparse):
            raise UnsuitableError
        access, lane = factor.access, inputs.lane
        name = value(inputs.node.array_of[access.array])
        function = factor.function if isinstance(factor, Applied) else None
        given = not lanes_of(access)
        if given and any(p.plain is None for p in access.positions):
            raise UnsuitableError
        if given and lane in access.names:
            packed, strides = self._packed(inputs, access, name)
            argument = argument_of(inputs.letters, packed)
            read = Stream(argument, strides, 0, True, "float", access.array)
            return Factor(read, function, given=True)
        layout = self.memory[name].layout
        if not given and not by_channels(access, inputs.equation, lane, layout):
            raise UnsuitableError
        argument = argument_of(inputs.letters, name)
        return Factor(channel_stream(access, layout, argument, lane), function)

    def _packed(
        self, inputs: _NestInputs, access: Access, name: ArrayKey
    ) -> tuple[ArrayKey, tuple[tuple[str, int], ...]]:
        """A parameter with its lanes innermost: its buffer, and how its indices move it."""
        shape, lane = inputs.equation.shape_of[access.array], inputs.lane
        grouped = {n for n in inputs.equation.range_of if n + "16" in inputs.ranges}
        names = [p.plain or "" for p in access.positions]
        apart = [prod(shape[i + 1 :]) for i in range(len(shape))]
        rest = [
            (n, size, step, -(-size // LANES) * LANES if n in grouped else size)
            for n, size, step in zip(names, shape, apart, strict=True)
            if n != lane
        ]
        kernel = PackChannels(
            shape[names.index(lane)],
            apart[names.index(lane)],
            tuple((size, step, padded) for _, size, step, padded in rest),
        )
        packed = self.draft.pack(kernel, name, f"by {lane}", name.array)
        strides: list[tuple[str, int]] = [(lane, kernel.row)]
        step = LANES * 4
        for n, _, _, padded in reversed(rest):
            if n in grouped:
                strides += [(n, step), (n + "16", step * LANES)]
            else:
                strides.append((n, step))
            step *= padded
        return packed, tuple(strides)
