"""What a node of a traced graph calls: its converter, and the arguments as that takes them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ...machine.packages import optional_package
from ..reading.refusals import Refusal
from .torch_aten import aten_call, aten_name, is_aten
from .torch_functions import FUNCTIONS, METHODS
from .torch_fx import WRITES
from .torch_shapes import part


class NodeCalls:
    """The converters of functions and methods, by what nodes call.

    Args:
        torch: the package.
    """

    def __init__(self, torch: Any) -> None:
        self._functions = {
            function_at(torch, path): path
            for path in FUNCTIONS
            if path.startswith(("torch.", "operator.", "builtins."))
        }

    def of(self, node: Any) -> tuple[Callable[..., Any] | None, str, Any, Any]:
        """A node's converter, what it calls, and the arguments as the converter takes them.

        Args:
            node: that calls a function or a method; its converter is None where there is none.

        Raises:
            Refusal: it writes into a part of a tensor.
        """
        if is_aten(node.target):
            convert, arguments, named = aten_call(node.target, node.args, node.kwargs)
            return convert, str(node.target), arguments, named
        return (*self._converter(node), node.args, node.kwargs)

    def _converter(self, node: Any) -> tuple[Callable[..., Any] | None, str]:
        """A node's converter, and what it calls."""
        if node.op == "call_method":
            return METHODS.get(node.target.removesuffix("_")), f"the method {node.target}"
        if node.target is operator.getitem:
            return part, "operator.getitem"
        if node.target is operator.setitem:
            raise Refusal("writes into a part of a tensor, which no layer here does")
        called = called_name(node.target)
        return FUNCTIONS.get(self._functions.get(node.target, called)), called


def writes(node: Any) -> bool:
    """Whether a node writes over its first argument by what it calls.

    Args:
        node: of a traced graph.
    """
    if node.op == "call_method":
        return str(node.target).endswith("_")
    name = getattr(node.target, "__name__", "")
    name = aten_name(node.target) if is_aten(node.target) else name
    return node.op == "call_function" and (node.target in WRITES.values() or name.endswith("_"))


def function_at(torch: Any, path: str) -> Any:
    """A function by its path; the path itself where this PyTorch has none.

    Args:
        torch: the package.
        path: such as "torch.nn.functional.relu".
    """
    package, *names = path.split(".")
    thing: Any = torch if package == "torch" else optional_package(package, "from_torch")
    for name in names:
        thing = getattr(thing, name, None)
    return thing if thing is not None else path


def called_name(function: Any) -> str:
    """A function with its module, as messages name it.

    Args:
        function: any object that is called.
    """
    module = getattr(function, "__module__", None)
    name = getattr(function, "__name__", repr(function))
    return f"{module}.{name}" if module else str(name)
