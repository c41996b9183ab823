"""`gt.Equation`: what a formula becomes, how far its indices run, and what is said of mistakes."""

from __future__ import annotations

import contextlib
import random
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing import FLOAT64, assert_all_close, assert_close
from formulas import FORMULAS, Written

import gradtrail as gt
from gradtrail.arrays.einsum import contract
from gradtrail.engines.cpu.options import Options
from gradtrail.engines.cpu.planning.planner import plan_program
from gradtrail.engines.reference import forward
from gradtrail.equation import adjoint, context, dumps, loads, parse, text
from gradtrail.graph.description import layer_from
from gradtrail.layers.formula import FUNCTIONS
from gradtrail.layers.initialization import INITIALIZATIONS

CONV = "Z[n,k,y,x] = b[k] + Σ_{c,i,j} W[k,c,i,j]·X[n,c,y·s+i·d−p,x·s+j·d−p]"
SAME = "Z[n,k,y,x] = b[k] + Σ_{c,i,j} W[k,c,i,j]·X[n,c,y+i−1,x+j−1]"

SEVERAL = {name: f for name, f in FORMULAS.items() if len(f.inputs) > 1}


def declared(layer: Any, *shapes: tuple[int, ...]) -> Any:
    return layer.declare(*shapes, training=True)


def equation(layer: Any, *shapes: tuple[int, ...]) -> Any:
    return declared(layer, *shapes).equation


def network(formula: Written, **settings: Any) -> gt.Network:
    """A row of features, the formula's inputs cut out of it, and a linear layer behind."""
    sizes = [prod(shape[1:]) for shape in formula.shapes]
    row, at, nodes = gt.Input((sum(sizes),)), 0, []
    for size, shape in zip(sizes, formula.shapes, strict=True):
        part = gt.Slice(at, at + size)(row) if len(sizes) > 1 else row
        nodes.append(part if len(shape) == 2 else gt.Reshape(shape[1:])(part))
        at += size
    last = formula.layer(*nodes)
    last = last if len(last.shape) == 1 else gt.Flatten()(last)
    return gt.Network(row, gt.Linear(2)(last), seed=3, **settings)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_trains_is_saved_and_loaded(name: str, tmp_path: Path) -> None:
    net = network(FORMULAS[name], dtype=np.float64)
    x = np.random.default_rng(0).normal(size=(6, *net.input_shape))
    assert len(gt.check_gradients(net, x, [0, 1] * 3).elements) >= 4  # or it raises
    before = {n: a.copy() for n, a in net.parameters.items()}
    data = (x, [0, 1] * 3)
    history = gt.train(net, data, epochs=4, optimizer=gt.SGD(0.05), progress=False)
    assert history.step_losses[-1] < history.step_losses[0]
    assert all(not np.array_equal(a, before[n]) for n, a in net.parameters.items())
    net.save(tmp_path / "net.safetensors")
    back = gt.load(tmp_path / "net.safetensors")
    assert back.architecture() == net.architecture()
    assert np.array_equal(back.predict(x), net.predict(x))


@pytest.mark.torch
@pytest.mark.parametrize("name", SEVERAL)
def test_a_formula_of_several_inputs_is_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    formula, draw = FORMULAS[name], np.random.default_rng(1)
    made = declared(formula.layer, *formula.shapes)
    read = (*made.sources, *made.parameters)
    arrays = {a: draw.normal(size=made.equation.shape_of[a]) for a in read}
    held = {a: torch.tensor(v, requires_grad=True) for a, v in arrays.items()}
    expected = formula.peer(torch, held)
    upstream = draw.normal(size=tuple(expected.shape))
    expected.backward(torch.tensor(upstream))
    ours = {"Z": forward(made.equation, arrays)["Z"]}
    ours |= {a: contract(adjoint(made.equation, a), {**arrays, "dZ": upstream}) for a in read}
    theirs = {"Z": expected.detach().numpy(), **{a: v.grad.numpy() for a, v in held.items()}}
    assert_all_close(ours, theirs, FLOAT64)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_is_its_own_text_repr_and_json(name: str) -> None:
    """Printed and read it is the same equation; its repr and its settings are the same layer."""
    formula = FORMULAS[name]
    layer, found = formula.layer, equation(formula.layer, *formula.shapes)
    assert parse(text(found), **context(found)) == found
    assert loads(dumps(found)) == found
    assert eval(repr(layer), {"Equation": gt.Equation}) == layer
    assert layer_from(layer.settings(), "layers[0]") == layer
    numbers = {**layer.written.sizes, **formula.numbers}
    again = gt.Equation(text(found), inputs=formula.inputs, **numbers)
    assert text(equation(again, *formula.shapes)) == text(found)


