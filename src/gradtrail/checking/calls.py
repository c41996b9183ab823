"""What a call that does not fit is told: in one sentence, with what to write instead.

Python says that a function takes 2 arguments but 3 were given. Who comes from another library needs
to hear that samples and labels are one pair here, or that the rate is the optimiser's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from os import PathLike, fsdecode
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..errors import ArgumentError

if TYPE_CHECKING:
    from inspect import Parameter
    from types import FrameType

T = TypeVar("T", bound=Callable[..., Any])

_PACKAGE = str(Path(__file__).parent.parent)
_NETWORK = "network"
_LONGEST = 60


ModelReader = Callable[[str, Any, Mapping[str, Any]], Mapping[str, Any]]
"""From who asks, the model and the other arguments to those arguments that are others for it: the
network that it is, and its loss."""

_READERS: list[ModelReader] = []


def read_models_by(reader: ModelReader) -> None:
    """Let questions take another library's model where they need a network.

    Args:
        reader: what makes a network of one; this room cannot know it, for it comes long after.
    """
    _READERS[:] = [reader]


class AnyNetwork:
    """What counts as a network where one is needed; `graph` says what it is."""


def call_example(example: str, *, models: bool = False) -> Callable[[T], T]:
    """Let a public function, method or class explain a call that does not fit it.

    Where a function's first argument is called `network`, that must be one.

    Args:
        example: a call as it is written, such as `gt.train(network, (x, y))`.
        models: whether a PyTorch module does, too; the network that it is takes its place.
    """

    def explaining(thing: T) -> T:
        if not isinstance(thing, type):
            return cast(T, _explaining(thing, thing.__name__, example, models))
        begin = _explaining(thing.__init__, thing.__name__, example, models)  # type: ignore[misc]
        thing.__init__ = begin  # type: ignore[misc]
        return thing

    return explaining


def _explaining(function: Any, name: str, example: str, models: bool) -> Callable[..., Any]:
    """The function, whose own errors pass through as they are."""
    placed = function.__code__.co_varnames[: function.__code__.co_argcount]
    takes_network = placed[:1] == (_NETWORK,)

    @wraps(function)
    def called(*arguments: Any, **keywords: Any) -> Any:
        if takes_network and (arguments or _NETWORK in keywords):
            network = arguments[0] if arguments else keywords[_NETWORK]
            asked = models and is_of_torch(network) and not isinstance(network, type)
            if not asked:
                _checked_network(name, network, example)
            elif len(arguments) <= len(placed):  # more of them are told so below
                given = {**dict(zip(placed, arguments, strict=False)), **keywords}
                arguments, keywords = (), {**given, **_READERS[0](name, network, given)}
        try:
            return function(*arguments, **keywords)
        except TypeError as cause:
            if cause.__traceback__ is None or cause.__traceback__.tb_next is not None:
                raise  # from inside the function, not from calling it
            wrong = misfit(function, name, arguments, keywords, example)
            if wrong is None:
                raise
        raise ArgumentError(wrong)

    return called


def misfit(
    function: Callable[..., Any],
    name: str,
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    example: str,
) -> str | None:
    """Why a call does not fit a function, and what to write; None where it does.

    Args:
        function: with the arguments that it has.
        name: what the caller calls it.
        arguments: by position, with `self` where the function has one.
        keywords: by name.
        example: a call as it is written.
    """
    import inspect

    parameters = dict(inspect.signature(function).parameters)
    if next(iter(parameters), "") == "self":
        del parameters["self"]
        arguments = arguments[1:]
    placed = [n for n, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    open_ended = any(p.kind is p.VAR_POSITIONAL for p in parameters.values())
    unknown = [n for n in keywords if n not in parameters]
    if unknown:
        return unknown_argument(name, unknown[0], list(parameters))
    if len(arguments) > len(placed) and not open_ended:
        listed = f" ({', '.join(placed)})" if placed else ""
        count = f"{len(placed)} argument{'s' * (len(placed) != 1)}" if placed else "no arguments"
        return f"{name} takes {count} by position{listed}, got {len(arguments)}; write {example}"
    given = {*placed[: len(arguments)], *keywords}
    twice = [n for n in placed[: len(arguments)] if n in keywords]
    if twice:
        return f"{name} gets {twice[0]} twice, by position and by name; write {example}"
    missing = [n for n, p in parameters.items() if _needed(p) and n not in given]
    return f"{name} needs {' and '.join(missing)}; write {example}" if missing else None


def unknown_argument(name: str, argument: str, known: list[str]) -> str:
    """What is said of an argument that there is not.

    Args:
        name: the public function.
        argument: what came.
        known: the arguments that it has.
    """
    from .other_libraries import argument_for

    instead = argument_for(argument, known) or f"it takes {', '.join(known) or 'none'}"
    return f"{name} has no argument {argument!r}: {instead}"


def _needed(parameter: Parameter) -> bool:
    """Whether an argument must be given."""
    several = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    return parameter.default is parameter.empty and not several


def _checked_network(name: str, network: Any, example: str) -> None:
    """Refuse what is no network where one is needed, and say how to come to one."""
    if isinstance(network, AnyNetwork):
        return
    hint = ""
    if is_of_torch(network):
        hint = "gt.from_torch(module, input_shape) makes a network of a PyTorch module; "
    elif isinstance(network, str | PathLike):
        hint = "gt.load(path) opens a saved one; "
    raise ArgumentError(
        f"{name}: network must be a Network, got {in_short(network)}; {hint}write {example}"
    )


def asked_inside(file: str) -> bool:
    """Whether what a module does was asked for by another one here, not by a caller's own line.

    Args:
        file: the module's `__file__`.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename in (file, __file__):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(_PACKAGE)


def checked_path(name: str, path: Any, hint: str = "", what: str = "a folder or a file") -> Path:
    """A path as the caller gave it.

    Args:
        name: the public function.
        path: what came.
        hint: what is said behind the refusal.
        what: what the path has to be, in the words of the refusal.

    Raises:
        ArgumentError: it is none, is empty, or holds what no path can.
    """
    if not isinstance(path, str | PathLike):
        raise ArgumentError(f"{name}: path must be {what}, got {in_short(path)}{hint}")
    check_spelling(name, path)
    return Path(path)


def check_spelling(name: str, path: str | PathLike[str]) -> None:
    """Refuse a path that names nothing: an empty one would mean the working folder.

    Args:
        name: the public function.
        path: what came.

    Raises:
        ArgumentError: it is empty or holds a NUL, which no system takes.
    """
    spelled = fsdecode(path)
    if not spelled:
        raise ArgumentError(f"{name}: the path is empty; '.' is the working folder")
    if "\0" in spelled:
        raise ArgumentError(f"{name}: {spelled!r} holds a NUL, which no path can; leave it out")


def is_of_torch(value: Any) -> bool:
    """Whether something is a PyTorch module, or a class of them; PyTorch is not imported."""
    kind = value if isinstance(value, type) else type(value)
    return any(base.__module__ == "torch.nn.modules.module" for base in kind.__mro__)


def in_short(value: Any) -> str:
    """What came, in few words: its numbers or weights would fill the page."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"an array of shape {tuple(shape)}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, str | PathLike | int | float | None):
        plain = repr(value)
        return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}…"
    kind = type(value).__name__
    article = "an" if kind[0] in "AEIOUaeiou" else "a"
    if isinstance(value, tuple | list | dict):
        plain = repr(value)
        return plain if len(plain) <= _LONGEST else f"{article} {kind} of {len(value)}"
    return f"{article} {kind}"
