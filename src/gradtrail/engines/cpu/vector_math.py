"""Functions of sixteen numbers at once: exp, log, tanh, erf, …, from fused multiply-adds.

Each is a reduction of its argument, a polynomial, and a reconstruction. No table and no library is
read, so the bits are the same on every processor with a fused multiply-add. `OPERATIONS` gives them
the names of `equation.scalar`, so that a layer's function, its slope and an optimiser's rule are
compiled from the one expression that prints and differentiates them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ...equation.scalar import Call, Expression, Literal, Variable
from .builder import Code
from .ir_types import Value

_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4


def _polynomial(code: Code, x: Value, coefficients: list[float]) -> Value:
    """Horner's scheme, the highest power first."""
    total = code.number(coefficients[0])
    for coefficient in coefficients[1:]:
        total = code.fma(total, x, code.number(coefficient))
    return total


def vector_exp(code: Code, x: Value) -> Value:
    """exp(x) to about 1 unit in the last place; 0 and ∞ beyond the range, a NaN stays one."""
    high, low = code.number(89.0), code.number(-104.0)
    held = code.select(code.compare("ogt", x, high), high, x)
    held = code.select(code.compare("olt", held, low), low, held)
    rounded, r = _reduced(code, held)
    p = _polynomial(code, r, _EXP)
    p = code.fma(p, code.mul(r, r), code.add(r, code.number(1.0)))
    # 2^k in two steps, so that results below the smallest normal number come out right
    k = code.to_whole(code.select(_number(code, rounded), rounded, code.number(0.0)))
    first = code.bits("ashr", k, code.whole(1))
    second = code.bits("sub", k, first)
    return code.mul(code.mul(p, _power(code, first)), _power(code, second))


_EXP = [1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 0.16666665459, 0.5]
"""Of (exp(r) − 1 − r)/r², within half of log 2."""


def _reduced(code: Code, x: Value) -> tuple[Value, Value]:
    """x as k·log 2 + r with a whole k and |r| at most half of log 2."""
    k = code.rint(code.mul(x, code.number(1.44269504088896341)))
    r = code.fma(k, code.number(-_LN2_HIGH), x)
    return k, code.fma(k, code.number(-_LN2_LOW), r)


def _expm1(code: Code, x: Value) -> Value:
    """exp(x) − 1 as 2^k·(exp(r) − 1) + (2^k − 1), and simply so where the 1 hardly counts."""
    one, high, low = code.number(1.0), code.number(10.0), code.number(-30.0)
    large = code.sub(vector_exp(code, x), one)
    held = code.select(code.compare("ogt", x, high), high, x)
    held = code.select(code.compare("olt", held, low), low, held)
    rounded, r = _reduced(code, held)
    p = code.fma(_polynomial(code, r, _EXP), code.mul(r, r), r)
    k = code.to_whole(code.select(_number(code, rounded), rounded, code.number(0.0)))
    scale = _power(code, k)
    small = code.copysign(code.fma(scale, p, code.sub(scale, one)), x)  # −0 stays
    return code.select(code.compare("ogt", x, high), large, small)


def _number(code: Code, x: Value) -> Value:
    """Whether x is not a NaN."""
    return code.compare("ord", x, x)


def _power(code: Code, k: Value) -> Value:
    """2^k for whole k from −126 to 127."""
    biased = code.bits("add", k, code.whole(127))
    return code.as_float(code.bits("shl", biased, code.whole(23)))


def vector_log(code: Code, x: Value) -> Value:
    """log(x) for normal positive x, to about 1 unit in the last place; ∞ and NaN stay."""
    bits = code.as_whole(x)
    k = code.bits("ashr", code.bits("sub", bits, code.whole(0x3F3504F3)), code.whole(23))  # √½
    mantissa = code.as_float(code.bits("sub", bits, code.bits("shl", k, code.whole(23))))
    f = code.sub(mantissa, code.number(1.0))
    p = _polynomial(
        code,
        f,
        [
            *(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1),
            *(1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1),
            3.3333331174e-1,
        ],
    )
    square = code.mul(f, f)
    exponent = code.to_float(k)
    tail = code.mul(code.mul(p, f), square)
    tail = code.fma(exponent, code.number(_LN2_LOW), tail)
    tail = code.fma(square, code.number(-0.5), tail)
    found = code.fma(exponent, code.number(_LN2_HIGH), code.add(f, tail))
    return code.select(code.compare("olt", x, code.number(math.inf)), found, x)


