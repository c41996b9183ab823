"""t.grad.terms and t.value.terms: every product behind every number, none missing, none doubled."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from cases import CASES, Case, arrays
from tails import beginning, firsts
from traces import dense, lenet

import gradtrail as gt
from gradtrail.arrays.einsum import contract
from gradtrail.equation import Access, Contraction, Sparse, Term
from gradtrail.layers.functional import Block
from gradtrail.layers.layer import Layer
from gradtrail.tracing import index_points
from gradtrail.tracing.terms import Product, Terms

ELEMENTS = 2000
"""How many random elements are looked at in all, over the cases and the named networks."""

NAMED = {"lenet5": 3, "mnist-cnn": 2, "resnet20": 3, "vgg-small": 2}
"""The named networks with the batch they are traced with."""


def traced(case: Case, dtype: type) -> gt.Trace:
    """A step of a case, with the squared error of random targets at its end."""
    held = arrays(case)
    network = gt.Network(case.shape[1:], [case.layer], dtype=dtype)
    for name, array in {**held.network.parameters, **held.network.buffers}.items():
        side = network.parameters if name in network.parameters else network.buffers
        side[name] = array
    shape = network.system(case.shape[0]).shapes[network.output_name]
    y = case.generator().standard_normal(shape)
    return gt.trace(network, held.x, y, loss=gt.MeanSquaredError(), training=case.training)


@cache
def named(name: str, engine: str) -> gt.Trace:
    network = gt.architecture(name).network(None, seed=1)
    draw = np.random.Generator(np.random.PCG64(5))
    x = draw.standard_normal((NAMED[name], *network.input_shape)).astype(np.float32)
    return gt.trace(network, x, draw.integers(0, 10, NAMED[name]), engine=engine)


def elements(t: gt.Trace, count: int, seed: int) -> Iterator[Terms]:
    """Random elements, spread over all arrays of a step."""
    draw = np.random.Generator(np.random.PCG64(seed))
    names = [(side, name) for side in (t.value, t.grad) for name in side]
    order = draw.permutation(len(names))
    for place in range(count):
        side, name = names[order[place % len(names)]]
        index = tuple(int(draw.integers(0, size)) for size in side[name].shape)
        yield side.terms(name, index)


def check(terms: Terms, tolerance: float, t: gt.Trace) -> None:
    """The sum is the stored number, rows are what they say, and their number is brute force's."""
    assert abs(terms.difference) <= tolerance * terms.magnitude, terms
    assert len(terms) == sum(map(counted, terms.parts)), terms.element
    draw = np.random.Generator(np.random.PCG64(len(terms)))
    rows = range(len(terms)) if len(terms) <= 60 else draw.integers(0, len(terms), 30)
    seen = [terms[int(i)] for i in rows]
    for row in seen:
        check_row(row, t)
    if len(terms) <= 60:
        total = sum(row.product for row in seen)
        assert total == pytest.approx(terms.sum(), rel=1e-12, abs=1e-13 * terms.magnitude)
        of_part = [at for at, part in enumerate(terms.parts) for _ in range(counted(part))]
        points = {  # an array that a layer reads twice is in two parts, with products alike
            (at, row.layer, row.term, *row.indices.items())
            for at, row in zip(of_part, seen, strict=True)
        }
        assert len(points) == len(seen)


def check_row(row: Product, t: gt.Trace) -> None:
    product = row.scale
    for factor in row.factors:
        side = t.value if factor.side == "value" else t.grad
        assert factor.stored == side[factor.name][factor.index]
        if not factor.function:
            assert factor.value == factor.stored
        elif factor.function == "[·]":
            assert factor.value in (0, 1)
        elif factor.function == "log":
            assert factor.value == pytest.approx(np.log(factor.stored), rel=1e-5, abs=1e-6)
        product *= factor.value
    assert row.product == product or (np.isnan(row.product) and np.isnan(product))


def counted(part) -> int:
    """How many products lead to the element: the same sum over arrays of ones.

    Each access is an array of its own, also where two have one letter. Constants that the equation
    knows are 1 where they are not 0: a product with their 0 does not exist.
    """
    shape_of = part.sum.equation.shape_of
    accesses, arrays = [], {}
    for number, factor in enumerate(part.term.factors):
        access = factor.access
        letter, shape = f"{access.array}{number}", shape_of[access.array]
        accesses.append(Access(letter, access.positions, access.padding))
        arrays[letter] = np.ones(shape)
        if isinstance(factor, Sparse):
            arrays[letter] = (np.array(factor.dense(shape[1])) != 0).astype(float)
    plain = Term(part.term.target, tuple(accesses))
    target = plain.target.array
    shapes = {letter: array.shape for letter, array in arrays.items()}
    equation = Contraction(
        (plain,),
        ranges=part.sum.equation.ranges,
        shapes=tuple({**shapes, target: shape_of[target]}.items()),
    )
    return int(contract(equation, arrays)[part.element])


