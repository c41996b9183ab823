"""A traced graph read node by node: each becomes a layer, or part of one with what follows."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import GradtrailError
from ...network import Network
from ..reading.building import Builder
from ..reading.constants import CONSTANT, untrained
from ..reading.refusals import UNKNOWN, Refusal
from ..reading.values import LastSoftmax, Value, Weights
from .torch_arrays import ModuleArrays
from .torch_aten import SAME
from .torch_functions import ELEMENTWISE, FUNCTIONS
from .torch_inputs import input_at
from .torch_inspection import is_lazy
from .torch_memory import TensorMemory
from .torch_modules import MODULES, VIEWING, converter_of
from .torch_node_calls import NodeCalls, called_name, function_at, writes
from .torch_running import default_of
from .torch_shapes import PARTS, SPLITS, VIEWS, is_copied, part

_WRONG = (GradtrailError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a converter raises at arguments that are none for it."""


@dataclass(frozen=True, eq=False)
class TorchImport:
    """A network, and where in the module each of its parts came from.

    Args:
        network: with the module's numbers.
        arrays: the module's path of each parameter and running statistic, by its name here.
        inputs: the network's input for each argument of forward that is one.
        nodes: the nodes that gave a layer's output: the layer, and the shape in which it is seen
            there, one sample.
        places: what each of these nodes is called in messages.
        names: the name here of each array and layer, by the module's path of it.
    """

    network: Network
    arrays: Mapping[str, str]
    inputs: Mapping[str, str]
    nodes: Mapping[Any, tuple[str, tuple[int, ...]]]
    places: Mapping[Any, str]
    names: Mapping[str, str]


