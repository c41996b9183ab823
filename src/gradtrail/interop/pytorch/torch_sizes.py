"""The sizes of a module's tensors while it is traced, so that its forward may ask for them.

`x.shape[1] % 2`, `math.ceil(h / s)` and `b, c, h, w = x.size()` are plain numbers then, which
Python computes with. Nothing is computed and no memory taken: everything runs on PyTorch's device
without numbers. What is soon told does not run at all: there PyTorch would bring in its compiler
or an algebra system for sizes, which take seconds to import.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from ..known_activations import ACTIVATIONS
from ..reading.values import TRACED, Shape
from .torch_inputs import input_at
from .torch_modules import KEEPING, kind_of

_KEEPING = frozenset({
    *(known.function for known in ACTIVATIONS), "prelu", "softmax", "log_softmax",
    "dropout", "dropout1d", "dropout2d", "dropout3d",
    "batch_norm", "instance_norm", "group_norm", "layer_norm", "rms_norm", "local_response_norm",
})  # fmt: skip
"""Functions that give as much as they take."""


def _tensor(module: Any, name: str) -> Any:
    """A module's tensor, not by asking the module: that would be traced, too."""
    places = (module._parameters, module._buffers, vars(module))
    return next(place[name] for place in places if name in place)


def _named(function: Any) -> str:
    """The name of a function of PyTorch's."""
    inside = str(getattr(function, "__module__", "")).startswith("torch")
    return str(getattr(function, "__name__", "")) if inside else ""


def _keeps(function: Any) -> bool:
    return _named(function).removesuffix("_") in _KEEPING


def _sizes(kind: str, module: Any, given: Shape) -> Shape | None:
    """What one of PyTorch's modules makes of such sizes, if that is soon told; else None."""
    if kind in KEEPING:
        return given
    if kind == "Linear" and given[-1] == module.in_features:
        return (*given[:-1], module.out_features)
    if kind.startswith("AdaptiveAvgPool"):
        return _pooled(given, module.output_size)
    if kind in ("Conv1d", "Conv2d", "Conv3d") and given[1] == module.in_channels:
        margins = module._reversed_padding_repeated_twice
        return _windowed((given[0], module.out_channels, *given[2:]), module, margins[::-1])
    plain = not getattr(module, "ceil_mode", True) and not getattr(module, "return_indices", False)
    if kind in ("MaxPool1d", "MaxPool2d", "MaxPool3d", "AvgPool1d", "AvgPool2d") and plain:
        return _windowed(given, module, [p for p in _each(module.padding, given) for _ in "pq"])
    return None


