"""The obvious engine: every equation interpreted in float64 NumPy.

One interpreter per kind of equation and no backward code per layer: the backward pass runs the
adjoints that `equation` derives, all of them contractions. Every other engine is held to this one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from math import prod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..arrays.einsum import contract, overlapping, part_of, view, windows, with_axes
from ..arrays.loss_values import lose
from ..equation import (
    Access,
    Adjoint,
    Contraction,
    Equation,
    LossEquation,
    Normalisation,
    Selection,
    SoftmaxEquation,
    System,
    per_sample,
)
from ..errors import EquationError
from ..graph.packed_samples import packed_outputs
from ..graph.step_arrays import given_arrays, running_statistics, target_arrays
from .batch import Arrays, Batch
from .interface import TRAINING, Computed, Engine, Evaluated, Extent, Finished, Stepped, Trainer
from .sample_gradients import SampleGradients, StoredShares

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

    from ..graph import Graph
    from ..layers import Loss
    from ..optimizers import Optimizer
    from .explanation import Explanation

Letters = Mapping[str, np.ndarray]


def forward(equation: Equation, arrays: Letters) -> dict[str, np.ndarray]:
    """The target of an equation and what it saves, by letter.

    Args:
        equation: any kind.
        arrays: the operands by letter, and what is given (masks, labels).
    """
    match equation:
        case Contraction():
            return {equation.target.array: contract(equation, arrays)}
        case Selection():
            return _select(equation, arrays)
        case Normalisation():
            return _normalise(equation, arrays)
        case SoftmaxEquation():
            return _soften(equation, arrays)
        case LossEquation():
            return _lose(equation, arrays)
    raise TypeError(f"{type(equation).__name__} is no equation")


def _select(equation: Selection, arrays: Letters) -> dict[str, np.ndarray]:
    """The first maximum of each window; nothing outside the array takes part."""
    array = _operand(equation, equation.source.array, arrays)
    if equation.within:
        return _select_within(equation, array)
    values = windows(equation, array, -np.inf)
    exists = windows(equation, np.ones(array.shape, bool), False)
    winner = values.argmax(axis=-1)  # the first one, and a NaN before all
    lost = ~np.take_along_axis(exists, winner[..., None], axis=-1)[..., 0]
    winner = np.where(lost, exists.argmax(axis=-1), winner)  # a window of −∞: the first inside
    maximum = np.take_along_axis(values, winner[..., None], axis=-1)[..., 0]
    return {equation.result.array: maximum, equation.winner: winner}


def _select_within(equation: Selection, array: np.ndarray) -> dict[str, np.ndarray]:
    """The same where constants say what a window holds: window after window."""
    ranges, shape = equation.range_of, equation.shape_of[equation.result.array]
    names, source = equation.result.names, equation.source.names
    sides = {one.names[0]: (one.names[1], one) for one in equation.within}
    sizes = [ranges[n] for n in equation.over]
    maximum, winner = np.zeros(shape), np.zeros(shape, np.int64)
    numbers = np.arange(prod(sizes)).reshape(sizes)
    for window in np.ndindex(*(ranges[by] for by in sides)):
        held, counted, place = array, numbers, [slice(None)] * len(names)
        for at, (by, (name, one)) in zip(window, sides.items(), strict=True):
            taken = one.partners(by, ranges[by])[at]
            held = held.take(taken, axis=source.index(name))
            counted = counted.take(taken, axis=equation.over.index(name))
            place[names.index(by)] = slice(at, at + 1)
        flat = held.reshape(*held.shape[: -len(sizes)], -1)
        won = flat.argmax(axis=-1)
        here = maximum[tuple(place)].shape
        best = np.take_along_axis(flat, won[..., None], axis=-1)[..., 0]
        maximum[tuple(place)] = best.reshape(here)
        winner[tuple(place)] = counted.ravel()[won].reshape(here)
    return {equation.result.array: maximum, equation.winner: winner}


def _normalise(equation: Normalisation, arrays: Letters) -> dict[str, np.ndarray]:
    """Normalised with the biased variance, or with the mean of the squares."""
    source = _by_index(equation, equation.source, arrays)
    over = _axes(equation)
    centred, found = source, {}
    if equation.mean is not None:
        mean = source.mean(axis=over, keepdims=True)
        centred, found[equation.mean] = source - mean, mean
    variance = np.square(centred).mean(axis=over, keepdims=True)
    inverse = 1.0 / np.sqrt(variance + equation.epsilon)
    found |= {equation.statistic.array: variance, equation.inverse: inverse}
    normalised = centred * inverse
    result = normalised
    if equation.scale is not None:
        result = _by_index(equation, equation.scale, arrays) * result
    if equation.shift is not None:
        result = result + _by_index(equation, equation.shift, arrays)
    shapes = equation.shape_of
    made = {letter: array.reshape(shapes[letter]) for letter, array in found.items()}
    for letter, array in ((equation.result.array, result), (equation.normalised, normalised)):
        made[letter] = _by_position(equation, equation.result.to(letter), array)
    return made


def _soften(equation: SoftmaxEquation, arrays: Letters) -> dict[str, np.ndarray]:
    """A softmax or its logarithm, the greatest number taken off first."""
    source = _by_index(equation, equation.source, arrays)
    over = _axes(equation)
    below = source - source.max(axis=over, keepdims=True)
    powers = np.exp(below)
    total = powers.sum(axis=over, keepdims=True)
    result = below - np.log(total) if equation.log else powers / total
    return {equation.result.array: _by_position(equation, equation.result, result)}


def _axes(equation: Normalisation | SoftmaxEquation) -> tuple[int, ...]:
    """Which of the result's indices an element meets others along."""
    return tuple(equation.result.names.index(n) for n in equation.over)


