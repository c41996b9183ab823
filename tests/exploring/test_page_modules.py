"""The page's arithmetic without a browser: Node's own test runner, where there is one.

Python writes down a step and what it says of it; `page/*.test.mjs` hold the page's modules to it.
What Chromium is asked (`make browser`) is the same arithmetic on far more cells.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

import numpy as np
import pytest
from exploring.browsing import PAGE, step_as_text
from own_layers import DOUBLED, POSITIVE, TURNED, traced

import gradtrail as gt
from gradtrail.equation import Access, Affine, Contraction
from gradtrail.equation.codec import to_data
from gradtrail.equation.frozen import frozen
from gradtrail.equation.scalar import Function, evaluate_scalar
from gradtrail.exploring.session import Session
from gradtrail.exploring.step_description import described_optimizer
from gradtrail.interop.known_activations import ACTIVATIONS
from gradtrail.layers import Layer
from gradtrail.layers.functional import Block, GraphNode
from gradtrail.optimizers import Optimizer
from gradtrail.tracing.wording import say

TESTS = sorted((Path(__file__).parent / "page").glob("*.test.mjs"))
OLDEST = (20, 6)
"""Node's version from which on modules can be found as the page finds them."""


def node() -> str:
    """Node, or a skipped test."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("Node is not installed")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    if tuple(int(part) for part in said.lstrip("v").split(".")[:2]) < OLDEST:
        pytest.skip(f"Node is {said.strip()}, older than {OLDEST}")
    return found


@final
@frozen
class Gated(Block):
    """A gate for each channel, and a formula of three inputs."""

    name: str | None = None

    def forward(self, *nodes: GraphNode) -> GraphNode:
        (x,) = nodes
        gate = gt.Hardsigmoid()(gt.AvgPool2d((3, 2))(x))
        return gt.Pointwise("a*sigmoid(g) - 0.5*b")(x * gate, gate, x)


def step() -> gt.Trace:
    """Windows with strides and padding, maxima, a sum, statistics, constants of the equation.

    Small, and in float64.
    """
    layers = [gt.Conv2d(3, 3, stride=2, padding=1, bias=False), gt.BatchNorm2d(), gt.GELU()]
    layers += [gt.MaxPool2d(2)]
    layers += [gt.Residual([gt.Conv2d(3, (1, 2), padding=(0, 1)), gt.AvgPool2d((1, 2), 1)])]
    layers += [gt.ConvTranspose2d(2, 2, stride=2), gt.GroupNorm(1), gt.ReLU(), gt.Softmax(-1)]
    layers += [gt.Upsample(size=(5, 3), mode="bilinear"), gt.AdaptiveMaxPool2d((3, 2))]
    layers += [gt.PReLU(), Gated(), gt.Flatten(), gt.Linear(4)]
    net = gt.Network((2, 9, 9), layers, seed=5, dtype=np.float64)
    net.parameters["fc1.weight"][2] = 0
    x = np.maximum(np.random.Generator(np.random.PCG64(2)).standard_normal((5, 2, 9, 9)), 0)
    return gt.trace(net, x, [0, 1, 3, 2, 1], engine="reference")


def forked() -> gt.Trace:
    """Several outputs: one is read by the layer behind it, and the loss of one has no weight."""
    x = gt.Input((1, 3, 3))
    maps = gt.ReLU()(gt.Conv2d(2, 2)(x))
    row = gt.Flatten()(maps)
    ends = {"a": gt.Linear(2)(row), "maps": maps, "left": gt.Linear(1)(row)}
    net = gt.Network(x, ends, seed=4, dtype=np.float64)
    draw = np.random.Generator(np.random.PCG64(3))
    y = {"a": [0, 1, 1], "maps": draw.random((3, 2, 2, 2)), "left": draw.random(3)}
    loss = {
        "a": gt.CrossEntropy(weight=(1.0, 2.0)),
        "maps": (gt.MeanSquaredError(), 0.3),
        "left": (gt.Huber(), 0.0),
    }
    x = draw.standard_normal((3, 1, 3, 3))
    return gt.trace(net, x, y, loss=loss, engine="reference")


def zeroed() -> gt.Trace:
    """Coefficients of 0, gates, a probability of 0, a place that is left out, and such a label."""
    x = gt.Input((1, 3))
    maps = gt.Tanh()(gt.Conv1d(2, 1)(x))
    scaled = gt.Equation("Z[n,c,x] = 0·X[n,c,x] + 0·g[c]·X[n,c,x] + X[n,0,x]")(maps)
    gated = gt.Pointwise("a*clip(8*b, 0, 1) + 0*b")(scaled, gt.Pointwise("0*x - 1")(maps))
    chosen = gt.Softmax()(gt.Pointwise("a + 4000*b")(gated, maps))
    net = gt.Network(x, gt.Conv1d(2, 1)(gt.IndexSelect([0, 2], axis=2)(chosen)), dtype=np.float64)
    x = np.random.Generator(np.random.PCG64(8)).standard_normal((2, 1, 3))
    y = np.array([[0, 1], [9, 0]])
    return gt.trace(net, x, y, loss=gt.Focal(ignore_index=9), engine="reference")


def cells(t: gt.Trace) -> Iterator[dict[str, Any]]:
    """Two elements of each array, with everything that Python says of them."""
    draw = np.random.Generator(np.random.PCG64(1))
    for side, held in (("value", t.value), ("grad", t.grad)):
        for name in held:
            for _ in range(2):
                index = tuple(int(draw.integers(size)) for size in held[name].shape)
                yield {"side": side, "name": name, "index": index} | cell(held.terms(name, index))


def cell(terms: gt.Terms) -> dict[str, Any]:
    """An element by its products."""
    rows = list(terms)
    found: dict[str, Any] = {
        "value": float(terms.value),
        "length": len(terms),
        "given": terms.given,
        "nonzero": terms.nonzero,
        "indices": terms.indices,
        "magnitude": terms.magnitude,
        "sum": terms.sum(),
        "products": [row.product for row in rows],
        "strongest": [{"number": row.number, "product": row.product} for row in terms.top(3)],
        "window": sorted(
            {
                f"{f.side} {f.name} {','.join(map(str, f.index))}"
                for row in rows
                for f in row.factors
            }
        ),
    }
    if not terms.given:
        found["equations"] = terms.equations()
        if terms.indices:
            shares = terms.by(terms.indices[0])
            keys = [None if key < 0 else int(key) for key in shares.keys_array[:, 0]]
            found["shares"] = list(zip(keys, shares.sums.tolist(), strict=True))
    return found


def answers(t: gt.Trace) -> Iterator[dict[str, Any]]:
    """Why elements of each array are what they are: two that are 0, and two that are not."""
    draw = np.random.Generator(np.random.PCG64(9))
    for side, held in (("value", t.value), ("grad", t.grad)):
        for name in held:
            for zero in (True, False):
                places = np.argwhere((held[name] == 0) == zero)
                for place in draw.permutation(len(places))[:2]:
                    index = tuple(int(i) for i in places[place])
                    answer = held.why(name, index)
                    found = answer.to_dict()
                    texts = [found.pop("text"), say(answer.fact, "ko")]
                    yield {"cell": [side, name, index], "answer": found, "texts": texts}


def whole_answers(t: gt.Trace) -> Iterator[dict[str, Any]]:
    """Why every element of a small step is what it is."""
    for side, held in (("value", t.value), ("grad", t.grad)):
        for name in held:
            for index in np.ndindex(held[name].shape):
                yield {"cell": [side, name, index], "answer": held.why(name, index).to_dict()}


def positions() -> Iterator[dict[str, Any]]:
    """Every position of the step's contractions, at one point each, with its bounds."""
    draw = np.random.Generator(np.random.PCG64(4))
    for equation in (node.equation for node in step().system.nodes):
        if not isinstance(equation, Contraction):
            continue
        ranges = equation.range_of
        for term in equation.terms:
            for factor in (f for f in term.factors if isinstance(f, Access)):
                for position in factor.positions:
                    yield placed(position, ranges, draw)