_NORMAL = 2.0**-126
"""The least positive float32 that is normal."""


def _log(code: Code, x: Value) -> Value:
    """log(x) for every x: −∞ at 0, a NaN below."""
    small = code.compare("olt", x, code.number(_NORMAL))
    found = vector_log(code, code.select(small, code.mul(x, code.number(2.0**23)), x))
    found = code.sub(found, code.select(small, code.number(23 * math.log(2)), code.number(0.0)))
    zero = code.compare("oeq", x, code.number(0.0))
    found = code.select(zero, code.number(-math.inf), found)
    return code.select(code.compare("olt", x, code.number(0.0)), code.number(math.nan), found)


def _log1p(code: Code, x: Value) -> Value:
    """log(1 + x), with what the sum has rounded away added to its logarithm."""
    one = code.number(1.0)
    whole = code.add(x, one)
    lost = code.div(code.sub(x, code.sub(whole, one)), whole)
    found = _log(code, whole)
    inside = code.compare("olt", code.absolute(found), code.number(math.inf))
    found = code.select(inside, code.add(found, lost), found)
    return code.select(code.compare("oeq", whole, one), x, found)


def _softplus(code: Code, x: Value) -> Value:
    """log(1 + exp(x)), from exp(−|x|), which does not overflow."""
    decay = vector_exp(code, code.negative(_absolute(code, x)))
    return code.add(_positive_part(code, x), _log1p(code, decay))


def _absolute(code: Code, x: Value) -> Value:
    return code.absolute(x)


def _sign(code: Code, x: Value) -> Value:
    """−1 or 1; 0 and a NaN stay."""
    zero = code.number(0.0)
    apart = code.copysign(code.number(1.0), x)
    return code.select(code.compare("one", x, zero), apart, x)


def _floor(code: Code, x: Value) -> Value:
    near = code.rint(x)
    above = code.compare("ogt", near, x)
    return code.select(above, code.sub(near, code.number(1.0)), near)


def _sigmoid(code: Code, x: Value) -> Value:
    """1/(1 + exp(−x)), from exp(−|x|), which does not overflow."""
    one = code.number(1.0)
    decay = vector_exp(code, code.negative(_absolute(code, x)))
    below = code.add(one, decay)
    positive = code.compare("oge", x, code.number(0.0))
    return code.div(code.select(positive, one, decay), below)


def _tanh(code: Code, x: Value) -> Value:
    """tanh: near 0 an odd polynomial, elsewhere (1 − e)/(1 + e) with e = exp(−2|x|)."""
    size = _absolute(code, x)
    one = code.number(1.0)
    decay = vector_exp(code, code.mul(size, code.number(-2.0)))
    far = code.div(code.sub(one, decay), code.add(one, decay))
    far = code.copysign(far, x)
    square = code.mul(x, x)
    p = _polynomial(
        code,
        square,
        [
            *(-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2),
            *(1.33314422036e-1, -3.33332819422e-1),
        ],
    )
    near = code.copysign(code.fma(code.mul(p, square), x, x), x)  # −0 stays
    return code.select(code.compare("olt", size, code.number(0.625)), near, far)


def _erf(code: Code, x: Value) -> Value:
    """The error function: a power series within 1, a rational times exp(−x²) beyond."""
    size = _absolute(code, x)
    square = code.mul(x, x)
    near = _polynomial(
        code,
        square,
        [
            *(7.853861353153693e-5, -8.010193625184903e-4, 5.188327685732524e-3),
            *(-2.685381193529856e-2, 1.128358514861418e-1, -3.761262582423300e-1),
            1.128379165726710,
        ],
    )
    near = code.mul(near, x)
    held = code.select(code.compare("ogt", size, code.number(4.0)), code.number(4.0), size)
    t = code.div(code.number(1.0), code.fma(held, code.number(0.3275911), code.number(1.0)))
    p = _polynomial(code, t, _ERFC)
    tail = code.mul(code.mul(p, t), vector_exp(code, code.negative(code.mul(held, held))))
    far = code.sub(code.number(1.0), tail)
    far = code.copysign(far, x)
    return code.select(code.compare("olt", size, code.number(1.0)), near, far)


