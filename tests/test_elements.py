"""Elements that messages give as examples are there, and answer."""

from __future__ import annotations

import re

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.tracing.element import example_element


@pytest.fixture(scope="module")
def t() -> gt.Trace:
    """A network without any layer called conv1, whose arrays have one axis, two and four."""
    net = gt.Network((1, 3, 4), [gt.Flatten(), gt.Linear(2), gt.ReLU(), gt.Linear(2)], seed=0)
    return gt.trace(net, np.random.default_rng(0).random((3, 1, 3, 4)), [0, 1, 1])


@pytest.mark.parametrize(
    ("side", "name", "index", "such"),
    [
        ("value", "fc1.weight", (), r"2 whole numbers, as in fc1\.weight\[0,6\]; got \(\)"),
        ("value", "fc1.weight", 1, r"as in fc1\.weight\[1,6\]; got 1"),
        ("value", "fc1.weight", (0, 12), r"outside 0 … 11, as in fc1\.weight\[0,6\]"),
        ("grad", "fc1.bias", (), r"is 1 whole number, as in dfc1\.bias\[0\]; got \(\)"),
        ("grad", "input", (2, 0), r"as in dinput\[2,0,1,2\]; got \(2, 0\)"),
        ("value", "relu1", (True, 0), r"as in relu1\.output\[0,1\]; got \(True, 0\)"),
        ("value", "fc1.weight[0,", (), r"such as fc1\.weight\[0,6\], with d in front"),
        ("value", "[0]", (), r"such as flatten1\.output\[0,6\], with d in front"),
    ],
)
def test_an_index_that_does_not_fit_names_one_that_does(
    t: gt.Trace, side: str, name: str, index: object, such: str
) -> None:
    asked = t.value if side == "value" else t.grad
    with pytest.raises(gt.ArgumentError, match=such) as told:
        asked.terms(name, index)
    named = re.search(r"(?:as in|such as) (d?(\S+\]))", str(told.value))
    assert named is not None
    assert asked.why(named[2]).text.startswith(named[1])


def test_what_leads_nowhere_names_what_does(t: gt.Trace) -> None:
    such = "input[0,0,1,2]"
    with pytest.raises(gt.ArgumentError, match=r"ask for a value before .*such as input\[0,0,1,2"):
        t.value.follow("loss")
    with pytest.raises(gt.ArgumentError, match=r"the loss is the end.*such as dinput\[0,0,1,2\]"):
        t.grad.follow("loss")
    assert t.value.follow(such).value == t.value["input"][0, 0, 1, 2]
    assert t.grad.follow(such).value == t.grad["input"][0, 0, 1, 2]


def test_an_example_keeps_what_can_be_kept() -> None:
    assert example_element("a", (4, 3, 5)) == "a[0,1,2]"
    assert example_element("a", (4, 3, 5), (3, 9)) == "a[3,1,2]"
    assert example_element("a", (4,), (-4, 7)) == "a[-4]"
    assert example_element("loss", ()) == "loss"


def test_a_list_of_what_is_watched_names_one_that_is_there(t: gt.Trace) -> None:
    net = gt.Network((1, 3, 4), [gt.Flatten(), gt.Linear(2)], seed=0)
    told = r"watch is a list of elements such as \['fc1.weight\[0,6\]'\], got 'fc1"
    with pytest.raises(gt.ArgumentError, match=told):
        gt.train(net, (t.value["input"], [0, 1, 1]), watch="fc1", progress=False)


def test_the_place_of_a_nan_is_written_as_it_is_asked_for() -> None:
    """What a message says can be handed to `why` as it stands."""
    net = gt.Network((1, 3, 4), [gt.Flatten(), gt.Linear(2)], seed=0)
    x, y = np.zeros((3, 1, 3, 4), np.float32), [0, 1, 1]
    x[2, 0, 1, 3] = np.nan
    with pytest.raises(gt.NonFiniteError, match=r"step 1: input\[\d,0,1,3\], sample 2") as told:
        gt.train(net, (x, y), epochs=1, optimizer=gt.SGD(0.1), progress=False)
    named = re.search(r"input\[\S+\]", str(told.value))
    assert named is not None
    with np.errstate(invalid="ignore"):
        assert np.isnan(gt.trace(net, x[[2, 2, 2]], y).value.why(named[0]).value)
