"""LLVM's types as the kernels use them, and values in its text."""

from __future__ import annotations

from dataclasses import dataclass

F, I, P = "float", "i64", "ptr"

_BYTES = {F: 4, "i32": 4, "i8": 1, I: 8, P: 8, "double": 8}
_SHORT = {F: "f32", "double": "f64", "i32": "i32", "i64": "i64", "i8": "i8"}


@dataclass(frozen=True)
class Value:
    """A name or a constant in LLVM's text, with its type."""

    name: str
    type: str

    @property
    def constant(self) -> int | None:
        """The number, if it is a whole number known while writing."""
        return int(self.name) if self.name.lstrip("-").isdigit() else None

    def __str__(self) -> str:
        return f"{self.type} {self.name}"


def element_of(type: str) -> str:
    """Of a vector type, the type of one lane."""
    return type.rsplit(" x ", 1)[1][:-1] if "<" in type else type


def lanes_in(type: str) -> int:
    """How many lanes a vector type has."""
    return int(type[1:].split(" ", 1)[0])


def suffix_of(type: str) -> str:
    """How intrinsics name a type: `v16f32`."""
    return (f"v{lanes_in(type)}" if "<" in type else "") + _SHORT[element_of(type)]


def bytes_of(type: str) -> int:
    """How many bytes a number or a register of a type has."""
    lanes = lanes_in(type) if "<" in type else 1
    return _BYTES[element_of(type)] * lanes