_ERFC = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592]


def _maximum(code: Code, x: Value, y: Value) -> Value:
    """The greater; a NaN wins, the first one's before the second's."""
    keep = code.both(code.compare("ule", y, x), code.compare("ord", y, y))
    return code.select(code.bits("or", keep, code.compare("uno", x, x)), x, y)


def _minimum(code: Code, x: Value, y: Value) -> Value:
    """The smaller; a NaN wins, the first one's before the second's."""
    keep = code.both(code.compare("uge", y, x), code.compare("ord", y, y))
    return code.select(code.bits("or", keep, code.compare("uno", x, x)), x, y)


def _raised(code: Code, x: Value, exponent: Value) -> Value:
    """x to a power that is known only while running: for positive x alone."""
    return vector_exp(code, code.mul(exponent, _log(code, x)))


def _raised_to(code: Code, x: Value, exponent: float) -> Value:
    """x to a known power: by products and a root where halves of whole numbers allow it."""
    size = abs(exponent)
    if size % 0.5 or size > _PRODUCTS:
        return _raised(code, x, code.number(exponent))
    root = code.sqrt(x) if size % 1 else None
    found, square, left = root, x, int(size)
    while left:
        if left % 2:
            found = square if found is None else code.mul(found, square)
        left //= 2
        square = code.mul(square, square) if left else square
    found = code.number(1.0) if found is None else found
    return code.div(code.number(1.0), found) if exponent < 0 else found


_PRODUCTS = 64
"""The greatest power that is made of products."""


def _step(code: Code, x: Value) -> Value:
    return code.select(code.compare("ole", x, code.number(0.0)), code.number(0.0), code.number(1.0))


def _where(code: Code, condition: Value, x: Value, y: Value) -> Value:
    return code.select(code.compare("ogt", condition, code.number(0.0)), x, y)


OPERATIONS: Mapping[str, Callable[..., Value]] = {
    "add": Code.add,
    "sub": Code.sub,
    "mul": Code.mul,
    "div": Code.div,
    "pow": _raised,
    "exp": vector_exp,
    "expm1": _expm1,
    "log": _log,
    "log1p": _log1p,
    "sqrt": Code.sqrt,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "erf": _erf,
    "abs": _absolute,
    "sign": _sign,
    "floor": _floor,
    "round": Code.rint,
    "max": _maximum,
    "min": _minimum,
    "step": _step,
    "where": _where,
}
"""The operations of `equation.scalar` on sixteen numbers."""


def compile_expression(code: Code, expression: Expression, variables: Mapping[str, Value]) -> Value:
    """The value of an expression, equal parts computed once."""
    known: dict[Expression, Value] = {}

    def value(part: Expression) -> Value:
        if isinstance(part, Literal):
            return code.number(part.value)
        if isinstance(part, Variable):
            return variables[part.name]
        if part not in known:
            assert isinstance(part, Call)
            if part.operation == "max" and part.arguments[1] == Literal(0.0):
                known[part] = _positive_part(code, value(part.arguments[0]))
            elif part.operation == "pow" and isinstance(power := part.arguments[1], Literal):
                known[part] = _raised_to(code, value(part.arguments[0]), power.value)
            else:
                arguments: list[Any] = [value(a) for a in part.arguments]
                known[part] = OPERATIONS[part.operation](code, *arguments)
        return known[part]

    return value(expression)


def _positive_part(code: Code, x: Value) -> Value:
    """max(x, 0), with a NaN handed on: one instruction where the processor's maximum does so."""
    zero = code.number(0.0)
    return code.select(code.compare("ole", x, zero), zero, x)
