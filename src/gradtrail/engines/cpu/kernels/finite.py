"""The step's flag: set where something that it gives is a NaN or an infinity."""

from __future__ import annotations

from ..builder import Code
from ..frame import Slot
from ..ir_types import P, Value


def flag_unless_finite(code: Code, values: list[Value]) -> None:
    """Set the flag where a number is a NaN or an infinity.

    Args:
        code: being written.
        values: registers, or numbers, all of one type.
    """
    wrong: Value | None = None
    for value in values:
        apart = code.sub(value, value)  # 0 where finite, else a NaN
        bad = code.compare("uno", apart, apart)
        wrong = bad if wrong is None else code.bits("or", wrong, bad)
    assert wrong is not None
    if values[0].type.startswith("<"):
        element = f"<{code.width} x i1>"
        reduce = f"llvm.vector.reduce.or.v{code.width}i1"
        wrong = code.call("i1", reduce, Value(wrong.name, element))
    with code.when(wrong):
        code.store(code.whole(1, "i64"), code.frame(Slot.FLAG, P))