@pytest.mark.parametrize("settings", [{}, {"stride": 2, "padding": 1}, {"dilation": 2}])
def test_a_convolution_written_out_is_the_layers_equation(settings: dict) -> None:
    stride, padding, dilation = (
        settings.get(k, v) for k, v in (("stride", 1), ("padding", 0), ("dilation", 1))
    )
    shape = (2, 3, 9, 8)
    written = gt.Equation(CONV, k=4, i=3, j=3, s=stride, p=padding, d=dilation)
    assert equation(written, shape) == equation(gt.Conv2d(4, 3, **settings), shape)


@pytest.mark.parametrize(
    "written", [SAME, "Z[n,m,a,e] = Σ_{c,i,j} X[n,c,a+i-1,e+j-1]*W[m,c,i,j] + b[m]"]
)
def test_a_convolution_written_out_has_the_layers_code_and_start(written: str) -> None:
    """In whatever order and with whatever letters: Winograd's algorithm goes by the sum's form."""
    numbers = {"k": 16} if written == SAME else {"m": 16}
    setup = gt.CPU(target="avx2").setup

    def program(layer: Any) -> tuple[list[str], Any]:
        net = gt.Network((16, 16, 16), [layer, gt.ReLU(), gt.Flatten(), gt.Linear(2)], seed=0)
        planned = plan_program(net, gt.CrossEntropy(), Options(training=True, backward=True), setup)
        return [type(c.kernel).__name__ + c.does.split(".")[0] for c in planned.calls], net

    theirs, conv = program(gt.Conv2d(16, 3, padding=1, name="one"))
    ours, own = program(gt.Equation(written, i=3, j=3, name="one", **numbers))
    assert ours == theirs
    assert any("Convolution" in call for call in ours)
    for mine, known in (("one.W", "one.weight"), ("one.b", "one.bias")):
        assert np.array_equal(own.parameters[mine], conv.parameters[known])


# -- ranges and padding -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("position", "numbers", "size", "margin"),
    [
        ("y+i", {"i": 3}, 8, (0, 0)),
        ("y+i−1", {"i": 3}, 10, (1, 1)),
        ("y+i−2", {"i": 5}, 10, (2, 2)),
        ("y+i−1", {"i": 2}, 11, (1, 1)),
        ("2·y+i−1", {"i": 3}, 5, (1, 1)),
        ("y·s+i·d−p", {"i": 3, "s": 3, "d": 2, "p": 2}, 4, (2, 2)),
        ("y−i+1", {"i": 3}, 10, (1, 1)),
        ("y+i+2", {"i": 3}, 6, (0, 0)),
        ("y+i−1", {"i": 3, "y": 12}, 12, (1, 3)),
        ("y+i−1", {"i": 3, "y": 4}, 4, (1, 0)),
        ("|h|−y−1+i·0", {"i": 1, "y": 10}, 10, (0, 0)),
    ],
)
def test_a_position_says_how_far_its_index_runs(
    position: str, numbers: dict[str, int], size: int, margin: tuple[int, int]
) -> None:
    position = position.replace("|h|", "10")
    layer = gt.Equation(f"Z[n,y] = Σ_{{i}} w[i]·X[n,{position}]", **numbers)
    found = equation(layer, (2, 10))
    assert found.shape_of["Z"] == (2, size)
    assert found.terms[0].factors[1].margin(1) == margin


@pytest.mark.parametrize(
    ("line", "shape"),
    [
        ("Z[n,y] = X[n,y+1] − X[n,y−1]", (2, 10)),
        ("Z[n,y] = X[n,y+1] + X[n,y+2]", (2, 8)),
        ("Z[n,y] = X[n,y] + 2·X[n,y−1]", (2, 10)),
        ("Z[n,y] = X[n,y] − X[n,y+1]", (2, 10)),
        ("Z[n,2·y+i] = X[n,y]", (2, 20)),
        ("Z[n,2·y+i−1] += w[i]·X[n,y]", (2, 18)),
        ("Z[n,2·y] = X[n,y]\nZ[n,2·y+1] = X[n,y]", (2, 20)),
        ("Z[n,y] = X[n,y]\nZ[n,y+1] += X[n,y]", (2, 10)),
        ("Z[n,i] = X[n,9−y]·w[i,y]", None),
    ],
)
def test_several_positions_on_an_axis_are_one_window(line: str, shape: tuple | None) -> None:
    numbers = {"i": 2} if "i" in line else {}
    if shape is None:
        with pytest.raises(gt.ArgumentError, match="no Σ runs over; write Σ_{y}"):
            gt.Equation(line, **numbers)
        return
    assert equation(gt.Equation(line, **numbers), (2, 10)).shape_of["Z"] == shape


