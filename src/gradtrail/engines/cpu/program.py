"""From a network's equations to a list of native calls: the whole step, planned once.

The step is laid out for a block of sixteen samples, so one program serves every batch size. What
depends on the batch (1/N, how many lanes hold samples) is in the frame.

A program is a list of phases. Within a phase of blocks a block runs through all calls on one
thread; batch norm needs the whole batch and ends a phase.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Any

from ...equation import (
    Access,
    Adjoint,
    Applied,
    Contraction,
    Equation,
    Node,
    Normalisation,
    Selection,
    System,
    Term,
)
from ...equation import Loss as LossEquation
from ...equation.scalar import Function
from ...layers import Dropout
from .activation import slope_of_value
from .addresses import lanes_of, stream
from .contraction import Form, by_rows, forms, nest_of
from .frame import Field
from .kernels.base import Kernel, NestKernel
from .kernels.lanes import SumLanes
from .kernels.losses import CrossEntropyLoss, SquaredErrorLoss
from .kernels.masks import DrawMask
from .kernels.normalisation import (
    BlockStatistics,
    GradientSums,
    JoinGradients,
    JoinStatistics,
    Normalise,
    NormaliseBack,
    NormaliseOnly,
)
from .kernels.outer import OuterProduct, Transposed
from .kernels.samples import GatherSamples, GatherTargets, ScatterOutputs
from .kernels.selection import select_kernel, winner_element
from .kernels.zero import Zero
from .layout import Layout, Margins
from .memory import Memory
from .nest import Epilogue, Stream
from .options import Options
from .target import LANES, Target

if TYPE_CHECKING:
    import numpy as np

    from ...layers import Layer, Loss
    from ...network import Network
    from .engine import CPU

__all__ = ["Call", "Phase", "Program", "build"]


@dataclass(frozen=True)
class Call:
    """One kernel with the buffers it gets.

    Args:
        kernel: the function.
        arguments: names of buffers.
        layer: on whose behalf.
        does: `forward`, `backward towards weight`, …
        work: multiply-adds for one sample.
        least: estimated cycles for one block; 0 where none were estimated.
    """

    kernel: Kernel
    arguments: tuple[str, ...]
    layer: str
    does: str
    work: int = 0
    cycles: float = 0.0


@dataclass
class Phase:
    """Calls between two barriers.

    Args:
        kind: `blocks`, `one` for a single task, or `chunks` for ranges of a length.
        calls: in order.
        length: of what the chunks divide.
        chunk: how much of it one task takes.
    """

    kind: str
    calls: list[Call] = field(default_factory=list)
    length: int = 0
    chunk: int = 1


@dataclass
class Program:
    """A step for any batch size.

    Args:
        phases: in order.
        memory: where the arrays lie.
        system: the equations, for a block of sixteen samples.
        options: what it is for.
        constants: arrays that are given once: shares of windows.
        per_block: how many samples a block holds.
    """

    phases: list[Phase]
    memory: Memory
    system: System
    options: Options
    constants: dict[str, np.ndarray]
    per_block: int = LANES

    @property
    def calls(self) -> Iterable[Call]:
        """All calls in order."""
        return (c for p in self.phases for c in p.calls)

    @property
    def segmented(self) -> bool:
        """Whether a barrier cuts the blocks, so that each needs memory of its own."""
        return sum(p.kind == "blocks" for p in self.phases) > 1


def build(
    network: Network,
    loss: Loss | None,
    options: Options,
    engine: CPU,
    by_class: bool = True,
) -> Program:
    """The program of a network.

    Args:
        network: any.
        loss: at its end, or None.
        options: what the program is for.
        engine: for which processor, and with which algorithms.
        by_class: whether the rows of the targets belong to classes, or to samples.
    """
    return _Builder(network, loss, options, engine, by_class).program()


_WAITING = 256 << 10
"""How many bytes of accumulators may wait in memory between the rows of a weight gradient."""


def value(name: str) -> str:
    """The buffer of a value."""
    return f"value {name}"


def gradient(name: str) -> str:
    """The buffer of a gradient."""
    return f"gradient {name}"


@dataclass
class _Sent:
    """What a node sends back to one of its operands, in the form it is run."""

    adjoint: Adjoint
    equation: Contraction
    forms: tuple[Form, ...]
    arrays: dict[str, str]  # letter → buffer
    slope: Term | None = None  # element by element: what multiplies the gradient


class _Builder:
    """A program being built."""

    def __init__(
        self,
        network: Network,
        loss: Loss | None,
        options: Options,
        engine: CPU,
        by_class: bool,
    ) -> None:
        self.network, self.options, self.engine = network, options, engine
        self.target = engine.processor
        self.by_class = by_class
        self.system = network.system(16, training=options.training, loss=loss)
        self.layers: dict[str, Layer] = {s.name: s.layer for s in network.steps}
        self.memory = Memory()
        self.phases: list[Phase] = [Phase("blocks")]
        self.count = 0
        self.constants: dict[str, np.ndarray] = {}
        self.margins: dict[str, Margins] = {}
        self.written: set[str] = set()
        self.forward = {
            n.name: forms(n.equation)
            for n in self.system.nodes
            if isinstance(n.equation, Contraction)
        }
        self.wanted = self._wanted()
        self.sent = self._sent() if options.backward else []
        self.read_later = {
            b for s in self.sent for b in s.arrays.values() if b.startswith("value ")
        }
        self.fused = {} if options.keep else self._fusions()
        self.absorbed = {} if options.keep else self._absorptions()

    # -- what there is to do ---------------------------------------------------------------

    def _wanted(self) -> set[str]:
        """The arrays whose gradients lead to a parameter, or to the input where that is asked."""
        found = {self.system.input} if self.options.input_gradient or self.options.keep else set()
        for node in self.system.nodes:
            if node.parameters or any(name in found for name in node.inputs):
                found.add(node.output)
            found |= {node.array_of[letter] for letter in node.parameters}
        return found

    def _sent(self) -> list[_Sent]:
        """The backward pass, without what nobody asks for."""
        found = []
        for sent in self.system.backward:
            node = sent.node
            if sent.receives not in self.wanted or isinstance(node.equation, LossEquation):
                continue
            arrays = {a: value(name) for a, name in node.arrays}
            arrays["d" + node.equation.target.array] = gradient(node.output)
            arrays["d" + sent.operand] = gradient(sent.receives)
            equation = sent.equation
            if isinstance(node.equation, Normalisation):
                found.append(_Sent(sent, equation, (), _normalisation_reads(node)))
                continue
            equation = slope_of_value(node, equation)
            used = {a.array for t in equation.terms for a in t.accesses}
            arrays = {a: b for a, b in arrays.items() if a in used}
            found.append(_Sent(sent, equation, forms(equation), arrays, _elementwise(equation)))
        return found

    def _readers(self, name: str) -> Sequence[tuple[Node, str]]:
        return self.system.readers.get(name, ())

    def _fusions(self) -> dict[str, str]:
        """Pointwise nodes that the node before them computes as it stores: name → that node."""
        found: dict[str, str] = {}
        for node in self.system.nodes:
            if not _contracts(node.equation) or node.equation.kind != "pointwise":
                continue
            before = self.system.producer.get(node.inputs[0])
            if before is None or len(self._readers(before.output)) != 1:
                continue
            if value(before.output) in self.read_later or before.output == self.system.input:
                continue
            one = self.forward.get(before.name, ())
            stores = len(one) == 1 and one[0].sets and before.equation.kind != "pointwise"
            if stores or isinstance(before.equation, Normalisation):
                found[node.name] = before.name
        return found

    def _absorptions(self) -> dict[str, _Sent]:
        """Gradients that are multiplied by a slope as they are stored: array → what does so."""
        received: dict[str, list[_Sent]] = {}
        for sent in self.sent:
            received.setdefault(sent.adjoint.receives, []).append(sent)
        found: dict[str, _Sent] = {}
        for sent in self.sent:
            node = sent.adjoint.node
            if sent.slope is None or len(received[sent.adjoint.receives]) != 1:
                continue
            above = received.get(node.output, [])
            if len(above) == 1 and len(above[0].forms) == 1 and above[0].forms[0].sets:
                found[node.output] = sent
        return found

    # -- layouts ---------------------------------------------------------------------------

    def _collect_margins(self) -> None:
        """How wide a halo every array needs."""

        def widen(buffer: str, margins: Margins) -> None:
            before = self.margins.get(buffer, ((0, 0),) * len(margins))
            self.margins[buffer] = tuple(
                (max(a, c), max(b, d)) for (a, b), (c, d) in zip(before, margins, strict=True)
            )

        for node in self.system.nodes:
            for form in self.forward.get(node.name, ()):
                for letter, margins in form.margins().items():
                    widen(value(node.array_of[letter]), margins)
        for sent in self.sent:
            for form in sent.forms:
                for letter, margins in form.margins().items():
                    widen(sent.arrays[letter], margins)

    def _layout(self, buffer: str, shape: tuple[int, ...], lanes: bool) -> Layout:
        margins = self.margins.get(buffer, ())
        if not lanes or not any(a or b for a, b in margins):
            margins = ()
        return Layout(shape[1:] if lanes else shape, margins, lanes)

    def _declare(self) -> None:
        """A buffer for every array of the network."""
        self._collect_margins()
        shapes, memory, keep = self.system.shapes, self.memory, self.options.keep
        at = 0
        for name, shape in self.network.parameters.shapes.items():
            layout = Layout(tuple(shape), (), False)
            memory.put(value(name), Field.PARAMETERS, layout, at)
            memory.put(gradient(name), Field.GRADIENTS, layout, at)
            at += layout.size
        for name, shape in self.network.buffers.shapes.items():
            layout = Layout(tuple(shape), (), False)
            memory.add(value(name), Field.CONSTANTS, layout)
            memory.add(f"updated {name}", Field.BUFFERS_UPDATED, layout)
        for name, shape in shapes.items():
            if value(name) in memory or name == "loss":
                continue
            lanes, where = self._home(name)
            layout = self._layout(value(name), shape, lanes)
            memory.add(value(name), where, layout, kept=keep)
        for name in self.wanted - set(self.network.parameters):
            if name in shapes and self.options.backward:
                layout = self._layout(gradient(name), shapes[name], True)
                memory.add(gradient(name), Field.ARENA, layout, kept=keep)
        self._winners()
        if not keep:
            self._aliases()

    def _home(self, name: str) -> tuple[bool, Field]:
        """Whether an array goes by samples, and its region."""
        for node in self.system.nodes:
            for letter, array in node.arrays:
                if array != name:
                    continue
                if isinstance(node.equation, Normalisation) and letter in node.equation.saved[:3]:
                    return False, Field.SHARED
                accesses = [a for a in node.equation.accesses if a.array == letter]
                lanes = letter in node.sources or any(map(lanes_of, accesses))
                return lanes, Field.ARENA if lanes else Field.CONSTANTS
        return True, Field.ARENA

    def _winners(self) -> None:
        for node in self.system.nodes:
            if isinstance(node.equation, Selection):
                name = value(node.array_of[node.equation.winner])
                element = winner_element(node.equation)
                self.memory[name].layout = replace(self.memory[name].layout, element=element)

    def _aliases(self) -> None:
        """Copies that are the same memory: a flattened map, dropout in evaluation."""
        for node in self.system.nodes:
            one = self.forward.get(node.name, ())
            if len(one) != 1 or not _copies(one[0]):
                continue
            for of in (value, gradient):
                ours, theirs = of(node.output), of(node.inputs[0])
                if ours not in self.memory or theirs not in self.memory:
                    continue
                a, b = self.memory[ours], self.memory[theirs]
                shared = of is value or len(self._readers(node.inputs[0])) == 1
                if shared and not a.layout.halo and not b.layout.halo:
                    a.same = b

    # -- calls -----------------------------------------------------------------------------

    def program(self) -> Program:
        """All phases."""
        self._declare()
        input_layout = self.memory[value(self.system.input)].layout
        self._call(GatherSamples(input_layout), (value(self.system.input),), "input", "forward")
        for place, node in enumerate(self.system.nodes):
            self._forward(place, node)
        if self.options.outputs:
            name = value(self.network.output_name)
            self._call(ScatterOutputs(self.memory[name].layout), (name,), "output", "forward")
        for sent in self.sent:
            self._backward(sent)
        self.memory.place()
        phases = [p for p in self.phases if p.calls]
        return Program(phases, self.memory, self.system, self.options, self.constants)

    def _call(
        self,
        kernel: Kernel,
        arguments: tuple[str, ...],
        layer: str,
        does: str,
        work: int = 0,
        cycles: float = 0.0,
    ) -> None:
        for name in arguments:
            self.memory.used(name, self.count)
        self.count += 1
        self.phases[-1].calls.append(Call(kernel, arguments, layer, does, work, cycles))

    def _alone(self, kernel: Kernel, arguments: tuple[str, ...], layer: str, does: str) -> None:
        """A call for the whole batch, between two barriers."""
        self.phases.append(Phase("one"))
        self._call(kernel, arguments, layer, does)
        self.phases.append(Phase("blocks"))

    def _nest(
        self,
        form: Form,
        arrays: Mapping[str, str],
        layer: str,
        does: str,
        *,
        adds: bool,
        epilogue: Sequence[tuple[Epilogue, str | None]] = (),
        target: str | None = None,
    ) -> None:
        """A nest; `epilogue` names the buffers of its streams."""
        memory = self.memory
        buffers = dict(arrays)
        if target is not None:
            buffers[form.target.array] = target
        layouts = {a: memory[b].layout for a, b in buffers.items()}
        count = len(dict.fromkeys(a.array for t in form.terms for a in t.accesses))
        steps: list[Epilogue] = []
        extra: list[str] = []
        for step, buffer in epilogue:
            if buffer is not None:
                stream_ = self._beside(form, memory[buffer].layout, count + len(extra), buffer)
                step = replace(step, stream=stream_)
                extra.append(buffer)
            steps.append(step)
        nest, letters, tiling = nest_of(
            form, layouts, self.target, adds=adds, epilogue=tuple(steps)
        )
        work = sum(
            prod(form.equation.range_of[n] for n in t.names if n != "n")
            for t in form.terms
            if len(t.factors) > 1
        )
        names = (*(buffers[a] for a in letters), *extra)
        self._call(NestKernel(nest), names, layer, does, work, tiling.cycles)

    def _beside(self, form: Form, layout: Layout, argument: int, buffer: str) -> Stream:
        """The stream of an array that is read where the target is stored."""
        return stream(form.target, layout, argument, buffer.split(" ", 1)[1])

    # -- forward ---------------------------------------------------------------------------

    def _forward(self, place: int, node: Node) -> None:
        if node.name in self.fused or self._shares(value(node.output)):
            return
        equation = node.equation
        self._given(place, node)
        if isinstance(equation, Selection):
            arrays = {a: value(name) for a, name in node.arrays}
            layouts = {a: self.memory[b].layout for a, b in arrays.items()}
            kernel = select_kernel(equation, layouts)
            letters = (equation.result.array, equation.source.array, equation.winner)
            names = tuple(arrays[a] for a in letters)
            self._call(kernel, names, node.name, "forward")
        elif isinstance(equation, Normalisation):
            self._normalise(node, equation)
        elif isinstance(equation, LossEquation):
            self._lose(node, equation)
        else:
            self._contract(node)

    def _shares(self, name: str) -> bool:
        """Whether a buffer is another's memory under its own shape."""
        return name in self.memory and self.memory[name].same is not None

    def _after(self, node: Node) -> Node | None:
        """The pointwise node that is computed along with this one."""
        for name, before in self.fused.items():
            if before == node.name:
                return next(n for n in self.system.nodes if n.name == name)
        return None

    def _contract(self, node: Node) -> None:
        arrays = {a: value(name) for a, name in node.arrays}
        after = self._after(node)
        several = self.forward[node.name]
        for place, form in enumerate(several):
            epilogue: list[tuple[Epilogue, str | None]] = []
            target = None
            if after is not None:
                epilogue = [(Epilogue("apply", _function(after)), None)]
                target = value(after.output)
            sets = form.sets or (place == 0 and form.covers)
            if place == 0 and not form.covers:
                self._zero(arrays[form.target.array], node.name, "forward")
            self._nest(
                form,
                arrays,
                node.name,
                "forward" if after is None else f"forward, with {after.name}",
                adds=not sets,
                epilogue=epilogue,
                target=target,
            )

    def _zero(self, buffer: str, layer: str, does: str) -> None:
        self._call(Zero(self.memory[buffer].layout.size), (buffer,), layer, does)

    def _given(self, place: int, node: Node) -> None:
        """Masks are drawn; other given arrays are constants."""
        layer = self.layers.get(node.name)
        if isinstance(layer, Dropout) and "M" in node.array_of:
            name = value(node.array_of["M"])
            kernel = DrawMask(
                self.memory[name].layout, place, layer.threshold, 1.0 / (1.0 - layer.p)
            )
            self._call(kernel, (name,), node.name, "forward")
        elif layer is not None:
            from ...layers.base import Draws

            for letter, array in layer.given(node.equation, Draws(0, 0, place)).items():
                self.constants[value(node.array_of[letter])] = array

    def _normalise(self, node: Node, equation: Normalisation) -> None:
        memory, name = self.memory, node.name
        source = value(node.inputs[0])
        layout = memory[source].layout
        channels = Layout((layout.shape[0],), (), False)
        partial = [f"partial {name} {i}" for i in range(2)]
        for buffer in partial:
            memory.add(buffer, Field.PARTIAL, channels)
            self._of_all(buffer)
        self._call(BlockStatistics(layout), (source, *partial), name, "statistics")
        statistics = [value(node.array_of[letter]) for letter in equation.saved[:3]]
        layer: Any = self.layers[name]
        running = [f"{name}.{b.name}" for b in layer.running.values()]
        momentum = None if self.options.keep or not self.options.backward else layer.momentum
        updates = [b for r in running for b in (value(r), f"updated {r}")]
        join = JoinStatistics(
            layout.shape[0], prod(layout.shape[1:]), float(equation.epsilon), momentum
        )
        arguments = (*(f"{b} of all" for b in partial), *statistics)
        arguments = (*arguments, *updates) if momentum is not None else arguments
        self._alone(join, arguments, name, "statistics of the batch")
        after = self._after(node)
        target = value(node.output if after is None else after.output)
        affine = [
            value(node.array_of[a]) for a in (equation.scale, equation.shift) if a is not None
        ]
        kernel = Normalise(
            memory[target].layout,
            layout,
            equation.scale is not None,
            equation.shift is not None,
            None,
            None if after is None else _function(after),
        )
        names = (target, source, statistics[0], statistics[2], *affine)
        self._call(kernel, names, name, "forward")
        if self.options.keep:
            kept = value(node.array_of[equation.normalised])
            bare = NormaliseOnly(memory[kept].layout, layout)
            self._call(bare, (kept, source, statistics[0], statistics[2]), name, "forward")

    def _of_all(self, partial: str) -> None:
        """All blocks' parts, by the place of block 0's."""
        buffer = self.memory[partial]
        self.memory.put(f"{partial} of all", Field.PARTIAL_ALL, buffer.layout, buffer.offset)

    def _lose(self, node: Node, equation: LossEquation) -> None:
        memory = self.memory
        output, targets = value(node.inputs[0]), value(node.array_of[equation.labels])
        classes = "classes"
        memory.add(classes, Field.ARENA, Layout((1,), (), True), kept=True)
        size = prod(memory[targets].layout.shape)
        self._call(GatherTargets(size, self.by_class), (targets, classes), node.name, "targets")
        received = gradient(node.inputs[0])
        grad = received if self.options.backward and received in memory else None
        wanted = None if grad is None else memory[grad].layout
        names: list[str] = [output, targets, classes]
        if equation.probabilities is not None:
            saved = [
                value(node.array_of[letter]) if letter and self.options.keep else None
                for letter in (equation.probabilities, equation.weight)
            ]
            names += [name for name in saved if name is not None]
            kept = [None if name is None else memory[name].layout for name in saved]
            kernel: Kernel = CrossEntropyLoss(
                memory[output].layout,
                memory[targets].layout,
                kept[0],
                kept[1],
                wanted,
                equation.weight is not None,
            )
        else:
            kernel = SquaredErrorLoss(memory[output].layout, memory[targets].layout, wanted)
        names += [grad] if grad is not None else []
        self._call(kernel, tuple(names), node.name, "forward and its gradient")
        if grad is not None:
            self.written.add(grad)

    # -- backward --------------------------------------------------------------------------

    def _backward(self, sent: _Sent) -> None:
        node, receives = sent.adjoint.node, sent.adjoint.receives
        if self.absorbed.get(node.output) is sent:
            return
        if isinstance(node.equation, Normalisation):
            self._normalise_back(sent)
            return
        target, arrives = gradient(receives), gradient(node.output)
        does = f"backward towards {receives}"
        if self._shares(arrives) and receives not in self.absorbed:
            self.written.add(target)
            return
        if receives in self.network.parameters:
            self._towards_parameter(sent, does)
            return
        epilogue: list[tuple[Epilogue, str | None]] = []
        while receives in self.absorbed:
            slope = self.absorbed[receives]
            epilogue += _slopes(slope)
            receives = slope.adjoint.receives
            target = gradient(receives)
            does += f", through {slope.adjoint.node.name}"
        self._towards_source(sent, target, does, epilogue)

    def _towards_source(
        self,
        sent: _Sent,
        target: str,
        does: str,
        epilogue: Sequence[tuple[Epilogue, str | None]],
    ) -> None:
        name = sent.adjoint.node.name
        first = target not in self.written
        for form in sent.forms:
            if first and not form.covers:
                self._zero(target, name, does)
                first = False
            adds = not first or not form.sets
            self._nest(form, sent.arrays, name, does, adds=adds, epilogue=epilogue, target=target)
            first = False
        self.written.add(target)

    def _towards_parameter(self, sent: _Sent, does: str) -> None:
        name = sent.adjoint.node.name
        for form in sent.forms:
            outer = _outer_product(form)
            if outer is None:
                self._weights(form, sent, does)
                continue
            rows, columns = outer
            outputs, features = form.equation.shape_of[form.target.array]
            scratch = f"transposed {sent.arrays[columns]}"
            if scratch not in self.memory:
                layout = Layout((-(-features // 16) * 16,), (), True)
                self.memory.add(scratch, Field.ARENA, layout)
                self._call(Transposed(features), (scratch, sent.arrays[columns]), name, does)
            kernel = OuterProduct(outputs, features, *_outer_tile(self.target, outputs))
            names = (sent.arrays[form.target.array], sent.arrays[rows], scratch)
            self._call(kernel, names, name, does, outputs * features)

    def _weights(self, form: Form, sent: _Sent, does: str) -> None:
        """A weight gradient as a nest, row by row where its accumulators find room."""
        name, memory = sent.adjoint.node.name, self.memory
        shape = form.equation.shape_of[form.target.array]
        waiting = Layout(shape, (), True)
        places = [n for n in form.terms[0].summed if n != "n"]
        pairs = len(form.terms) == 1 and len(form.terms[0].factors) == 2
        if not pairs or len(places) < 2 or waiting.size > _WAITING:
            self._nest(form, sent.arrays, name, does, adds=True)
            return
        layouts = {a: memory[b].layout for a, b in sent.arrays.items()}
        nest, letters, tiling = nest_of(form, layouts, self.target, adds=True)
        lanes = stream(form.target, waiting, 0, f"acc {form.target.array}")
        lanes = replace(lanes, lanes=True)
        buffer = f"lanes {waiting.shape}"
        memory.add(buffer, Field.ARENA, waiting)
        self._call(Zero(waiting.size), (buffer,), name, does)
        names = (buffer, *(sent.arrays[a] for a in letters[1:]))
        work = prod(form.ranges.values())
        self._call(NestKernel(by_rows(nest, lanes)), names, name, does, work, tiling.cycles)
        target = sent.arrays[form.target.array]
        self._call(SumLanes(prod(shape)), (target, buffer), name, does)

    def _normalise_back(self, sent: _Sent) -> None:
        """All that a batch norm sends back, at the first of its adjoints."""
        node = sent.adjoint.node
        equation, memory, name = node.equation, self.memory, node.name
        assert isinstance(equation, Normalisation)
        key = f"total {name}"
        dz, source = gradient(node.output), value(node.inputs[0])
        statistics = [value(node.array_of[equation.saved[i]]) for i in (0, 2)]
        if f"{key} 0" not in memory:
            channels = Layout((memory[source].layout.shape[0],), (), False)
            partial = [f"partial {name} {i} back" for i in range(2)]
            for place, buffer in enumerate(partial):
                memory.add(buffer, Field.PARTIAL, channels)
                self._of_all(buffer)
                memory.add(f"{key} {place}", Field.SHARED, channels)
            kernel = GradientSums(memory[dz].layout, memory[source].layout)
            self._call(kernel, (dz, source, *statistics, *partial), name, "backward, sums")
            affine = [a for a in (equation.scale, equation.shift) if a is not None]
            grads = [self._of_first_group(node.array_of[a]) for a in affine]
            join = JoinGradients(
                channels.shape[0], equation.scale is not None, equation.shift is not None
            )
            arguments = (*(f"{b} of all" for b in partial), f"{key} 0", f"{key} 1", *grads)
            self._alone(join, arguments, name, "backward, sums of the batch")
        if sent.adjoint.operand != equation.source.array:
            return
        target = gradient(sent.adjoint.receives)
        kernel_back = NormaliseBack(
            memory[target].layout,
            memory[dz].layout,
            memory[source].layout,
            equation.scale is not None,
            target in self.written,
        )
        scale = [value(node.array_of[equation.scale])] if equation.scale else []
        names = (target, dz, source, *statistics, f"{key} 0", f"{key} 1", *scale)
        self._call(kernel_back, names, name, f"backward towards {sent.adjoint.receives}")
        self.written.add(target)

    def _of_first_group(self, parameter: str) -> str:
        """A parameter's gradient in group 0, which no block has."""
        name = f"first {gradient(parameter)}"
        buffer = self.memory[gradient(parameter)]
        self.memory.put(name, Field.GRADIENTS_ALL, buffer.layout, buffer.offset)
        return name


# -- questions about equations ----------------------------------------------------------------


def _contracts(equation: Equation) -> bool:
    return isinstance(equation, Contraction)


def _normalisation_reads(node: Node) -> dict[str, str]:
    """What the backward pass of a batch norm reads."""
    assert isinstance(node.equation, Normalisation)
    return {"X": value(node.inputs[0]), "dZ": gradient(node.output)}


def _function(node: Node) -> Function:
    """The function of a pointwise node."""
    assert isinstance(node.equation, Contraction)
    factor = node.equation.terms[0].factors[0]
    assert isinstance(factor, Applied)
    return factor.function


def _elementwise(equation: Contraction) -> Term | None:
    """The one term, where every factor stands at the target's own index."""
    if len(equation.terms) != 1:
        return None
    (term,) = equation.terms
    alike = all(f.access.positions == term.target.positions for f in term.factors)
    plain = all(isinstance(f, Access | Applied) for f in term.factors)
    return term if alike and plain and len(term.factors) > 1 and term.scale.value == 1 else None


def _slopes(sent: _Sent) -> list[tuple[Epilogue, str | None]]:
    """What multiplies a gradient that passes through, with its buffers."""
    assert sent.slope is not None
    through = "d" + sent.adjoint.node.equation.target.array
    found: list[tuple[Epilogue, str | None]] = []
    for factor in sent.slope.factors:
        if factor.access.array == through:
            continue
        function = factor.function if isinstance(factor, Applied) else None
        found.append((Epilogue("slope", function), sent.arrays[factor.access.array]))
    return found


def _copies(form: Form) -> bool:
    """Whether a nest only hands its operand on, element by element in the same order."""
    if len(form.terms) != 1 or not form.sets or not form.covers:
        return False
    (term,) = form.terms
    if len(term.factors) != 1 or not isinstance(term.factors[0], Access) or term.summed:
        return False
    if term.scale.value != 1:
        return False
    a, b = (_row_major(form.equation, access) for access in (term.target, term.factors[0]))
    return a == b


def _row_major(equation: Contraction, access: Access) -> dict[str, int]:
    """How far one step of each index goes in the array as one row."""
    step, found = 1, dict[str, int]()
    shape = equation.shape_of[access.array]
    for position, size in zip(reversed(access.positions), reversed(shape), strict=True):
        for name, coefficient in position.terms:
            found[name] = found.get(name, 0) + coefficient.integer * step
        step *= size
    found.pop("n", None)
    return {n: s for n, s in found.items() if equation.range_of[n] > 1}


def _outer_product(form: Form) -> tuple[str, str] | None:
    """The letters of rows and columns where a weight gradient sums over samples alone."""
    if len(form.terms) != 1 or not form.over_lanes or not form.dense:
        return None
    (term,) = form.terms
    if len(term.factors) != 2 or term.summed != ("n",) or term.scale.value != 1:
        return None
    shown = [p.plain for p in term.target.positions]
    by_index = {f.names[-1]: f.access.array for f in term.factors if len(f.names) == 2}
    if len(shown) != 2 or set(by_index) != set(shown):
        return None
    if not all(isinstance(f, Access) for f in term.factors):
        return None
    return by_index[shown[0] or ""], by_index[shown[1] or ""]


def _outer_tile(target: Target, outputs: int) -> tuple[int, int]:
    """Rows and registers of features that an outer product holds at once."""
    most = 24 if target.registers >= 32 else 8
    columns = min(target.parts, 2)
    rows = most // columns
    while rows > 1 and outputs % rows and outputs > rows:
        rows -= 1
    if rows < most // columns // 2:
        rows = most // columns
    return min(rows, outputs), columns
