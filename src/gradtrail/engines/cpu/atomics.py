"""Words of memory that several threads read and write at a time."""

from __future__ import annotations

from .builder import Code
from .ir_types import I, Value


def atomic_load(code: Code, address: Value) -> Value:
    """A word, and with it everything that was written before the word was."""
    return code.new(I, f"load atomic i64, {address} acquire, align 8")


def atomic_store(code: Code, value: Value | int, address: Value) -> None:
    """Write a word behind everything that was written before."""
    code.emit(f"store atomic {code.index(value)}, {address} release, align 8")


def atomic_add(code: Code, address: Value, value: int) -> None:
    """Add to a word."""
    code.emit(f"atomicrmw add {address}, i64 {value} acq_rel")


def compare_exchange(code: Code, address: Value, expected: Value, value: Value) -> Value:
    """Write a word where it still is as expected; gives whether it was."""
    found = code.new(
        "{ i64, i1 }", f"cmpxchg {address}, {expected}, {value} acq_rel acquire, align 8"
    )
    return code.new("i1", f"extractvalue {found}, 1")
