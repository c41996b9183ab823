"""From PyTorch: a module is traced by torch.fx, and its graph read node by node."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, GradtrailError
from ..network import Network
from ..optional import needed
from .building import Builder
from .torch_functions import FUNCTIONS, METHODS
from .torch_modules import converter_of
from .values import Refused, Value, Weights

__all__ = ["from_torch"]

_WRITES_OVER = (operator.iadd, operator.isub, operator.imul, operator.itruediv)


def from_torch(module: Any, input_shape: Sequence[int]) -> Network:
    """The network that a PyTorch module is, with copies of its weights and running statistics.

    A layer is called what the module calls it, with dots as underscores (`layer1_0_conv1`, so that
    `t.grad.terms("layer1_0_conv1.weight", …)` asks about `model.layer1[0].conv1.weight`), if that
    is a name at all; the layers of a bare `nn.Sequential`, which are numbers there, are called
    `conv1, relu1, …` as always. A softmax or log-softmax at the end is left out, since
    `CrossEntropy` includes it: the network gives the logits.

    Args:
        module: of layers that exist here, in a forward that `torch.fx` can trace.
        input_shape: of one sample, (channels, height, width) or (features,).

    Returns:
        A network of the module's dtype, float32 or float64.

    Raises:
        ArgumentError: PyTorch is missing, or something that no layer here computes; the message
            names the node, the module's path, and why.

    Example:
        >>> net = gt.from_torch(model, (3, 32, 32))
    """
    torch = needed("torch", "from_torch")
    fx = needed("torch.fx", "from_torch")
    if not isinstance(module, torch.nn.Module):
        raise ArgumentError(f"from_torch: needs a torch.nn.Module, got {module!r:.60}")
    module = getattr(module, "_orig_mod", module)  # what torch.compile has wrapped
    builder = Builder(input_shape)
    try:
        if converter_of(module) is not None:
            module = torch.nn.Sequential(module)
        graph = _traced(module, fx)
        return _Reading(module, graph, builder, torch).network()
    except Refused as cause:
        raise ArgumentError(f"from_torch: {cause.sentence}") from cause


def _traced(module: Any, fx: Any) -> Any:
    """The module's graph, as it computes in training.

    Raises:
        Refused: torch.fx cannot follow it.
    """

    class Tracer(fx.Tracer):  # type: ignore[misc]
        def is_leaf_module(self, inner: Any, path: str) -> bool:
            known = converter_of(inner) is not None
            return known or bool(super().is_leaf_module(inner, path))

    parameters = list(inspect.signature(module.forward).parameters.values())[1:]
    fixed = {p.name: p.default for p in parameters if p.default is not p.empty}
    modes = {inner: inner.training for inner in module.modules()}
    try:
        for inner in modes:
            inner.training = True
        return Tracer().trace(module, concrete_args=fixed or None)
    except Exception as cause:  # whatever the model's own code raises
        raise Refused(
            f"({type(module).__name__}) cannot be traced by torch.fx: {cause}; what is computed "
            "must not depend on the samples"
        ) from cause
    finally:
        for inner, training in modes.items():
            inner.training = training


class _Reading:
    """One reading of a traced graph.

    Args:
        module: that was traced.
        graph: its torch.fx graph.
        builder: what the layers are added to.
        torch: the package.
    """

    def __init__(self, module: Any, graph: Any, builder: Builder, torch: Any) -> None:
        self.module, self.graph, self.builder = module, graph, builder
        self.functions = {_found(torch, path): path for path in FUNCTIONS}
        self.paths = {id(p): path for path, p in module.named_parameters()}
        self.made: dict[Any, Any] = {}
        self.calls: dict[str, int] = {}
        self.read = False
        self.tensor, self.parameter = torch.Tensor, torch.nn.Parameter

    def network(self) -> Network:
        """The network that the graph gives."""
        for node in self.graph.nodes:
            where = self._where(node)
            self.builder.at(where, None)
            if node.op == "output":
                return self._end(node, where)
            try:
                self.made[node] = self._value(node)
            except (GradtrailError, ArithmeticError, LookupError, TypeError, ValueError) as cause:
                self.builder.reasons.note(cause, where)
                raise self.builder.reasons.refusal() from cause
        raise Refused("has no output")

    def _end(self, node: Any, where: str) -> Network:
        output = self._of(node.args[0])
        if isinstance(output, Sequence | Mapping):
            clause = f"gives {len(output)} outputs in a {type(output).__name__}, not one tensor"
            self.builder.reasons.note(clause, where)
            self.builder.reasons.check()
        return self.builder.network(output)

    def _where(self, node: Any) -> str:
        """The node and the module it belongs to."""
        if node.op == "call_module":
            kind = type(self.module.get_submodule(node.target)).__name__
            return f"node '{node.name}' ({kind} at '{node.target}')"
        stack = node.meta.get("nn_module_stack") or {}
        path = next(reversed(stack), "")
        return f"node '{node.name}'" + (f" (in '{path}')" if path else "")

    def _of(self, argument: Any) -> Any:
        """An argument with nodes replaced by what they gave."""
        if isinstance(argument, dict):
            return {key: self._of(value) for key, value in argument.items()}
        if isinstance(argument, list | tuple):
            return type(argument)([self._of(value) for value in argument])
        if isinstance(argument, slice):
            return slice(*map(self._of, (argument.start, argument.stop, argument.step)))
        return self.made[argument] if hasattr(argument, "op") else argument

    def _value(self, node: Any) -> Any:
        if node.op == "placeholder":
            return self._argument(node)
        if node.op == "get_attr":
            return self._array(node.target)
        if node.op == "call_module":
            return self._called(node)
        arguments = self._of(node.args)
        named = self._of(dict(node.kwargs))
        if node.op == "call_method":
            name = node.target.removesuffix("_")
            convert, called = METHODS.get(name), f"the method {node.target}"
            over = node.target.endswith("_")
        else:
            if not _any_value([*arguments, *named.values()]):
                return _plain(node.target, arguments, named)
            if node.target is operator.getitem:
                if isinstance(arguments[0], np.ndarray):
                    return arguments[0][arguments[1]]
                raise Refused("takes a part of a tensor by index, which no layer here does")
            path = self.functions.get(node.target)
            convert, called = FUNCTIONS.get(path or ""), _called(node.target)
            over = node.target in _WRITES_OVER
        if convert is None:
            raise Refused(f"calls {called}, for which there is no layer here")
        inspect.signature(convert).bind(self.builder, *arguments, **named)
        result = convert(self.builder, *arguments, **named)
        if over or named.get("inplace"):
            self._written_over(arguments[0], result)
        return result

    def _argument(self, node: Any) -> Any:
        """The input; what else forward takes stays at its default."""
        if not self.read:
            self.read = True
            return self.builder.input
        parameters = inspect.signature(self.module.forward).parameters
        name = next((p for p in parameters if node.target in (p, f"{p}_1")), None)
        default = parameters[name].default if name else inspect.Parameter.empty
        if default is inspect.Parameter.empty:
            raise Refused("is a second input; a network takes one")
        return default

    def _array(self, path: str) -> Any:
        """A parameter as weights, another tensor as numbers."""
        parent, _, name = path.rpartition(".")
        value = getattr(self.module.get_submodule(parent), name)
        if not isinstance(value, self.tensor):
            raise Refused(f"reads {path!r}, which is no tensor")
        if isinstance(value, self.parameter):
            return Weights(self.paths.get(id(value), path), self._copied(value, path), True)
        return self._copied(value, path)

    def _copied(self, value: Any, path: str) -> np.ndarray:
        """A tensor as an array of its own."""
        if value.is_meta or str(value.layout) != "torch.strided":
            raise Refused(
                f"holds no plain numbers in {path!r}: it is {value.layout} on {value.device}"
            )
        if str(value.dtype) not in ("torch.float32", "torch.float64"):
            raise Refused(
                f"holds {path!r} as {value.dtype}; make the model float32 or float64 first, as "
                "with model.float()"
            )
        return np.array(value.detach().cpu().numpy())

    def _called(self, node: Any) -> Any:
        """What a module gives."""
        module = self.module.get_submodule(node.target)
        convert = converter_of(module)
        if convert is None:
            raise Refused("is a module for which there is no layer here")
        if getattr(module, "cls_to_become", None) is not None:
            raise Refused("is lazy and has no weights yet; run the model once before")
        if module._forward_hooks or module._forward_pre_hooks:
            raise Refused("has forward hooks, which may change what it computes; remove them")
        arguments = [*self._of(node.args), *self._of(dict(node.kwargs)).values()]
        if len(arguments) != 1:
            raise Refused(f"is called with {len(arguments)} arguments instead of one")
        count = self.calls[node.target] = self.calls.get(node.target, -1) + 1
        name = node.target.replace(".", "_")
        self.builder.at(self._where(node), f"{name}_{count}" if count else name)

        def held(key: str) -> Weights | None:
            value = getattr(module, key)
            if value is None:
                return None
            path = f"{node.target}.{key}"
            name = self.paths.get(id(value), path)
            return Weights(name, self._copied(value, path), isinstance(value, self.parameter))

        result = convert(self.builder, module, arguments[0], held)
        if getattr(module, "inplace", False):
            self._written_over(arguments[0], result)
        return result

    def _written_over(self, before: Any, after: Any) -> None:
        """From here on, whoever reads the tensor that was written over reads the result."""
        for node, value in self.made.items():
            if isinstance(value, Value) and value == before:
                self.made[node] = after


def _found(torch: Any, path: str) -> Any:
    """A function by its path; the path itself where this PyTorch has none."""
    package, *names = path.split(".")
    thing: Any = torch if package == "torch" else needed(package, "from_torch")
    for name in names:
        thing = getattr(thing, name, None)
    return thing if thing is not None else path


def _any_value(arguments: Sequence[Any]) -> bool:
    """Whether a tensor is among them, or within one of them."""
    return any(
        isinstance(one, Value | np.ndarray | Weights)
        or (isinstance(one, list | tuple) and _any_value(one))
        for one in arguments
    )


def _plain(function: Any, arguments: Any, named: Any) -> Any:
    """A function of sizes alone."""
    if getattr(function, "__module__", "") in (
        "_operator",
        "operator",
        "builtins",
        "math",
        "torch",
    ):
        return function(*arguments, **named)
    if getattr(function, "__name__", "") == "_assert_is_none":
        return None
    raise Refused(f"calls {_called(function)}, for which there is no layer here")


def _called(function: Any) -> str:
    module = getattr(function, "__module__", None)
    name = getattr(function, "__name__", repr(function))
    return f"{module}.{name}" if module else str(name)
