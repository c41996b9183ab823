"""A module as a torch.fx graph, followed on a copy: the module that was given is never run.

torch.fx records `a += b` as `a + b`, since its proxies have no `__iadd__`, and loses that whoever
else holds `a` sees the sum, too. The proxies here have one, so the graph says what is written over.
What no graph can say (random numbers that were drawn once and for all, a buffer that each call
changes) is found by comparing before and after.
"""

from __future__ import annotations

import copy
import inspect
import operator
import os
import random
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..reading.refusals import Refusal, Refusals
from ..reading.values import TRACED, Shape
from .torch_inspection import HOOKS, storage_of, tensors_of
from .torch_modules import converter_of
from .torch_sizes import TorchSizes

WRITES: dict[str, Any] = {
    f"__{name}__": getattr(operator, name)
    for name in (
        *("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow"),
        *("iand", "ior", "ixor", "ilshift", "irshift", "setitem"),
    )
}
"""What Python calls for `a += b` and its kind, and for `a[i] = b`."""


def as_container(module: Any, torch: Any) -> Any:
    """A module as one that has parts: without torch.compile's wrapping, a bare layer in a row."""
    module = getattr(module, "_orig_mod", module)
    if converter_of(module) is None:
        return module
    row = torch.nn.Sequential(module)
    row.training = module.training
    return row


# -- copies ---------------------------------------------------------------------------------------


def copy_module(module: Any, torch: Any) -> Any:
    """A copy that may be run and changed, without hooks.

    Raises:
        Refusal: something in it cannot be copied.
    """
    known = {  # what a forward kept of its last call, which hangs in that call's graph
        id(value): value.detach().clone()
        for inner in module.modules()
        for value in vars(inner).values()
        if isinstance(value, torch.Tensor) and value.grad_fn is not None
    }
    try:
        made = copy.deepcopy(module, known)
    except Exception as cause:  # whatever is kept in it
        raise Refusal(
            f"({type(module).__name__}) cannot be copied, and it is only read from a copy, so that "
            f"nothing changes it: {cause}"
        ) from cause
    _apart(module, made)
    for inner in made.modules():
        for name in HOOKS:
            getattr(inner, f"_{name}").clear()
    return made


def _apart(module: Any, made: Any) -> None:
    """Check that nothing of a copy is the original's: a class may say how it is copied.

    Raises:
        Refusal: something is.
    """
    clause = "is handed on by its own __deepcopy__, while an import only changes copies"
    theirs = {id(inner): path for path, inner in module.named_modules()}
    for inner in made.modules():
        if id(inner) in theirs:
            raise Refusal(clause, f"the module {theirs[id(inner)]!r} ({type(inner).__name__})")
    held = {storage_of(array) for _, array in tensors_of(module)}
    for path, array in tensors_of(made):
        if storage_of(array) in held:
            raise Refusal(clause, f"the array {path!r}")


