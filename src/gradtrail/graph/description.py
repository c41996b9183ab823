"""Networks as JSON, both ways: a list of layers, or a graph whose nodes name what they read.

{"input_shape": [1, 28, 28], "layers": [{"type": "Conv2d", "out_channels": 6, …}, …]}
{"inputs": {"input": [1, 28, 28]}, "outputs": {"output": "add1"}, "nodes": [
    {"name": "conv1", "from": ["input"], "layer": {"type": "Conv2d", "out_channels": 1, …}},
    {"name": "conv1_2", "from": ["conv1"], "layer": "conv1"},
    {"name": "add1", "from": ["conv1_2", "input"], "layer": {"type": "Add"}}]}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from .. import layers as available
from ..errors import ArgumentError, unknown
from ..layers import Concat, Input, Layer, Residual
from ..layers.functional import GraphNode, GraphPart, called
from ..layers.steps import Step
from .construction import OUTPUT

if TYPE_CHECKING:
    from .graph import Graph

T = TypeVar("T")

_OUTPUT = ".output"
_FORMS = ({"input_shape", "layers"}, {"inputs", "nodes", "outputs"})
_JOINS = ("Add", "Join", "Multiply")


def architecture_of(network: Graph) -> dict[str, Any]:
    """A network as JSON, as `arguments_from` reads it."""
    dtype = str(network.dtype)
    if network.is_chain and all(map(_has_words, network.layers)):
        layers = [layer.settings() for layer in network.layers]
        return {"input_shape": list(network.input_shape), "dtype": dtype, "layers": layers}
    return {
        "inputs": {name: list(shape) for name, shape in network.inputs.items()},
        "dtype": dtype,
        "nodes": [_node(step) for step in network.steps],
        "outputs": {name: array.removesuffix(_OUTPUT) for name, array in network.outputs.items()},
    }


def _has_words(part: GraphPart) -> bool:
    """Whether a part of a list is written as it is: no block of someone's own is, nor in it."""
    if isinstance(part, Residual):
        return all(map(_has_words, (*part.body, *(part.shortcut or ()))))
    if isinstance(part, Concat):
        return all(_has_words(inside) for branch in part.branches for inside in branch)
    return isinstance(part, Layer) or _layer_class(type(part).__name__) is type(part)


def _node(step: Step) -> dict[str, Any]:
    """A step as JSON; where it shares its weights, its layer is the name of the step that has them.

    Its own name stands in front, so that the layer's settings do not repeat it.
    """
    settings = {key: value for key, value in step.layer.settings().items() if key != "name"}
    read = [source.removesuffix(_OUTPUT) for source in step.sources]
    return {"name": step.name, "from": read, "layer": step.shares or settings}


def arguments_from(data: Any) -> dict[str, Any]:
    """What a network is made of that JSON describes, as the arguments of `Network`.

    What is frozen, `frozen`, is none of them: the network is told when it is there.

    Args:
        data: what `Network.architecture` gives.

    Raises:
        ArgumentError: a key that is missing, unknown or of the wrong type; it is named.
        ShapeError: layers of a graph that do not fit.
    """
    forms = [form for form in _FORMS if isinstance(data, dict) and form <= data.keys()]
    if not forms:
        raise ArgumentError(
            'an architecture is {"input_shape": […], "layers": […]}, or {"inputs": {…}, "nodes": '
            '[…], "outputs": {…}}'
        )
    surplus = data.keys() - forms[0] - {"dtype", "seed", "frozen"}
    if surplus:
        raise ArgumentError(f"an architecture has no key {sorted(surplus)[0]!r}")
    dtype = data.get("dtype", "float32")
    if dtype not in ("float32", "float64"):
        raise ArgumentError(f"dtype must be float32 or float64, got {dtype!r}")
    if "nodes" in data:
        inputs, outputs = _graph(data)
    elif isinstance(data["input_shape"], list):
        inputs, outputs = data["input_shape"], _chain(data["layers"], "layers")
    else:
        raise ArgumentError(f"input_shape must be a list, got {data['input_shape']!r}")
    return {
        "input_shape": inputs,
        "layers": outputs,
        "seed": data.get("seed", 0),
        "dtype": dtype,
    }


