"""What a forward is given: which of its arguments are inputs, and what shape their samples have."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from ...errors import ArgumentError


def sample_shapes(module: Any, given: Any, caller: str) -> Mapping[str, Any]:
    """The shape of a sample of each input, by the arguments of forward, in their order.

    Args:
        module: whose forward is looked at.
        given: one shape, of the first argument; several in the order of the arguments, of those
            without a default if they are as many; or by name.
        caller: the public function, for messages.

    Raises:
        ArgumentError: no argument is called so, or there are fewer.
    """
    parameters = inspect.signature(module.forward).parameters
    names = [n for n, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    takes = f"the forward of {type(module).__name__} takes {', '.join(names) or 'none by name'}"
    if isinstance(given, Mapping):
        if unknown := [name for name in given if name not in names]:
            raise ArgumentError(f"{caller}: there is no input {unknown[0]!r}; {takes}")
        if not given:
            raise ArgumentError(f"{caller}: no input is given; {takes}")
        return {name: given[name] for name in names if name in given}
    if not _is_several(given):
        return {names[0] if names else "": given}
    if len(given) > len(names):
        raise ArgumentError(f"{caller}: {len(given)} inputs are given, but {takes}")
    needed = [name for name in names if parameters[name].default is inspect.Parameter.empty]
    return dict(zip(needed if len(needed) == len(given) else names, given, strict=False))


def _is_several(given: Any) -> bool:
    """Whether shapes of several inputs are given, in a row."""
    return isinstance(given, list | tuple) and any(isinstance(n, list | tuple) for n in given)


def input_at(node: Any, names: Sequence[str]) -> str | None:
    """The input that a placeholder of a graph stands for; None for another argument.

    Args:
        node: the placeholder.
        names: the arguments that are inputs.
    """
    if node.target in names:
        return str(node.target)
    return next((name for name in names if node.target == f"{name}_1"), None)


def call(module: Any, inputs: Mapping[str, Any]) -> Any:
    """What a module gives for its inputs, by position as far as it goes.

    Args:
        module: that is called.
        inputs: by the arguments of forward, in their order.
    """
    arguments, named = placed(module, inputs)
    return module(*arguments, **named)


def placed(module: Any, inputs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Inputs as arguments by position, and behind one that is left out by name."""
    parameters = inspect.signature(module.forward).parameters
    by_place = [name for name, p in parameters.items() if p.kind is not p.KEYWORD_ONLY]
    pairs = zip(inputs, by_place, strict=False)
    first = [name for name, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]
    rest = {name: x for name, x in inputs.items() if name not in first}
    return tuple(inputs[name] for name in first), rest
