"""How an engine computes one layer: its equations, and the calls they become."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from ..equation import Adjoint, Node, System, text
from ..errors import UnknownNameError, unknown
from ..showing.shown import Printed


@dataclass(frozen=True)
class ExplainedCall:
    """One call on behalf of a layer.

    Args:
        does: `forward`, `backward towards conv1.weight`, …
        algorithm: how, in a few words.
        lines: the loops, as indented text.
        work: multiply–adds for one sample.
        ir: writes LLVM's text; None for an engine that has none.
        assembly: writes the machine's.
    """

    does: str
    algorithm: str
    lines: Sequence[str]
    work: int = 0
    ir: Callable[[], str] | None = field(default=None, repr=False)
    assembly: Callable[[], str] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Explanation(Printed):
    """What `net.explain` gives; printing it shows equations, schedules and loops.

    Args:
        layer: its name.
        engine: what runs it, and on which processor.
        equations: as text, forward first.
        calls: in the order they run.
    """

    layer: str
    engine: str
    equations: tuple[str, ...]
    calls: tuple[ExplainedCall, ...]

    def __str__(self) -> str:
        parts = [f"{self.layer} on {self.engine}", "", *(f"    {e}" for e in self.equations)]
        for number, call in enumerate(self.calls):
            work = f", {call.work:,} multiply–adds a sample" if call.work else ""
            parts += ["", f"[{number}] {call.does}: {call.algorithm}{work}"]
            parts += [f"    {line}" for line in call.lines]
        return "\n".join(parts)

    def ir(self, number: int = 0) -> str:
        """LLVM's text of call `number`; empty where the engine has none."""
        made = self.calls[number].ir
        return made() if made else ""

    def assembly(self, number: int = 0) -> str:
        """The machine code of call `number` as assembler text; empty where there is none."""
        made = self.calls[number].assembly
        return made() if made else ""


def layer_equations(
    system: System, layer: str, trained: Collection[str] | None = None
) -> tuple[Node, tuple[Adjoint, ...]]:
    """A layer's node and what it sends back in a training.

    Args:
        system: the equations.
        layer: its name.
        trained: the parameters whose gradients are wanted; None for everything's.

    Raises:
        UnknownNameError: no layer is called so.
    """
    names = [node.name for node in system.nodes]
    if layer not in names:
        raise UnknownNameError(unknown("layer", layer, names))
    node = system.nodes[names.index(layer)]
    sums = system.backward if trained is None else system.backward_towards(trained)
    return node, tuple(sent for sent in sums if sent.node.name == layer)


def equation_lines(node: Node, sent: Sequence[Adjoint]) -> tuple[str, ...]:
    """The equations as text, forward first."""
    written = [text(node.equation), *(text(s.equation) for s in sent)]
    return tuple(line for one in written for line in one.splitlines())