def placed(position: Affine, ranges: Any, draw: np.random.Generator) -> dict[str, Any]:
    """A position by value."""
    point = {name: int(draw.integers(ranges[name])) for name in position.names}
    least, greatest = position.bounds(ranges)
    return {
        "position": to_data(position),
        "index": position.plain,
        "point": point,
        "value": position.at(point),
        "ranges": dict(ranges),
        "least": least,
        "greatest": greatest,
    }


def functions() -> Iterator[dict[str, Any]]:
    """The activations and their slopes, and operations that none of them has."""
    x = [-3.0, -0.5, 0.0, 0.25, 2.0, 7.0]
    fixed = (known for known in ACTIVATIONS if known.layer is not gt.Threshold)
    kinds: list[Layer] = [known.layer() for known in fixed]
    kinds += [gt.GELU(approximate="tanh"), gt.Threshold(0.25, 1), gt.LeakyReLU(0.1)]
    kinds += [gt.Pointwise("floor(x) + round(x + 0.5)*sign(x) + log1p(x*x) + (x*x + 1)**1.5")]
    for layer in kinds:
        equation = layer.declare((1, 1), training=True).equation
        assert isinstance(equation, Contraction)
        function = equation.terms[0].factors[0].function  # type: ignore[union-attr]
        for one in (function, function.derivative):
            assert isinstance(one, Function)
            values = [float(evaluate_scalar(one.body, {"x": at})) for at in x]
            yield {"name": one.name, "body": to_data(one.body), "x": x, "values": values}