def _by_index(
    equation: Normalisation | SoftmaxEquation, access: Access, arrays: Letters
) -> np.ndarray:
    """An operand with one axis for each of the result's indices, of length 1 where it has none."""
    array = _operand(equation, access.array, arrays)
    part = part_of(access, array, [0] * array.ndim, equation.range_of, {})
    return with_axes(part, equation.result.names)


def _by_position(equation: Equation, access: Access, values: np.ndarray) -> np.ndarray:
    """An array of which each element is written once, from one axis for each index."""
    array = np.empty(equation.shape_of[access.array])
    before, ranges = [0] * array.ndim, equation.range_of
    view(array, access, before, access.names, ranges, {})[...] = values
    return array


def _lose(equation: LossEquation, arrays: Letters) -> dict[str, np.ndarray]:
    """The loss; its operands and targets in float64."""
    beside = (*equation.factors, *(access for _, access in equation.constants))
    letters = (equation.source.array, equation.labels, *(access.array for access in beside))
    return lose(equation, {letter: _operand(equation, letter, arrays) for letter in letters})


def _between(equation: Equation) -> int:
    """How many numbers NumPy holds on the way to an array: operands as windows, and products."""
    sizes = equation.range_of
    match equation:
        case Selection():
            return prod(sizes[n] for n in (*equation.result.names, *equation.over))
        case Contraction():
            terms = (
                sum(prod(sizes[n] for n in f.names if n not in loops) for f in t.factors)
                for t in equation.terms
                for loops in [overlapping(t, sizes)]
            )
            return max(terms) + prod(equation.shape_of[equation.target.array])
    return 0


def _operand(equation: Equation, letter: str, arrays: Letters) -> np.ndarray:
    """An operand in float64, its shape checked."""
    array = np.asarray(arrays[letter], dtype=np.float64)
    if array.shape != equation.shape_of[letter]:
        raise EquationError(
            f"{letter} has shape {array.shape}, but the equation needs {equation.shape_of[letter]}"
        )
    return array


