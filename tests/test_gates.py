"""Gates, and formulas of several inputs: products of arrays that stand still along some axes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from comparing import FLOAT32, FLOAT64, assert_all_close
from tails import beginning
from test_mutants import Mutant

import gradtrail as gt
from gradtrail.engines.batch import Arrays
from gradtrail.equation import Adjoint
from gradtrail.equation.scalar_text import scalar_from_text, scalar_to_text
from gradtrail.layers.functional import GraphNode
from gradtrail.layers.joins import Multiply


def squeezed(x: GraphNode) -> GraphNode:
    """A number for each channel, (C,), as squeeze and excitation has it."""
    return gt.Sigmoid()(gt.Linear(4)(gt.GlobalAvgPool2d()(x)))


def nets() -> dict[str, gt.Network]:
    """Gates of every form behind a convolution, and formulas."""

    def made(join: Callable[[GraphNode], GraphNode]) -> gt.Network:
        x = gt.Input((2, 5, 4))
        y = gt.Conv2d(4, 3, padding=1)(x)
        return gt.Network(x, gt.Linear(3)(gt.Flatten()(join(y))), seed=3)

    pooled = gt.AvgPool2d((5, 4))
    place = gt.Conv2d(1, 1)
    return {
        "channels": made(lambda y: y * squeezed(y)),
        "channels first": made(lambda y: gt.multiply(squeezed(y), y)),
        "maps of one": made(lambda y: y * gt.Hardsigmoid()(pooled(y))),
        "places": made(lambda y: gt.Sigmoid()(place(y)) * y),
        "itself": made(lambda y: y * y),
        "three": made(lambda y: gt.multiply(y, squeezed(y), place(y))),
        "outer": made(lambda y: pooled(y) * place(y)),
        "sum": made(lambda y: gt.add(y, squeezed(y), pooled(y))),
        "formula": made(
            lambda y: gt.Pointwise("a*sigmoid(g) + (1 - sigmoid(g))*tanh(b) - g/2")(
                y, pooled(y), place(y)
            )
        ),
        "quotient": made(lambda y: gt.Pointwise("(a - m)/exp(m) + 1")(y, pooled(y))),
    }


NETS = nets()
SPREAD = [*[*NETS][::3], *(name for at, name in enumerate(NETS) if at % 3)]
"""Every third one is no tail: broadcasting over places and channels, of products and formulas."""


def batch(size: int = 3) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.Generator(np.random.PCG64(5))
    return draw.standard_normal((size, 2, 5, 4)), draw.standard_normal((size, 3))


@pytest.mark.parametrize("name", beginning(4, SPREAD))
def test_gradients_are_central_differences_and_those_of_machine_code(name: str) -> None:
    net, (x, y) = NETS[name], batch()
    gt.check_gradients(net, x, y, loss=gt.MeanSquaredError(), engine="reference")
    right = gt.trace(net, x, y, loss=gt.MeanSquaredError(), engine="reference")
    fast = gt.trace(net, x, y, loss=gt.MeanSquaredError(), engine=gt.CPU(target="avx2"))
    assert_all_close(dict(fast.grad), dict(right.grad), 20 * FLOAT32)
    assert_all_close(dict(fast.value), dict(right.value), 20 * FLOAT32)


@pytest.mark.parametrize("name", beginning(1, ["channels", "places", "formula"]))
def test_a_training_step_fuses_and_comes_to_the_same(name: str) -> None:
    net, (x, y) = nets()[name], batch(19)
    right = gt.trace(net, x, y, loss=gt.MeanSquaredError(), engine="reference").grad
    before = {n: a.astype(np.float64) for n, a in net.parameters.items()}
    gt.train(
        net,
        (x, y),
        loss=gt.MeanSquaredError(),
        optimizer=gt.SGD(1.0),
        batch_size=19,
        epochs=1,
        progress=False,
    )
    moved = {n: before[n] - a for n, a in net.parameters.items()}
    assert_all_close(moved, {n: right[n] for n in moved}, 40 * FLOAT32)


@pytest.mark.parametrize("form", ["(N, C)", "(N, C, 1, 1)", "(N, 1, H, W)"])
def test_each_gradient_reaches_its_own_source(form: str) -> None:
    """Of a bare product with a random gradient behind it, by NumPy."""
    shapes = {"(N, C)": (2, 3), "(N, C, 1, 1)": (2, 3, 1, 1), "(N, 1, H, W)": (2, 1, 4, 5)}
    from gradtrail.arrays.einsum import contract
    from gradtrail.equation import adjoint

    shape = shapes[form]
    equation = Multiply().declare((2, 3, 4, 5), shape, training=True).equation
    draw = np.random.Generator(np.random.PCG64(7))
    a, b, dz = (draw.standard_normal(s) for s in ((2, 3, 4, 5), shape, (2, 3, 4, 5)))
    wide = b.reshape((*shape, *[1] * (4 - len(shape))))
    got = {o: contract(adjoint(equation, o), {"A": a, "B": b, "dZ": dz}) for o in "AB"}
    still = tuple(axis for axis, size in enumerate(wide.shape) if size == 1)
    expected = {"A": dz * wide, "B": (dz * a).sum(axis=still).reshape(shape)}
    assert_all_close(got, expected, FLOAT64)


def exchanged(sent: Adjoint, values: Arrays, gradients: Arrays, right: Callable) -> np.ndarray:
    """What goes to one factor of a product goes to the other."""
    if sent.node.kind == "Multiply":
        one, other = sent.node.inputs
        values = {**values, one: values[other], other: values[one]}
    return right(sent, values, gradients)


def one_place(sent: Adjoint, values: Arrays, gradients: Arrays, right: Callable) -> np.ndarray:
    """A gate hears of its first place alone."""
    if sent.node.kind == "Multiply" and sent.operand == "B":
        name = sent.node.output
        first = np.zeros_like(gradients[name])
        first[:, :, :1, :1] = gradients[name][:, :, :1, :1]
        gradients = {**gradients, name: first}
    return right(sent, values, gradients)


@pytest.mark.parametrize("mistake", [exchanged, one_place], ids=lambda mistake: mistake.__name__)
def test_a_wrong_gradient_of_a_product_is_caught(mistake: Callable) -> None:
    x = gt.Input((2, 5, 4))
    y = gt.Conv2d(4, 3, padding=1)(x)
    product = y * gt.Sigmoid()(gt.Conv2d(4, 1)(y))
    net = gt.Network(x, gt.Linear(3)(gt.Flatten()(product)), seed=3, dtype=np.float64)
    inputs, targets = batch()
    loss = gt.MeanSquaredError()
    gt.check_gradients(net, inputs, targets, loss=loss, engine="reference")
    with pytest.raises(gt.GradientError, match="conv1|conv2|sigmoid1|mul1"):
        gt.check_gradients(net, inputs, targets, loss=loss, engine=Mutant(mistake))


def test_terms_of_a_gates_gradient_are_its_places() -> None:
    x, y = batch()
    t = gt.trace(NETS["maps of one"], x, y, loss=gt.MeanSquaredError(), engine="reference")
    terms = t.grad.terms("hardsigmoid1.output", (1, 2, 0, 0))
    assert len(terms) == 20
    assert terms.sum() == pytest.approx(t.grad["hardsigmoid1.output"][1, 2, 0, 0], rel=1e-5)
    assert {row.indices["c"] for row in terms} == {2}


def test_what_does_not_fit_is_told() -> None:
    x = gt.Input((4, 6, 6))
    with pytest.raises(gt.ShapeError, match=r"input 1 is 4 × 6 × 6 but input 2 is 3 × 6 × 6"):
        x * gt.Conv2d(3, 1)(x)
    with pytest.raises(gt.ArgumentError, match=r"takes 2 nodes, got 1"):
        gt.Pointwise("a*b")(x)


TEXTS = {
    "a cut name": ("x*sigmod(x)", r"column 3: no function 'sigmod'; there are abs"),
    "an end": ("x +", r"column \d: a number, a name or a bracket was expected"),
    "an index": ("1 + x[0]", r"column 5: only \+, -, "),
    "too few": ("clip(x)", r"column 1: clip takes 3 numbers, got 1"),
    "no call": ("2*relu", r"column 3: relu is a function; write relu\(…\)"),
    "behind a letter of two bytes": ("ä*(ö if ö else 1)", r"column 9: one comparison by >"),
    "no input": ("3*pi", r"names no input; write x for it"),
    "mixed": ("max(a, b)", r"max is taken of a, b together"),
    "long": ("x" * 1001, r"may have 1000 characters, and this one has 1001"),
    "deep": ("(" * 400 + "x" + ")" * 400, r"nested too deep|was expected"),
    "a keyword argument": ("clip(x, low=1, high=2)", r"column 1: only \+"),
    "an attribute": ("x.real", r"column 1: only \+"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_mistake_in_a_formula_is_shown_at_its_column(name: str) -> None:
    text, message = TEXTS[name]
    with pytest.raises(gt.ArgumentError, match=message):
        gt.Pointwise(text)


@pytest.mark.parametrize(
    ("text", "x", "value"),
    [
        ("2*x**2 - x/4 - -1", 2.0, 8.5),
        ("x if x >= 1 else -x", 1.0, 1.0),
        ("1 if x < 0 else 2 if x <= 1 else 3", 1.0, 2.0),
        ("clip(x, -1, 1) + max(x, 0, 3) + ceil(x)", 2.5, 7.0),
        ("2·x − e + pi*0", 1.0, 2 - np.e),
        ("(x - (2 - x))/(3/(4/x))**(2**0.5)/2", 1.5, None),
    ],
)
def test_formulas_mean_what_python_means_and_are_written_back(
    text: str, x: float, value: float | None
) -> None:
    function = gt.Pointwise(text).function
    assert function is not None
    if value is not None:
        assert function(x) == pytest.approx(value, rel=1e-15)
    read = scalar_from_text(text)
    assert scalar_from_text(scalar_to_text(read)) == read


def test_formulas_and_gates_are_saved(tmp_path) -> None:
    NETS["formula"].save(tmp_path / "net.safetensors")
    back = gt.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(back.predict(batch()[0]), NETS["formula"].predict(batch()[0]))


def test_powers_are_spelt_as_printed_or_as_in_python() -> None:
    assert scalar_from_text("x² − 2·y³") == scalar_from_text("x**2 - 2*y**3")
    net = gt.Network((2,), [gt.Pointwise("x²")])
    assert net.predict([[3.0, -4.0]]).tolist() == [[9.0, 16.0]]
