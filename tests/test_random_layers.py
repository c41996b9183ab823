"""What random graphs are made of: every layer and every loss that there is, or a reason why not."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import random_layers
from random_layers import EXCLUDED, JOINS, drawn_until
from random_losses import any_loss
from random_networks import Draws, built

import gradtrail as gt
from gradtrail import layers
from gradtrail.layers.functional import GraphPart

PUBLIC = {name: getattr(layers, name) for name in layers.__all__}
BASES = {"Layer", "Loss"}


def test_every_layer_is_drawn_or_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    formula = gt.Equation("Z[n,c] = 2·X[n,c]")  # one is enough here, and others take time
    monkeypatch.setattr(random_layers, "_formula", lambda draw, shape: formula)
    there = {
        kind.__name__
        for name, kind in PUBLIC.items()
        if inspect.isclass(kind) and issubclass(kind, GraphPart) and name not in {"Input", *BASES}
    }
    assert there >= EXCLUDED.keys()
    wanted = there - EXCLUDED.keys() - {"MatMul"}  # a join, as those are
    assert wanted - drawn_until(wanted) == set()
    joins = {name for name, kind in PUBLIC.items() if inspect.isfunction(kind)}
    assert {"matmul", *joins} <= JOINS.keys()


def test_every_loss_is_drawn() -> None:
    there = {
        name
        for name, kind in PUBLIC.items()
        if inspect.isclass(kind) and issubclass(kind, layers.Loss) and name not in BASES
    }
    draw, found = Draws(np.random.Generator(np.random.PCG64(5))), set[str]()
    for shape in ((3,), (3, 4), (2, 3, 4), (2, 2, 3, 2)):
        net = built(shape, [gt.ReLU()])
        found |= {type(any_loss(draw, net, at % 2 == 0, 2)[0]).__name__ for at in range(60)}
    assert found == there
