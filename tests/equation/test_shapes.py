"""Shapes by inference, against counting by trial on the exhaustive small grid."""

import pytest

from gradtrail.equation import (
    Array,
    Contraction,
    Equation,
    contraction,
    indices,
    selection,
    term,
    unread,
)
from gradtrail.errors import EquationError, ShapeError
from gradtrail.layers import AvgPool2d, Conv2d, ConvTranspose2d, MaxPool2d

from .brute import elements, preimage, read
from .lines import CROPPED, FITTING, TOO_WIDE, Line
from .samples import FORWARD, SOURCES, each

W, X, Z = map(Array, "WXZ")
y, i = indices("y i")


def test_the_grid_holds_settings_of_both_kinds() -> None:
    assert (len(FITTING), len(TOO_WIDE), len(CROPPED)) == (423, 81, 460)


def test_the_output_has_one_element_per_window_that_fits() -> None:
    for line in FITTING:
        assert line.convolution().shape_of["Z"] == (len(line.starts),), line
        assert line.pool().shape_of["Z"] == (len(line.starts),), line


def test_a_window_that_does_not_fit_is_refused() -> None:
    for line in TOO_WIDE:
        window = line.dilation * (line.kernel - 1) + 1
        message = rf"a window of {window} does not fit into the {line.size} .*\. Use a smaller"
        with pytest.raises(ShapeError, match=message):
            line.convolution()
        with pytest.raises(ShapeError, match=message):
            line.pool()


def test_a_transposed_convolution_reaches_its_last_element() -> None:
    """The size is where the last input's last offset lands, without what is cropped."""
    for line in CROPPED:
        places = range(line.size * line.stride + line.kernel * line.dilation)
        spread = [
            at * line.stride + offset * line.dilation
            for at in range(line.size)
            for offset in range(line.kernel)
        ]
        kept = [p for p in places if line.padding <= p <= max(spread) - line.padding]
        assert line.transposed().shape_of["Z"] == (len(kept),), line


def test_unread_names_what_no_window_covers() -> None:
    for line in FITTING:
        covered = {p for window in line.windows() for p in window}
        expected = (tuple(p for p in range(line.size) if p not in covered),)
        assert unread(line.convolution(), "X") == expected, line
        assert unread(line.pool(), "X") == expected, line


@each({n: FORWARD[n] for n in SOURCES}, "e")
def test_unread_names_what_no_product_reads(e: Equation) -> None:
    for operand in e.operands:
        targets = elements(e.shape_of[e.target.array])
        found = preimage(read(e, operand), targets)
        axes = [{element[a] for element in found} for a in range(len(e.shape_of[operand]))]
        sizes = e.shape_of[operand]
        expected = tuple(
            tuple(p for p in range(n) if p not in axis) for n, axis in zip(sizes, axes, strict=True)
        )
        assert unread(e, operand) == expected


