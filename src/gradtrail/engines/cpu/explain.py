"""What the CPU engine does for one layer: the calls of its training program."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from ..explanation import ExplainedCall, Explanation, equation_lines, layer_equations
from .compiler import assembly
from .kernels.kernel import Kernel
from .kernels.nest_kernel import NestKernel
from .options import EngineSetup, Options
from .planning.planner import plan_program
from .program import KernelCall
from .target import Target

if TYPE_CHECKING:
    from ...graph import Graph
    from ...layers import Loss


def explain_layer(setup: EngineSetup, network: Graph, layer: str, loss: Loss) -> Explanation:
    """The calls on behalf of a layer in a training step."""
    system = network.system(16, training=True, loss=loss)
    node, sent = layer_equations(system, layer, network.trained if network.frozen else None)
    program = plan_program(network, loss, Options(training=True, backward=True), setup)
    calls = tuple(
        _call(call, setup.target)
        for call in program.calls
        if call.layer == layer or re.search(rf"\b(with|through) {layer}\b", call.does)
    )
    return Explanation(layer, f"cpu ({setup.target})", equation_lines(node, sent), calls)


def _call(call: KernelCall, target: Target) -> ExplainedCall:
    kernel = call.kernel
    does = call.does if f" {call.layer}." in call.does else f"{call.layer}, {call.does}"

    ir = partial(kernel.text, target)
    return ExplainedCall(
        does,
        _algorithm(kernel, call),
        kernel.lines(),
        call.work,
        ir,
        lambda: assembly(ir(), target),
    )


def _algorithm(kernel: Kernel, call: KernelCall) -> str:
    """In a few words."""
    if not isinstance(kernel, NestKernel):
        return kernel.algorithm
    tile = " × ".join(f"{n} {name}" for name, n in kernel.nest.schedule.tile if name != "part")
    held = f"tile {tile}" if tile else "one value at a time"
    return f"direct, {held}" if call.work else held