def test_a_size_in_bars_is_how_far_an_index_runs() -> None:
    flat = equation(gt.Equation("Z[n,c·|h|·|w|+h·|w|+w] = X[n,c,h,w]"), (2, 3, 5, 7))
    assert flat.shape_of["Z"] == (2, 105)
    assert [c.value for _, c in flat.target.positions[1].terms] == [35, 7, 1]


@pytest.mark.parametrize(
    ("source", "numbers", "shapes", "message"),
    [
        (
            SAME,
            {"k": 2, "i": 3, "j": 3},
            [(2, 3, 4)],
            "X has 4 positions .* sample of 3 × 4. Write",
        ),
        (
            "Z[n,y] = A[n,y]·X[n,2·y]",
            {},
            [(2, 4), (2, 4)],
            "y would run over 4 as axis 1 of A but 2 as fit into",
        ),
        (
            "Z[n,y] = Σ_{i} X[n,y+i]",
            {"i": 5},
            [(2, 4)],
            "a window of 5 does not fit into the 4 pos",
        ),
        (
            "Z[n,c] = X[n,c]",
            {"c": 7},
            [(2, 4)],
            "index c runs over 7 values, but axis 1 of X has 4",
        ),
        ("Z[n,y+i] = X[n,y]", {"i": 2}, [(2, 4)], r"several values of y, i lead to .*Write \+= to"),
        (
            "Z[n,y] = X[n,y]\nZ[n,y] = X[n,y]",
            {},
            [(2, 4)],
            r"two lines lead to the same .*Write \+=",
        ),
        ("Z[n,y−9] = X[n,y]", {}, [(2, 4)], "axis 1 of Z would have no element"),
        (
            "Z[n,y] = w[y−2]·X[n,y]",
            {},
            [(2, 4)],
            "axis 0 of w is read from -2 on, but a .* Add 2 to",
        ),
        ("Z[n,k] = Σ_{c,d} w[k,c,d]·X[n,c]", {"k": 9999, "d": 99999}, [(2, 4)], "w would have 3,9"),
        (
            "Z[n,y] = Σ_{i<2} exp(X[n,y+i−1])",
            {},
            [(2, 4)],
            r"exp is read beyond axis 1 of X, .*not 0",
        ),
        (
            "Z[n,k] = Σ_{c} w[k,c]·w[c,k]·X[n,c]",
            {"k": 3},
            [(2, 4)],
            "axis 0 of w has 3 .*4 as c does",
        ),
        ("Z[n,y] = A[n,y]·X[n,y]", {}, [(2, 4)], "has 2 inputs, A and X, but gets 1. Call the"),
    ],
)
def test_inputs_that_do_not_fit(source: str, numbers: dict, shapes: list, message: str) -> None:
    inputs = ("A", "X") if "A" in source else "X"
    with pytest.raises(gt.ShapeError, match=message):
        declared(gt.Equation(source, inputs=inputs, **numbers), *shapes)


# -- how parameters start -----------------------------------------------------------------------


def test_parameters_start_as_their_place_in_the_formula_says() -> None:
    source = "Z[n,k] = b[k] + g[k]·X[n,k] + Σ_{c,r} U[k,r]·V[r,c]·X[n,c] + Σ_{c} W[k,c]·X[n,c]"
    made = declared(gt.Equation(source, r=2, parameters={"W": "glorot_normal"}), (2, 8)).parameters
    assert {a: (p.name, p.initialization, p.fan_in) for a, p in made.items()} == {
        "g": ("g", "ones", 1),
        "U": ("U", "he_normal", 6),  # two factors share what 16 products want: 2·√(16/2)
        "V": ("V", "he_normal", 6),
        "W": ("W", "glorot_normal", 8),
        "b": ("b", "zeros", 1),
    }
    assert made["W"].fan_out == 8
    assert "glorot_normal" in INITIALIZATIONS