class GraphReader:
    """One reading of a traced graph.

    Args:
        module: a copy that may be run.
        graph: its torch.fx graph.
        builder: what the layers are added to, with an input for each of these.
        inputs: the arguments of forward that are inputs, in the builder's order.
        refused: the paths of modules that were refused before, whose other reasons are looked for.
        wanted: which of several outputs the network ends with, by its place or key.
        ending: what becomes of a last softmax.
        owners: for the path of each array, the first path at which it is found.
        torch: the package.
    """

    def __init__(
        self,
        module: Any,
        graph: Any,
        builder: Builder,
        inputs: Sequence[str],
        *,
        refused: Collection[str],
        owners: Mapping[str, str],
        torch: Any,
        wanted: int | str | None = None,
        ending: LastSoftmax = LastSoftmax.LOGITS,
    ) -> None:
        self.owners = owners
        self.wanted, self.ending = wanted, ending
        self.module, self.graph, self.builder, self.torch = module, graph, builder, torch
        self.reasons = builder.reasons
        self.calling = NodeCalls(torch)
        self.arrays = ModuleArrays(module, owners, refused, torch)
        self.memory = TensorMemory(builder)
        self.plain: dict[Any, Any] = {}  # sizes, constants, weights
        self.first: dict[Any, Value] = {}  # what each tensor held when it was made
        self.calls: dict[str, int] = {}
        self.inputs = dict(zip(inputs, builder.graph.inputs, strict=True))

    def read_graph(self) -> TorchImport:
        """The network that the graph gives.

        Raises:
            Refusal: with all the reasons.
        """
        for node in self.graph.nodes:
            where = self._where(node)
            self.builder.at(where, self._named(node.meta.get("name")))
            if node.op == "output":
                return self._end(node)
            if not node.users and _looks_on(node):
                continue
            try:
                self._take(node)
            except _WRONG as cause:
                self.reasons.note(cause, where, self._kind(node))
                self._stand_in(node)
        raise Refusal("has no output")

    def _end(self, node: Any) -> TorchImport:
        output: Any = UNKNOWN
        with self.reasons.noting(self._where(node)):
            output = chosen_output(self._of(node.args[0]), self.wanted)
        for held in self.builder.graph.nodes:
            for weights in held.weights.values():
                if weights.name == CONSTANT:
                    self.reasons.note(untrained(weights.values.shape), held.where)
        wide = any(str(p.dtype) == "torch.float64" for p in self.module.parameters())
        dtype = np.float64 if wide else np.float32
        network = self.builder.network(output, dtype, self.ending)
        graph = self.builder.graph
        arrays = {
            f"{name}.{key}": weights.name
            for at, name in graph.owners.items()
            for key, weights in graph.nodes[at].weights.items()
        }
        nodes = {
            node: (graph.placed[made.node], self.builder.shape(value))
            for node, value in self.first.items()
            if (made := self.builder.output_of_value(value)) is not None
            and made.node in graph.placed
        }
        places = {node: self._where(node) for node in nodes}
        inputs = self._inputs_of()
        return TorchImport(network, arrays, inputs, nodes, places, self._names(arrays, nodes))

    def _inputs_of(self) -> Mapping[str, str]:
        """The network's input for each argument.

        Raises:
            Refusal: one is not read.
        """
        places = self.builder.graph.input_places
        if unread := [name for at, name in enumerate(self.inputs) if at not in places]:
            raise Refusal(
                f"does not compute with its input {unread[0]!r}, so a network cannot take it",
                "the model",
            )
        return {name: places[at] for at, name in enumerate(self.inputs)}

    def _names(self, arrays: Mapping[str, str], nodes: Mapping[Any, Any]) -> dict[str, str]:
        """What each array and layer is called here, by all the names that it has in the module."""
        given = {path: name for name, path in arrays.items()}
        found = {path: given[owner] for path, owner in self.owners.items() if owner in given}
        for path, name in [*found.items()]:
            found.setdefault(path.rpartition(".")[0], name.rpartition(".")[0])
        for node, (layer, _) in nodes.items():
            if node.op == "call_module":
                found.setdefault(node.target, layer)
        return found

    def _where(self, node: Any) -> str:
        """The node and the module it belongs to."""
        if node.op == "call_module":
            return f"node '{node.name}' ({self._kind(node)} at '{node.target}')"
        stack = node.meta.get("nn_module_stack") or {}
        path = next(reversed(stack), "")
        return f"node '{node.name}'" + (f" (in '{path}')" if path else "")

    def _kind(self, node: Any) -> str:
        """What is called, for messages."""
        if node.op == "call_module":
            return type(self.module.get_submodule(node.target)).__name__
        return str(node.target)

    # -- what nodes give --------------------------------------------------------------------------

    def _of(self, argument: Any) -> Any:
        """An argument with nodes replaced by what they hold now."""
        if isinstance(argument, dict):
            return {key: self._of(value) for key, value in argument.items()}
        if isinstance(argument, list | tuple):
            return type(argument)([self._of(value) for value in argument])
        if isinstance(argument, slice):
            return slice(*map(self._of, (argument.start, argument.stop, argument.step)))
        if not hasattr(argument, "op"):
            return argument
        known = argument in self.memory
        return self.memory.value(argument) if known else self.plain[argument]

    def _give(self, node: Any, value: Any, source: Any = None) -> None:
        """Note what a node gives: a view of `source`, if that is a node, or something new."""
        if not isinstance(value, Value):
            self.plain[node] = value
            return
        if node.meta.get("constant"):
            raise Refusal(
                "computes without gradients (torch.no_grad), while every layer here hands them on"
            )
        self.first[node] = value
        if source is None:
            self.memory.keep(node, value)
        else:
            self.memory.share(node, source, value)

    def _stand_in(self, node: Any) -> None:
        """Let a refused node give something of the right shape, so that reading can go on."""
        try:
            read = [self._of(source) for source in node.all_input_nodes]
        except Refusal:  # of what is read, which is said once
            self.plain[node] = UNKNOWN
            return
        written = node.args[0] if writes(node) else None
        if written in self.memory:
            shape = self.builder.shape(self.memory.value(written))
            self.memory.write(written, self.builder.stand_in(read, shape))
        given = self.builder.stand_in(read, node.meta.get("sample"))
        if given is UNKNOWN:
            self.plain[node] = given
        else:
            self.memory.keep(node, given)

    def _take(self, node: Any) -> None:
        if node.op == "placeholder":
            self._give(node, self._argument(node))
        elif node.op == "get_attr":
            self.plain[node] = self.arrays.of(node.target)
        elif node.op == "call_module":
            self._called(node)
        elif node.op == "call_method" or _any_value(self._of([*node.args, *node.kwargs.values()])):
            self._operated(node)
        else:
            self.plain[node] = self._plain(node.target, self._of(node.args), self._of(node.kwargs))

    def _plain(self, function: Any, arguments: Any, named: Any) -> Any:
        """A function of sizes alone."""
        modules = ("_operator", "operator", "builtins", "math", "torch")
        if getattr(function, "__module__", "") in modules:
            return function(*arguments, **named)
        if function == function_at(self.torch, "torch.fx._symbolic_trace._assert_is_none"):
            return None
        raise Refusal(f"calls {called_name(function)}, for which there is no layer here")

    def _argument(self, node: Any) -> Any:
        """An input; what else forward takes stays at its default."""
        name = input_at(node, list(self.inputs))
        return default_of(self.module, node) if name is None else self.inputs[name]

    # -- functions and methods --------------------------------------------------------------------

    def _operated(self, node: Any) -> None:
        if isinstance(node.target, type) and issubclass(node.target, tuple):
            self.plain[node] = node.target(*self._of(node.args), **self._of(dict(node.kwargs)))
            return
        convert, called, arguments, named = self.calling.of(node)
        if convert is None:
            raise Refusal(f"calls {called}, for which there is no layer here")
        signature = inspect.signature(convert)
        other = [name for name in named if name not in signature.parameters]
        if other:
            raise Refusal(f"calls {called} with {other[0]}=, which no layer here takes over")
        bound = signature.bind(self.builder, *arguments, **named)
        source = next(iter([*bound.arguments.values()][1:]), None)
        if writes(node) or bound.arguments.get("inplace"):
            self._written(node, source, convert, called, bound)
            return
        bound = signature.bind(self.builder, *self._of(arguments), **self._of(dict(named)))
        if _any_value(bound.args, (type(UNKNOWN),)):
            self._stand_in(node)
            return
        result = convert(*bound.args, **bound.kwargs)
        same = convert in SAME or convert is FUNCTIONS[_DROPOUT]
        view = convert in VIEWS or (same and result is bound.arguments.get("input"))
        shared = view and source in self.memory
        self._give(node, result, source if shared else None)
        whole = self._whole(node, convert)
        if isinstance(result, Value) and whole in self.memory:
            self.memory.part(node, whole, result, lambda: self._again(node, convert))

    def _whole(self, node: Any, convert: Any) -> Any:
        """The node of whose tensor this one gives a part, or another order of axes."""
        if convert not in PARTS or (convert is part and is_copied(self._of(node.args[1]))):
            return None
        source = node.args[0] if node.args else node.kwargs.get("input")
        parted = getattr(source, "op", "") and self.plain.get(source)
        if not isinstance(parted, tuple):
            return source
        called = source.op in ("call_function", "call_method")
        split = called and self.calling.of(source)[0] in SPLITS
        return source.args[0] if split else None

    def _again(self, node: Any, convert: Any) -> Any:
        """What a part of a tensor is by now."""
        source = node.args[0] if node.args else node.kwargs["input"]
        if isinstance(self.plain.get(source), tuple):
            split, called, arguments, named = self.calling.of(source)
            assert split is not None, called
            parts = split(self.builder, *self._of(arguments), **self._of(named))
            return parts[node.args[1]]
        _, _, arguments, named = self.calling.of(node)
        return convert(self.builder, *self._of(arguments), **self._of(dict(named)))

    def _written(self, node: Any, source: Any, convert: Any, called: str, bound: Any) -> None:
        """What an operation in place writes, from here on read through everything it reaches.

        Where it takes nothing but numbers beside, it is computed in the shape that lies in memory:
        so `relu_` of a flat view is a ReLU of the maps.
        """
        held = self._of(source)
        if isinstance(held, int | float):  # Python makes a new number of `n += 1`
            _, _, arguments, named = self.calling.of(node)
            self._give(node, convert(self.builder, *self._of(arguments), **self._of(named)))
            return
        if held is UNKNOWN:
            self._stand_in(node)
            return
        if source not in self.memory:
            raise Refusal(f"calls {called} on an array of the model, which would change it")
        if convert not in ELEMENTWISE:
            raise Refusal(
                f"calls {called}, which changes its input otherwise than element by element"
            )
        given = {name: self._of(value) for name, value in [*bound.arguments.items()][1:]}
        first, *others = given
        if _any_value(given.values(), (type(UNKNOWN),)):
            self._stand_in(node)
            return
        if not any(_any_value([given[name]]) for name in others):
            given[first] = self.memory.whole(source)
        self._give_written(node, source, convert(self.builder, **given))

    def _give_written(self, node: Any, source: Any, value: Any) -> None:
        self.memory.write(source, value)
        self._give(node, self.memory.value(source), source)

    def _named(self, module: str | None) -> str | None:
        """What the layer of a node is called that torch.export saw in a module."""
        if module is None:
            return None
        count = self.calls[module] = self.calls.get(module, -1) + 1
        return f"{module}_{count}" if count else module

    # -- modules ----------------------------------------------------------------------------------

    def _called(self, node: Any) -> None:
        module = self.module.get_submodule(node.target)
        convert = converter_of(module)
        if convert is None:
            raise Refusal("is a module for which there is no layer here")
        sources = [*node.args, *node.kwargs.values()]
        if len(sources) != 1:
            raise Refusal(f"is called with {len(sources)} arguments instead of one")
        (source,) = sources
        count = self.calls[node.target] = self.calls.get(node.target, -1) + 1
        if self._of(source) is UNKNOWN or is_lazy(module):
            self._stand_in(node)
            return
        name = node.target.replace(".", "_")
        self.builder.at(self._where(node), f"{name}_{count}" if count else name)

        def held(key: str) -> Weights | None:
            return self.arrays.held(module, node.target, key)

        if getattr(module, "inplace", False):
            written = convert(self.builder, module, self.memory.whole(source), held)
            self._give_written(node, source, written)
            return
        given = self._of(source)
        result = convert(self.builder, module, given, held)
        same = convert is MODULES["Dropout"] and result is given
        self._give(node, result, source if same or convert in VIEWING else None)


