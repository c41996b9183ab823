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
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from .reasons import Reasons, Refused
from .torch_modules import converter_of

__all__ = [
    "WRITES",
    "copied",
    "is_lazy",
    "look_over",
    "owners_of",
    "traced",
    "undisturbed",
    "whole",
]

WRITES: dict[str, Any] = {
    f"__{name}__": getattr(operator, name)
    for name in (
        *("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow"),
        *("iand", "ior", "ixor", "ilshift", "irshift", "setitem"),
    )
}
"""What Python calls for `a += b` and its kind, and for `a[i] = b`."""


def whole(module: Any, torch: Any) -> Any:
    """A module as one that has parts: without torch.compile's wrapping, a bare layer in a row."""
    module = getattr(module, "_orig_mod", module)
    if converter_of(module) is None:
        return module
    row = torch.nn.Sequential(module)
    row.training = module.training
    return row


# -- what is seen without running anything --------------------------------------------------------


def look_over(module: Any, reasons: Reasons) -> list[str]:
    """Note what would make a module change, or compute otherwise, when it is called.

    Nothing is computed and no weight is read: spectral norm steps on its buffers whenever somebody
    reads its weight in training.

    Returns:
        The paths of the modules that are refused for it.
    """
    refused = []
    for path, inner in module.named_modules():
        clauses = [*_hooks(inner), *_parametrised(inner)]
        if is_lazy(inner):  # its hook makes the weights
            clauses = ["is lazy and has no weights yet; run the model once before"]
        kind = type(inner).__name__
        for clause in clauses:
            reasons.note(
                clause, f"the module ({kind} at {path!r})" if path else f"the model ({kind})", kind
            )
        refused += [path] if clauses else []
    return refused


def is_lazy(module: Any) -> bool:
    """Whether a module waits for its first call to know its sizes."""
    return getattr(module, "cls_to_become", None) is not None


def _hooks(module: Any) -> Iterator[str]:
    forward = [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]
    if forward:
        told = ", ".join(sorted({getattr(h, "__name__", type(h).__name__) for h in forward}))
        yield f"has forward hooks, which may change what it computes; remove them ({told})"
    if module._backward_hooks or module._backward_pre_hooks:
        yield "has backward hooks, which may change its gradients; remove them"
    for name, parameter in module._parameters.items():
        if parameter is not None and (
            parameter._backward_hooks or getattr(parameter, "_post_accumulate_grad_hooks", None)
        ):
            yield f"has hooks on its {name}, which may change what is trained; remove them"


def _parametrised(module: Any) -> Iterator[str]:
    found = module._modules.get("parametrizations")
    if found is None:
        return
    told = [
        f"{name} by {', '.join(type(step).__name__.lstrip('_') for step in steps)}"
        for name, steps in found.items()
    ]
    yield (
        f"is parametrised: it computes its {' and its '.join(told)} at each call, which no layer "
        "here does; torch.nn.utils.parametrize.remove_parametrizations(module, "
        f"{next(iter(found))!r}) makes it plain"
    )


def owners_of(module: Any) -> Mapping[str, str]:
    """For the path of each array, the first path at which the same memory is found."""
    first: dict[Any, str] = {}
    arrays = [
        *module.named_parameters(remove_duplicate=False),
        *module.named_buffers(remove_duplicate=False),
    ]
    return {path: first.setdefault(_memory(array), path) for path, array in arrays}


def _memory(array: Any) -> Any:
    if array.is_meta or hasattr(array, "materialize") or not array.numel():
        return id(array)
    return str(array.device), array.data_ptr()


# -- copies ---------------------------------------------------------------------------------------


def copied(module: Any, torch: Any) -> Any:
    """A copy that may be run and changed, without hooks.

    Raises:
        Refused: something in it cannot be copied.
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
        raise Refused(
            f"({type(module).__name__}) cannot be copied, and it is only read from a copy, so that "
            f"nothing changes it: {cause}"
        ) from cause
    for inner in made.modules():
        for hooks in (
            *(inner._forward_hooks, inner._forward_pre_hooks),
            *(inner._backward_hooks, inner._backward_pre_hooks),
        ):
            hooks.clear()
    return made


class Draws:
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
def undisturbed(torch: Any) -> Iterator[None]:
    """With gradients, on no accelerator's terms, and with no draw missing afterwards.

    On one thread: threads that wait for one another's small shares take longer than the work.
    """
    draws, threads = Draws(torch), torch.get_num_threads()
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


def traced(module: Any, given: Any, fx: Any, torch: Any, reasons: Reasons) -> Any:
    """A copy's graph as it computes in training; what it did beside computing is noted.

    Args:
        module: the copy; it is in training mode afterwards.
        given: the module it is a copy of.
        fx: the package torch.fx.
        torch: the package.
        reasons: where reasons go.

    Returns:
        The graph; a node that computes without gradients has `meta["constant"]`.

    Raises:
        Refused: torch.fx cannot follow it.
    """
    for inner in module.modules():
        inner.training = True
    parameters = list(inspect.signature(module.forward).parameters.values())[1:]
    fixed = {p.name: p.default for p in parameters if p.default is not p.empty}
    draws = Draws(torch)
    try:
        graph = _tracer(fx, torch)().trace(module, concrete_args=fixed or None)
    except Exception as cause:  # whatever the model's own code raises
        raise Refused(
            f"({type(module).__name__}) cannot be traced by torch.fx: {cause}; what is computed "
            "must not depend on the samples"
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


def _tracer(fx: Any, torch: Any) -> type[Any]:
    """torch.fx's tracer, for which the modules with a converter are whole."""

    class Proxy(fx.Proxy):  # type: ignore[misc]
        def __setattr__(self, name: str, value: Any) -> None:
            if name not in ("node", "tracer"):
                raise Refused(f"sets the attribute {name!r} of a tensor")
            super().__setattr__(name, value)

    for name, function in WRITES.items():
        setattr(Proxy, name, _recorded(function))

    class Tracer(fx.Tracer):  # type: ignore[misc]
        def proxy(self, node: Any) -> Any:
            if not torch.is_grad_enabled():
                node.meta["constant"] = True
            return Proxy(node, self)

        def is_leaf_module(self, inner: Any, path: str) -> bool:
            known = converter_of(inner) is not None
            return known or bool(super().is_leaf_module(inner, path))

    return Tracer


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
