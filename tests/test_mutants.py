"""Wrong backward passes on purpose: the checker must catch every one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cases import CASES, ours
from comparing import FLOAT64, assert_all_close
from tails import beginning

import gradtrail as gt
from gradtrail.arrays.einsum import contract
from gradtrail.engines import Computed, Reference
from gradtrail.equation import (
    Adjoint,
    Affine,
    Contraction,
    Equation,
    Indicator,
    Normalisation,
    Number,
    Selection,
)

FROZEN = Path(__file__).parent / "frozen" / "cases.npz"


class Mutant(Reference):
    """The reference engine with a mistake in what a node sends back."""

    def __init__(self, mistake: Callable) -> None:
        self.mistake = mistake

    def adjoint(self, sent: Adjoint, values, gradients) -> np.ndarray:
        right = super().adjoint
        return self.mistake(sent, values, gradients, right)


def delta_mutant(kind: str, change: Callable[[np.ndarray], np.ndarray]) -> Mutant:
    """The gradient behind layers of one kind is changed before it is used."""

    def mistake(sent, values, gradients, right):
        if sent.node.kind == kind:
            name = sent.node.output
            gradients = {**gradients, name: np.ascontiguousarray(change(gradients[name]))}
        return right(sent, values, gradients)

    return Mutant(mistake)


class WrongForward(Reference):
    """The reference engine with a mistake in what a norm gives."""

    def __init__(self, mistake: Callable) -> None:
        self.mistake = mistake

    def forward(self, equation: Equation, letters) -> dict[str, np.ndarray]:
        found = super().forward(equation, letters)
        if isinstance(equation, Normalisation):
            found = self.mistake(equation, letters, found, super().forward)
        return found


def epsilon_outside(equation, letters, found, right):
    """1/(√v + ε): what is added to the variance is added to its root."""
    inverse = 1 / (np.sqrt(found[equation.statistic.array]) + equation.epsilon)
    epsilon = 1 / np.square(inverse) - found[equation.statistic.array]
    mean_of_it = float(np.mean(epsilon))  # the other arrays follow from it, near enough
    return right(replace(equation, epsilon=mean_of_it), letters) | {equation.inverse: inverse}


def whole_sample(equation, letters, found, right):
    """Statistics over all of a sample, be there groups or not."""
    statistic = replace(equation.statistic, positions=equation.source.positions[:1])
    kept = [s.array for s in equation.statistics]
    shapes = tuple((a, s[:1] if a in kept else s) for a, s in equation.shapes)
    wrong = right(replace(equation, statistic=statistic, shapes=shapes), letters)
    for letter in kept:
        wide = wrong[letter].reshape(-1, *[1] * (found[letter].ndim - 1))
        wrong[letter] = np.broadcast_to(wide, found[letter].shape)
    return wrong


def without_term(place: int) -> Callable:
    """One of a norm's ways back is forgotten."""

    def mistake(sent, values, gradients, right):
        equation = sent.equation
        if isinstance(sent.node.equation, Normalisation) and len(equation.terms) == 3:
            terms = [t for at, t in enumerate(equation.terms) if at != place]
            equation = Contraction.of(terms, equation.range_of, equation.shape_of)
        return right(replace(sent, equation=equation), values, gradients)

    return mistake


def next_group(sent, values, gradients, right):
    """The deviations of the group beside."""
    if sent.node.kind == "GroupNorm":
        name = sent.node.array_of[sent.node.equation.inverse]
        values = {**values, name: np.ascontiguousarray(np.roll(values[name], 1, axis=1))}
    return right(sent, values, gradients)


def assigned(sent, values, gradients, right):
    """`=` for `+=`: where windows overlap, only the last addition stays."""
    equation = sent.equation
    if not isinstance(sent.node.equation, Selection) and sent.node.kind != "Conv2d":
        return right(sent, values, gradients)
    if sent.operand != "X":
        return right(sent, values, gradients)
    letters = {a: values[name] for a, name in sent.node.arrays}
    letters["d" + sent.node.equation.target.array] = gradients[sent.node.output]
    total = np.zeros(equation.shape_of["dX"])
    offsets = [n for n in ("i", "j") if n in equation.range_of]
    for i in range(equation.range_of[offsets[0]]):
        for j in range(equation.range_of[offsets[1]]):
            fixed = dict(zip(offsets, (i, j), strict=True))
            part = Contraction(
                tuple(t.substitute(fixed) for t in equation.terms),
                ranges=tuple((n, r) for n, r in equation.ranges if n not in fixed),
                shapes=equation.shapes,
            )
            added = contract(part, letters)
            total = np.where(added != 0, added, total)
    return total


