"""150 random networks: whatever layers meet, the engine agrees with the reference.

Half of them are computed with every array kept, and all arrays are compared. The others run the
programs that users run, with layers fused, gradients absorbed and memory shared: a training step,
of which the parameters' gradients, the running statistics, the loss and the number of right answers
are compared, or prediction and evaluation.

The networks take turns over the targets. One alone:
`pytest tests/cpu/test_random_networks.py -k 017`; with GRADTRAIL_SEARCH=3000 there are
more, and each is computed in both ways.
"""

from __future__ import annotations

import numpy as np
import pytest
from comparing import FLOAT32, assert_all_close, assert_close
from random_networks import Drawn, drawn
from tails import beginning, searched

from gradtrail.engines import CPU, Reference
from gradtrail.equation.scalar import Variable
from gradtrail.graph.step_arrays import running_statistics
from gradtrail.optimizers import Optimizer, Rule

from .agreeing import assert_agree
from .targets import loops_here

USUAL = 150
COUNT = len(searched(USUAL))
"""How many; more of them are a search for rare mistakes."""


class Replacing(Optimizer):
    """Puts each gradient in its weight's place, so that a training step shows its gradients."""

    settings_names = ()

    @property
    def rule(self) -> Rule:
        return Rule((), (("weight", Variable("gradient")),))

    def scalars(self, step: int) -> dict[str, float]:
        return {}


@pytest.mark.parametrize(
    "number", beginning(3, range(COUNT)), ids=lambda n: f"{n:03}-{target_of(n)}"
)
def test_it_agrees_with_the_reference(number: int) -> None:
    net = drawn(number)
    engine = CPU(threads=1 + number % 2, target=target_of(number))
    try:
        if keeps(number):
            got = engine.compute(net.network, net.batch, net.loss, training=net.training)
            assert_agree(got, net.expected)
        if runs(number):
            (training_agrees if net.training else evaluation_agrees)(net, engine)
    except Exception as failure:
        raise AssertionError(f"{failure}\n{engine}, network:\n{net}") from failure


def keeps(number: int) -> bool:
    """Whether the network is computed with everything kept."""
    return COUNT > USUAL or number // len(loops_here()) % 2 == 0


def runs(number: int) -> bool:
    """Whether it is computed as users do."""
    return COUNT > USUAL or not keeps(number)


def target_of(number: int) -> str:
    """By turns; each target gets its share of all networks."""
    targets = loops_here()
    return targets[number % len(targets)]


def training_agrees(net: Drawn, engine: CPU) -> None:
    """One step of a training against the reference's gradients and statistics."""
    network, expected = net.network, net.expected
    trainer = engine.trainer(network, net.loss, Replacing())
    before = {name: array.astype(np.float64) for name, array in network.buffers.items()}
    done = trainer.step(net.batch)
    trainer.store()  # the network's weights are its gradients now
    assert done.finite
    assert_close(np.asarray(done.loss), expected.values["loss"], FLOAT32, "loss of the step")
    assert done.correct == right_answers(net)
    gradients = {name: expected.gradients[name] for name in network.parameters}
    assert_all_close(dict(network.parameters), gradients, FLOAT32)
    system = network.system(len(net.batch), training=True, loss=net.loss)
    statistics = running_statistics(network, system, expected.values, before)
    assert_all_close(dict(network.buffers), statistics, FLOAT32)


def evaluation_agrees(net: Drawn, engine: CPU) -> None:
    """Outputs and loss of a network in evaluation, where nothing is kept."""
    network, batch, expected = net.network, net.batch, net.expected.values
    for count in (len(batch.x), 1):  # a single sample has lanes of its own
        found = network.predict(batch.x[:count], engine=engine)
        outputs = found if isinstance(found, dict) else {"output": found}
        for name, array in network.outputs.items():
            assert_close(outputs[name], expected[array][:count], FLOAT32, f"prediction of {count}")
    found = engine.evaluate(network, batch)
    assert_close(np.asarray(found.loss), expected["loss"], FLOAT32, "loss in evaluation")
    assert found.correct == right_answers(net)


def right_answers(net: Drawn) -> int | None:
    """How many the reference has; its outputs are told apart by more than float32's errors."""
    if net.batch.classes is None:
        return None
    outputs = net.expected.values[net.network.output_name]
    return int((outputs.argmax(axis=1) == net.batch.classes).sum())


def test_every_target_gets_fifty() -> None:
    assert 50 * len(loops_here()) <= USUAL


def test_a_number_always_gives_the_same_network() -> None:
    one, other = drawn(4), drawn(4)
    assert str(one) == str(other)
    np.testing.assert_array_equal(one.batch.x, other.batch.x)
    np.testing.assert_array_equal(one.expected.values["loss"], other.expected.values["loss"])
    assert Reference().predict(one.network, one.batch.x).shape[0] == len(one.batch)
