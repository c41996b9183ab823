"""Sums as they are printed and drawn."""

from __future__ import annotations

import numpy as np
import pytest
from tails import beginning
from traces import lenet, spoiled

import gradtrail as gt
from gradtrail.showing.numbers import percent_text
from gradtrail.tracing.term_tables import cancellation_text


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


def test_of_arrays_side_by_side_the_one_that_reaches_an_element_is_printed() -> None:
    """The other's position would lie outside of it: B[0,−2,1,1]."""
    x = gt.Input((2, 3, 3))
    net = gt.Network(x, gt.Flatten()(gt.concat(x, gt.Conv2d(3, 1)(x))), seed=0)
    t = gt.trace(net, np.ones((1, 2, 3, 3)), [0])
    for place, printed in ((0, "A[0,0,1,1]"), (3, "B[0,1,1,1]")):
        index = (0, place, 1, 1)
        (sum_,) = t.value.terms("concat1", index).equations()
        assert sum_ == f"Z[0,{place},1,1] = {printed}"


def test_a_share_that_is_not_finite() -> None:
    assert [percent_text(v) for v in (np.nan, np.inf, -np.inf)] == ["NaN", "∞", "−∞"]
    assert [percent_text(v) for v in (0.5, 0.05, -0.001, 1.0)] == [
        "50 %",
        "5.0 %",
        "−0.1 %",
        "100 %",
    ]


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
    assert cancellation_text(terms) == told
    assert ("cancel" in str(terms)) == bool(told)


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


def test_a_picture_that_cannot_be_written(tmp_path) -> None:
    bars = lenet().grad.terms("fc1.bias", (3,))
    (tmp_path / "file").touch()
    with pytest.raises(gt.FileError, match=r"cannot write .*file"):
        bars.plot(tmp_path / "file" / "a.png")
    bars.plot(tmp_path / "new" / "a.png")
    assert (tmp_path / "new" / "a.png").stat().st_size > 1000
    with pytest.raises(gt.FileError, match="not supported"):
        bars.plot(tmp_path / "a.what")


BAD = [(np.nan, "input"), (np.inf, "fc1.weight"), (-np.inf, "conv1.weight")]


@pytest.mark.parametrize("bad", beginning(1, BAD), ids=str)
def test_a_picture_of_what_is_not_finite(bad: tuple[float, str], tmp_path) -> None:
    t = spoiled(*bad)
    for side in (t.grad, t.value):
        for name in ("conv1.weight", "fc1.output", "fc1.bias", "conv1.output"):
            terms = side.terms(name, (0,) * side[name].ndim)
            kept = side is t.grad and name in ("conv1.weight", "fc1.bias")  # over images, and bars
            figure = terms.plot(tmp_path / "a.png" if kept else None)
            products = np.array([row.product for row in terms])
            titles = [a.get_title() for a in figure.axes] + [figure.get_suptitle()]
            if len(products) > 1 and not np.isfinite(products).all():
                assert any("not finite" in title for title in titles), (name, titles)


@pytest.mark.parametrize("path", [3, True, b"a.png", []])
def test_a_picture_is_written_to_a_path(path) -> None:
    with pytest.raises(gt.ArgumentError, match="written to a path, such as 'a.png', got"):
        lenet().grad.terms("fc1.bias", (0,)).plot(path)


def test_how_many_is_called_k_and_its_old_name_goes_on_for_a_version() -> None:
    terms = lenet().grad.terms("conv1.weight", (2, 0, 1, 4))
    assert terms.text(k=2) == terms.text(2)
    with pytest.warns(gt.GradtrailWarning, match=r"text: rows= is called k= now.*write k=2"):
        assert terms.text(rows=2) == terms.text(2)
    with pytest.warns(gt.GradtrailWarning, match=r"to_dict: rows= is called k= now.*write k=1"):
        assert len(terms.to_dict(rows=1)["rows"]) == 1
