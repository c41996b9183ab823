"""The sizes of a module's tensors while it is traced, so that its forward may ask for them.

`x.shape[1] % 2`, `math.ceil(h / s)` and `b, c, h, w = x.size()` are plain numbers then, which
Python computes with. Nothing is computed and no memory taken: everything runs on PyTorch's device
without numbers.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from .values import Shape

TRACED = 7919
"""How many samples a module is told that it gets: a number that no other size is."""


class TorchSizes:
    """What each node of a graph gives, as far as it is known, without its numbers.

    Args:
        module: that is traced; it stays as it is.
        shape: of one sample of the input.
        torch: the package.
    """

    def __init__(self, module: Any, shape: Shape, torch: Any) -> None:
        self._torch = torch
        self._weightless: Any = None
        self._module = module
        held = (array.dtype for array in module.parameters() if array.is_floating_point())
        dtype = next(held, torch.float32)
        self._input: Any = torch.empty(TRACED, *shape, dtype=dtype, device="meta")
        self._known: dict[Any, Any] = {}

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
        try:
            with self._torch.no_grad():
                self._known[node] = self._given(node)
        except Exception:  # whatever the model is wrong about; it is refused where it is read
            self._known.pop(node, None)

    def _given(self, node: Any) -> Any:
        if node.op == "placeholder":
            given, self._input = self._input, None
            if given is None:
                raise LookupError("another input")
            return given
        arguments, named = self._read(node.args), self._read(node.kwargs)
        match node.op:
            case "call_function":
                return node.target(*arguments, **named)
            case "call_method":
                first, *others = arguments
                return getattr(first, node.target)(*others, **named)
            case "call_module":
                called = self._without_numbers().get_submodule(node.target)
                return called.forward(*arguments, **named)  # a call would be traced, too
            case "get_attr":
                owner, _, name = node.target.rpartition(".")
                return getattr(self._module.get_submodule(owner), name).to("meta")
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
            self._weightless = copy.deepcopy(self._module).to("meta")
        return self._weightless