# -- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("Z[n,k] = Σ_{c} W[k,c]·X[n,c]", r"how far k runs; give its range, k=… at column 5\n"),
        ("Z[n,y] = Σ_{i} X[n,y+i]", r"how far i runs; .* at column 22\n    Z.*\n {25}\^$"),
        ("Z[n,c,q] = X[n,c]", "nothing says how far q runs; give its range, q=… at column 7"),
        ("Z[n,c] = X[n,c,d]", "a factor shows d, which Z does not show and no Σ .* at column 10"),
        ("Z[n,c] = Σ_{c} X[n,c]", "Σ runs over c, which Z shows at column 10"),
        ("Z[n,c] = Σ_{d} X[n,c]·W", "Σ runs over d, which no factor behind it shows at column 10"),
        ("Z[n] = Σ_{c} X[n,c]", r"expected Z\[n,…\] with the sample first, .* at column 1"),
        ("Z[n,c] = X[c,n]", r"X goes by samples: expected X\[n,…\] .* at column 10"),
        ("Z[n,c] = X[n,c]·W[n,c]", "n counts the samples, and stands first .* at column 19"),
        ("Z[n,c] = Σ_{n} X[n,c]", "nothing runs over n at column 10"),
        ("Z[n,c] = X[n,c]·X[n,c·c]", "c and c are both indices; a position adds .* at column 23"),
        ("Z[n,c] = X[n,c+o]", "expected an index or a number; if o is one, write o=… at column 16"),
        ("Z[n,c] = X[n,c·0.5]", "positions are whole numbers, and this is 1/2 at column 16"),
        ("Z[n,c] = X[n,c/2+1]", "a sum is divided as a whole: put it in brackets at column 18"),
        ("Z[n,c] = Z[n,c]·X[n,c]", "Z stands on both sides; a layer reads .* at column 10"),
        ("Z[n,c] = X[n,c]\nY[n,c] = X[n,c]", r"one array, Z, and not Y.* at line 2, column 1\n"),
        ("Z[n,c] = W[c]·X[n,c] + W", "W has 0 positions here, and 1 before at column 24"),
        ("X[n,c] = W[c]", "X is an input, and cannot be what is defined at column 1"),
        ("Z[n,c] = Y[n,c]", 'input X does not occur .* reads Y; name its inputs, as in inputs="X"'),
        ("Z[n,c] = softmax(X[n,c])", "softmax is not among the functions given, relu, .* 10"),
        ("Z[n,c] = exp(2·X[n,c])", r"exp is a function of one element, such as exp\(X.* column 14"),
        ("Z[n,c] = X[n,c]/Σ_{d} X[n,d]", "a quotient by a sum is no sum of products: .* column 17"),
        ("Z[n,c] = [X[n,c] = 1]", "expected a product: what holds or not is no number .* 10"),
        ("Z[n,c] = max_{i<2} X[n,c+i] + 1", "one element behind a maximum, and nothing more .* 31"),
        ("Z[n,c] = 2·max_{d} X[n,c,d]", "a maximum stands alone, of one element: .* column 12"),
        ("Z[n,c] = max_{c} X[n,c]", "a maximum runs over what Z leaves open, nothing at column 10"),
        ("Z[n,c] = (Σ_{d} X[n,c,d])·W[d]", "an index is summed over twice, or also stands outside"),
        ("Z[n,c] = (X[n,c]", r"expected \) to close the \( of column 10 at column 17"),
        ("Z[n,c] = " + "X[n,c] + " * 80 + "X[n,c]", "more than 64 products at column 10"),
        ("Z[n,c,a,b,c,d,e] = X[n,c]", "Z has 7 positions; at most 6 are taken at column 1"),
        ("Z[n,c] = c·X[n,c]", "c is an index, and neither an array nor a number; .* at column 10"),
        ("Z[n,c] = c[c]·X[n,c]", "c is an index, and neither an array nor a number; .* column 10"),
        ("", r"the text is empty; expected a formula such as Z\[n,c\] = g\[c\]·X\[n,c\]"),
        ("Z[n,c] = X[n,c]" + " " * 2000, "a formula has at most 2000 characters, not 2015"),
        ("Z[n,c] = X[n,c]\n" * 17, "a formula has at most 16 lines, not 17"),
        ("Z[n,c] = X[n,c]·" + "9" * 13, "999999999999… is too long a number at column 17"),
    ],
)  # fmt: skip
def test_a_mistake_is_shown_at_its_column(source: str, message: str) -> None:
    with pytest.raises(gt.ArgumentError, match=message):
        gt.Equation(source)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"q": 3}, "q does not occur in the formula; its indices are c"),
        ({"n": 3}, "n counts the samples of a batch, and cannot be given"),
        ({"c": 2.5}, r"c is an index, and c=… how many values it takes, a whole .* got 2.5"),
        ({"c": "2"}, "c is given to the formula, and must be a number up to .* got '2'"),
        ({"c": 1 << 40}, "c is given to the formula, and must be a number up to 268,435,456"),
        ({"g": 2, "parameters": {"g": "ones"}}, "g is given a number, but is an array here"),
        ({"parameters": {"W": "ones"}}, "parameters names W, but the formula's parameters are g"),
        ({"parameters": {"g": "one"}}, "initialization must be one of he_normal, .* got 'one'"),
    ],
)
def test_arguments_that_a_formula_cannot_take(arguments: dict, message: str) -> None:
    with pytest.raises(gt.ArgumentError, match=message):
        gt.Equation("Z[n,c] = g[c]·X[n,c]", **arguments)


