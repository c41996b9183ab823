"""A loop builder: a Python `for` unrolls, a built loop stays a loop.

It writes LLVM's textual form. A `Value` is a name with a type. A vector fills one register of the
target: sixteen lanes with AVX-512, half of them with AVX2.

    code = Code("scale", target)
    with code.loop("i", 100) as i:
        place = code.at(source, i, 64)
        code.store(code.mul(code.load(place), factor), code.at(result, i, 64))

Here are the loops and conditions; `instructions.py` has a method for each instruction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from .instructions import Instructions
from .ir_types import I, Value


class Carried:
    """The values that a loop hands from one round to the next, or that a condition changes.

    Inside the loop, `now` are the round's values; set `next` before the loop's end. Behind the
    loop, `now` are the final ones.
    """

    def __init__(self, start: Sequence[Value]) -> None:
        self.now: list[Value] = list(start)
        self.next: list[Value] = []


class Code(Instructions):
    """One function being written, by default a kernel's `void name(ptr args, ptr frame)`.

    Args and the instructions are those of `Instructions`.
    """

    def text(self) -> str:
        """The module of this function alone, in LLVM's textual form."""
        return module([self])

    @contextmanager
    def loop(
        self,
        stem: str,
        stop: int | Value,
        start: int | Value = 0,
        step: int = 1,
        carried: Carried | None = None,
    ) -> Iterator[Value]:
        """A loop that stays one; `start < stop` must hold where both are numbers.

        With a `Value` as a bound it may run not at all.
        """
        stem = stem.replace("′", "_")
        stem = stem if stem.isascii() else "i"
        first, end = self.index(start), self.index(stop)
        head, done = self.label(stem + "_"), self.label("done")
        before = self._block
        dynamic = isinstance(start, Value) or isinstance(stop, Value)
        state = carried or Carried(())
        rounds = None if dynamic else int(end.name) - int(first.name)
        assert rounds is None or rounds > 0, f"the loop over {stem} would run not at all"
        if rounds == step:  # one round
            yield first
            state.now = list(state.next) if carried else []
            return
        if dynamic:
            some = self.new("i1", f"icmp slt {first}, {end.name}")
            self.emit(f"br i1 {some.name}, label %{head}, label %{done}")
        else:
            self.emit(f"br label %{head}")
        self._count += 1
        counter = Value(f"%{stem}{self._count}", I)
        begun, after = list(state.now), list[Value]()
        state.now = [self.named(v.type) for v in begun]
        with self._rounds(head, [first, *begun], [counter, *state.now], after):
            yield counter
            following = self.new(I, f"add {counter}, {step}")
            more = self.new("i1", f"icmp slt {following}, {end.name}")
            after += [following, *state.next]
            last = self._block
            self.emit(f"br i1 {more.name}, label %{head}, label %{done}")
        self.block(done)
        state.now = after[1:]
        if dynamic:
            state.now = self._either(begun, before, state.now, last)

    def groups(self, stem: str, count: int, size: int, write: Callable[[Value, int], None]) -> None:
        """Groups of `size`, and behind them what they leave of `count`.

        Args:
            stem: of the loop's name.
            count: how many there are in all.
            size: of a group.
            write: writes the code of one, given its number and how many it has.
        """
        whole, left = divmod(count, size)
        if whole:
            with self.loop(stem, whole) as number:
                write(number, size)
        if left:
            write(self.index(whole), left)

    @contextmanager
    def endless(self, stem: str, carried: Carried) -> Iterator[str]:
        """A loop that ends only by `go_on`, which is to be given what this gives.

        Behind it, `carried.now` are the values of the round in which it ended.
        """
        head, done = self.label(stem), self.label("done")
        self.emit(f"br label %{head}")
        begun, after = list(carried.now), list[Value]()
        phis = [self.named(v.type) for v in begun]
        carried.now = list(phis)
        with self._rounds(head, begun, phis, after):
            yield done
            after += carried.next
            self.emit(f"br label %{head}")
        carried.now = phis
        self.block(done)

    def go_on(self, condition: Value, end: str) -> None:
        """Go on with a round of an endless loop only where a condition holds; else end the loop."""
        on = self.label("on")
        self.emit(f"br {condition}, label %{on}, label %{end}")
        self.block(on)

    @contextmanager
    def _rounds(
        self, head: str, begun: list[Value], phis: list[Value], after: list[Value]
    ) -> Iterator[None]:
        """The block a loop comes back to: `phis` are `begun` first, then what `after` holds."""
        before = self._block
        self.block(head)
        spot = len(self._lines)
        yield
        self._lines[spot:spot] = [
            f"  {phi.name} = {_phi(phi.type, (first, before), (following, self._block))}"
            for phi, first, following in zip(phis, begun, after, strict=True)
        ]

    @contextmanager
    def when(self, condition: Value, carried: Carried | None = None) -> Iterator[None]:
        """Code that runs only where a truth value holds.

        Args:
            condition: the truth value.
            carried: the values that it changes.
        """
        inside, done = self.label("then"), self.label("end")
        before = self._block
        self.emit(f"br {condition}, label %{inside}, label %{done}")
        self.block(inside)
        yield
        last = self._block
        self.emit(f"br label %{done}")
        self.block(done)
        if carried is not None:
            carried.now = self._either(carried.now, before, carried.next, last)

    def _either(
        self, ones: Sequence[Value], before: str, others: Sequence[Value], last: str
    ) -> list[Value]:
        """Values that depend on which block one comes from, `before` or `last`."""
        return [
            self.new(b.type, _phi(b.type, (a, before), (b, last)))
            for a, b in zip(ones, others, strict=True)
        ]


def module(functions: Sequence[Code]) -> str:
    """Functions that may call each other, in LLVM's textual form; all are for one target."""
    own = {function.name for function in functions}
    declared = {n: d for f in functions for n, d in f.declared.items() if n not in own}
    written, target = "\n".join(f.definition() for f in functions), functions[0].target
    return (
        "\n".join(declared.values())
        + f'\n\n{written}\nattributes #0 = {{ "prefer-vector-width"="512" '
        f'"target-cpu"="{target.cpu}" "target-features"="{target.features}" nounwind }}\n'
    )


def _phi(type: str, *sources: tuple[Value, str]) -> str:
    """The value that belongs to the block that one comes from."""
    return f"phi {type} " + ", ".join(f"[ {value.name}, %{block} ]" for value, block in sources)
