"""How many multiply-adds a step needs when it is computed directly, as its equations say."""

from __future__ import annotations

from gradtrail import CrossEntropy, Network
from gradtrail.equation import Contraction, Equation
from gradtrail.plan.plan import multiply_adds

__all__ = ["FORWARD", "direct", "forward_work", "pass_of", "step_work", "towards"]

FORWARD = "forward"


def towards(name: str) -> str:
    """The pass that gives the gradient of an array."""
    return f"backward towards {name}"


def pass_of(does: str) -> str:
    """The pass that a native call belongs to, from what it says it does.

    >>> pass_of("backward towards relu1.output, through relu1")
    'backward towards relu1.output'
    """
    return does.partition(",")[0].strip()


def direct(network: Network, batch_size: int) -> dict[tuple[str, str], int]:
    """Multiply-adds by layer and pass for a whole batch, of convolutions and linear layers.

    Padding counts, as in `network.plan`. The input's gradient is not among them: nobody asks.
    """
    system = network.system(batch_size, training=True, loss=CrossEntropy())
    learned = [n for n in system.nodes if n.parameters and _counts(n.equation)]
    found = {(n.name, FORWARD): multiply_adds(n.equation) for n in learned}
    for sent in system.backward:
        if sent.node in learned and sent.receives != network.input_name:
            found[sent.node.name, towards(sent.receives)] = multiply_adds(sent.equation)
    return {key: count for key, count in found.items() if count}


def _counts(equation: Equation) -> bool:
    return isinstance(equation, Contraction) and equation.kind != "pointwise"


def step_work(network: Network, batch_size: int) -> int:
    """The multiply-adds of a training step."""
    return sum(direct(network, batch_size).values())


def forward_work(network: Network, batch_size: int) -> int:
    """The multiply-adds of a forward pass."""
    work = direct(network, batch_size)
    return sum(count for (_, which), count in work.items() if which == FORWARD)