def _windowed(given: Shape, module: Any, margins: Sequence[int]) -> Shape | None:
    """The sizes behind windows, with so many zeros before and behind each axis."""
    names = ("kernel_size", "stride", "dilation")
    steps = [_each(getattr(module, name, 1), given) for name in names]
    if len({len(given) - 2, len(margins) // 2, *map(len, steps)}) > 1:
        return None
    places = zip(given[2:], margins[::2], margins[1::2], *steps, strict=True)
    sizes = [(n + p + q - d * (k - 1) - 1) // s + 1 for n, p, q, k, s, d in places]
    return (*given[:2], *sizes) if min(sizes) > 0 else None


def _each(setting: Any, given: Shape) -> tuple[int, ...]:
    """A setting for each axis of maps."""
    return tuple(setting) if isinstance(setting, Sequence) else (setting,) * (len(given) - 2)


def _pooled(given: Shape, size: Any) -> Shape:
    """The sizes behind an adaptive pooling."""
    asked = tuple(size) if isinstance(size, Sequence) else (size,) * (len(given) - 2)
    start = len(given) - len(asked)
    return (*given[:start], *(a or n for a, n in zip(asked, given[start:], strict=True)))


class TorchSizes:
    """What each node of a graph gives, as far as it is known, without its numbers.

    Args:
        module: that is traced; it stays as it is.
        shapes: of one sample of each input, by the arguments of forward.
        torch: the package.
    """

    def __init__(self, module: Any, shapes: Mapping[str, Shape], torch: Any) -> None:
        self._torch = torch
        floats = [p for p in module.parameters() if p.is_floating_point()]
        self.dtype = floats[0].dtype if floats else torch.float32
        self.device = floats[0].device if floats else torch.device("cpu")
        self._weightless: Any = None
        self._module = module
        self._inputs = {
            name: torch.empty(TRACED, *shape, dtype=self.dtype, device="meta")
            for name, shape in shapes.items()
        }
        self._known: dict[Any, Any] = {}
        self.following = False
        """Whether a node is followed just now."""

    def of(self, node: Any) -> Any:
        """The sizes of a node's tensor, samples first, or None."""
        known = self._known.get(node)
        return known.shape if isinstance(known, self._torch.Tensor) else None

    def count_of(self, node: Any) -> int | None:
        """How many parts a node gives, as a split does, or how long its tensor's first axis is."""
        known = self._known.get(node)
        if isinstance(known, self._torch.Tensor) and known.ndim:
            return int(known.shape[0])
        return len(known) if isinstance(known, tuple | list) else None

    def samples(self) -> Mapping[Any, Shape]:
        """The shape of one sample of what each node gives, where that is samples."""
        found = {node: self.of(node) for node in self._known}
        return {
            node: tuple(sizes[1:])
            for node, sizes in found.items()
            if sizes is not None and len(sizes) > 1 and sizes[0] == TRACED
        }

    def follow(self, node: Any) -> None:
        """Find out what a new node gives."""
        self.following = True
        try:
            with self._torch.no_grad():
                self._known[node] = self._given(node)
        except Exception:  # whatever the model is wrong about; it is refused where it is read
            self._known.pop(node, None)
        finally:
            self.following = False

    def _given(self, node: Any) -> Any:
        if node.op == "placeholder":
            return self._inputs[input_at(node, list(self._inputs)) or node.target]
        arguments, named = self._read(node.args), self._read(node.kwargs)
        match node.op:
            case "call_function":
                if _keeps(node.target) and arguments:
                    return arguments[0]
                if _named(node.target).startswith("adaptive_avg_pool"):
                    given, size = arguments
                    return given.new_empty(_pooled(tuple(given.shape), size))
                if node.target in (self._torch.mean, self._torch.sum) and len(arguments) > 1:
                    return self._torch.amax(*arguments, **named)
                return node.target(*arguments, **named)
            case "call_method":
                first, *others = arguments
                if node.target.removesuffix("_") in _KEEPING:
                    return first
                if node.target in ("mean", "sum") and (others or "dim" in named):
                    return first.amax(*others, **named)
                return getattr(first, node.target)(*others, **named)
            case "call_module":
                called = self._without_numbers().get_submodule(node.target)
                (given,) = arguments
                known = _sizes(kind_of(called) or "", called, tuple(given.shape))
                if known is not None:
                    return given if known == given.shape else given.new_empty(known)
                return called.forward(*arguments, **named)  # a call would be traced, too
            case "get_attr":
                owner, _, name = node.target.rpartition(".")
                return _tensor(self._module.get_submodule(owner), name).to("meta")
        raise LookupError(node.op)

    def _read(self, argument: Any) -> Any:
        """An argument with nodes replaced by what they give."""
        if isinstance(argument, dict):
            return {name: self._read(value) for name, value in argument.items()}
        if isinstance(argument, list | tuple):
            return type(argument)(self._read(value) for value in argument)
        if isinstance(argument, slice):
            return slice(*map(self._read, (argument.start, argument.stop, argument.step)))
        return self._known[argument] if hasattr(argument, "op") else argument

    def _without_numbers(self) -> Any:
        if self._weightless is None:
            arrays = [*self._module.parameters(), *self._module.buffers()]
            bare = {id(array): array.detach().to("meta") for array in arrays}
            made = {
                id(array): self._torch.nn.Parameter(bare[id(array)], array.requires_grad)
                if isinstance(array, self._torch.nn.Parameter)
                else bare[id(array)]
                for array in arrays
            }
            self._weightless = copy.deepcopy(self._module, made).to("meta")
        return self._weightless
