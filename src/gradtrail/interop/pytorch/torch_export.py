"""To PyTorch: a network as a `torch.nn.Module`, and as the source text of one.

Both come from one list of calls (`calls_of`), so that the file that somebody reads and the module
that somebody trains are the same network. Layers are attributes under their names, so the keys of
the state are the names of our arrays. What has no module in PyTorch is a line (`torch_lines.py`).
"""

from __future__ import annotations

import keyword
import operator
from collections.abc import Collection, Mapping
from functools import reduce
from math import prod
from typing import Any

import numpy as np

from ...checking.calls import call_example
from ...equation.frozen import frozen
from ...errors import ArgumentError
from ...layers.sample_axes import checked_axes, some_axes
from ...layers.steps import Step
from ...machine.packages import optional_package
from ...network import Network
from ..known_activations import ACTIVATIONS
from .torch_calls import ForwardCall
from .torch_formulas import declared, equation_call
from .torch_lines import LINES, is_line
from .torch_windows_written import is_apart, windows_apart, without_padding


@frozen
class TorchModule:
    """A module of `torch.nn` with its arguments.

    Args:
        kind: such as `Conv2d`.
        arguments: by position.
        keywords: by name.
        arrays: of a `ParameterDict`, the shapes of its parameters by name.
    """

    kind: str
    arguments: tuple[Any, ...] = ()
    keywords: tuple[tuple[str, Any], ...] = ()
    arrays: tuple[tuple[str, tuple[int, ...]], ...] = ()


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
        pickled; `.code` shows its forward. Several inputs are its arguments in their order; several
        outputs come in a mapping by their names, or in a tuple where they have none.

    Raises:
        ArgumentError: PyTorch is missing, or a layer has a name that a module cannot have or an
            equation that PyTorch cannot compute, or `like` is another network; the first layer that
            differs is named.
    """
    if like is not None:
        from .torch_like import fill_like

        return fill_like(network, like)
    torch = optional_package("torch", "to_torch")
    fx = optional_package("torch.fx", "to_torch")
    made, calls, results = calls_of(network)
    root = torch.nn.Module()
    for key, module in made.items():
        arguments: tuple[Any, ...] = module.arguments
        if module.arrays:
            arguments = ({name: torch.zeros(shape) for name, shape in module.arrays},)
        built = getattr(torch.nn, module.kind)(*arguments, **dict(module.keywords))
        if hasattr(built, "num_batches_tracked"):  # which PyTorch needs for momentum=None alone
            built.num_batches_tracked = None
            built.register_load_state_dict_pre_hook(_without_counter)
        root.add_module(key, built)
    module = fx.GraphModule(root, _graph(network, calls, results, fx, torch), class_name="Network")
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


def _graph(
    network: Network,
    calls: tuple[ForwardCall, ...],
    results: Mapping[str, ForwardCall],
    fx: Any,
    torch: Any,
) -> Any:
    """The calls as a torch.fx graph."""
    graph = fx.Graph()
    made: dict[str, Any] = {name: graph.placeholder(name) for name in network.inputs}

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
        node(call)
    ends = {name: node(call) for name, call in results.items()}
    if len(ends) == 1:
        graph.output(*ends.values())
    else:
        graph.output(tuple(ends.values()) if are_numbered(ends) else ends)
    return graph


# -- what each layer is ---------------------------------------------------------------------------


Calls = tuple[Mapping[str, TorchModule], tuple[ForwardCall, ...], Mapping[str, ForwardCall]]


def calls_of(network: Network) -> Calls:
    """The modules by name, the calls of forward in order, and what it returns by name.

    Raises:
        ArgumentError: a layer whose name a module cannot have, as `lambda` or `train`, or one that
            PyTorch cannot compute.
    """
    shapes = network.system(1).shapes
    made: dict[str, TorchModule] = {}
    results = {name: ForwardCall("placeholder", name, (), name) for name in network.inputs}
    calls: list[ForwardCall] = []
    for step in network.steps:
        if keyword.iskeyword(step.name) or step.name in TAKEN:
            raise ArgumentError(
                f"layer {step.name!r} cannot be an attribute of a torch.nn.Module, which calls "
                "something else so; give it another name"
            )
        read = [shapes[name][1:] for name in step.sources]
        module = None if step.shares else _module(step, read)
        if module is not None:
            made[step.name] = module
        call = _call(step, [results[name] for name in step.sources], read)
        calls.append(call)
        results[step.output] = call
    return made, tuple(calls), {name: results[array] for name, array in network.outputs.items()}


def are_numbered(outputs: Collection[str]) -> bool:
    """Whether several outputs were given no names, so that `forward` returns them in a tuple."""
    return [*outputs] == [f"output{place}" for place in range(1, len(outputs) + 1)]


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


def _module(step: Step, shapes: list[tuple[int, ...]]) -> TorchModule | None:
    """The module that a layer is, for samples of these shapes; None for a line of its own."""
    layer, shape, kind = step.layer, shapes[0], type(step.layer).__name__
    if is_line(layer, shape):
        return None
    if kind.startswith(("GlobalAvgPool", "GlobalMaxPool")):
        return TorchModule(kind.replace("Global", "Adaptive"), (1,))
    if kind == "StochasticDepth":
        return TorchModule("Dropout1d", (layer.p,))  # type: ignore[attr-defined]
    if kind not in MADE:
        found = declared(step, shapes)
        sizes = found.equation.shape_of
        arrays = tuple((p.name, sizes[letter]) for letter, p in found.parameters.items())
        return TorchModule("ParameterDict", arrays=arrays) if arrays else None
    by_position, by_name = MADE[kind]
    known = {
        "inputs": shape[0],
        "normalized": [shape[axis - 1] for axis in _normalized(layer, shape)],
    }
    arguments = [known[name] if name in known else getattr(layer, name) for name in by_position]
    changed = layer.settings()  # what differs from the defaults, which are PyTorch's
    keywords = {name: getattr(layer, name) for name in by_name if name in changed}
    if is_apart(layer):
        keywords = without_padding(layer, keywords)
    elif isinstance(padding := keywords.get("padding"), tuple):
        keywords["padding"] = tuple(p[0] if isinstance(p, tuple) else p for p in padding)
    return TorchModule(kind, tuple(arguments), tuple(keywords.items()))


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


def _row_by_row(step: Step, source: ForwardCall, shape: tuple[int, ...]) -> ForwardCall:
    """Stochastic depth: PyTorch drops whole rows of samples that have no channels, all of one."""
    first = 1 if step.layer.mode == "batch" else -1  # type: ignore[attr-defined]
    rest = -1 if first == 1 else prod(shape)
    rows = ForwardCall("call_method", "reshape", (source, first, rest))
    kept = ForwardCall("call_module", step.owner, (rows,))
    return ForwardCall("call_method", "reshape", (kept, -1, *shape), step.name)


def _call(step: Step, sources: list[Any], shapes: list[tuple[int, ...]]) -> ForwardCall:
    """How a layer is called in forward."""
    name, kind, shape = step.name, type(step.layer).__name__, shapes[0]
    if is_line(step.layer, shape):
        return LINES[kind](step, sources, shapes)
    if kind == "StochasticDepth":
        return _row_by_row(step, sources[0], shape)
    if kind not in MADE and not kind.startswith("Global"):
        return equation_call(step, sources, shapes)
    if is_apart(step.layer):
        return windows_apart(step, sources, shape)
    over = _normalized(step.layer, shape)
    if over and over[-1] - over[0] == len(over) - 1 and over[-1] == len(shape):
        over = []  # the last, as PyTorch has them
    if over:
        return _turned(step, sources[0], over, len(shape) + 1)
    if kind.startswith("Global"):
        pooled = ForwardCall("call_module", step.owner, tuple(sources))
        return ForwardCall("call_function", "torch.flatten", (pooled, 1), f"{name}_flat")
    return ForwardCall("call_module", step.owner, tuple(sources), name)