def updates() -> Iterator[dict[str, Any]]:
    """Two steps of each optimizer on four weights."""
    draw = np.random.Generator(np.random.PCG64(6))
    kinds: tuple[Optimizer, ...] = (
        gt.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        gt.Adam(0.01, weight_decay=0.1),
        gt.AdamW(0.02),
        gt.SGD(0.1, groups={"fc*": {"lr": 0.02, "momentum": 0.5}}),
    )
    for optimizer in kinds:
        net = gt.Network((4,), [gt.Linear(1, bias=False)], seed=2, dtype=np.float64)
        weight = net.parameters["fc1.weight"].ravel().tolist()
        gradients = draw.standard_normal((2, 1, 4))
        for gradient in gradients:
            optimizer.update(net, {"fc1.weight": gradient})
        yield {
            "optimizer": described_optimizer(optimizer, net),
            "name": "fc1.weight",
            "lr": optimizer.lr,
            "weight": weight,
            "gradients": gradients[:, 0].tolist(),
            "expected": net.parameters["fc1.weight"].ravel().tolist(),
        }


def known() -> dict[str, Any]:
    """All that the tests in Node are told."""
    t = step()
    made = [node.array_of[node.equation.target.array] for node in t.system.nodes]
    made += [n.array_of[letter] for n in t.system.nodes for letter in n.equation.saved]
    asked = list(answers(t))
    causes = sorted({one["answer"]["cause"] for one in asked})
    assert len(causes) >= 6
    own, several, zeros = traced(DOUBLED, POSITIVE, TURNED), forked(), zeroed()
    return {
        "answers": asked,
        "causes": causes,
        "step": json.loads(step_as_text(Session(t))),
        "own": {
            "step": json.loads(step_as_text(Session(own))),
            "answers": list(whole_answers(own)),
        },
        "forked": {
            "step": json.loads(step_as_text(Session(several))),
            "answers": list(answers(several)),
        },
        "zeroed": {
            "step": json.loads(step_as_text(Session(zeros))),
            "answers": list(answers(zeros)),
        },
        "cells": list(cells(t)),
        "positions": list(positions()),
        "functions": list(functions()),
        "updates": list(updates()),
        "made": made,
    }


def test_the_modules_say_what_python_says(tmp_path: Path) -> None:
    found = node()
    (tmp_path / "known.json").write_text(json.dumps(known()), encoding="utf-8")
    set_up = (Path(__file__).parent / "page" / "resolve.mjs").as_uri()
    ran = subprocess.run(
        [found, "--import", set_up, "--test", *map(str, TESTS)],
        env=os.environ | {"GRADTRAIL_PAGE": str(PAGE), "GRADTRAIL_KNOWN": f"{tmp_path}/known.json"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    passed = re.search(r"^# pass (\d+)$", ran.stdout, re.M)
    assert passed is not None, ran.stdout
    assert int(passed[1]) >= 20