def test_a_crop_leaves_the_end_unread() -> None:
    crop = contraction(term(Z[y], X[y]), ranges={"y": 3}, shapes={"X": (5,)})
    assert unread(crop, "X") == ((3, 4),)


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (Conv2d(6, 5, padding=2), (64, 1, 28, 28), (64, 6, 28, 28)),
        (Conv2d(8, 3, stride=2, padding=1, groups=4), (2, 4, 32, 17), (2, 8, 16, 9)),
        (Conv2d(2, 7, padding="same", dilation=3), (1, 3, 5, 9), (1, 2, 5, 9)),
        (MaxPool2d(3, 2, 1), (2, 5, 112, 111), (2, 5, 56, 56)),
        (AvgPool2d((1, 2)), (2, 5, 7, 7), (2, 5, 7, 3)),
        (ConvTranspose2d(3, 4, stride=2, padding=1), (2, 6, 8, 5), (2, 3, 16, 10)),
    ],
)
def test_known_sizes(layer, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    e = layer.declare(shape, training=True).equation
    assert e.shape_of["Z"] == expected


@pytest.mark.parametrize(
    ("shift", "message"),
    [
        (-1, "axis 0 of X is accessed from -1 to 3, but it has positions 0 to 4 with 0 of padding"),
        (1, "axis 0 of X is accessed from 1 to 5, but it has positions 0 to 4"),
    ],
)
def test_padding_that_is_not_declared_is_refused(shift: int, message: str) -> None:
    t = term(Z[y], W[i], X[y + i + shift])
    with pytest.raises(EquationError, match=message):
        contraction(t, ranges={"i": 3}, shapes={"X": (5,)})


def test_more_than_the_declared_padding_is_refused() -> None:
    t = term(Z[y], W[i], X[y + i - 2].padded((1, 1)))
    with pytest.raises(EquationError, match="from -2 to 4, .* with 1 of padding before and 1 beh"):
        contraction(t, ranges={"i": 3}, shapes={"X": (5,)})


PRODUCT = term(Z[y], W[y, i], X[i])


@pytest.mark.parametrize(
    ("ranges", "shapes", "error", "message"),
    [
        (
            {},
            {"W": (2, 3), "X": (4,)},
            ShapeError,
            "axis 0 of X has 4 elements, but index i ",
        ),
        ({}, {"W": (2, 4), "X": (3,)}, ShapeError, "axis 0 of X has 3 elements, .* runs over 4"),
        ({}, {"W": (2,), "X": (3,)}, ShapeError, r"W has 2 axes in the equation, .* is \(2,\)"),
        ({}, {"X": (3,)}, EquationError, "nothing determines the range of y"),
        ({"y": 2, "i": 4}, {"X": (3,)}, EquationError, "axis 0 of X is accessed from 0 to 3"),
        ({"y": 0}, {"X": (3,)}, EquationError, "index y of Z runs over 0 values"),
        ({"y": 2}, {"X": (0,)}, ShapeError, "does not fit into the 0 positions of axis 0 of X"),
    ],
)
def test_sizes_that_contradict_are_refused(
    ranges: dict, shapes: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        contraction(PRODUCT, ranges=ranges, shapes=shapes)


def test_a_range_may_be_chosen_smaller() -> None:
    crop = contraction(term(Z[y], X[y]), ranges={"y": 3}, shapes={"X": (5,)})
    assert crop.shape_of["Z"] == (3,)


def test_a_selections_winner_has_the_results_shape() -> None:
    e = selection(Z[y], X[y * 2 + i], over="i", winner="A", ranges={"i": 2}, shapes={"X": (7,)})
    assert e.shape_of["A"] == e.shape_of["Z"] == (3,)


@pytest.mark.parametrize("over", ["q", "", "y", "yi"])
def test_a_window_runs_over_what_the_result_does_not_show(over: str) -> None:
    given = {"ranges": {"i": 2}, "shapes": {"X": (5,)}}
    with pytest.raises(EquationError, match="i"):
        selection(Z[y], X[y + i], over=over, winner="A", **given)


@pytest.mark.parametrize("bias", [True, False])
def test_an_output_that_is_cropped_away_is_refused(bias: bool) -> None:
    layer = ConvTranspose2d(1, 1, padding=1, bias=bias)
    with pytest.raises(ShapeError, match="1"):
        layer.declare((1, 1, 2, 2), training=True)


def test_a_cropped_line_is_refused() -> None:
    nothing_left = Line(stride=1, padding=2, dilation=1, kernel=2, size=3)
    with pytest.raises(ShapeError, match="0"):
        nothing_left.transposed()


@pytest.mark.parametrize("size", [1, 2, 5])
def test_size_one_axes_are_ordinary(size: int) -> None:
    (n,) = indices("n")
    e: Contraction = contraction(term(Z[n, y], X[n, y]), ranges={}, shapes={"X": (size, 1)})
    assert e.shape_of["Z"] == (size, 1)
    assert e.range_of == {"n": size, "y": 1}