def _graph(data: Mapping[str, Any]) -> tuple[list[Input], Any]:
    """The inputs and the outputs of a graph, as nodes."""
    if not isinstance(data["inputs"], dict):
        raise ArgumentError(f"inputs must be {{name: shape}}, got {data['inputs']!r}")
    inputs = [
        Input(tuple(shape) if isinstance(shape, list) else shape, name=name)
        for name, shape in data["inputs"].items()
    ]
    known: dict[str, GraphNode] = dict(zip(data["inputs"], inputs, strict=True))
    layers: dict[str, Layer] = {}
    if not isinstance(data["nodes"], list):
        raise ArgumentError(f"nodes must be a list, got {data['nodes']!r}")
    for place, entry in enumerate(data["nodes"]):
        where = f"nodes[{place}]"
        if not isinstance(entry, dict) or entry.keys() != {"name", "from", "layer"}:
            raise ArgumentError(
                f'{where} must be {{"name": "conv1", "from": ["input"], "layer": {{…}}}}, got '
                f"{entry!r}"
            )
        name, layer = entry["name"], entry["layer"]
        if not isinstance(name, str) or name in known:
            raise ArgumentError(f"{where}: name must be a word of its own, got {name!r}")
        sources = [_looked_up(known, source, f"{where}.from") for source in _listed(entry, where)]
        if isinstance(layer, str):
            layers[name] = _looked_up(layers, layer, f"{where}.layer")
        else:
            layers[name] = _layer(layer, f"{where}.layer")
        known[name] = called(layers[name], sources, name)
    outputs = data["outputs"]
    if not isinstance(outputs, dict) or not outputs:
        raise ArgumentError(f"outputs must be {{name: node}}, got {outputs!r}")
    ends = {key: _looked_up(known, node, "outputs") for key, node in outputs.items()}
    return inputs, ends if list(ends) != [OUTPUT] else ends[OUTPUT]


def _listed(entry: Mapping[str, Any], where: str) -> list[Any]:
    """What a node reads, which must be a list."""
    if not isinstance(entry["from"], list) or not entry["from"]:
        raise ArgumentError(f"{where}.from must be a list of names, got {entry['from']!r}")
    return entry["from"]


def _looked_up(known: Mapping[str, T], name: Any, where: str) -> T:
    """What a name stands for, among what came before it."""
    if not isinstance(name, str) or name not in known:
        raise ArgumentError(f"{where}: {unknown('node before it', name, known)}")
    return known[name]


def _layer(data: Any, where: str) -> Layer:
    """One layer of a graph, which is no block."""
    kind = data.get("type") if isinstance(data, dict) else None
    if isinstance(kind, str) and kind in _JOINS:
        from ..layers import joins

        settings = {key: value for key, value in data.items() if key != "type"}
        _known(settings, (), where, kind)
        join: Layer = getattr(joins, kind)()
        return join
    found = layer_from(data, where)
    if not isinstance(found, Layer):
        raise ArgumentError(f"{where}: {kind} is made of several layers; write each as a node")
    return found


def _chain(data: Any, where: str) -> list[Any]:
    if not isinstance(data, list):
        raise ArgumentError(f"{where} must be a list of layers, got {data!r}")
    return [layer_from(entry, f"{where}[{place}]") for place, entry in enumerate(data)]


def layer_from(data: Any, where: str) -> Any:
    """One layer or branching from its JSON.

    Args:
        data: `type` and arguments.
        where: what messages call it.

    Raises:
        ArgumentError: a key that is missing, unknown or of the wrong type; it is named.
    """
    if not isinstance(data, dict) or not isinstance(data.get("type"), str):
        raise ArgumentError(f'{where} must be {{"type": "Conv2d", …}}, got {data!r}')
    settings = {key: value for key, value in data.items() if key != "type"}
    kind = data["type"]
    if kind == "Residual":
        _known(settings, ("body", "shortcut", "name"), where, kind)
        shortcut = settings.get("shortcut")
        return Residual(
            _chain(settings.get("body"), f"{where}.body"),
            None if shortcut is None else _chain(shortcut, f"{where}.shortcut"),
            name=settings.get("name"),
        )
    if kind == "Concat":
        _known(settings, ("branches", "name"), where, kind)
        branches = settings.get("branches")
        if not isinstance(branches, list):
            raise ArgumentError(f"{where}.branches must be a list of lists, got {branches!r}")
        chains = [_chain(b, f"{where}.branches[{i}]") for i, b in enumerate(branches)]
        return Concat(*chains, name=settings.get("name"))
    made = _layer_class(kind)
    if made is None:
        named = [name for name in available.__all__ if _layer_class(name)]
        raise ArgumentError(f"{where}: {unknown('layer', kind, [*named, 'Residual', 'Concat'])}")
    _known(settings, [f.name for f in fields(made)], where, kind)  # type: ignore[arg-type]
    arguments = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
    try:
        return made(**arguments)
    except (ArgumentError, TypeError) as cause:
        raise ArgumentError(f"{where}: {cause}") from cause


def _layer_class(name: str) -> type[GraphPart] | None:
    """The class of layers, or of blocks that hold no others, that is called so, if one is."""
    found = getattr(available, name) if name in available.__all__ else None
    is_part = isinstance(found, type) and issubclass(found, GraphPart)
    return found if is_part and found not in (Layer, Residual, Concat) else None


def _known(settings: Mapping[str, Any], known: Any, where: str, kind: str) -> None:
    for key in settings:
        if key not in known:
            raise ArgumentError(f"{where}: {unknown(f'argument of {kind}', key, list(known))}")
    name = settings.get("name")
    if name is not None and not isinstance(name, str):
        raise ArgumentError(f"{where}: name must be a word, got {name!r}")
