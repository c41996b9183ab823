"""Whether an imported network is the module: outputs and gradients on random samples.

Reading a graph takes knowledge of what each operation does in PyTorch, and a graph does not show
everything that Python did. So each import ends with a trial in evaluation, in float64. Both get the
same random weights, since those of a model may hide a mistake: a last batch norm that begins with
zeros shows nothing of its branch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ...engines.reference import Reference, quietly
from ...errors import indexed
from ...graph.step_arrays import given_arrays
from ...network import Network
from ..reading.refusals import Refusal
from .torch_exported import first_line
from .torch_inputs import call
from .torch_reader import TorchImport, chosen_output
from .torch_running import SAMPLES, values_of

_NEAR = 1e-4
"""Relative to the largest number: constants written in float32, and a GELU told by its curve, are
off by some 1e-6 and pass through many layers."""

_LEAST = 1e-9
"""What counts as large where all gradients are 0 but for rounding."""

_MANY = 300_000_000
"""Multiply–adds for a sample beyond which one of them must do: each takes a second or so."""

_ENOUGH = 1_000_003
"""How many random numbers are drawn for one array: a classifier's may have a hundred millions."""

Arrays = Mapping[str, np.ndarray]


def compare(
    imported: TorchImport, module: Any, graph: Any, output: int | str | None, torch: Any
) -> None:
    """Check that a network computes what the module does, gradients included.

    Args:
        imported: the network.
        module: a copy of the module that nothing was done with; it is changed.
        graph: its graph.
        output: which of several outputs the network gives.
        torch: the package.

    Raises:
        Refusal: they part; the first node, or the parameter, where they do is named.
    """
    network = imported.network
    draw = np.random.Generator(np.random.PCG64(0))
    shapes = {**network.parameters.shapes, **network.buffers.shapes}
    arrays = {name: _drawn(name, shape, draw) for name, shape in shapes.items()}
    module = _here(module, torch).double().eval()
    with torch.no_grad():
        for name, path in imported.arrays.items():
            held = _at(module, path)
            held.copy_(torch.from_numpy(arrays[name]).reshape(held.shape))
    few = network.plan().multiply_adds > _MANY
    count = 1 if few else SAMPLES
    samples = {
        name: draw.normal(size=(count, *network.inputs[here]))
        for name, here in imported.inputs.items()
    }
    given = {imported.inputs[name]: x for name, x in samples.items()}
    ours, back = _computed(network, arrays, given)
    inputs, theirs = _called(module, samples, output, torch)
    logits = torch.from_numpy(ours[network.output_name].copy()).requires_grad_()
    matching = _matching(logits, theirs)
    if matching is None:
        raise _first_difference(imported, module, graph, samples, ours, torch)
    cotangent = torch.from_numpy(draw.normal(size=tuple(theirs.shape)))
    (start,) = torch.autograd.grad((matching * cotangent).sum(), logits)
    _compare_gradients(imported, module, (inputs, theirs, cotangent), back(start.numpy()), torch)


def _here(module: Any, torch: Any) -> Any:
    """A module on the processor, with the tensors that are neither parameters nor buffers."""
    for inner in module.modules():
        for name, value in vars(inner).items():
            if isinstance(value, torch.Tensor):
                vars(inner)[name] = value.cpu()
    return module.cpu()


def _drawn(name: str, shape: tuple[int, ...], draw: np.random.Generator) -> np.ndarray:
    """An array of a size that neither blows up nor vanishes over many layers.

    A large one is a row of numbers again and again, of a prime length that no axis has.
    """
    count = int(np.prod(shape))
    noise = draw.normal(size=min(count, _ENOUGH))
    if name.endswith("running_var"):
        noise = np.exp(0.3 * noise)
    elif len(shape) > 1:
        noise = noise * np.sqrt(2 / np.prod(shape[1:]))
    else:
        noise = 0.3 * noise + name.endswith("weight")
    if count > _ENOUGH:
        row, noise = noise, np.empty(count)
        for start in range(0, count, _ENOUGH):
            part = noise[start : start + _ENOUGH]
            part[...] = row[: len(part)]
    return noise.reshape(shape)


def _at(module: Any, path: str) -> Any:
    parent, _, name = path.rpartition(".")
    return getattr(module.get_submodule(parent), name)


def _computed(
    network: Network, arrays: Arrays, inputs: Arrays
) -> tuple[Arrays, Callable[[np.ndarray], Arrays]]:
    """All values of the network, and what gives all gradients for one of the output."""
    engine = Reference()
    system = network.system(len(next(iter(inputs.values()))))
    given = {**arrays, **inputs, **given_arrays(network, system)}
    with quietly():
        values = engine.run(system, given)

    def back(start: np.ndarray) -> Arrays:
        with quietly():
            return engine.gradients(system, values, {network.output_name: start})

    return values, back


def _called(
    module: Any, samples: Arrays, output: int | str | None, torch: Any
) -> tuple[Mapping[str, Any], Any]:
    """The module's inputs and output; it was called before, since that may make a difference."""
    for parameter in module.parameters():
        parameter.requires_grad_(True)
    inputs = {name: x.requires_grad_() for name, x in _tensors(samples, torch).items()}
    try:
        with torch.no_grad():
            call(module, _tensors(samples, torch))
        found = call(module, {name: x.clone() for name, x in inputs.items()})  # written over, maybe
    except Exception as cause:  # whatever the model's own code raises
        told = first_line(cause)
        raise Refusal(f"cannot be called in evaluation, to compare it: {told}") from cause
    found = chosen_output(found, output)
    if not isinstance(found, torch.Tensor):
        raise Refusal(f"gives a {type(found).__name__} in evaluation, not one tensor")
    return inputs, found


