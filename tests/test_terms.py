"""t.grad.terms and t.value.terms: every product behind every number, none missing, none doubled."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from cases import CASES, Case, arrays

import gradtrail as gt
from gradtrail.engines.contract import contract
from gradtrail.equation import Access, Contraction, Term
from gradtrail.tables import percent
from gradtrail.trace import terms as terms_module
from gradtrail.trace.step import Operand
from gradtrail.trace.tables import cancelling
from gradtrail.trace.terms import Row, Terms

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
        points = {(row.layer, row.term, *row.indices.items()) for row in seen}
        assert len(points) == len(seen)


def check_row(row: Row, t: gt.Trace) -> None:
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
    """How many products lead to the element: the same sum over arrays of ones."""
    plain = Term(
        part.term.target,
        tuple(f.access for f in part.term.factors),
    )
    named = {f.array: f for f in plain.factors}
    if len(named) < len(plain.factors):  # one letter twice: each its own array of ones
        factors = tuple(
            Access(f"{f.array}{i}", f.positions, f.padding) for i, f in enumerate(plain.factors)
        )
        shapes = {f"{f.array}{i}": part.sum.equation.shape_of[f.array]
                  for i, f in enumerate(plain.factors)}  # fmt: skip
        plain = Term(plain.target, factors)
    else:
        shapes = {letter: part.sum.equation.shape_of[letter] for letter in named}
    letter = plain.target.array
    equation = Contraction(
        (plain,),
        ranges=part.sum.equation.ranges,
        shapes=tuple({**shapes, letter: part.sum.equation.shape_of[letter]}.items()),
    )
    count = contract(equation, {a: np.ones(s) for a, s in shapes.items()})
    return int(count[part.element])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_terms_of_every_case_in_float64(case: Case) -> None:
    t = traced(case, np.float64)
    for terms in elements(t, ELEMENTS // (2 * len(CASES)) + 1, seed=1):
        check(terms, 1e-12, t)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_terms_of_every_case_in_float32(case: Case) -> None:
    t = traced(case, np.float32)
    for terms in elements(t, ELEMENTS // (2 * len(CASES)) + 1, seed=2):
        check(terms, 1e-5, t)


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize(("engine", "tolerance"), [("cpu", 1e-5), ("reference", 1e-12)])
def test_terms_of_the_named_networks(name: str, engine: str, tolerance: float) -> None:
    t = named(name, engine)
    for terms in elements(t, 120, seed=3):
        check(terms, tolerance, t)


# -- what can be asked of them -----------------------------------------------------------------


@cache
def lenet() -> gt.Trace:
    network = gt.architecture("lenet5").network(None, seed=0)
    draw = np.random.Generator(np.random.PCG64(3))
    x = draw.standard_normal((40, 1, 28, 28)).astype(np.float32)
    return gt.trace(network, x, draw.integers(0, 10, 40))


def dense(t: gt.Trace) -> np.ndarray:
    """The products of dconv1.weight[2,0,1,4], (N, H, W), written out by hand."""
    delta = t.grad["conv1.output"][:, 2].astype(np.float64)
    padded = np.pad(t.value["input"][:, 0].astype(np.float64), ((0, 0), (2, 2), (2, 2)))
    return delta * padded[:, 1:29, 4:32]


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
        monkeypatch.setattr(terms_module, "BLOCK", most)
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


def test_partial_sums_over_anything() -> None:
    t = lenet()
    terms = t.grad.terms("conv1.weight", (2, 0, 1, 4))
    products = dense(t)
    by_sample = terms.by("n")
    np.testing.assert_allclose(by_sample.sums, products.sum(axis=(1, 2)), rtol=1e-12, atol=1e-18)
    np.testing.assert_allclose(by_sample.magnitudes, np.abs(products).sum(axis=(1, 2)))
    assert by_sample[17] == pytest.approx(products[17].sum())
    assert by_sample[17,] == by_sample[17]
    assert list(by_sample)[:2] == [0, 1]
    places = terms.by("y", "x")
    read = np.abs(np.pad(np.ones((28, 28)), 2)[1:29, 4:32]) > 0  # a product needs both factors
    assert len(places) == read.sum()
    assert places[3, 4] == pytest.approx(products[:, 3, 4].sum())
    dense_map = places.dense()
    expected = np.where(read, products.sum(axis=0), 0)[: dense_map.shape[0], : dense_map.shape[1]]
    np.testing.assert_allclose(dense_map, expected, atol=1e-12)
    assert terms.by("i")[1] == pytest.approx(terms.sum())
    assert terms.by("n", "k").names == ("n", "k")
    best = by_sample.top(3)
    assert abs(best.sums[0]) == np.abs(by_sample.sums).max()
    assert best.to_numpy()["n"][0] == next(iter(best))
    with pytest.raises(KeyError, match="99"):
        by_sample[99]


def test_partial_sums_of_tied_indices_and_of_several_layers(small, batch) -> None:
    t = gt.trace(small, *batch)
    name = next(n for n in t.grad if len(t.grad.equations(n)) == 2)
    terms = t.grad.terms(name, tuple(s // 2 for s in t.grad[name].shape))
    layers = terms.by("layer")
    assert len(layers) == 2
    assert sum(layers.values()) == pytest.approx(terms.sum())
    assert {row.layer for row in terms} == set(layers)
    rows = lenet().grad.terms("pool1.output", (0, 2, 5, 7))
    by_row = rows.by("y")
    for y, total in by_row.items():
        assert total == pytest.approx(sum(r.product for r in rows if r.indices["y"] == y))


def test_rows_as_arrays_and_frames() -> None:
    t = lenet()
    terms = t.grad.terms("conv1.weight", (2, 0, 1, 4))
    rows = terms.to_numpy()
    assert len(rows) == len(terms)
    assert rows["product"].sum() == pytest.approx(terms.sum())
    assert set(rows["layer"]) == {"conv1"}
    number = 1234
    row = terms[number]
    assert [rows[number][n] for n in "nyx"] == [row.indices[n] for n in "nyx"]
    assert rows[number]["dZ"] == row.factors[0].value
    assert rows[number]["X"] == row.factors[1].value
    assert rows[number]["k"] == 2
    small = t.value.terms("fc3.output", (0, 4))
    frame = small.to_pandas()
    assert frame["product"].sum() == pytest.approx(small.sum())
    assert frame.loc[0, "b is"] == "fc3.bias[4]"
    assert frame.loc[1, "W is"] == "fc3.weight[4,0]"
    assert np.isnan(frame.loc[0, "W"])
    assert frame.loc[0, "f"] == -1
    squares = gt.trace(
        gt.Network((2,), [gt.Linear(2)]),
        np.ones((3, 2)),
        np.ones((3, 2)),
        loss=gt.MeanSquaredError(),
    ).value.terms("loss")
    assert {"Z", "Z 2", "T", "T 2"} <= set(squares.to_numpy().dtype.names)
    assert squares.by("n").sums.sum() == pytest.approx(squares.sum())
    assert squares.by("n").to_pandas().shape == (3, 4)


@pytest.mark.parametrize(
    ("side", "name", "index"),
    [
        ("grad", "input", (0, 0, 11, 15)),
        ("grad", "pool1.output", (0, 2, 5, 7)),
        ("grad", "conv1.bias", (2,)),
        ("value", "pool1.output", (0, 2, 5, 7)),
        ("value", "fc3.output", (0, 4)),
        ("value", "loss", ()),
        ("value", "input", (0, 0, 3, 3)),
        ("grad", "loss", ()),
    ],
)
def test_a_frame_names_the_elements_that_the_rows_name(side: str, name: str, index) -> None:
    terms = getattr(lenet(), side).terms(name, index)
    frame = terms.to_pandas()
    for number in range(0, len(terms), max(1, len(terms) // 50)):
        row, seen = terms[number], dict[str, int]()
        for factor in row.factors:
            seen[factor.letter] = times = seen.get(factor.letter, 0) + 1
            letter = f"{factor.letter} {times}" if times > 1 else factor.letter
            assert frame.loc[number, f"{letter} is"] == str(factor)


def test_a_frame_is_made_in_one_go(monkeypatch) -> None:
    """Of so many rows no one is asked for its elements by itself."""
    terms = lenet().grad.terms("conv1.weight", (2, 0, 1, 4))
    monkeypatch.setattr(Operand, "element", None)
    assert len(terms.to_pandas()) == len(terms)


def test_without_pandas_there_are_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    terms = lenet().grad.terms("fc1.bias", (3,))
    for ask in (terms.to_pandas, terms.by("n").to_pandas):
        with pytest.raises(gt.ArgumentError, match="needs pandas: pip install pandas; to_numpy"):
            ask()


def test_reading_rows() -> None:
    terms = lenet().grad.terms("fc1.weight", (3, -1))
    assert terms.index == (3, 399)
    assert len(list(terms)) == 40
    assert terms[-1].indices["n"] == 39
    assert len(terms[2:5]) == 3
    with pytest.raises(IndexError, match="sum of 40 products, no row 40"):
        terms[40]


def test_what_is_printed() -> None:
    t = lenet()
    texts = [
        t.grad.terms("conv1.weight", (2, 0, 1, 4)),
        t.value.terms("conv2.output", (0, 2, 5, 7)).top(3),
        t.grad.terms("pool1.output", (0, 2, 5, 7)).by("k"),
        t.grad.terms("relu1.output", (0, 2, 5, 7)),
        t.value.terms("pool1.output", (0, 2, 5, 7)),
        t.grad.terms("fc3.output", (0, 2)),
        t.value.terms("input", (0, 0, 3, 3)),
    ]
    shown = "\n\n".join(map(str, texts))
    assert "dW[2,0,1,4] = Σ_{n<40,y<28,x<28} dZ[n,2,y,x]·X[n,0,y−1,x+2]" in shown
    assert "[A[0,2,5,7] = " in shown
    assert "input[0,0,3,3] was given; no layer computed it" in shown
    for one in texts:
        assert "<table>" in one._repr_html_() or "was given" in str(one)
        assert repr(one) == str(one)


@pytest.mark.parametrize(
    ("name", "index"),
    [("conv1.weight", (2, 0, 1, 4)), ("conv2.output", (0, 2, 5, 7)), ("fc1.weight", (3, 5))],
)
def test_pictures(name: str, index: tuple[int, ...], tmp_path) -> None:
    t = lenet()
    for side in (t.grad, t.value):
        figure = side.terms(name, index).plot(tmp_path / "a.png")
        assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
        assert figure.axes
    with pytest.raises(gt.FileError, match=r"cannot write .*nowhere"):
        t.grad.terms(name, index).plot(tmp_path / "nowhere" / "a.png")
    with pytest.raises(gt.FileError, match="not supported"):
        t.grad.terms(name, index).plot(tmp_path / "a.what")


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
            "whole numbers, got",
        ),
        (
            lambda t: t.grad.terms("conv1.weight", (True, 0, 0, 0)),
            gt.ArgumentError,
            "whole numbers, got",
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


def spoiled(bad: float, where: str = "input") -> gt.Trace:
    """A step with something in it that is not finite."""
    net = gt.Network(
        (1, 6, 6),
        [gt.Conv2d(2, 3), gt.ReLU(), gt.MaxPool2d(2), gt.Flatten(), gt.Linear(3)],
        seed=1,
    )
    x = np.random.Generator(np.random.PCG64(3)).standard_normal((4, 1, 6, 6))
    if where == "input":
        x[1, 0, 2, 2] = bad
    else:
        net.parameters[where][0] = bad
    with np.errstate(all="ignore"):
        return gt.trace(net, x, [0, 1, 2, 0], engine="reference")


@pytest.mark.parametrize(
    ("bad", "where"), [(np.nan, "input"), (np.inf, "fc1.weight"), (-np.inf, "conv1.weight")]
)
def test_a_picture_of_what_is_not_finite(bad: float, where: str, tmp_path) -> None:
    t = spoiled(bad, where)
    for side in (t.grad, t.value):
        for name in ("conv1.weight", "fc1.output", "fc1.bias", "conv1.output"):
            terms = side.terms(name, (0,) * side[name].ndim)
            figure = terms.plot(tmp_path / "a.png")
            products = np.array([row.product for row in terms])
            titles = [a.get_title() for a in figure.axes] + [figure.get_suptitle()]
            if len(products) > 1 and not np.isfinite(products).all():
                assert any("not finite" in title for title in titles), (name, titles)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_json(bad: float) -> None:
    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    t = spoiled(bad)
    with np.errstate(all="ignore"):
        told = [
            t.grad.follow("conv1.weight", (0, 0, 1, 1)),
            t.value.follow("input", (1, 0, 2, 2)),
            t.grad.terms("conv1.weight", (0, 0, 1, 1)),
            t.grad.terms("conv1.weight", (0, 0, 1, 1)).by("n"),
            *(t.vanishing(), t.dead(), t.ties()),
        ]
        texts = [json.dumps(one.to_dict()) for one in told]
    for text in texts:
        json.loads(text, parse_constant=refuse)
    assert '"nan"' in texts[0]
    assert '"nan"' in texts[4]
    assert "nan" not in "".join(map(str, told))


def test_a_share_that_is_not_finite() -> None:
    assert [percent(v) for v in (np.nan, np.inf, -np.inf)] == ["NaN", "∞", "−∞"]
    assert [percent(v) for v in (0.5, 0.05, -0.001, 1.0)] == ["50 %", "5.0 %", "−0.1 %", "100 %"]


@pytest.mark.parametrize(
    ("products", "told"),
    [
        ((1.0, -1.0), ": 100 % cancel"),
        ((1.0, -1.0 + 2**-10), ": 99.95 % cancel"),
        ((1.0, -1.0 + 2**-8), ": 99.8 % cancel"),
        ((1.0, -1.0 + 2**-14), ": 99.997 % cancel"),
        ((1.0, -1.0 + 2**-23), ": >99.999 % cancel"),
        ((1.0, -0.5), ": 67 % cancel"),
        ((1.0, 1.0), ""),
    ],
)
def test_everything_cancels_only_where_nothing_is_left(products, told: str) -> None:
    net = gt.Network((2,), [gt.Linear(1, bias=False)])
    net.parameters["fc1.weight"] = [products]
    t = gt.trace(net, [[1.0, 1.0]], [[0.0]], loss=gt.MeanSquaredError(), engine="reference")
    terms = t.value.terms("fc1.output", (0, 0))
    assert cancelling(terms) == told
    assert ("cancel" in str(terms)) == bool(told)


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


def test_partial_sums_are_found_under_their_own_keys_only() -> None:
    terms = lenet().grad.terms("conv1.weight", (2, 0, 1, 4))
    for shares, good in ((terms.by("n"), 3), (terms.by("n", "layer"), (3, "conv1"))):
        assert good in shares
        for key in (3.7, "3", None, True, [3], (3, 4), (3, 1), (3, None), (3.0, "conv1"), ()):
            assert key not in shares
            with pytest.raises(KeyError, match=re.escape(repr(key))):
                shares[key]  # type: ignore[index]
    with pytest.raises(gt.ArgumentError, match="by: 'n' is named twice"):
        terms.by("n", "y", "n")


@pytest.mark.parametrize("path", [3, True, b"a.png", []])
def test_a_picture_is_written_to_a_path(path) -> None:
    with pytest.raises(gt.ArgumentError, match="written to a path, such as 'a.png', got"):
        lenet().grad.terms("fc1.bias", (0,)).plot(path)