@cache
def _blas() -> ThreadpoolController:
    """NumPy's matrix library, found once."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def quietly() -> Iterator[None]:
    """On one thread, whose sums have one order on every machine; without NumPy's warnings.

    What is not finite is found and named afterwards.
    """
    with _blas().limit(limits=1), np.errstate(all="ignore"):
        yield


class Reference(Engine):
    """Float64 NumPy, one equation after the other, on one thread."""

    name: ClassVar[str] = "reference"

    def predict(self, network: Graph, x: np.ndarray) -> np.ndarray:
        """See `Engine.predict`."""
        system = network.system(len(x))
        arrays = _wide({**network.parameters, **network.buffers})
        values = network.by_input(x.astype(np.float64)) | arrays
        values |= given_arrays(network, system)
        with quietly():
            return packed_outputs(self.run(system, values), network.outputs)

    def per_sample(
        self, network: Graph, batch: Batch, loss: Loss, *, training: bool
    ) -> SampleGradients:
        """See `Engine.per_sample`."""
        computed = self.compute(network, batch, loss, training=training, per_sample=True)
        assert computed.per_sample is not None
        return computed.per_sample

    def step(
        self, network: Graph, batch: Batch, loss: Loss, arrays: Arrays, extent: Extent = TRAINING
    ) -> Computed:
        """See `Engine.step`."""
        system = network.system(len(batch.x), training=extent.training, loss=loss)
        values = network.by_input(batch.x.astype(np.float64)) | _wide(arrays)
        values |= given_arrays(network, system, seed=batch.seed, step=batch.step)
        for node, part in zip(system.losses, batch.by_output, strict=True):
            given = part.samples.loss.constants(part.prediction)
            values |= target_arrays(node, {**part.targets, **given})
        with quietly():
            values = self.run(system, values)
            start = {system.nodes[-1].output: np.ones(())}
            wanted = extent.towards
            gradients = self.gradients(system, values, start, wanted) if extent.backward else {}
            if not (extent.backward and extent.per_sample):
                return Computed(values, gradients)
            shares = self.shares(system, values, gradients, network.parameters)
        return Computed(values, gradients, shares)

    def evaluate(self, network: Graph, batch: Batch) -> Evaluated:
        """See `Engine.evaluate`."""
        loss = batch.samples.loss
        values = self.compute(network, batch, loss, training=False, backward=False).values
        return _judged(network, batch, loss, values)

    def explain(self, network: Graph, layer: str, loss: Loss) -> Explanation:
        """See `Engine.explain`."""
        from .explanation import ExplainedCall, Explanation, equation_lines, layer_equations

        system = network.system(16, training=True, loss=loss)
        node, sent = layer_equations(system, layer, network.trained if network.frozen else None)
        does = ["forward", *(f"backward towards {s.receives}" for s in sent)]
        calls = tuple(ExplainedCall(d, "strided windows and einsum in float64", ()) for d in does)
        return Explanation(layer, "reference", equation_lines(node, sent), calls)

    def memory(
        self, network: Graph, loss: Loss, optimizer: Optimizer, samples: int
    ) -> dict[str, int]:
        """See `Engine.memory`: all arrays of a step in float64, and what NumPy makes on the way.

        A step moves copies of weights and state; each array of theirs has a new one beside it.
        """
        count = sum(map(prod, network.parameters.shapes.values()))
        system = network.system(samples, training=True, loss=loss)
        outputs = sum(prod(system.shapes[step.output]) for step in network.steps)
        sent = system.backward_towards(network.trained)
        equations = [n.equation for n in system.nodes] + [s.equation for s in sent]
        return {
            "parameters": count * (network.dtype.itemsize + 24),
            "gradients": 16 * count,
            "optimizer": 16
            * sum(
                prod(network.parameters.shapes[name]) * len(optimizer.within(group).rule.state)
                for group in optimizer.grouped(network)
                for name in group.names
            ),
            "activations": 16 * outputs + 8 * max(map(_between, equations)),
        }

    def trainer(
        self, network: Graph, loss: Loss, optimizer: Optimizer, start: Arrays | None = None
    ) -> Trainer:
        """See `Engine.trainer`."""
        return _ReferenceTrainer(self, network, loss, optimizer, start or {})

    def run(self, system: System, values: Arrays) -> dict[str, np.ndarray]:
        """All arrays of the forward pass, the given ones included."""
        found = dict(values)
        for node in system.nodes:
            letters = {a: found[name] for a, name in node.arrays if name in found}
            computed = self.forward(node.equation, letters)
            found.update({node.array_of[letter]: array for letter, array in computed.items()})
        return found

    def forward(self, equation: Equation, letters: Letters) -> dict[str, np.ndarray]:
        """What one node computes and saves, by letter."""
        return forward(equation, letters)

    def gradients(
        self,
        system: System,
        values: Arrays,
        start: Arrays,
        wanted: Collection[str] | None = None,
    ) -> dict[str, np.ndarray]:
        """The gradients with respect to every output, parameter and the input.

        Args:
            system: the equations.
            values: all arrays of the forward pass.
            start: the gradient that the backward pass begins with, that of the last output.
            wanted: the arrays whose gradients are wanted; None for all.
        """
        found = dict(start)
        sums = system.backward if wanted is None else system.backward_towards(wanted)
        for sent in sums:
            share = self.adjoint(sent, values, found)
            name = sent.receives
            found[name] = found[name] + share if name in found else share
        return {name: found[name] for name in values if name in found}

    def shares(
        self, system: System, values: Arrays, gradients: Arrays, parameters: Collection[str]
    ) -> SampleGradients:
        """Each sample's gradients of the parameters, by the adjoints that do not sum over samples.

        Args:
            system: the equations.
            values: all arrays of the forward pass.
            gradients: those of all outputs.
            parameters: which arrays are parameters.
        """
        found: dict[str, np.ndarray] = {}
        for sent in system.backward:
            name = sent.receives
            if name in parameters:
                share = contract(per_sample(sent.equation), _letters(sent, values, gradients))
                found[name] = found[name] + share if name in found else share
        parts = {n: StoredShares(found[n][..., None]) for n in parameters if n in found}
        return SampleGradients(parts, system.shapes[system.input][0])

    def adjoint(self, sent: Adjoint, values: Arrays, gradients: Arrays) -> np.ndarray:
        """What one node sends back to one of its operands."""
        return contract(sent.equation, _letters(sent, values, gradients))


def _letters(sent: Adjoint, values: Arrays, gradients: Arrays) -> dict[str, np.ndarray]:
    """What an adjoint's factors may be."""
    node = sent.node
    letters: dict[str, np.ndarray] = {a: values[name] for a, name in node.arrays}
    letters["d" + node.equation.target.array] = gradients[node.output]
    return letters