def _tensors(samples: Arrays, torch: Any) -> Mapping[str, Any]:
    """Samples as tensors of their own."""
    return {name: torch.from_numpy(x.copy()) for name, x in samples.items()}


def _matching(logits: Any, theirs: Any) -> Any:
    """Our outputs as the module gives them: as they are, or behind a softmax that was left out."""
    given = theirs.detach().numpy()
    for made in (logits, logits.softmax(1), logits.log_softmax(1)):
        if _near(made.detach().numpy(), given):
            return made
    return None


def _near(one: np.ndarray, other: np.ndarray, least: float = 0.0) -> bool:
    """Whether two arrays are one but for rounding; what is not finite must be the same."""
    if one.shape != other.shape:
        return False
    largest = max(np.abs(other).max(initial=0.0), least)
    with np.errstate(invalid="ignore"):
        apart = np.abs(one - other).max(initial=0.0)
    if np.isfinite(largest) and np.isfinite(apart):
        return bool(apart <= _NEAR * largest)
    usual = np.isfinite(one) & np.isfinite(other)
    same = (one == other) | (np.isnan(one) & np.isnan(other)) | usual
    scale = max(np.abs(other[usual]).max(initial=0.0), least)
    return bool(same.all() and (np.abs(one - other)[usual] <= _NEAR * scale).all())


def _compare_gradients(
    imported: TorchImport,
    module: Any,
    run: tuple[Mapping[str, Any], Any, Any],
    ours: Arrays,
    torch: Any,
) -> None:
    """Check the gradients of the inputs and all parameters.

    Raises:
        Refusal: one differs; of several, the one nearest to the output.
    """
    inputs, output, cotangent = run
    names = [name for name in imported.network.parameters if name in imported.arrays]
    read = [*inputs.values(), *(_at(module, imported.arrays[name]) for name in names)]
    try:
        found = torch.autograd.grad((output * cotangent).sum(), read, allow_unused=True)
    except RuntimeError:
        if output.requires_grad:  # what a gradient needs was written over: it has none to compare
            return
        found = (None,) * len(read)
    theirs = [
        np.zeros(tuple(tensor.shape)) if gradient is None else gradient.numpy()
        for gradient, tensor in zip(found, read, strict=True)
    ]
    largest = max(np.abs(gradient).max(initial=0.0) for gradient in theirs)
    least = max(1e-6 * largest, _LEAST)
    several = len(inputs) > 1
    places = [f"the input {name!r}" if several else "the input" for name in inputs]
    places += [f"the parameter {imported.arrays[name]!r}" for name in names]
    mine = [ours[name] for name in (*imported.inputs.values(), *names)]
    for place, one, other in reversed([*zip(places, mine, theirs, strict=True)]):
        if not _near(one.reshape(other.shape), other, least):
            raise Refusal(
                f"gets another gradient from the module than from the network that was read: "
                f"{_worst(other, one.reshape(other.shape))}",
                place,
            )


def _worst(theirs: np.ndarray, ours: np.ndarray) -> str:
    with np.errstate(all="ignore"):
        apart = np.nan_to_num(np.abs(theirs - ours), nan=np.inf)
    at = np.unravel_index(apart.argmax(), apart.shape)
    return f"{theirs[at]:.6g} and {ours[at]:.6g} at {indexed('', at)}"


def _first_difference(
    imported: TorchImport, module: Any, graph: Any, samples: Arrays, ours: Arrays, torch: Any
) -> Refusal:
    """Where the module and the network part."""
    theirs = values_of(module, graph, _tensors(samples, torch), imported.nodes, torch)
    count = len(next(iter(samples.values())))
    for node, (name, shape) in imported.nodes.items():
        mine = ours[f"{name}.output"].reshape(count, *shape)
        if node in theirs and not _near(mine, theirs[node]):
            return Refusal(
                f"gives other numbers than layer {name!r}, as which it was read: "
                f"{_worst(theirs[node], mine)}",
                imported.places[node],
            )
    place = next(_departures(module, graph, samples, theirs, torch), "the model")
    return Refusal(
        "gives other numbers in evaluation than what torch.fx saw of it in training. The two may "
        "differ by dropout, batch norm and a last softmax; a call must not depend on earlier ones",
        place,
    )


def _departures(
    module: Any, graph: Any, samples: Arrays, theirs: Mapping[Any, np.ndarray], torch: Any
) -> Iterator[str]:
    """The modules that give other numbers than their nodes, or are called in another order."""
    given: list[tuple[str, np.ndarray]] = []
    hooks = [
        inner.register_forward_hook(
            lambda _, inputs, output, path=path: given.append((path, np.array(output.numpy())))
        )
        for path, inner in module.named_modules()
        if any(node.op == "call_module" and node.target == path for node in graph.nodes)
    ]
    with torch.no_grad():
        call(module, _tensors(samples, torch))
    for hook in hooks:
        hook.remove()
    nodes = [node for node in graph.nodes if node.op == "call_module"]
    for node, (path, output) in zip(nodes, given, strict=False):
        kind = type(module.get_submodule(path)).__name__
        if node.target != path or (node in theirs and not _near(output, theirs[node])):
            yield f"the module {path!r} ({kind})"
