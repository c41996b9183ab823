"""To PyTorch: a network as a `torch.nn.Module`, and as the source text of one.

Both come from one list of calls (`calls_of`), so that the file that somebody reads and the module
that somebody trains are the same network. Layers are attributes under their names, so the keys of
the state are the names of our arrays. What has no module in PyTorch is a line (`torch_lines.py`).
"""

from __future__ import annotations

import keyword
import operator
from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np

from ..checking.calls import call_example
from ..equation import Margin
from ..equation.frozen import frozen
from ..errors import ArgumentError
from ..layers import Layer
from ..layers.sample_axes import checked_axes, some_axes
from ..layers.steps import Step
from ..machine.packages import optional_package
from ..network import Network
from .known_activations import ACTIVATIONS
from .torch_calls import ForwardCall
from .torch_lines import LINES


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
    mode, as every module; `.eval()` gives what `Network.predict` gives. What is frozen has
    `requires_grad=False`, and a norm that keeps its running statistics is in evaluation mode; a
    call of `.train()` ends that, as of any module.

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
        if hasattr(
            built, "num_batches_tracked"
        ):  # a counter that PyTorch needs for momentum=None alone
            built.num_batches_tracked = None
            built.register_load_state_dict_pre_hook(_without_counter)
        root.add_module(name, built)
    module = fx.GraphModule(root, _graph(calls, fx, torch), class_name="Network")
    module.to(torch.float64 if network.dtype == np.float64 else torch.float32)
    state = {**network.parameters, **network.buffers}
    module.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name not in network.frozen)
    for name, inner in module.named_children():
        inner.train(f"{name}.running_mean" not in network.frozen)
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
        read = [shapes[name][1:] for name in step.sources]
        module = None if step.shares else _module(step.layer, read[0])
        if module is not None:
            made[step.name] = module
        call = _call(step, [results[name] for name in step.sources], read)
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
_AVERAGE = ("stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
_STATISTICS = ("eps", "momentum", "affine")
_RANKS = (1, 2, 3)

Arguments = tuple[tuple[str, ...], tuple[str, ...]]
"""Those of a module by position and, where they differ from their defaults, by name. They are
called as here; `inputs` is how many channels or features come in, `normalized` how many positions
the axes have that a norm is over."""

MADE: Mapping[str, Arguments] = {
    **{f"AvgPool{rank}d": (("kernel_size",), _AVERAGE) for rank in _RANKS},
    **{
        f"Adaptive{kind}Pool{rank}d": (("output_size",), ())
        for kind in ("Avg", "Max")
        for rank in _RANKS
    },
    **{f"BatchNorm{rank}d": (("inputs",), _STATISTICS) for rank in _RANKS},
    "ChannelShuffle": (("groups",), ()),
    **{f"{kind}{rank}d": _KERNELS for kind in ("Conv", "ConvTranspose") for rank in _RANKS},
    **dict.fromkeys(("Dropout", "Dropout1d", "Dropout2d", "Dropout3d"), (("p",), ())),
    "Flatten": ((), ()),
    "GroupNorm": (("num_groups", "inputs"), ("eps", "affine")),
    **{
        f"InstanceNorm{rank}d": (("inputs",), (*_STATISTICS, "track_running_stats"))
        for rank in _RANKS
    },
    "LayerNorm": (("normalized", "eps"), ("elementwise_affine", "bias")),
    "LogSoftmax": (("dim",), ()),
    "Linear": (("inputs", "out_features"), ("bias",)),
    **{
        f"MaxPool{rank}d": (("kernel_size",), ("stride", "padding", "dilation", "ceil_mode"))
        for rank in _RANKS
    },
    "PixelShuffle": (("upscale_factor",), ()),
    "PixelUnshuffle": (("downscale_factor",), ()),
    **{
        known.layer.__name__: (names, ()) if known.there.positional else ((), names)
        for known in ACTIVATIONS
        for names in [tuple(known.settings)]
    },
    "PReLU": ((), ("num_parameters", "init")),
    "RMSNorm": (("normalized", "eps"), ("elementwise_affine",)),
    "Softmax": (("dim",), ()),
    "Upsample": ((), ("size", "scale_factor", "mode", "align_corners")),
}
"""By the name of the layer, which is the module's."""


def _module(layer: Layer, shape: tuple[int, ...]) -> TorchModule | None:
    """The module that a layer is, for samples of a shape; None for a line of its own."""
    kind = type(layer).__name__
    if kind in LINES:
        return None
    if kind.startswith(("GlobalAvgPool", "GlobalMaxPool")):
        return TorchModule(kind.replace("Global", "Adaptive"), (1,))
    if kind not in MADE:
        raise ArgumentError(f"PyTorch has no module for {layer.kind}")
    by_position, by_name = MADE[kind]
    found = {
        "inputs": shape[0],
        "normalized": [shape[axis - 1] for axis in _normalized(layer, shape)],
    }
    arguments = [found[name] if name in found else getattr(layer, name) for name in by_position]
    changed = layer.settings()  # what differs from the defaults, which are PyTorch's
    keywords = {name: getattr(layer, name) for name in by_name if name in changed}
    if _uneven(layer) is not None:
        keywords.pop("padding"), keywords.pop("output_padding", None)
    elif isinstance(padding := keywords.get("padding"), tuple):
        keywords["padding"] = tuple(p[0] if isinstance(p, tuple) else p for p in padding)
    return TorchModule(kind, tuple(arguments), tuple(keywords.items()))


def _uneven(layer: Any) -> tuple[Margin, ...] | None:
    """How much a layer pads before and behind each axis, where PyTorch's module cannot say it."""
    padding = getattr(layer, "padding", 0)
    if not isinstance(padding, tuple) or type(layer).__name__ in LINES:
        return None
    pairs = tuple(p if isinstance(p, tuple) else (p, p) for p in padding)
    return None if all(before == behind for before, behind in pairs) else pairs


def _unevenly(
    step: Step, sources: list[Any], margins: tuple[Margin, ...], shape: tuple[int, ...]
) -> ForwardCall:
    """A module without padding: its input is padded before, or its output cropped behind it."""
    layer: Any = step.layer
    if type(layer).__name__.startswith("ConvTranspose"):
        found = ForwardCall("call_module", step.owner, tuple(sources))
        sizes = layer.declare((1, *shape), training=False).equation.shape_of["Z"][2:]
        for axis, ((before, _), size) in enumerate(zip(margins, sizes, strict=True), 2):
            name = step.name if axis == len(sizes) + 1 else None
            found = ForwardCall("call_method", "narrow", (found, axis, before, size), name)
        return found
    if not getattr(layer, "count_include_pad", True) or getattr(layer, "ceil_mode", False):
        raise ArgumentError(
            f"PyTorch's {layer.kind} pads alike before and behind, and layer {step.name!r} does not"
        )
    sides = [side for margin in reversed(margins) for side in margin]
    fill = ("constant", float("-inf")) if type(layer).__name__.startswith("MaxPool") else ()
    padded = ForwardCall("call_function", "torch.nn.functional.pad", (*sources, sides, *fill))
    return ForwardCall("call_module", step.owner, (padded,), step.name)


def _normalized(layer: Any, shape: tuple[int, ...]) -> list[int]:
    """The axes that a norm of a sample is over; none for other layers."""
    if type(layer).__name__ not in ("LayerNorm", "RMSNorm"):
        return []
    axes = range(1, len(shape) + 1) if layer.axes is None else layer.axes
    return sorted(checked_axes(some_axes(layer, axes), (1, *shape)))


def _turned(step: Step, source: Any, over: list[int], rank: int) -> ForwardCall:
    """A norm over axes that are not the last: they are brought there, and back behind it."""
    order = [axis for axis in range(rank) if axis not in over] + over
    turned = ForwardCall("call_method", "permute", (source, *order))
    found = ForwardCall("call_module", step.owner, (turned,))
    back = [order.index(axis) for axis in range(rank)]
    return ForwardCall("call_method", "permute", (found, *back), step.name)


def _call(step: Step, sources: list[Any], shapes: list[tuple[int, ...]]) -> ForwardCall:
    """How a layer is called in forward."""
    name, kind, shape = step.name, type(step.layer).__name__, shapes[0]
    if kind in LINES:
        return LINES[kind](step, sources, shapes)
    if (margins := _uneven(step.layer)) is not None:
        return _unevenly(step, sources, margins, shape)
    over = _normalized(step.layer, shape)
    if over and over[-1] - over[0] == len(over) - 1 and over[-1] == len(shape):
        over = []  # the last, as PyTorch has them
    if over:
        return _turned(step, sources[0], over, len(shape) + 1)
    if kind.startswith("Global"):
        pooled = ForwardCall("call_module", step.owner, tuple(sources))
        return ForwardCall("call_function", "torch.flatten", (pooled, 1), f"{name}_flat")
    return ForwardCall("call_module", step.owner, tuple(sources), name)
