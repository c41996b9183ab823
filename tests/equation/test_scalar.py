"""Functions of one number: values, derived slopes, and what happens at 0, at NaN and far out."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtrail.equation.scalar import (
    OPERATIONS,
    Call,
    Expression,
    Function,
    Literal,
    Variable,
    absolute,
    clipped,
    derivative,
    erf,
    evaluate_scalar,
    exp,
    expm1,
    floor,
    log,
    log1p,
    maximum,
    minimum,
    nearest,
    scalar,
    sigmoid,
    sign,
    softplus,
    sqrt,
    step,
    tanh,
    where,
)
from gradtrail.layers import GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Tanh

from .samples import each

x, t = Variable("x"), Variable("t")

LAYERS = {
    "relu": ReLU().function,
    "leaky relu": LeakyReLU(0.25).function,
    "sigmoid": Sigmoid().function,
    "tanh": Tanh().function,
    "gelu": GELU().function,
    "gelu tanh": GELU(approximate="tanh").function,
    "silu": SiLU().function,
}

FUNCTIONS = LAYERS | {
    name: Function(name, body)
    for name, body in {
        "sum": x + 3 + x,
        "difference": 2 - x - 0.5,
        "product": x * x * -3,
        "quotient": (x + 1) / (x * x + 1),
        "inverse": 1 / (x * x + 2),
        "negation": -x * tanh(x),
        "exp": exp(-0.5 * x * x),
        "log": log(x * x + 1),
        "sqrt": sqrt(x * x + 1),
        "erf": erf(x / 3),
        "nested": sigmoid(tanh(x) * exp(x / 4)),
        "maximum": maximum(x * x, x + 1),
        "step": step(x) * x,
        "where": where(x - 1, x * x, 3 * x),
        "power": x**3 + (x * x + 1) ** 1.5,
        "expm1": expm1(x / 2),
        "log1p": log1p(x * x),
        "softplus": softplus(3 * x),
        "minimum": minimum(x * x, x + 1),
        "clipped": clipped(x * x, 1, 3 - x),
        "absolute": absolute(x) * x * x,
        "signs": sign(x) + floor(2 * x + 0.1) + nearest(x + 0.1),
    }.items()
}

KINKS = (
    *(-2.302775637731995, -0.6180339887498949, 0.0, 1.0, 1.302775637731995, 1.618033988749895),
    *(-1.0, *(k / 2 - 0.05 for k in range(-8, 10)), *(k + 0.4 for k in range(-5, 5))),
)
"""Where one of the functions above has no slope."""


@given(st.floats(-4, 4).filter(lambda at: min(abs(at - kink) for kink in KINKS) > 1e-3))
def test_the_derivative_is_the_slope(at: float) -> None:
    h = 1e-5
    for name, f in FUNCTIONS.items():
        slope = (f(at + h) - f(at - h)) / (2 * h)
        assert f.derivative(at) == pytest.approx(slope, rel=1e-6, abs=1e-8), name


def test_every_operation_is_among_the_functions_tested() -> None:
    def operations(e: Expression) -> set[str]:
        inside = [operations(a) for a in e.arguments] if isinstance(e, Call) else []
        return set().union(*inside, {e.operation} if isinstance(e, Call) else ())

    assert set().union(*(operations(f.body) for f in FUNCTIONS.values())) == set(OPERATIONS)


@pytest.mark.parametrize(
    ("name", "at", "value", "slope"),
    [
        ("relu", 2.5, 2.5, 1),
        ("relu", -2.5, 0, 0),
        ("leaky relu", 2, 2, 1),
        ("leaky relu", -2, -0.5, 0.25),
        ("sigmoid", 0, 0.5, 0.25),
        ("sigmoid", math.log(3), 0.75, 0.1875),
        ("tanh", 0, 0, 1),
        ("tanh", 0.5 * math.log(3), 0.5, 0.75),
        ("gelu", 0, 0, 0.5),
        ("gelu", 1, 0.8413447460685429, 1.0833154705876864),
        ("gelu tanh", 0, 0, 0.5),
        ("gelu tanh", 1, 0.8411919906082768, 1.0829640838457826),
        ("silu", 0, 0, 0.5),
        ("silu", 1, 0.7310585786300049, 0.9276705118714869),
    ],
)
def test_known_values(name: str, at: float, value: float, slope: float) -> None:
    assert LAYERS[name](at) == pytest.approx(value, rel=1e-15)
    assert LAYERS[name].derivative(at) == pytest.approx(slope, rel=1e-14)


@pytest.mark.parametrize(("name", "slope"), [("relu", 0), ("leaky relu", 0.25)])
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_the_slope_at_zero_is_the_lower_one(name: str, slope: float, zero: float) -> None:
    assert LAYERS[name].derivative(zero) == slope


@each(LAYERS, "f")
def test_a_nan_passes_through(f: Function) -> None:
    assert math.isnan(f(math.nan))


def test_a_nan_passes_a_slope_of_zero() -> None:
    assert math.isnan(LeakyReLU(0.0).function(math.nan))


def test_the_greater_of_two_is_a_nan_where_one_is() -> None:
    for both in (maximum(x, t), minimum(x, t)):
        for one, other in ((math.nan, 1.0), (1.0, math.nan)):
            assert math.isnan(evaluate_scalar(both, {"x": one, "t": other}))


def test_every_operation_on_a_nan_gives_one() -> None:
    """But for `step` and `where`, which only ask whether a number is above 0."""
    for name, operation in OPERATIONS.items():
        if name not in ("step", "where"):
            count = operation.__code__.co_argcount if hasattr(operation, "__code__") else 1
            assert math.isnan(operation(*(math.nan, 2.0)[:count])), name


@pytest.mark.parametrize(
    ("name", "high", "low"),
    [("sigmoid", 1, 0), ("tanh", 1, -1), ("silu", 1000, 0), ("gelu", 1000, 0)],
)
def test_nothing_overflows_far_out(name: str, high: float, low: float) -> None:
    f = LAYERS[name]
    assert (f(1000), f(-1000)) == (high, low)
    assert (f.derivative(1000), f.derivative(-1000)) == (1 if high == 1000 else 0, 0)


@pytest.mark.parametrize(
    ("body", "at", "slope"),
    [
        (maximum(x, 1), 1, 0),
        (maximum(1, x), 1, 1),
        (minimum(x, 1), 1, 0),
        (minimum(1, x), 1, 1),
        (clipped(x, -1, 2), -1, 0),
        (clipped(x, -1, 2), 2, 0),
        (absolute(x), 0, 0),
        (where(x, x, expm1(x)), 0, 1),
        (where(x, expm1(x), x), -1e4, 1),
        (x**2, 0, 0),
        (x**0, 0, 0),
        (x**2.5, 0, 0),
    ],
)
def test_the_slope_at_a_kink_is_that_of_the_second(
    body: Expression, at: float, slope: float
) -> None:
    assert Function("f", body).derivative(at) == slope


FAR = {
    "expm1": expm1(x),
    "softplus": softplus(x),
    "log1p": log1p(x),
    "power": x**2,
    "root": sqrt(x),
    "inverse": 1 / x,
}


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [
        *(("expm1", 1e4, math.inf), ("expm1", -1e4, -1), ("expm1", 1e-20, 1e-20)),
        *(("softplus", 1e4, 1e4), ("softplus", -1e4, 0), ("softplus", 0, math.log(2))),
        *(("log1p", -1, -math.inf), ("log1p", -2, math.nan), ("log1p", 1e-20, 1e-20)),
        *(("power", 1e300, math.inf), ("root", -1, math.nan)),
        *(("inverse", 0.0, math.inf), ("inverse", -0.0, -math.inf)),
    ],
)
def test_nothing_is_raised_where_numbers_end(name: str, at: float, value: float) -> None:
    assert Function(name, FAR[name])(at) == pytest.approx(value, nan_ok=True)


def test_powers_of_0_and_of_numbers_below() -> None:
    for exponent, at, value in (
        *((3, -2.0, -8), (-1, 0.0, math.inf), (-1, -0.0, -math.inf), (-2, -0.0, math.inf)),
        *((0.5, -1.0, math.nan), (3, -1e200, -math.inf), (2, -1e200, math.inf)),
    ):
        assert Function("power", x**exponent)(at) == pytest.approx(value, nan_ok=True)


def test_ties_are_rounded_to_the_even_number() -> None:
    whole = Function("round", nearest(x))
    assert [whole(at) for at in (-1.5, -0.5, 0.5, 1.5, 2.5, 2.6)] == [-2, 0, 0, 2, 2, 3]
    assert (whole(math.inf), Function("floor", floor(x))(-math.inf)) == (math.inf, -math.inf)


def test_the_logarithm_at_zero_and_below() -> None:
    f = Function("log", log(x))
    assert f(0.0) == -math.inf
    assert math.isnan(f(-1.0))
    assert math.isnan(f(math.nan))


@given(st.floats(-700, 700))
def test_the_sigmoid_is_point_symmetric(at: float) -> None:
    f = LAYERS["sigmoid"]
    assert f(at) + f(-at) == pytest.approx(1, rel=1e-15)


def test_a_derivative_carries_a_prime() -> None:
    assert LAYERS["relu"].derivative.name == "relu′"
    assert LAYERS["relu"].derivative.derivative.name == "relu′′"


def test_the_derivative_after_another_variable_holds_this_one_still() -> None:
    e = x * x * t
    assert evaluate_scalar(derivative(e, "t"), {"x": 3, "t": 5}) == 9
    assert evaluate_scalar(derivative(e, "x"), {"x": 3, "t": 5}) == 30
    assert derivative(e, "u") == Literal(0.0)


@pytest.mark.parametrize(
    ("built", "simple"),
    [
        (x + 0, x),
        (0 + x, x),
        (x - 0, x),
        (1 * x, x),
        (x * 1, x),
        (scalar(2) * 3, Literal(6.0)),
        (-scalar(2), Literal(-2.0)),
    ],
)
def test_what_changes_nothing_is_left_out(built: Expression, simple: Expression) -> None:
    assert built == simple
