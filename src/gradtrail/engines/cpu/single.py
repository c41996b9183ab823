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

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from ...equation import Access, Applied, Contraction, Node, Selection, System
from ...equation import Factor as EquationFactor
from .activation import function_of
from .addresses import lanes_of, reach
from .channel_lanes import (
    UnsuitableError,
    argument_of,
    as_row,
    channel_stream,
    divided,
    flattens,
    grouped_names,
    schedule_nest,
    winner_of,
)
from .contraction import forms, solve, sum_order
from .frame import Slot
from .kernels.channels import CopySample, PackChannels
from .kernels.kernel import Kernel
from .kernels.nest_kernel import NestKernel
from .kernels.selection import select_kernel
from .keys import ArrayKey, value
from .layout import Layout, Margins, wider
from .memory_plan import MemoryPlan
from .nest import Epilogue, Factor, Stream, Sum, differences
from .options import EngineSetup, Options
from .phases import Phase
from .planning.forward import NoDraws
from .planning.winograd import Plane, by_place, choose
from .planning.work import functions_behind
from .program import KernelCall, Program
from .target import LANES

if TYPE_CHECKING:
    from ...graph import Graph
    from .winograd import PackWeights


def single(network: Graph, setup: EngineSetup) -> Program | None:
    """The program of a network for one sample at a time, or None where it has none."""
    try:
        return _Builder(network, setup).program()
    except UnsuitableError:
        return None


