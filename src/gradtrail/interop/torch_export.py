"""To PyTorch: a network as a `torch.nn.Module`, and as the source text of one.

Both come from one list of calls (`calls_of`), so that the file that somebody reads and the module
that somebody trains are the same network. Layers are attributes under their names, so the keys of
the state are the names of our arrays. What has no module in PyTorch (a sum, a concatenation, the
normalisation of the input) is a line in `forward`.
"""

from __future__ import annotations

import keyword
import operator
from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np

from ..checking.calls import call_example
from ..equation.frozen import frozen
from ..errors import ArgumentError
from ..layers import (
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    Linear,
    MaxPool2d,
    Normalize,
    Pointwise,
    PReLU,
)
from ..layers.joins import Add, Join
from ..layers.steps import Step
from ..machine.packages import optional_package
from ..network import Network
from .known_activations import ACTIVATIONS
from .torch_calls import ForwardCall
from .torch_expressions import expression_call


@frozen
class TorchModule:
    """A module of `torch.nn` with its arguments.

    Args:
        kind: such as `Conv2d`.
        arguments: by position.
        keywords: by name.
    """

    kind: str
    arguments: tuple[Any, ...] = ()
    keywords: tuple[tuple[str, Any], ...] = ()


@call_example("gt.to_torch(network)")
def to_torch(network: Network, *, like: Any = None) -> Any:
    """The network as a `torch.nn.Module` with copies of its weights and running statistics.

    With `like`, it is a copy of that module, of its own class and under its own names; what is not
    in the network (modes, frozen parameters, `num_batches_tracked`) is as it is there.

    Otherwise its layers are attributes under our names, so its state has the keys of a file that
    `Network.save` wrote, and `load_state_dict` takes that file strictly. It starts in training
    mode, as every module; `.eval()` gives what `Network.predict` gives.

    Args:
        network: any network.
        like: the module that `from_torch` made the network of, or one that computes the same.

    Returns:
        The copy; without `like`, a `torch.fx.GraphModule`: it can be trained, printed, copied and
        pickled; `.code` shows its forward.

    Raises:
        ArgumentError: PyTorch is missing, or a layer has a name that a module cannot have, or
            `like` is another network; the first layer that differs is named.
    """
    if like is not None:
        from .torch_like import fill_like

        return fill_like(network, like)
    torch = optional_package("torch", "to_torch")
    fx = optional_package("torch.fx", "to_torch")
    made, calls = calls_of(network)
    root = torch.nn.Module()
    for name, module in made.items():
        built = getattr(torch.nn, module.kind)(*module.arguments, **dict(module.keywords))
        if module.kind == "BatchNorm2d":  # a counter that PyTorch needs for momentum=None alone
            built.num_batches_tracked = None
            built.register_load_state_dict_pre_hook(_without_counter)
        root.add_module(name, built)
    module = fx.GraphModule(root, _graph(calls, fx, torch), class_name="Network")
    module.to(torch.float64 if network.dtype == np.float64 else torch.float32)
    state = {**network.parameters, **network.buffers}
    module.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
    return module


def _without_counter(module: Any, state: Any, prefix: str, *others: Any) -> None:
    """Take the counter of batches out of a state before it is loaded: nothing would receive it."""
    state.pop(f"{prefix}num_batches_tracked", None)


def _graph(calls: tuple[ForwardCall, ...], fx: Any, torch: Any) -> Any:
    """The calls as a torch.fx graph."""
    graph = fx.Graph()
    made: dict[str, Any] = {"input": graph.placeholder("input")}

    def node(argument: Any) -> Any:
        if isinstance(argument, list):
            return [node(entry) for entry in argument]
        if not isinstance(argument, ForwardCall):
            return argument
        if argument.name in made:
            return made[argument.name]
        target: Any = argument.target
        if argument.op == "call_function":
            package, *names = target.split(".")
            target = reduce(getattr, names, torch if package == "torch" else operator)
        read = tuple(node(entry) for entry in argument.arguments)
        called = "self_" if argument.name == "self" else argument.name  # forward has a self
        result = graph.create_node(argument.op, target, read, name=called)
        if argument.name:
            made[argument.name] = result
        return result

    for call in calls:
        last = node(call)
    graph.output(last)
    return graph


# -- what each layer is ---------------------------------------------------------------------------


def calls_of(network: Network) -> tuple[Mapping[str, TorchModule], tuple[ForwardCall, ...]]:
    """The modules by name, and the calls of forward in order.

    Raises:
        ArgumentError: a layer whose name a module cannot have, as `lambda` or `train`.
    """
    shapes = network.system(1).shapes
    made: dict[str, TorchModule] = {}
    results: dict[str, Any] = {network.input_name: INPUT}
    calls: list[ForwardCall] = []
    for step in network.steps:
        if keyword.iskeyword(step.name) or step.name in TAKEN:
            raise ArgumentError(
                f"layer {step.name!r} cannot be an attribute of a torch.nn.Module, which calls "
                "something else so; give it another name"
            )
        shape = shapes[step.sources[0]][1:]
        module = _module(step.layer, shape)
        if module is not None:
            made[step.name] = module
        call = _call(step, [results[name] for name in step.sources], shape)
        calls.append(call)
        results[step.output] = call
    return made, tuple(calls)


