"""LLVM's instructions, one short method each: whole numbers, addresses, memory, arithmetic.

Numbers are added and multiplied in the order written; nothing is reassociated. Addresses come from
`getelementptr` alone.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from .ir_types import F, I, P, Value, bytes_of, element_of, lanes_in, suffix_of
from .target import Target

_ARGUMENTS = Value("%args", P), Value("%frame", P)
"""What a kernel is called with: where its arrays lie, and the frame."""


class Instructions:
    """One function being written, without its loops; see `Code`.

    Args:
        name: the function's.
        target: the processor.
        parameters: what it is called with.
        internal: whether only its own module calls it.
    """

    def __init__(
        self,
        name: str,
        target: Target,
        parameters: Sequence[Value] = _ARGUMENTS,
        *,
        internal: bool = False,
    ) -> None:
        self.name, self.target = name, target
        self.width = target.width
        self.signature = ", ".join(map(str, parameters))
        self.declared: dict[str, str] = {}
        self._linkage = "internal " if internal else ""
        self._lines: list[str] = ["entry:"]
        self._count = 0
        self._block = "entry"
        self._result = Value("", "void")

    def vector(self, element: str = F) -> str:
        """The type of a register full of elements."""
        return f"<{self.width} x {element}>"

    @property
    def parts(self) -> list[int]:
        """Where each register of a place's sixteen lanes begins, in bytes."""
        return [4 * self.width * part for part in range(self.target.parts)]

    # -- text ------------------------------------------------------------------------------

    def definition(self) -> str:
        """The function in LLVM's textual form."""
        body, result = "\n".join(self._lines), self._result
        return (
            f"define {self._linkage}{result.type} @{self.name}({self.signature}) #0 {{\n{body}\n"
            f"  ret {str(result).rstrip()}\n}}\n"
        )

    def give(self, value: Value) -> None:
        """What the function returns at its end."""
        self._result = value

    def emit(self, line: str) -> None:
        """Add a line as it is."""
        self._lines.append("  " + line)

    def new(self, type: str, expression: str) -> Value:
        """A new value from an instruction."""
        self._count += 1
        name = f"%v{self._count}"
        self._lines.append(f"  {name} = {expression}")
        return Value(name, type)

    def label(self, stem: str) -> str:
        """A fresh name for a basic block."""
        self._count += 1
        return f"{stem}{self._count}"

    def block(self, name: str) -> None:
        """Begin a basic block."""
        self._lines.append(f"{name}:")
        self._block = name

    def call(self, result: str, function: str, *arguments: Value) -> Value:
        """Call an intrinsic or another function, declared at its first use."""
        types = ", ".join(a.type for a in arguments)
        self.declared.setdefault(function, f"declare {result} @{function}({types})")
        written = ", ".join(map(str, arguments))
        if result == "void":
            self.emit(f"call void @{function}({written})")
            return Value("", "void")
        return self.new(result, f"call {result} @{function}({written})")

    def table(self, element: str, values: Sequence[float]) -> Value:
        """Where numbers stand that are part of the code; at least one."""
        self._count += 1
        name = f"{self.name}.table{self._count}"
        written = (str(v) if element == I else self.number(v, element).name for v in values)
        listed = ", ".join(f"{element} {value}" for value in written)
        type = f"[{len(values)} x {element}]"
        self.declared[name] = f"@{name} = internal constant {type} [{listed}], align 64"
        return Value(f"@{name}", P)

    def call_at(self, function: Value, *arguments: Value) -> None:
        """Call a function by its address; it returns nothing."""
        self.emit(f"call void {function.name}({', '.join(map(str, arguments))})")

    def named(self, type: str) -> Value:
        """A name for a value that is still to be written."""
        self._count += 1
        return Value(f"%v{self._count}", type)

    # -- numbers and addresses -------------------------------------------------------------

    def index(self, value: int | Value) -> Value:
        """A whole number as a value."""
        return value if isinstance(value, Value) else Value(str(value), I)

    def add_index(self, a: Value | int, b: Value | int) -> Value:
        """a + b."""
        return self._whole("add", self.index(a), self.index(b))

    def sub_index(self, a: Value | int, b: Value | int) -> Value:
        """a − b."""
        return self._whole("sub", self.index(a), self.index(b))

    def mul_index(self, a: Value | int, b: Value | int) -> Value:
        """a · b."""
        return self._whole("mul", self.index(a), self.index(b))

    def _whole(self, how: str, a: Value, b: Value) -> Value:
        """Arithmetic on whole numbers; what is known while writing is not computed."""
        x, y = a.constant, b.constant
        if x is not None and y is not None:
            return self.index({"add": x + y, "sub": x - y, "mul": x * y}[how])
        if y == {"add": 0, "sub": 0, "mul": 1}[how]:
            return a
        return self.new(I, f"{how} {a}, {b.name}")

    def floor_divided(self, a: Value, divisor: int, big: int) -> Value:
        """⌊a / divisor⌋ for whole a ≥ −big·divisor."""
        if divisor == 1:
            return a
        if a.constant is not None:
            return self.index(a.constant // divisor)
        shifted = self.new(I, f"udiv {self.add_index(a, big * divisor)}, {divisor}")
        return self.add_index(shifted, -big)

    def least(self, a: Value | int, b: Value | int) -> Value:
        """The lesser of two whole numbers."""
        return self._extreme("smin", a, b)

    def greatest(self, a: Value | int, b: Value | int) -> Value:
        """The greater of two whole numbers."""
        return self._extreme("smax", a, b)

    def _extreme(self, which: str, a: Value | int, b: Value | int) -> Value:
        """LLVM's `smin` or `smax` of two whole numbers; of two that are known, the number."""
        one, other = self.index(a), self.index(b)
        x, y = one.constant, other.constant
        if x is not None and y is not None:
            return self.index({"smin": min, "smax": max}[which](x, y))
        return self.call(I, f"llvm.{which}.i64", one, other)

    def at(self, base: Value, index: Value | int, stride: int = 1) -> Value:
        """The address `base + index·stride`, in bytes."""
        if isinstance(index, Value) and index.constant is not None:
            index = index.constant
        if isinstance(index, int):
            if index * stride == 0:
                return base
            return self.new(P, f"getelementptr i8, {base}, i64 {index * stride}")
        return self.new(P, f"getelementptr i8, {base}, {self.mul_index(index, stride)}")

    def argument(self, place: int) -> Value:
        """The function's argument number `place`, an address."""
        return self.new(P, f"load ptr, {self.at(Value('%args', P), 8 * place)}, align 8")

    def frame(self, field: int, type: str = I) -> Value:
        """A field of the frame."""
        return self.new(type, f"load {type}, {self.at(Value('%frame', P), 8 * field)}, align 8")

    # -- memory ----------------------------------------------------------------------------

    def load(self, address: Value, type: str | None = None, align: int | None = None) -> Value:
        """What stands at an address, by default a register full of float32."""
        type = type or self.vector()
        return self.new(type, f"load {type}, {address}, align {align or bytes_of(type)}")

    def store(self, value: Value, address: Value, align: int | None = None) -> None:
        """Write a value to an address."""
        self.emit(f"store {value}, {address}, align {align or bytes_of(value.type)}")

    def prefetch(self, address: Value, *, writing: bool = False) -> None:
        """Have a cache line brought near; an address outside memory does no harm."""
        hints = Value(str(int(writing)), "i32"), Value("3", "i32"), Value("1", "i32")
        self.call("void", "llvm.prefetch.p0", address, *hints)

    def spread(self, address: Value) -> Value:
        """One float32 in all lanes."""
        return self.splat(self.load(address, F))

    def spread_whole(self, number: Value, element: str = "i32") -> Value:
        """The lower bits of a whole number in all lanes."""
        return self.splat(self.cast("trunc", number, element))

    def lane_numbers(self, first: int = 0) -> Value:
        """A constant: `first`, `first` + 1, … as i32, lane by lane."""
        numbers = ", ".join(f"i32 {first + lane}" for lane in range(self.width))
        return Value(f"<{numbers}>", self.vector("i32"))

    def splat(self, scalar: Value) -> Value:
        """A scalar in all lanes."""
        wide = self.vector(scalar.type)
        one = self.new(wide, f"insertelement {wide} poison, {scalar}, i64 0")
        return self.shuffle(one, one, [0] * self.width)

    def shuffle(self, a: Value, b: Value, places: Sequence[int]) -> Value:
        """Elements of a and, from its length on, of b."""
        mask = ", ".join(f"i32 {p}" for p in places)
        return self.new(
            f"<{len(places)} x {element_of(a.type)}>",
            f"shufflevector {a}, {b}, <{len(places)} x i32> <{mask}>",
        )

    # -- arithmetic ------------------------------------------------------------------------

    def number(self, value: float, type: str | None = None) -> Value:
        """A constant, by default in all lanes."""
        written = "0x" + struct.pack(">d", struct.unpack("f", struct.pack("f", value))[0]).hex()
        type = type or self.vector()
        if "<" not in type:
            return Value(written, type)
        return Value("<" + ", ".join([f"float {written}"] * lanes_in(type)) + ">", type)

    def whole(self, value: int, type: str | None = None) -> Value:
        """A constant whole number, by default i32 in all lanes."""
        type = type or self.vector("i32")
        if "<" not in type:
            return Value(str(value), type)
        return Value("<" + ", ".join([f"{element_of(type)} {value}"] * lanes_in(type)) + ">", type)

    def add(self, a: Value, b: Value) -> Value:
        """a + b."""
        return self.new(a.type, f"fadd {a}, {b.name}")

    def sub(self, a: Value, b: Value) -> Value:
        """a − b."""
        return self.new(a.type, f"fsub {a}, {b.name}")

    def mul(self, a: Value, b: Value) -> Value:
        """a · b."""
        return self.new(a.type, f"fmul {a}, {b.name}")

    def div(self, a: Value, b: Value) -> Value:
        """a / b."""
        return self.new(a.type, f"fdiv {a}, {b.name}")

    def negative(self, a: Value) -> Value:
        """−a."""
        return self.new(a.type, f"fneg {a}")

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """a · b + c, rounded once where the processor can."""
        if not self.target.fma:
            return self.add(self.mul(a, b), c)
        return self.call(a.type, f"llvm.fma.{suffix_of(a.type)}", a, b, c)

    def sqrt(self, a: Value) -> Value:
        """The square root."""
        return self.call(a.type, f"llvm.sqrt.{suffix_of(a.type)}", a)

    def absolute(self, a: Value) -> Value:
        """|a|."""
        return self.call(a.type, f"llvm.fabs.{suffix_of(a.type)}", a)

    def rint(self, a: Value) -> Value:
        """The nearest whole number, ties to even."""
        return self.call(a.type, f"llvm.rint.{suffix_of(a.type)}", a)

    def copysign(self, size: Value, sign: Value) -> Value:
        """|size| with the sign of `sign`."""
        return self.call(size.type, f"llvm.copysign.{suffix_of(size.type)}", size, sign)

    def bits(self, operation: str, a: Value, b: Value) -> Value:
        """An operation on whole numbers or truth values: `add`, `xor`, `lshr`, …"""
        return self.new(a.type, f"{operation} {a}, {b.name}")

    def as_whole(self, a: Value) -> Value:
        """The bits of a float32 as i32."""
        return self.cast("bitcast", a, "i32")

    def as_float(self, a: Value) -> Value:
        """Bits as float32."""
        return self.cast("bitcast", a, F)

    def to_whole(self, a: Value) -> Value:
        """A float32 without its fraction, as i32."""
        return self.cast("fptosi", a, "i32")

    def to_float(self, a: Value) -> Value:
        """An i32 as float32."""
        return self.cast("sitofp", a, F)

    def cast(self, how: str, a: Value, element: str) -> Value:
        """A conversion such as `trunc` or `fpext` to another element, of every lane."""
        type = f"<{lanes_in(a.type)} x {element}>" if "<" in a.type else element
        return self.new(type, f"{how} {a} to {type}")

    def compare(self, how: str, a: Value, b: Value) -> Value:
        """A comparison such as `ogt`, or `eq` of whole numbers."""
        kind = "fcmp" if element_of(a.type) in (F, "double") else "icmp"
        truth = f"<{lanes_in(a.type)} x i1>" if "<" in a.type else "i1"
        return self.new(truth, f"{kind} {how} {a}, {b.name}")

    def both(self, a: Value, b: Value) -> Value:
        """Whether both hold."""
        return self.new(a.type, f"and {a}, {b.name}")

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        """a where the condition holds, else b."""
        return self.new(a.type, f"select {condition}, {a}, {b}")

    def halve(self, values: Sequence[Value], count: int = 1) -> list[Value]:
        """The sums of the first and of the second half, until so many are left."""
        left = list(values)
        while len(left) > count:
            half = len(left) // 2
            left = [self.add(a, b) for a, b in zip(left[:half], left[half:], strict=True)]
        return left

    def lanes_sum(self, parts: Sequence[Value]) -> Value:
        """The sum of sixteen lanes, in a tree that is the same on every processor.

        Args:
            parts: the registers that hold them, in order.
        """
        (total,), width = self.halve(parts), self.width
        while width > 1:
            half = width // 2
            low = self.shuffle(total, total, range(half))
            high = self.shuffle(total, total, range(half, width))
            total, width = self.add(low, high), half
        return self.new(element_of(total.type), f"extractelement {total}, i64 0")