@pytest.mark.parametrize(
    "case", firsts(CASES, lambda c: (type(c.layer), c.training)), ids=lambda case: case.id
)
def test_terms_of_every_case_in_float64(case: Case) -> None:
    t = traced(case, np.float64)
    for terms in elements(t, ELEMENTS // (2 * len(CASES)) + 1, seed=1):
        check(terms, 1e-12, t)


def family(case: Case) -> type:
    """What a layer shares its equations with, other ranks and functions: its base class."""
    own, base = type(case.layer).__mro__[:2]
    return own if base in (Layer, Block) else base


@pytest.mark.parametrize("case", firsts(CASES, family), ids=lambda case: case.id)
def test_terms_of_every_case_in_float32(case: Case) -> None:
    t = traced(case, np.float32)
    for terms in elements(t, ELEMENTS // (2 * len(CASES)) + 1, seed=2):
        check(terms, 1e-5, t)


@pytest.mark.parametrize("name", beginning(1, NAMED))
def test_terms_of_the_named_networks(name: str) -> None:
    t = named(name, "reference")
    for terms in elements(t, 120, seed=3):
        check(terms, 1e-12, t)


@pytest.mark.parametrize("name", beginning(1, NAMED))
def test_terms_of_the_named_networks_on_the_default_engine(name: str) -> None:
    t = named(name, "cpu")
    for terms in elements(t, 120, seed=3):
        check(terms, 1e-5, t)


# -- what can be asked of them -----------------------------------------------------------------


def test_the_strongest_products_first() -> None:
    t = lenet()
    terms = t.grad.terms("conv1.weight", (2, 0, 1, 4))
    products = dense(t)
    rows = terms.top(7)
    order = np.argsort(-np.abs(products), axis=None)[:7]
    assert [row.product for row in rows] == pytest.approx(list(products.ravel()[order]))
    for row, place in zip(rows, order, strict=True):
        n, y, x = (int(i) for i in np.unravel_index(place, products.shape))
        assert [row.indices[name] for name in "nyx"] == [n, y, x]
        delta, source = row.factors
        assert (delta.name, delta.index) == ("conv1.output", (n, 2, y, x))
        assert (source.name, source.index) == ("input", (n, 0, y - 1, x + 2))
    assert terms.top(1)[0] == rows[0]
    assert len(terms.top(10**6)) == len(terms)


def test_blocks_do_not_change_what_is_found(monkeypatch) -> None:
    terms = lenet().grad.terms("conv1.weight", (2, 0, 1, 4))
    whole = (terms.sum(), terms.magnitude, terms.nonzero, terms.top(5)[:], terms.by("y", "x").sums)
    for most in (1, 7, 100, 5000):
        monkeypatch.setattr(index_points, "BLOCK", most)
        again = lenet().grad.terms("conv1.weight", (2, 0, 1, 4))
        if most < 100:  # rows by the thousand: a small one instead
            again = lenet().grad.terms("fc1.weight", (3, 5))
            expected = lenet().value["flatten1.output"][:, 5] * lenet().grad["fc1.output"][:, 3]
            assert again.sum() == pytest.approx(float(expected.sum(dtype=np.float64)), rel=1e-5)
            continue
        assert again.sum() == pytest.approx(whole[0], rel=1e-12)
        assert again.magnitude == pytest.approx(whole[1], rel=1e-12)
        assert again.nonzero == whole[2]
        assert list(again.top(5)) == list(whole[3])
        np.testing.assert_allclose(again.by("y", "x").sums, whole[4], rtol=1e-10, atol=1e-18)


def test_reading_rows() -> None:
    terms = lenet().grad.terms("fc1.weight", (3, -1))
    assert terms.index == (3, 399)
    assert len(list(terms)) == 40
    assert terms[-1].indices["n"] == 39
    assert len(terms[2:5]) == 3
    with pytest.raises(IndexError, match="sum of 40 products, no row 40"):
        terms[40]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: t.grad.terms("conv1.wieght", (0,)), gt.UnknownNameError, "did you mean: conv1"),
        (
            lambda t: t.grad.terms("loss.target", (0, 0)),
            gt.UnknownNameError,
            "no gradient is called",
        ),
        (
            lambda t: t.grad.terms("conv1.weight", (0, 1)),
            gt.ArgumentError,
            r"shape \(6, 1, 5, 5\): .* 4 whole",
        ),
        (
            lambda t: t.grad.terms("conv1.weight", (6, 0, 0, 0)),
            gt.ArgumentError,
            "position 6 on axis 0 lies outside 0 … 5",
        ),
        (
            lambda t: t.grad.terms("conv1.weight", (0.5, 0, 0, 0)),
            gt.ArgumentError,
            r"4 whole numbers, as in dconv1\.weight\[0,0,2,2\]; got \(0\.5, 0, 0, 0\)$",
        ),
        (
            lambda t: t.grad.terms("conv1.weight", (True, 0, 0, 0)),
            gt.ArgumentError,
            r"got \(True, 0, 0, 0\)$",
        ),
        (
            lambda t: t.grad.terms("conv1.bias", (0,)).by("c"),
            gt.ArgumentError,
            "no sum over 'c'; its indices are k, n, y, x, layer",
        ),
        (lambda t: t.grad.terms("conv1.bias", (0,)).by(), gt.ArgumentError, "name at least one of"),
        (
            lambda t: t.grad.terms("conv1.bias", (0,)).top(0),
            gt.ArgumentError,
            "k must be a whole number ≥ 1, got 0",
        ),
        (
            lambda t: t.value.terms("fc3.output", (0, 1)).by("f").dense(),
            gt.ArgumentError,
            "indices that every product has",
        ),
    ],
)
def test_what_is_refused(call, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(lenet())


def test_a_trace_leaves_exact_zeros_where_winograd_would_not() -> None:
    network = gt.Network((8, 20, 20), [gt.Conv2d(8, 3), gt.Flatten(), gt.Linear(2)], seed=0)
    x = np.zeros((16, 8, 20, 20), np.float32)
    x[:, :, 4::5, 4::5] = 1e3
    t = gt.trace(network, x, np.zeros(16, int))
    bias = network.parameters["conv1.bias"]
    assert (t.value["conv1.output"][:, :, 0, 0] == bias).all()


def test_arguments_of_any_kind_of_whole_number() -> None:
    terms = lenet().grad.terms("conv1.weight", (2, 0, 1, 4))
    row = terms[np.int64(3)]
    assert type(row.number) is int
    assert row == terms[3]
    assert len(terms.top(np.int8(3))) == 3
    shares = terms.by("n")
    assert list(shares.top(np.int64(2))) == list(shares.top(2))
    assert shares[np.int64(3)] == shares[3]
    for place in ("3", 3.0, None, True):
        with pytest.raises(TypeError, match=f"whole numbers and slices, got {place!r}"):
            terms[place]  # type: ignore[call-overload]
    for k in (0, -1, 1.5, "2", None, True):
        for ask in (terms.top, shares.top):
            with pytest.raises(gt.ArgumentError, match=f"k must be a whole number ≥ 1, got {k!r}"):
                ask(k)  # type: ignore[arg-type]


def test_batch_norms_rows_say_by_which_way_they_lead() -> None:
    """Three samples of one number: U = (−1, 0, 1)·√1.5 but for ε, dZ as the loss has it."""
    net = gt.Network((1, 1, 1), [gt.BatchNorm2d(), gt.Flatten(), gt.Linear(2)], dtype=np.float64)
    net.parameters["norm1.weight"] = [2.0]
    t = gt.trace(net, np.array([1.0, 2.0, 3.0]).reshape(3, 1, 1, 1), [0, 1, 1])
    terms = t.grad.terms("input", (0, 0, 0, 0))
    dz, u = t.grad["norm1.output"].ravel(), t.value["norm1.normalised"].ravel()
    r = t.value["norm1.inverse_deviation"][0]
    assert u == pytest.approx(np.array([-1, 0, 1]) * 1.5**0.5, rel=1e-4)
    assert [row.way for row in terms] == [
        "directly",
        *["by the mean"] * 3,
        *["by the variance"] * 3,
    ]
    assert terms.ways == pytest.approx(
        {
            "directly": 2 * r * dz[0],
            "by the mean": -2 * r * dz.sum() / 3,
            "by the variance": -2 * r * u[0] * (dz * u).sum() / 3,
        }
    )
    assert sum(terms.ways.values()) == pytest.approx(terms.value)
    told = terms.text().splitlines()
    assert told[2].split() == ["way", "n′", "factors", "scale", "product", "of", "Σ|·|"]
    assert told[-1].startswith("directly ")
    assert terms.to_dict(7)["rows"][0]["way"] in terms.ways
    assert terms.to_dict()["ways"] == terms.ways
    assert terms.to_numpy()["way"].tolist() == [row.way for row in terms]
    for name, index in (("norm1.weight", 0), ("fc1.weight", (0, 0))):
        other = t.grad.terms(name, index)
        assert other.ways == {}
        assert "way" not in other.to_numpy().dtype.names
        assert {row.way for row in other} == {""}
    evaluated = gt.trace(net, np.ones((2, 1, 1, 1)), [0, 1], training=False)
    assert evaluated.grad.terms("input", (0, 0, 0, 0)).ways == {}


@pytest.mark.parametrize("formula", ["Z[n,c] = log(X[n,c])", "Z[n,c] = log(X[n,c])·X[n,c]"])
def test_a_logarithm_in_a_formula_is_of_what_it_reads(formula: str) -> None:
    """Not of a softmax, as the cross-entropy's is."""
    x = np.array([[0.5, 2.0, 3.0], [1.0, 0.25, 4.0]])
    net = gt.Network((3,), [gt.Equation(formula), gt.Linear(2)], seed=0, dtype=np.float64)
    t = gt.trace(net, x, [0, 1])
    power = formula.count("·")
    for index in np.ndindex(x.shape):
        terms = t.value.terms("equation1.output", index)
        (row,) = terms
        assert row.factors[0].value == pytest.approx(np.log(x[index]), rel=1e-15)
        assert terms.sum() == pytest.approx(np.log(x[index]) * x[index] ** power, abs=1e-15)
        gradient = t.grad.terms("input", index)
        assert gradient.sum() == pytest.approx(t.grad["input"][index], rel=1e-14)