def unstrided(sent, values, gradients, right):
    """The stride forgotten: every position is read as if windows lay side by side."""
    if sent.node.kind != "Conv2d":
        return right(sent, values, gradients)

    def one(position: Affine) -> Affine:
        if len(position.terms) != 2:
            return position
        terms = tuple((n, Number(1)) for n, _ in position.terms)
        return replace(position, terms=terms)

    def forget(t):
        def positions(access):
            return replace(access, positions=tuple(map(one, access.positions)))

        return replace(t, target=positions(t.target), factors=tuple(map(positions, t.factors)))

    wrong = replace(sent.equation, terms=tuple(map(forget, sent.equation.terms)))
    return right(replace(sent, equation=wrong), values, gradients)


def all_ties(sent, values, gradients, right):
    """Every element that equals the maximum collects the gradient, not only the first."""
    equation = sent.node.equation
    if not isinstance(equation, Selection):
        return right(sent, values, gradients)
    source, target = values[sent.node.inputs[0]], values[sent.node.output]
    delta = gradients[sent.node.output]
    total = np.zeros(source.shape)
    term = sent.equation.terms[0]
    for point in term.points(sent.equation.range_of, sent.equation.shape_of):
        place, at = term.target.at(point), equation.target.at(point)
        if source[place] == target[at]:
            total[place] += delta[at]
    return total


def no_winner(sent, values, gradients, right):
    """The first position of each window is taken for the winner."""
    if not isinstance(sent.node.equation, Selection):
        return right(sent, values, gradients)
    name = sent.node.array_of[sent.node.equation.winner]
    return right(sent, {**values, name: np.zeros_like(values[name])}, gradients)


MUTANTS = {
    "delta transposed": delta_mutant("Conv2d", lambda d: d.swapaxes(2, 3)),
    "delta flipped": delta_mutant("Conv2d", lambda d: d[:, :, ::-1, ::-1]),
    "delta batch-permuted": delta_mutant("Conv2d", lambda d: np.roll(d, 1, axis=0)),
    "delta channel-permuted": delta_mutant("Conv2d", lambda d: np.roll(d, 1, axis=1)),
    "linear delta batch-permuted": delta_mutant("Linear", lambda d: np.roll(d, 1, axis=0)),
    "= for += in convolution": Mutant(assigned),
    "= for += in overlapping pools": Mutant(
        lambda s, v, g, right: (
            assigned(s, v, g, right) if s.node.kind == "MaxPool2d" else right(s, v, g)
        )
    ),
    "stride forgotten": Mutant(unstrided),
    "all tied maxima taken": Mutant(all_ties),
    "first position for the winner": Mutant(no_winner),
    "a norm's mean forgotten": Mutant(without_term(1)),
    "a norm's variance forgotten": Mutant(without_term(2)),
    "the group beside": Mutant(next_group),
    "ε outside the root": WrongForward(epsilon_outside),
    "statistics over too many axes": WrongForward(whole_sample),
}


def network(dtype: type = np.float64) -> gt.Network:
    """Square maps, so that a transposed delta still has the right shape; pools that overlap."""
    layers = [gt.Conv2d(4, 3, stride=2, padding=1), gt.ReLU(), gt.MaxPool2d(3, 1)]
    layers += [gt.Conv2d(4, 2), gt.GroupNorm(2, eps=0.5), gt.Tanh(), gt.Flatten(), gt.Linear(5)]
    made = gt.Network((2, 11, 11), layers, seed=1, dtype=dtype)
    made.parameters["conv1.bias"][0] = -100  # a dead channel: its windows are all zero, all tied
    return made


def data() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.Generator(np.random.PCG64(11))
    return draw.random((4, 2, 11, 11)) * 2 - 1, np.array([0, 4, 2, 1])


