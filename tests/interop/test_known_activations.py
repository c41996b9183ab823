"""Activations that other formats have: one row says all that is not the layer's own."""

from __future__ import annotations

import inspect

import pytest

from gradtrail import layers
from gradtrail.interop.known_activations import ACTIVATIONS, KnownActivation
from gradtrail.layers import GELU
from gradtrail.layers.activations import Activation


def test_every_activation_has_a_row() -> None:
    there = [getattr(layers, name) for name in layers.__all__]
    kinds = {k for k in there if isinstance(k, type) and issubclass(k, Activation)}
    assert {known.layer for known in ACTIVATIONS} == kinds
    assert len(ACTIVATIONS) == 21


@pytest.mark.parametrize("known", ACTIVATIONS, ids=lambda known: known.function)
def test_a_row_takes_pytorchs_arguments(known: KnownActivation) -> None:
    assert set(known.attributes) <= set(known.settings)
    nn = pytest.importorskip("torch").nn
    module = getattr(nn, known.layer.__name__)
    taken = [*inspect.signature(module).parameters] if "__init__" in vars(module) else []
    taken = [name for name in taken if name not in ("min_value", "max_value")]  # former names
    assert [*known.settings, *(["inplace"] if known.inplace else [])] == taken
    assert callable(getattr(nn.functional, known.function))


def test_settings_are_the_layers_with_their_defaults() -> None:
    (gelu,) = (known for known in ACTIVATIONS if known.layer is GELU)
    assert gelu.settings == {"approximate": "none"}