def _wide(arrays: Arrays) -> dict[str, np.ndarray]:
    """Arrays in float64."""
    return {name: np.asarray(array, dtype=np.float64) for name, array in arrays.items()}


class _ReferenceTrainer(Trainer):
    """Keeps float64 parameters during a training and rounds once, when they are stored."""

    def __init__(
        self, engine: Reference, network: Graph, loss: Loss, optimizer: Optimizer, start: Arrays
    ) -> None:
        super().__init__(network, loss, optimizer)
        self.engine = engine
        held = {**network.parameters, **network.buffers, **start}
        self.held = {name: array.astype(np.float64) for name, array in held.items()}

    def step(self, batch: Batch) -> Stepped:
        """See `Trainer.step`."""
        judged, gradients, running = self._gathered(batch)
        finite = bool(np.isfinite(judged.loss)) and all(
            np.isfinite(g).all() for g in gradients.values()
        )
        if finite:
            # on copies, so that an interruption leaves the weights of the last whole step
            weights = {name: self.held[name].copy() for name in gradients}
            self.optimizer.apply(self.network, weights, gradients)
            changed = weights | running
            largest = np.finfo(self.network.dtype).max
            finite = all(bool((np.abs(a) <= largest).all()) for a in changed.values())
            if finite:
                done = Finished(self.finished.steps + 1, Stepped.of(judged, finite=True))
                self.held, self.finished = self.held | changed, done
        return Stepped.of(judged, finite=finite)

    def _gathered(
        self, batch: Batch
    ) -> tuple[Evaluated, dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Loss, right answers and gradients of a batch, and the running statistics behind it.

        Its pieces count by what they weigh in the whole, and follow each other in the statistics.
        """
        pieces = [batch] if self.piece is None else [*batch.parts(self.piece)]
        masses = [piece.mass for piece in pieces]
        shares = [mass / sum(masses) if sum(masses) else 0.0 for mass in masses]
        judged, running = list[Evaluated](), dict[str, np.ndarray]()
        shares = shares if len(pieces) > 1 else [1.0]
        gradients: dict[str, np.ndarray] = {}
        wanted = Extent(towards=self.network.trained) if self.network.frozen else TRAINING
        for piece, share in zip(pieces, shares, strict=True):
            held = self.held | running
            computed = self.engine.step(self.network, piece, self.loss, held, wanted)
            judged.append(_judged(self.network, piece, self.loss, computed.values))
            for name in self.network.trained:
                own = share * computed.gradients[name] if share != 1 else computed.gradients[name]
                gradients[name] = gradients[name] + own if name in gradients else own
            system = self.network.system(len(piece), training=True, loss=self.loss)
            with np.errstate(all="ignore"):
                running |= running_statistics(self.network, system, computed.values, held)
        return Evaluated.mean(self.loss, judged, shares), gradients, running

    def computed(self, batch: Batch) -> Computed:
        """See `Trainer.computed`."""
        return self.engine.step(self.network, batch, self.loss, self.held)

    def arrays(self) -> dict[str, np.ndarray]:
        """See `Trainer.arrays`."""
        return self.held


def _judged(network: Graph, batch: Batch, loss: Loss, values: Arrays) -> Evaluated:
    """Loss and right answers of a batch, and those of each output."""
    losses = [part.array for part in loss.parts] or ["loss"]
    parts = [
        Evaluated(float(values[own]), _correct(values[output], part))
        for own, output, part in zip(losses, network.outputs.values(), batch.by_output, strict=True)
    ]
    return Evaluated.joint(loss, parts)


def _correct(output: np.ndarray, batch: Batch) -> int | None:
    """How many samples' greatest output is their class."""
    if batch.classes is None:
        return None
    return int((output.argmax(axis=1) == batch.classes).sum())
