"""What is seen of a module without running anything: hooks, parametrisations, shared memory.

Nothing is computed and no weight is read: spectral norm steps on its buffers whenever somebody
reads its weight in training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..reading.refusals import Refusals
from .torch_modules import converter_of

HOOKS = ("forward_hooks", "forward_pre_hooks", "backward_hooks", "backward_pre_hooks")
"""Where hooks are kept: a module's behind `_`, those of every module there is behind `_global_`."""


def look_over(module: Any, reasons: Refusals, torch: Any) -> list[str]:
    """Note what would make a module change, or compute otherwise, when it is called.

    Args:
        module: that is given; nothing is done to it.
        reasons: where reasons go.
        torch: the package.

    Raises:
        Refusal: it is of a kind of which nothing else can be seen.

    Returns:
        The paths of the modules that are refused for it.
    """
    for path, inner in module.named_modules():
        if isinstance(inner, torch.jit.ScriptModule):
            clause = "is compiled by torch.jit, and no graph of torch.fx shows what that computes"
            reasons.note(f"{clause}; give the module that it was made of", _place(path, inner))
            raise reasons.refusal()
    for clause in _hooks_of_all(torch):
        reasons.note(clause, "every module")
    refused = []
    for path, inner in module.named_modules():
        clauses = [*_hooks(inner), *_parametrised(inner), *_exchanged(inner, inner is module)]
        if is_lazy(inner):  # its hook makes the weights
            clauses = ["is lazy and has no weights yet; run the model once before"]
        kind = type(inner).__name__
        for clause in clauses:
            reasons.note(clause, _place(path, inner), kind)
        refused += [path] if clauses else []
    return refused


def _place(path: str, module: Any) -> str:
    kind = type(module).__name__
    return f"the module ({kind} at {path!r})" if path else f"the model ({kind})"


def is_lazy(module: Any) -> bool:
    """Whether a module waits for its first call to know its sizes."""
    return getattr(module, "cls_to_become", None) is not None


# -- hooks ----------------------------------------------------------------------------------------


def _hooks(module: Any) -> Iterator[str]:
    forward = [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]
    if forward:
        told = _called(forward)
        yield f"has forward hooks, which may change what it computes; remove them {told}"
    if module._backward_hooks or module._backward_pre_hooks:
        yield "has backward hooks, which may change its gradients; remove them"
    for name, parameter in module._parameters.items():
        if parameter is not None and (
            parameter._backward_hooks or getattr(parameter, "_post_accumulate_grad_hooks", None)
        ):
            yield f"has hooks on its {name}, which may change what is trained; remove them"


def _hooks_of_all(torch: Any) -> Iterator[str]:
    found = [getattr(torch.nn.modules.module, f"_global_{name}", None) or {} for name in HOOKS]
    hooks = [hook for each in found for hook in each.values()]
    if hooks:
        yield (
            "has hooks that were registered for all modules at once, which may change what the "
            f"model computes; remove them {_called(hooks)}"
        )


def _called(hooks: list[Any]) -> str:
    names = {getattr(hook, "__name__", type(hook).__name__) for hook in hooks}
    return f"({', '.join(sorted(names))})"


# -- what a class does not say --------------------------------------------------------------------


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


def _exchanged(module: Any, whole: bool) -> Iterator[str]:
    """A layer, or the whole model, whose forward is another than its class's."""
    if "forward" in vars(module) and (whole or converter_of(module) is not None):
        yield (
            "has a forward of its own, set on the object, of which torch.fx sees nothing; write "
            "it into its class"
        )


# -- memory ---------------------------------------------------------------------------------------


def tensors_of(module: Any) -> list[tuple[str, Any]]:
    """All parameters and buffers with their paths, shared ones at each of them."""
    return [
        *module.named_parameters(remove_duplicate=False),
        *module.named_buffers(remove_duplicate=False),
    ]


def owners_of(module: Any) -> Mapping[str, str]:
    """For the path of each array, the first path at which some of the same memory is found."""
    owners: dict[str, str] = {}
    kept: dict[Any, list[tuple[str, Any]]] = {}  # by storage
    for path, array in tensors_of(module):
        others = kept.setdefault(storage_of(array), [])
        owners[path] = next((owners[p] for p, other in others if _overlap(array, other)), path)
        others.append((path, array))
    return owners


def storage_of(array: Any) -> Any:
    """What two tensors have in common that may share memory."""
    if array.is_meta or hasattr(array, "materialize") or not array.numel() or not _plain(array):
        return id(array)
    return str(array.device), array.untyped_storage().data_ptr()


def _plain(array: Any) -> bool:
    return str(array.layout) == "torch.strided"


def _overlap(one: Any, other: Any) -> bool:
    """Whether two tensors of one storage have a number in common."""
    if one is other or one.data_ptr() == other.data_ptr():
        return True
    return bool(np.intersect1d(_places(one), _places(other)).size)


def _places(array: Any) -> np.ndarray:
    """Where in its storage each number of a tensor lies."""
    at = np.array(array.storage_offset())
    for size, stride in zip(array.shape, array.stride(), strict=True):
        at = at[..., None] + stride * np.arange(size)
    return at.ravel()