class RandomStates:
    """The random numbers that others draw, as they are now: PyTorch's, NumPy's and Python's."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._before = self._states()

    def _states(self) -> tuple[Any, ...]:
        torch = self._torch
        devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        drawn = np.random.get_state(legacy=False)
        return random.getstate(), drawn, torch.random.get_rng_state(), devices

    @property
    def drawn(self) -> bool:
        """Whether somebody drew since."""
        return bool(_plain(self._before) != _plain(self._states()))

    def give_back(self) -> None:
        """Let everybody draw what they would have drawn."""
        python, numpy, here, devices = self._before
        random.setstate(python)
        np.random.set_state(numpy)
        self._torch.random.set_rng_state(here)
        if devices:
            self._torch.cuda.set_rng_state_all(devices)


def _plain(state: Any) -> Any:
    """What can be compared."""
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [_plain(value) for value in state]
    return np.asarray(state).tobytes() if hasattr(state, "shape") else state


@contextmanager
def isolation(torch: Any) -> Iterator[None]:
    """With gradients, on no accelerator's terms, and with no draw missing afterwards.

    On one thread: threads that wait for one another's small shares take longer than the work.
    """
    draws, threads = RandomStates(torch), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.autocast("cpu", enabled=False),
        ):
            yield
    finally:
        torch.set_num_threads(threads)
        draws.give_back()


# -- the graph ------------------------------------------------------------------------------------


class Untraceable(Refusal):
    """torch.fx cannot follow a module; torch.export may."""


def set_modes(module: Any, keeps: bool) -> None:
    """Let a copy compute as in training.

    Args:
        module: the copy.
        keeps: whether parts that are in evaluation while the model trains stay so.
    """
    for inner in () if keeps and module.training else module.modules():
        inner.training = True


def trace_module(
    module: Any,
    given: Any,
    shapes: Mapping[str, Shape],
    keeps: bool,
    fx: Any,
    torch: Any,
    reasons: Refusals,
) -> Any:
    """A copy's graph as it computes in training; what it did beside computing is noted.

    The sizes of all tensors are known on the way, so that a forward may ask for them.

    Args:
        module: the copy; it is in training mode afterwards, but for what `keeps` keeps.
        given: the module it is a copy of.
        shapes: of one sample of each input, by the arguments of forward.
        keeps: whether parts that are in evaluation while the model trains are traced so.
        fx: the package torch.fx.
        torch: the package.
        reasons: where reasons go.

    Returns:
        The graph; a node that computes without gradients has `meta["constant"]`, one that gives
        samples `meta["sample"]`, the shape of one.

    Raises:
        Untraceable: torch.fx cannot follow it.
        Refusal: nobody can.
    """
    set_modes(module, keeps)
    first, *others = _arguments(module)
    others = [parameter for parameter in [first, *others] if parameter.name not in shapes]
    if stars := _ANY_NUMBER.get(first.kind):
        raise Refusal(
            f"({type(module).__name__}) takes whatever it is given, as {stars}{first.name}; write "
            "a forward that takes its inputs by name"
        )
    fixed = {p.name: p.default for p in others if p.default is not p.empty}
    draws = RandomStates(torch)
    try:
        sizes = TorchSizes(module, shapes, torch)
        graph = _tracer(fx, torch, sizes)().trace(module, concrete_args=fixed or None)
        for node, sample in sizes.samples().items():
            node.meta["sample"] = sample
    except _NeverTracedError as cause:
        raise Refusal(f"({type(module).__name__}) {cause}{_line_in_model(cause)}") from cause
    except Exception as cause:  # whatever the model's own code raises
        raise Untraceable(
            f"({type(module).__name__}) cannot be traced by torch.fx: {cause}"
            f"{_line_in_model(cause)}"
        ) from cause
    if draws.drawn:
        reasons.note(
            "draws random numbers in its forward, of which a network would keep the first; only "
            "Dropout draws anew for every step",
            f"the model ({type(module).__name__})",
        )
    for name in _changed(module, given):
        reasons.note(
            f"changes its {name!r} when it is called, which the network would not",
            f"the model ({type(module).__name__})",
        )
    return graph


_ANY_NUMBER: dict[Any, str] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}


def _arguments(module: Any) -> list[inspect.Parameter]:
    """What a forward takes.

    Raises:
        Refusal: nothing.
    """
    found = list(inspect.signature(module.forward).parameters.values())
    if not found:
        raise Refusal(f"({type(module).__name__}) takes no input")
    return found


def _tracer(fx: Any, torch: Any, sizes: TorchSizes) -> type[Any]:
    """torch.fx's tracer, for which the modules with a converter are whole.

    A proxy answers what the sizes of its tensor are, if they are known: with numbers.
    """

    class Proxy(fx.Proxy):  # type: ignore[misc]
        def __setattr__(self, name: str, value: Any) -> None:
            if name not in ("node", "tracer"):
                kind = _NeverTracedError if hasattr(torch.Tensor, name) else Refusal
                raise kind(f"sets the attribute {name!r} of a tensor")
            super().__setattr__(name, value)

        def __getattr__(self, name: str) -> Any:
            if sizes.of(self.node) is not None and not hasattr(torch.Tensor, name):
                raise AttributeError(f"a tensor has no attribute {name!r}")
            return super().__getattr__(name)

        @property
        def shape(self) -> Any:
            known = sizes.of(self.node)
            return fx.proxy.Attribute(self, "shape") if known is None else known

        @property
        def ndim(self) -> Any:
            known = sizes.of(self.node)
            return fx.proxy.Attribute(self, "ndim") if known is None else len(known)

        @property
        def data(self) -> Any:
            """A tensor whose sizes are known, too; whoever reads its numbers is refused."""
            return self.tracer.create_proxy("call_function", getattr, (self, "data"), {})

        @property
        def dtype(self) -> Any:
            return sizes.dtype

        @property
        def device(self) -> Any:
            return sizes.device

        def size(self, dim: int | None = None) -> Any:
            known = sizes.of(self.node)
            if known is None:
                given = () if dim is None else (dim,)
                return self.tracer.create_proxy("call_method", "size", (self, *given), {})
            return known if dim is None else known[dim]

        def dim(self) -> Any:
            return self.ndim

        def numel(self) -> Any:
            known = sizes.of(self.node)
            if known is None:
                return self.tracer.create_proxy("call_method", "numel", (self,), {})
            return known.numel()

        def __len__(self) -> int:
            known = sizes.count_of(self.node)
            return super().__len__() if known is None else known

    for name, function in WRITES.items():
        setattr(Proxy, name, _recorded(function))

    class Tracer(fx.Tracer):  # type: ignore[misc]
        def proxy(self, node: Any) -> Any:
            if not torch.is_grad_enabled():
                node.meta["constant"] = True
            return Proxy(node, self)

        def create_args_for_root(self, *arguments: Any, **named: Any) -> Any:
            """Nothing is given beyond the input: `*more` is (), and `**more` is {}."""
            function, given = super().create_args_for_root(*arguments, **named)
            for at, proxy in enumerate(given):
                name = str(proxy.node.target) if isinstance(proxy, fx.Proxy) else ""
                if name.startswith("*"):
                    given[at] = {} if name.startswith("**") else ()
                    self.graph.erase_node(proxy.node)
            return function, given

        def create_node(self, *arguments: Any, **named: Any) -> Any:
            node = super().create_node(*arguments, **named)
            sizes.follow(node)
            return node

        def iter(self, proxy: Any) -> Iterator[Any]:
            count = sizes.count_of(proxy.node)
            if count == TRACED:
                raise _NeverTracedError(
                    "goes through its samples one by one, while a network takes any number of "
                    "them at once"
                )
            return super().iter(proxy) if count is None else (proxy[i] for i in range(count))

        def to_bool(self, proxy: Any) -> bool:
            if sizes.of(proxy.node) is None:
                return bool(super().to_bool(proxy))
            raise _NeverTracedError(
                "decides by the samples' values what is computed, while a network computes the "
                "same for all of them; torch.where(condition, a, b) takes both ways"
            )

        def getattr(self, attr: str, value: Any, known: Any) -> Any:
            if sizes.following:  # of a copy without numbers, which torch.fx would look for in vain
                return value
            return super().getattr(attr, value, known)

        def is_leaf_module(self, inner: Any, path: str) -> bool:
            known = converter_of(inner) is not None
            return known or bool(super().is_leaf_module(inner, path))

    return Tracer


class _NeverTracedError(Exception):
    """What no tracing can follow."""


_LIBRARIES = (f"{os.sep}torch{os.sep}", str(Path(__file__).parent))


def _line_in_model(cause: BaseException) -> str:
    """Where in the model's own files something was raised, as a clause; empty if nowhere."""
    frames = traceback.extract_tb(cause.__traceback__)
    own = [frame for frame in frames if not any(part in frame.filename for part in _LIBRARIES)]
    if not own:
        return ""
    last = own[-1]
    text = f": {last.line}" if last.line else ""
    return f"; {Path(last.filename).name}, line {last.lineno}{text}"


def _recorded(function: Any) -> Callable[..., Any]:
    def method(proxy: Any, *others: Any) -> Any:
        return proxy.tracer.create_proxy("call_function", function, (proxy, *others), {})

    return method


def _changed(module: Any, given: Any) -> Iterator[str]:
    """The arrays that are not what they were."""
    before = {**dict(given.named_parameters()), **dict(given.named_buffers())}
    after = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name), after.get(name)
        owner, _, own = name.rpartition(".")
        if own == "num_batches_tracked" and f"{owner}.running_mean".lstrip(".") in before:
            continue  # a batch norm's own forward counts; only momentum=None asks for it
        if one is None or other is None or not _same(one, other):
            yield name


def _same(one: Any, other: Any) -> bool:
    if one.is_meta or hasattr(one, "materialize") or str(one.layout) != "torch.strided":
        return True  # no numbers to compare; reading it says so
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.equal(other):
        return True
    return bool(((one == other) | ((one != one) & (other != other))).all())  # NaN is NaN