class _Builder:
    """A program being built."""

    def __init__(self, network: Graph, setup: EngineSetup) -> None:
        self.network, self.target = network, setup.target
        self.system: System = network.system(1)
        self.memory = MemoryPlan()
        self.packing: Phase[KernelCall] = Phase("each")
        self.blocks: Phase[KernelCall] = Phase("blocks")
        self.count = 0
        self.constants: dict[ArrayKey, np.ndarray] = {}
        self.planes = self._planes(setup)
        self.margins = self._margins()
        self.fused = self._fused()

    # -- what the layers look like ---------------------------------------------------------

    def _planes(self, setup: EngineSetup) -> dict[str, Plane]:
        """The convolutions that a block of samples computes by Winograd's algorithm."""
        nodes = {n.name: n.equation for n in self.system.nodes}
        several = {n: forms(e) for n, e in nodes.items() if isinstance(e, Contraction)}
        found = {n: choose(s, setup) for n, s in several.items()}
        return {name: plane for name, plane in found.items() if plane is not None}

    @property
    def _transformed(self) -> bool:
        """Whether it is Winograd's algorithm that reads the input, sixteen channels at a time."""
        readers = {node.name for node, _ in self.system.readers[self.system.input]}
        by_planes = readers & self.planes.keys()
        if by_planes and (by_planes != readers or self.network.input_shape[0] > LANES):
            raise UnsuitableError  # what stands in the lanes beyond may be anything
        return bool(by_planes)

    def _margins(self) -> dict[str, Margins]:
        """The halo of every activation; maxima need none."""
        found: dict[str, Margins] = {}
        for node in self.system.nodes:
            equation = node.equation
            if not isinstance(equation, Contraction):
                continue
            equation = solve(equation)
            for access in equation.accesses:
                if not lanes_of(access) or access.array not in node.sources:
                    continue
                name, needed = node.array_of[access.array], reach(equation, access)
                found[name] = wider(found.get(name), needed)
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
        self._input()
        done = {node.name for node in self.fused.values()}
        for place, node in enumerate(self.system.nodes):
            if node.name not in done:
                self._node(place, node)
        self._output()
        self.memory.place()
        phases = [p for p in (self.packing, self.blocks) if p.calls]
        options = Options(training=False, outputs=True)
        return Program(phases, self.memory, self.system.shapes, options, self.constants, 1)

    def _call(self, kernel: Kernel, names: tuple[ArrayKey, ...], layer: str, work: int = 0) -> None:
        for name in names:
            self.memory.used(name, self.count)
        self.count += 1
        self.blocks.calls.append(KernelCall(kernel, names, layer, "forward", work))

    def _input(self) -> None:
        name = value(self.system.input)
        shape = self.network.input_shape
        margins = self.margins.get(self.system.input, ())[-len(shape) :]
        lanes = self._transformed
        held = (1, *shape[1:]) if lanes else shape
        layout = Layout(held, margins if any(m != (0, 0) for m in margins) else (), lanes)
        self.memory.add(name, Slot.ARENA, layout)
        strides = (4, *layout.strides[1:]) if lanes else layout.strides
        self._call(CopySample(shape, strides, layout.origin), (name,), "input")

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
        self._call(kernel, (value(name), value(name)), "output")

    def _node(self, place: int, node: Node) -> None:
        layer = self.network.steps[place].layer
        for letter, array in layer.given(node.equation, NoDraws(0, 0, place)).items():
            name = value(node.array_of[letter])
            self.memory.add(name, Slot.CONSTANTS, Layout(array.shape, (), False))
            self.constants[name] = array
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
        if not self._has_lanes(source):
            raise UnsuitableError
        target = self._activation(node.output)
        layouts = {"X": self._activation(source), "Z": target, "A": winner_of(target)}
        letters = (equation.source.array, equation.result.array, equation.winner)
        layouts = dict(zip(letters, layouts.values(), strict=True))
        kernel = select_kernel(equation, layouts)
        outer = tuple((n, target.shape[0] if n == "c" else size) for n, size in kernel.outer)
        winner = ArrayKey("winner", node.name)
        self.memory.add(winner, Slot.ARENA, layouts[equation.winner])
        names = (value(node.output), value(source), winner)
        self._call(replace(kernel, outer=outer), names, node.name)

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
        self._call(kernel, (value(node.output), value(source)), node.name)

    def _has_lanes(self, name: str) -> bool:
        return self.memory[value(name)].layout.lanes

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
        packed = ArrayKey("packed", weights.array, f"in tiles of {plane.m}")
        scratch = ArrayKey("scratch", detail=str(kernel.scratch_size))
        self._pack(kernel.packed, packed, weights, node.name)
        if scratch not in self.memory:
            layout = Layout((-(-kernel.scratch_size // 4),), (), False)
            self.memory.put(scratch, Slot.SCRATCH, layout, 0)
        names = [value(output), source, packed, scratch]
        if plane.bias is not None:
            bias = value(node.array_of[plane.bias])
            names.append(ArrayKey("packed", bias.array, "by lanes"))
            self._pack(PackChannels(k, 1, ()), names[-1], bias, node.name)
        self._call(kernel, tuple(names), node.name, plane.products)

    def _pack(
        self, kernel: PackChannels | PackWeights, packed: ArrayKey, array: ArrayKey, of: str
    ) -> None:
        """A call that packs an array, once for all that read it."""
        if packed in self.memory:
            return
        self.memory.add(packed, Slot.PACKED, Layout((kernel.size // 4,), (), False))
        self.packing.calls.append(KernelCall(kernel, (packed, array), of, "packing"))

    def _contract(self, node: Node, equation: Contraction) -> None:
        if node.name in self.planes:
            self._convolve(node, self.planes[node.name])
            return
        several = forms(equation)
        equation = solve(equation)
        targets = {t.target for t in equation.terms}
        target = equation.terms[0].target
        if len(targets) != 1 or not all(p.plain for p in target.positions):
            raise UnsuitableError
        lane = target.positions[1].plain or ""
        output, epilogue = self._ending(node)
        layout = self._activation(output)
        letters: list[ArrayKey] = [value(output)]
        ranges: dict[str, int] = {lane: layout.shape[0]}
        self._divide(node, equation, lane, ranges)
        sums = []
        for term in equation.terms:
            factors = tuple(
                self._factor(node, equation, f, lane, letters, ranges) for f in term.factors
            )
            shown = set(target.names)
            order = sum_order(several[0], [n for n in term.names if n not in shown])
            summed = [n for t in grouped_names(order, ranges) for n in t]
            scale = None if term.scale.value == 1 else float(term.scale.value)
            sums.append(Sum(factors, tuple(summed), scale))
        for n in dict.fromkeys(n for t in equation.terms for n in t.names if n != "n"):
            ranges.setdefault(n, equation.range_of[n])
        stored = channel_stream(target, layout, 0, lane)
        nest = schedule_nest(self.target, stored, differences(sums), ranges, target, epilogue)
        work = prod(equation.range_of[n] for n in equation.terms[-1].names)
        self._call(NestKernel(nest), tuple(letters), node.name, work)

    def _ending(self, node: Node) -> tuple[str, tuple[Epilogue, ...]]:
        """The array that a layer's sums go to, and the function that they go through before."""
        after = self.fused.get(node.name)
        if after is None:
            return node.output, ()
        return after.output, (Epilogue("apply", function_of(after)),)

    def _divide(self, node: Node, equation: Contraction, lane: str, ranges: dict[str, int]) -> None:
        """Split summed channels' indices into a group of sixteen and the place in it."""
        for term in equation.terms:
            for access in (f.access for f in term.factors):
                name = value(node.array_of[access.array])
                if not lanes_of(access) or not self.memory[name].layout.lanes:
                    continue
                channel = access.positions[1].plain
                if channel not in (None, lane) and len(access.positions) > 2:
                    size = equation.range_of[channel]
                    ranges[channel] = min(size, LANES)
                    ranges[channel + "16"] = -(-size // LANES)

    def _factor(
        self,
        node: Node,
        equation: Contraction,
        factor: EquationFactor,
        lane: str,
        letters: list[ArrayKey],
        ranges: dict[str, int],
    ) -> Factor:
        """A factor's stream; parameters with the lane's index are packed."""
        access = factor.access
        name = value(node.array_of[access.array])
        function = factor.function if isinstance(factor, Applied) else None
        if lanes_of(access):
            layout = self.memory[name].layout
            found = channel_stream(access, layout, argument_of(letters, name), lane)
            channel = access.positions[1].plain
            if channel is None or (channel == lane and not layout.lanes):
                raise UnsuitableError
            return Factor(found, function)
        if any(p.plain is None for p in access.positions):
            raise UnsuitableError
        if lane not in access.names:
            layout = self.memory[name].layout
            return Factor(
                channel_stream(access, layout, argument_of(letters, name), lane), function
            )
        packed, strides = self._packed(equation, access, name, lane, divided(equation, ranges))
        read = Stream(argument_of(letters, packed), strides, 0, True, "float", access.array)
        return Factor(read, function, given=True)

    def _packed(
        self,
        equation: Contraction,
        access: Access,
        name: ArrayKey,
        lane: str,
        grouped: frozenset[str],
    ) -> tuple[ArrayKey, tuple[tuple[str, int], ...]]:
        """A parameter with its lanes innermost: its buffer, and how its indices move it."""
        shape = equation.shape_of[access.array]
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
        packed = ArrayKey("packed", name.array, f"by {lane}")
        self._pack(kernel, packed, name, name.array)
        strides: list[tuple[str, int]] = [(lane, kernel.row)]
        step = LANES * 4
        for n, _, _, padded in reversed(rest):
            if n in grouped:
                strides += [(n, step), (n + "16", step * LANES)]
            else:
                strides.append((n, step))
            step *= padded
        return packed, tuple(strides)
