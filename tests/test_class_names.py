"""What classes are called: one rule for the confusion matrix, the mistakes and influence."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.graph.class_names import class_names
from gradtrail.training import mistakes

X = np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1)

NAMERS: dict[str, Callable[..., Any]] = {
    "confusion": gt.confusion,
    "mistakes": mistakes,
    "influence": gt.influence,
}


def network(classes: tuple[str, ...] | None = None) -> gt.Network:
    net = gt.Network((1, 1, 1), [gt.Flatten(), gt.Linear(2)], seed=0)
    net.classes = classes
    return net


def images(classes: tuple[str, ...] | None = None) -> gt.data.ArrayImages:
    return gt.data.ArrayImages(X, [0, 1, 0, 1], classes)


@pytest.mark.parametrize("namer", NAMERS)
def test_names_given_go_before_the_networks_and_these_before_the_images(namer: str) -> None:
    call = NAMERS[namer]
    net, cats = network(("no", "yes")), images(("cat", "dog"))
    assert call(net, cats, classes=["a", "b"]).classes == ("a", "b")
    with pytest.warns(gt.GradtrailWarning, match=f"{namer}: the images' classes are 'cat', 'dog'"):
        assert call(net, cats).classes == ("no", "yes")
    assert call(network(), cats).classes == ("cat", "dog")
    assert call(net, images(("no", "yes"))).classes == ("no", "yes")
    assert call(net, images()).classes == ("no", "yes")  # 0 and 1 are no names
    assert call(net, (X / np.float32(3), [0, 1, 0, 1])).classes == ("no", "yes")


def test_where_nobody_knows_names_there_are_numbers_or_none() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gt.confusion(network(), images()).classes == ("0", "1")
        assert mistakes(network(), images()).classes == ("0", "1")
        assert gt.influence(network(), images()).classes == ()


def test_the_same_names_in_another_order_are_told() -> None:
    with pytest.warns(gt.GradtrailWarning, match="'dog', 'cat', but the network calls its outp"):
        found = gt.confusion(network(("cat", "dog")), images(("dog", "cat")))
    assert found.classes == ("cat", "dog")


def test_images_of_other_classes_than_there_are_outputs_name_none() -> None:
    three = images(("a", "b", "c"))
    with pytest.warns(gt.GradtrailWarning, match="'c', but the network has 2 outputs, so that the"):
        assert gt.confusion(network(), three).classes == ("0", "1")


@pytest.mark.parametrize("classes", ["ab", 2])
def test_names_are_a_list(classes: Any) -> None:
    with pytest.raises(gt.ArgumentError, match="influence: classes must be a list of names, got"):
        class_names("influence", network(), 2, None, classes)
    with pytest.raises(gt.ArgumentError, match="influence: one file is named for 4 samples"):
        gt.influence(network(), images(), files="a.png")  # type: ignore[arg-type]


def test_numbers_may_be_names() -> None:
    assert class_names("confusion", network(), 2, None, np.array([4, 9])) == ("4", "9")  # type: ignore[arg-type]