def test_a_range_that_text_and_keyword_contradict() -> None:
    with pytest.raises(gt.ArgumentError, match="index i runs over 3 in the text, but i=4"):
        gt.Equation("Z[n,y] = Σ_{i<3} X[n,y+i]", i=4)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_damaged_formula_is_taken_or_refused_in_no_time(name: str) -> None:
    """As a file may hold it: gradtrail's own errors, and nothing that takes long."""
    formula, draw = FORMULAS[name], random.Random(name)
    for _ in range(30):
        letters = list(formula.text)
        for _ in range(draw.randint(1, 3)):
            letters[draw.randrange(len(letters))] = draw.choice("[](){}+−·/=,019XnyiΣ_ \n|²^<")
        data = {"type": "Equation", "text": "".join(letters), "inputs": list(formula.inputs)}
        data["numbers"] = {
            n: draw.choice((v, v, 1 << 28, -1, 0)) for n, v in formula.numbers.items()
        }
        with contextlib.suppress(gt.ArgumentError, gt.ShapeError, gt.EquationError):
            declared(layer_from(data, "layers[0]"), *formula.shapes)


def test_every_function_of_the_table_may_stand_in_a_formula() -> None:
    x = np.array([[0.5, 2.0]])
    for name, function in FUNCTIONS.items():
        found = equation(gt.Equation(f"Z[n,c] = {name}(X[n,c])"), x.shape)
        expected = np.array([[function(0.5), function(2.0)]])
        assert_close(forward(found, {"X": x})["Z"], expected, FLOAT64, name)
    assert {"relu", "exp", "abs", "erf", "hardswish", "reciprocal"} <= FUNCTIONS.keys()


@pytest.mark.parametrize(
    ("formula", "ranges", "shape", "einsum"),
    [
        ("Z[n,k] = Σ_{c} W[k,c]·X[n,c+1]", {"k": 3, "c": 3}, (4,), None),
        ("Z[n,k] = Σ_{c} W[k,c]·X[n,2·c]", {"k": 3, "c": 3}, (6,), None),
        ("Z[n,k] = Σ_{c} W[k,c]·X[n,2−c]", {"k": 3, "c": 3}, (3,), None),
        ("Z[n,k] = Σ_{c<2} W[k,c]·X[n,c] + Σ_{d} V[k,d]·X[n,d]", {"k": 3}, (20,), None),
        ("Z[n,c] = W[c,c]·X[n,c]", {}, (3,), "cc,nc->nc"),
        ("Z[n,k] = Σ_{c} W[k,c,c]·X[n,c,c]", {"k": 2}, (3, 3), "kcc,ncc->nk"),
    ],
)
@pytest.mark.parametrize("samples", [1, 5])
def test_elements_that_do_not_stand_at_their_own_index(
    formula: str, ranges: dict[str, int], shape: tuple[int, ...], einsum: str | None, samples: int
) -> None:
    layers = [gt.Equation(formula, **ranges)]
    exact, fast = gt.Network(shape, layers, dtype=np.float64), gt.Network(shape, layers)
    draw = np.random.default_rng(0)
    for name, array in exact.parameters.items():
        fast.parameters[name] = exact.parameters[name] = draw.normal(size=array.shape)
    x = draw.normal(size=(samples, *shape))
    y = draw.normal(size=exact.predict(x, engine="reference").shape)
    loss = gt.MeanSquaredError()
    assert gt.check_gradients(exact, x, y, loss=loss).elements
    expected = gt.trace(exact, x, y, loss=loss, engine="reference")
    found = gt.trace(fast, x, y, loss=loss, engine="cpu")
    if einsum:
        by_hand = np.einsum(einsum, exact.parameters["equation1.W"], x)
        assert_all_close({"Z": expected.value["equation1.output"]}, {"Z": by_hand}, FLOAT64)
    for name, gradient in expected.grad.items():
        np.testing.assert_allclose(found.grad[name], gradient, rtol=1e-4, atol=1e-5, err_msg=name)
