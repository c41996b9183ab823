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
    derivative,
    erf,
    evaluate_scalar,
    exp,
    log,
    maximum,
    scalar,
    sigmoid,
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
    }.items()
}

KINKS = (-0.6180339887498949, 0.0, 1.0, 1.618033988749895)
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
    both = maximum(x, t)
    for one, other in ((math.nan, 1.0), (1.0, math.nan)):
        assert math.isnan(evaluate_scalar(both, {"x": one, "t": other}))


@pytest.mark.parametrize(
    ("name", "high", "low"),
    [("sigmoid", 1, 0), ("tanh", 1, -1), ("silu", 1000, 0), ("gelu", 1000, 0)],
)
def test_nothing_overflows_far_out(name: str, high: float, low: float) -> None:
    f = LAYERS[name]
    assert (f(1000), f(-1000)) == (high, low)
    assert (f.derivative(1000), f.derivative(-1000)) == (1 if high == 1000 else 0, 0)


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