def test_the_right_backward_pass_is_confirmed() -> None:
    report = gt.check_gradients(network(), *data(), engine="reference")
    assert len(report.elements) >= 60
    assert report.layers
    assert all(check.moved for check in report.layers)


CAUGHT = r"array \w+(\.\w+)?(, read by| of) layer '\w+\d'"


@pytest.mark.parametrize("name", MUTANTS)
def test_check_gradients_catches(name: str) -> None:
    with pytest.raises(gt.GradientError, match=CAUGHT):
        gt.check_gradients(network(), *data(), engine=MUTANTS[name])


class Single(Reference):
    """An engine whose arrays are rounded to float32, as one that computes in it gives them."""

    def __init__(self, of: Reference) -> None:
        self.of = of

    def compute(self, *arguments, **keywords):
        computed = self.of.compute(*arguments, **keywords)
        return Computed(
            *(
                {n: a.astype(np.float32) if a.dtype == np.float64 else a for n, a in side.items()}
                for side in (computed.values, computed.gradients)
            )
        )


def test_the_right_backward_pass_is_confirmed_in_float32() -> None:
    gt.check_gradients(network(np.float32), *data(), engine=Single(Reference()))


@pytest.mark.parametrize("name", beginning(3, MUTANTS))
def test_check_gradients_catches_in_float32(name: str) -> None:
    """What rounding may do is added to the tolerance; no mistake hides behind it."""
    with pytest.raises(gt.GradientError, match=CAUGHT):
        gt.check_gradients(network(np.float32), *data(), engine=Single(MUTANTS[name]))


SPREAD = [*MUTANTS][::2], [*MUTANTS][1::2]
"""Every second one is of the long tail."""


def among(name: str) -> str:
    """What the cases are called that a mutant is wrong for, which are tried first."""
    if "pool" in name or "max" in name or "winner" in name:
        return "max"
    if any(word in name for word in ("norm", "group", "ε", "statistics")):
        return "norm"
    return "linear" if "linear" in name else "conv"


@pytest.mark.parametrize("name", beginning(len(SPREAD[0]), [*SPREAD[0], *SPREAD[1]]))
def test_the_comparison_with_pytorch_catches(name: str) -> None:
    """By its values: a mutant that crashes on a case is not counted as caught there."""
    caught = 0
    with np.load(FROZEN, allow_pickle=False) as stored:
        for case in sorted(CASES, key=lambda case: among(name) not in case.id):
            try:
                wrong = ours(case, MUTANTS[name])
            except (ValueError, gt.EquationError):
                continue
            right = {k: stored[f"{case.id}/{k}"] for k in wrong}
            try:
                assert_all_close(wrong, right, FLOAT64)
            except AssertionError:
                caught += 1
            if caught == 2:
                break
    assert caught == 2


def test_ones_as_upstream_gradient_would_miss_the_flipped_delta() -> None:
    """Why the cases draw their upstream gradients at random."""
    made = gt.Network((1, 5, 5), [gt.Conv2d(2, 3)], dtype=np.float64)
    x = np.random.Generator(np.random.PCG64(0)).random((2, 1, 5, 5))
    system = made.system(2)
    values = Reference().run(system, {"input": x, **made.parameters})
    for upstream, caught in (
        (np.ones((2, 2, 3, 3)), False),
        (x[:, :, :3, :3] * [[[1]], [[2]]], True),
    ):
        start = {made.output_name: upstream}
        right = Reference().gradients(system, values, start)["conv1.weight"]
        wrong = MUTANTS["delta flipped"].gradients(system, values, start)["conv1.weight"]
        assert np.allclose(right, wrong) != caught


def test_the_indicator_is_what_lets_one_element_win() -> None:
    """A tie's gradient goes to the first of the tied elements alone."""
    made = gt.Network((1, 2, 2), [gt.MaxPool2d(2)], dtype=np.float64)
    x = np.array([[[[3.0, 5.0], [5.0, 5.0]]]])
    t = gt.trace(made, x, np.zeros((1, 1, 1, 1)), loss=gt.MeanSquaredError(), engine="reference")
    np.testing.assert_array_equal(t.grad["input"], [[[[0.0, 10.0], [0.0, 0.0]]]])
    (adjoint,) = t.grad.equations("input")
    assert any(isinstance(f, Indicator) for f in adjoint.terms[0].factors)