TAKEN = frozenset({
    "T_destination", "add_module", "add_submodule", "apply", "bfloat16", "buffers",
    "call_super_init", "children", "code", "compile", "cpu", "cuda",
    "delete_all_unused_submodules", "delete_submodule", "double", "dump_patches", "eval",
    "extra_repr", "float", "forward", "get_buffer", "get_extra_state", "get_parameter",
    "get_submodule", "graph", "half", "ipu", "load_state_dict", "meta", "modules", "mtia",
    "named_buffers", "named_children", "named_modules", "named_parameters", "parameters",
    "print_readable", "recompile", "register_backward_hook", "register_buffer",
    "register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook",
    "register_full_backward_pre_hook", "register_load_state_dict_post_hook",
    "register_load_state_dict_pre_hook", "register_module", "register_parameter",
    "register_state_dict_post_hook", "register_state_dict_pre_hook", "requires_grad_",
    "set_extra_state", "set_submodule", "shape_env", "share_memory", "state_dict", "to",
    "to_empty", "to_folder", "train", "training", "type", "xpu", "zero_grad",
})  # fmt: skip
"""What modules have as attributes."""

INPUT = ForwardCall("placeholder", "input", (), "input")


_SLIDING = ("stride", "padding", "output_padding", "dilation")
_KERNELS = ("inputs", "out_channels", "kernel_size"), (*_SLIDING, "groups", "bias")

MADE: Mapping[type[Layer], tuple[tuple[str, ...], tuple[str, ...]]] = {
    AvgPool2d: (
        ("kernel_size",),
        ("stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
    ),
    BatchNorm2d: (("inputs",), ("eps", "momentum", "affine")),
    Conv2d: _KERNELS,
    ConvTranspose2d: _KERNELS,
    Dropout: (("p",), ()),
    Flatten: ((), ()),
    Linear: (("inputs", "out_features"), ("bias",)),
    MaxPool2d: (("kernel_size",), ("stride", "padding", "dilation", "ceil_mode")),
    **{
        known.layer: (names, ()) if known.there.positional else ((), names)
        for known in ACTIVATIONS
        for names in [tuple(known.settings)]
    },
    PReLU: ((), ("num_parameters", "init")),
}
"""The arguments of the module of the layer's name, by position and, where they differ from their
defaults, by name. They are called as here; `inputs` is how many channels or features come in."""


def _module(layer: Any, shape: tuple[int, ...]) -> TorchModule | None:
    """The module that a layer is, for samples of a shape; None for a line of its own."""
    if isinstance(layer, Normalize | Pointwise | Add | Join):
        return None
    if isinstance(layer, GlobalAvgPool2d):
        return TorchModule("AdaptiveAvgPool2d", (1,))
    if type(layer) not in MADE:
        raise ArgumentError(f"PyTorch has no module for {layer.kind}")
    if any(isinstance(side, tuple) for side in _entries(getattr(layer, "padding", ()))):
        raise ArgumentError(
            f"PyTorch's {layer.kind} pads as much behind as before, not {layer.padding}"
        )
    by_position, by_name = MADE[type(layer)]
    arguments = [shape[0] if name == "inputs" else getattr(layer, name) for name in by_position]
    changed = layer.settings()  # what differs from the defaults, which are PyTorch's
    keywords = tuple((name, getattr(layer, name)) for name in by_name if name in changed)
    return TorchModule(type(layer).__name__, tuple(arguments), keywords)


def _entries(padding: object) -> tuple[object, ...]:
    """Padding as a tuple of its entries."""
    return padding if isinstance(padding, tuple) else (padding,)


def _call(step: Step, sources: list[Any], shape: tuple[int, ...]) -> ForwardCall:
    """How a layer is called in forward."""
    name = step.name
    match step.layer:
        case Add():
            return ForwardCall("call_function", "operator.add", tuple(sources), name)
        case Join():
            return ForwardCall("call_function", "torch.cat", (sources, 1), name)
        case Pointwise():
            inputs = dict(zip(step.layer.inputs, sources, strict=True))
            return expression_call(step.layer.body, inputs, name)
        case GlobalAvgPool2d():
            pooled = ForwardCall("call_module", name, tuple(sources))
            return ForwardCall("call_function", "torch.flatten", (pooled, 1), f"{name}_flat")
        case Normalize():
            (source,) = sources
            mean, std = (
                _constant(source, numbers, len(shape))
                for numbers in (step.layer.mean, step.layer.std)
            )
            centred = ForwardCall("call_function", "operator.sub", (source, mean))
            return ForwardCall("call_function", "operator.truediv", (centred, std), name)
    return ForwardCall("call_module", name, tuple(sources), name)


def _constant(source: ForwardCall, numbers: Any, rank: int) -> Any:
    """A number, or numbers by channel as a tensor like `source`; no state of the module."""
    if isinstance(numbers, float):
        return numbers
    tensor = ForwardCall("call_method", "new_tensor", (source, list(numbers)))
    return ForwardCall("call_method", "reshape", (tensor, -1, *[1] * (rank - 1)))