def chosen_output(given: Any, wanted: int | str | None) -> Any:
    """One of several outputs; a single one is that, whatever is asked for.

    Args:
        given: what a forward gives.
        wanted: a place in a tuple, a key of a mapping or a field's name; None for the only one.

    Raises:
        Refusal: there are several and none is asked for, or not that one.
    """
    if given is None:
        raise Refusal("gives nothing: its forward returns None")
    if not isinstance(given, Sequence | Mapping) or isinstance(given, str):
        return given
    fields = getattr(given, "_fields", range(len(given)))
    known = dict(given) if isinstance(given, Mapping) else dict(zip(fields, given, strict=True))
    if wanted is None and len(known) == 1:
        wanted = next(iter(known))
    if isinstance(wanted, int) and not isinstance(given, Mapping) and 0 <= wanted < len(given):
        found = given[wanted]
    elif wanted in known:
        found = known[wanted]
    else:
        asked = "choose one by output=" if wanted is None else f"none of them is output={wanted!r}"
        listed = ", ".join(map(repr, known))
        raise Refusal(f"gives {len(known)} outputs, {listed}; {asked}")
    if isinstance(found, Sequence | Mapping):
        raise Refusal(f"gives {len(found)} outputs in one, at {wanted!r}; let forward give one")
    return found


def _looks_on(node: Any) -> bool:
    """Whether a node computes nothing: of use only where something reads it."""
    if node.op == "call_method":
        return bool(node.target == "detach")
    return node.op == "call_function" and node.target is getattr


_DROPOUT = "torch.nn.functional.dropout"


def _any_value(
    arguments: Any, kinds: tuple[Any, ...] = (Value, np.ndarray, Weights, type(UNKNOWN))
) -> bool:
    """Whether something of these kinds is among them, or within one of them."""
    return any(
        isinstance(one, kinds) or (isinstance(one, list | tuple) and _any_value(one, kinds))
        for one in arguments
    )
