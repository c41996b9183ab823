"""A module as torch.export sees it, where torch.fx cannot trace it.

torch.export follows a call with tensors that have sizes but no numbers, so whatever Python asks of
types and sizes has an answer. What comes is a graph of ATen's operators; the reader takes them by
their namesakes (`torch_aten.py`), and the network is compared with the module like any other.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from ..reading.refusals import Refusal, Refusals
from ..reading.values import TRACED, Shape
from .torch_aten import aten_name, is_aten
from .torch_fx import RandomStates
from .torch_inputs import placed
from .torch_modules import kind_of


def export_module(
    module: Any, shapes: Mapping[str, Shape], torch: Any, reasons: Refusals
) -> tuple[Any, Any]:
    """The module whose arrays the graph reads, and the graph.

    Args:
        module: a copy of the module, in the modes in which it is read.
        shapes: of one sample of each input, by the arguments of forward.
        torch: the package.
        reasons: where it is noted that random numbers were drawn.

    Returns:
        A module with arrays under the module's paths, and a graph with the notes that
        `trace_module` makes; a node of a module with a converter has `meta["name"]`, what its layer
        is called.

    Raises:
        Refusal: torch.export cannot follow it.
    """
    floats = [p.dtype for p in module.parameters() if p.is_floating_point()]
    with _without_numbers():
        dtype = floats[0] if floats else torch.float32
        inputs = {n: torch.empty((TRACED, *shape), dtype=dtype) for n, shape in shapes.items()}
    draws = RandomStates(torch)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it says is about itself
            program = torch.export.export(module, *placed(module, inputs), strict=False)
            made = program.module()
    except Exception as cause:  # whatever the model's own code raises
        raise Refusal(first_line(cause)) from cause
    if draws.drawn:
        reasons.note(
            "draws random numbers in its forward, of which a network would keep the first",
            f"the model ({type(module).__name__})",
        )
    _tidy(made.graph)
    for node in made.graph.nodes:
        _annotate(node, module, torch)
    return made, made.graph


def _without_numbers() -> Any:
    """A mode in which tensors take no memory."""
    from torch._subclasses.fake_tensor import FakeTensorMode  # it takes a second

    return FakeTensorMode(allow_non_fake_inputs=True)


def first_line(cause: Exception) -> str:
    """The first sentence of what PyTorch says, which may go on for a page.

    Args:
        cause: what it raised.
    """
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[0] if lines else type(cause).__name__


_CHECKS = ("_assert_tensor_metadata", "_assert_scalar", "_assert_async")


def _tidy(graph: Any) -> None:
    """Leave out checks of sizes, and the counters of batch norms, which nothing reads."""
    for node in reversed(graph.nodes):
        checks = node.op == "call_module" and str(node.target).startswith("_guards")
        if node.op == "call_function" and is_aten(node.target):
            counts = aten_name(node.target) == "add_" and node.args[0].op == "get_attr"
            counter = counts and str(node.args[0].target).endswith("num_batches_tracked")
            checks = counter or aten_name(node.target) in _CHECKS
        unread = node.op == "get_attr" and not node.users
        if (checks and not node.users) or unread:
            graph.erase_node(node)


def _annotate(node: Any, module: Any, torch: Any) -> None:
    """Give a node what nodes of torch.fx have: paths of modules, the shape of a sample."""
    stack = dict((node.meta.get("nn_module_stack") or {}).values())
    node.meta["nn_module_stack"] = stack
    path = next(reversed(stack), "")
    if path and kind_of(module.get_submodule(path)) is not None:
        node.meta["name"] = path.replace(".", "_")
    value = node.meta.get("val")
    if isinstance(value, torch.Tensor) and value.ndim > 1 and value.shape[0] == TRACED:
        node.meta["sample"] = tuple(int(size) for size in value.shape[1:])
