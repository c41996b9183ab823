"""From PyTorch: a module is traced by torch.fx, its graph read node by node, and the two compared.

Everything happens on copies: importing a module leaves it as it was.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ...checking.calls import call_example, in_short, is_of_torch
from ...checking.input_samples import shape_meant
from ...equation.frozen import frozen
from ...errors import ArgumentError
from ...machine.packages import optional_package
from ...network import Network
from ..reading.building import Builder
from ..reading.refusals import Refusal
from ..reading.values import LastSoftmax
from .torch_comparison import compare
from .torch_exported import export_module
from .torch_fx import Untraceable, as_container, copy_module, isolation, set_modes, trace_module
from .torch_inputs import sample_shapes
from .torch_inspection import look_over, owners_of
from .torch_modules import MODULES, converter_of
from .torch_reader import GraphReader, TorchImport

_FROZEN = ("keep", "train", "refuse")
_BY_MODE = (MODULES["BatchNorm2d"], MODULES["Dropout"])  # which compute otherwise in training
_MOST_SHOWN = 4


@call_example("gt.from_torch(module, (channels, height, width))")
def from_torch(
    module: Any,
    input_shape: Any,
    *,
    frozen: str = "keep",
    output: int | str | None = None,
) -> Network:
    """The network that a PyTorch module is, with copies of its weights and running statistics.

    A layer is called what the module calls it, with dots as underscores (`layer1_0_conv1`, so that
    `t.grad.terms("layer1_0_conv1.weight", …)` asks about `model.layer1[0].conv1.weight`), if that
    is a name at all; the layers of a bare `nn.Sequential`, which are numbers there, are called
    `conv1, relu1, …` as always. A softmax or log-softmax at the end is left out, since
    `CrossEntropy` includes it: the network gives the logits.

    Before it is returned, the network is compared with the module: outputs and all gradients, for
    random samples and weights. The module is only read, and nothing about it changes.

    Args:
        module: of layers that exist here, in a forward that `torch.fx` can trace.
        input_shape: of one sample, (channels, height, width) or (features,). Of several inputs a
            mapping by the names of forward's arguments, or as many shapes in their order; the
            network's inputs have these names.
        frozen: what becomes of parameters that the module does not train (`requires_grad=False`),
            and of batch norms and dropouts that are in evaluation mode while the model around them
            trains: "keep" freezes these parameters and running statistics in the network, too, and
            leaves these dropouts out; "train" has the network train all of it; "refuse" stops.
        output: which of several outputs the network ends with: a place in a tuple, or a key. Where
            the module gives only one in evaluation, it is that.

    Returns:
        A network of the module's dtype, float32 or float64.

    Raises:
        ArgumentError: PyTorch is missing, or something that no layer here computes; the message
            names every node of that kind, its module's path, and why.

    Example:
        >>> net = gt.from_torch(model, (3, 32, 32))
    """
    if frozen not in _FROZEN:
        raise ArgumentError(f"from_torch: frozen is one of {', '.join(_FROZEN)}, got {frozen!r}")
    keeps = frozen != "train"
    found = import_module(module, input_shape, "from_torch", output, keeps=keeps)
    if frozen == "refuse":
        container = as_container(module, optional_package("torch", "from_torch"))
        if told := " and ".join(_frozen(container, found)):
            raise ArgumentError(f"from_torch: {told}; frozen='keep' has the network keep them so")
    return found.network


def import_module(
    module: Any,
    input_shape: Any,
    caller: str,
    output: int | str | None = None,
    *,
    keeps: bool = True,
    ending: LastSoftmax = LastSoftmax.LOGITS,
    comparing: bool = True,
) -> TorchImport:
    """The network that a module is, and where in the module its arrays are.

    Args:
        module: see `from_torch`.
        input_shape: see `from_torch`.
        caller: the public function, for messages.
        output: see `from_torch`.
        keeps: whether what the module does not train is frozen in the network; else nothing is.
        ending: what becomes of a last softmax.
        comparing: whether the network is compared with the module; whoever leaves that out does it.

    Raises:
        ArgumentError: see `from_torch`.
    """
    torch, fx = optional_package("torch", caller), optional_package("torch.fx", caller)
    _check_module(module, caller, torch)
    container = as_container(module, torch)
    shapes = sample_shapes(container, input_shape, caller)
    builder = _begun(shapes, caller)
    asked = _Asked(output, keeps, ending, comparing)
    try:
        with isolation(torch):
            found = _imported(container, builder, list(shapes), asked, torch, fx)
    except Refusal as cause:
        shape = builder.input.shape
        clauses = filter(None, (cause.sentence, shape_meant(shape, _rank(container, shape))))
        raise ArgumentError(f"{caller}: {'; '.join(clauses)}") from cause
    if not keeps:
        found.network.frozen = ()
    bare = "" if container is getattr(module, "_orig_mod", module) else "0."
    names = {path.removeprefix(bare): name for path, name in found.names.items() if path != "0"}
    found.network.foreign_names = names if bare else found.names
    return found


def _begun(shapes: Mapping[str, Any], caller: str) -> Builder:
    """A builder with the inputs.

    Raises:
        ArgumentError: one has no shape; of several it is named.
    """
    (first, shape), *others = shapes.items()
    if not others:
        return Builder(shape, tells_trained=True)
    name = first
    try:
        builder = Builder(shape, tells_trained=True)
        builder.graph.input_names = [first]
        for name, other in others:
            builder.graph.add_input(other, name)
    except ArgumentError as cause:
        raise ArgumentError(f"{caller}: as its input {name!r}: {cause}") from cause
    return builder


def _traced(
    given: Any, builder: Builder, inputs: Sequence[str], asked: _Asked, torch: Any, fx: Any
) -> tuple[Any, Any]:
    """A copy that may be run and its graph, by torch.fx or else by torch.export.

    Raises:
        Refusal: neither can follow the module; both say why.
    """
    reasons = builder.reasons
    shapes = {n: read.shape for n, read in zip(inputs, builder.graph.inputs, strict=True)}
    module = copy_module(given, torch)
    try:
        return module, trace_module(module, given, shapes, asked.keeps, fx, torch, reasons)
    except Untraceable as untraceable:
        module = copy_module(given, torch)
        set_modes(module, asked.keeps)
        try:
            return export_module(module, shapes, torch, reasons)
        except Refusal as cause:
            raise Refusal(f"{untraceable}. Nor by torch.export: {cause}") from cause


@frozen
class _Asked:
    """What else is asked of an import; see `import_module`."""

    output: int | str | None
    keeps: bool
    ending: LastSoftmax
    comparing: bool


def _check_module(module: Any, caller: str, torch: Any) -> None:
    """Refuse what is no module.

    Raises:
        ArgumentError: with what to pass instead.
    """
    if isinstance(module, torch.nn.Module):
        return
    hint = ""
    if is_of_torch(module):
        hint = f"; make a module of it, as in {module.__name__}()"
    elif isinstance(module, Mapping) and all(isinstance(v, torch.Tensor) for v in module.values()):
        hint = "; make the module, and give it these weights by its load_state_dict"
    elif isinstance(module, str | os.PathLike):
        hint = "; load the file with PyTorch, and pass the module"
    raise ArgumentError(f"{caller}: needs a torch.nn.Module, got {in_short(module)}{hint}")


def _imported(
    given: Any, builder: Builder, inputs: Sequence[str], asked: _Asked, torch: Any, fx: Any
) -> TorchImport:
    """Look the module over, trace a copy, read the graph, compare."""
    refused = look_over(given, builder.reasons, torch)
    module, graph = None, None
    with builder.reasons.noting():
        module, graph = _traced(given, builder, inputs, asked, torch, fx)
    if graph is None:
        raise builder.reasons.refusal()
    owners = owners_of(given)
    found = GraphReader(
        module,
        graph,
        builder,
        inputs,
        refused=refused,
        owners=owners,
        torch=torch,
        wanted=asked.output,
        ending=asked.ending,
    ).read_graph()
    if asked.comparing:
        compare(found, copy_module(given, torch), graph, asked.output, torch)
    return found


def _frozen(module: Any, found: TorchImport) -> list[str]:
    """What the module does not train, as clauses."""
    trained = {name: parameter.requires_grad for name, parameter in module.named_parameters()}
    read = [found.arrays[name] for name in found.network.parameters]
    still = [path for path in read if not trained.get(path, False)]
    clauses = []
    if still:
        clauses.append(
            f"{len(still)} of {len(read)} parameters {'are' if len(still) > 1 else 'is'} frozen in "
            f"the module (requires_grad=False): {_listed(still)}"
        )
    kept = [
        path
        for path, inner in module.named_modules()
        if module.training and not inner.training and converter_of(inner) in _BY_MODE
    ]
    if kept:
        clauses.append(
            f"{len(kept)} {'modules are' if len(kept) > 1 else 'module is'} in evaluation mode "
            f"within a model in training mode: {_listed(kept)}"
        )
    return clauses


def _listed(paths: list[str]) -> str:
    shown = ", ".join(map(repr, paths[:_MOST_SHOWN]))
    others = len(paths) - _MOST_SHOWN
    return shown + (f" and {others} more" if others > 0 else "")


def _rank(module: Any, shape: tuple[int, ...]) -> int:
    """How many axes of places a module's convolutions have; without one, as many as samples do."""
    kernels = (getattr(part, "kernel_size", None) for part in module.modules())
    return next((len(k) for k in kernels if isinstance(k, tuple)), len(shape) - 1)
