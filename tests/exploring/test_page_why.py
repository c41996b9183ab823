"""The page finds of any cell what `why` finds, and says it alike."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import test_why
import test_why_formulas
import test_why_not_finite
import test_why_value
from exploring.browsing import chromium, load_step, modules_page
from exploring.test_page_terms import EVERYTHING
from random_networks import drawn
from traces import SHALLOW, network, samples

import gradtrail as gt
from gradtrail.exploring.session import Session
from gradtrail.tracing.clauses import CAUSES
from gradtrail.tracing.index_points import BLOCK
from gradtrail.tracing.records import json_number
from gradtrail.tracing.wording import say

pytestmark = pytest.mark.browser

Cell = tuple[str, str, list[int]]

ASK = """
async (asked) => {
  const { why } = await import("gradtrail/why/why.js");
  const { say } = await import("gradtrail/words/say.js");
  const { wordsOf } = await import("gradtrail/words/words.js");
  const texts = (fact) => ["en", "ko"].map((language) => say(fact, wordsOf(language).why));
  const answers = JSON.parse(asked).map(([[side, name, index], fact]) => {
    const found = why(step, side, name, index);
    return { ...found, texts: texts(found.fact), known: texts(fact) };
  });
  const asPython = (held) => String(held).toLowerCase().replace("infinity", "inf");
  const plain = (_, held) => (typeof held === "number" && !isFinite(held) ? asPython(held) : held);
  return JSON.stringify(answers, plain);
}
"""

MODULES = (test_why, test_why_formulas, test_why_value, test_why_not_finite)
NOT_ZERO = ("sum", "given", "no sum", "not finite")

NAME = re.compile(
    r"[a-z_]\w*(?:\.[a-z]\w*)?(?:\[[\d,]*\])|[a-z_]\w*\.[a-z]\w*|\b[a-z_]+\d+\b", re.A
)
NUMBER = re.compile(r"−?\d[\d,]*(?:\.\d+)?(?:e[+−]\d+)?|[∞]|NaN")


@pytest.fixture(scope="module")
def tab() -> Iterator[Any]:
    with chromium() as browser:
        yield modules_page(browser)


def calls(test: Callable[..., None]) -> Iterator[dict[str, Any]]:
    """The arguments of all cases of a parametrised test."""
    axes = []
    for mark in getattr(test, "pytestmark", []):
        names, values = mark.args
        if isinstance(names, str):
            axes.append([{names: value} for value in values])
        else:
            axes.append([dict(zip(names, value, strict=True)) for value in values])
    for case in itertools.product(*axes):
        yield {name: value for one in case for name, value in one.items()}


def steps_of(module: ModuleType) -> Iterator[gt.Trace]:
    """Every step that the tests of a module look at."""
    kept: list[gt.Trace] = []
    trace = gt.trace

    def recorded(*args: Any, **options: Any) -> gt.Trace:
        kept.append(trace(*args, **options))
        return kept[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gt, "trace", recorded)
        for name, test in vars(module).items():
            if name.startswith("test_"):
                for case in calls(test):
                    test(**case)
    yield from kept


def lenet() -> gt.Trace:
    """LeNet-5 after a few steps on digits: closed ReLUs, lost maxima, zeros among the pixels."""
    (x, y), (x_test, y_test) = gt.data.digits()
    net = gt.architecture("lenet5").network(None, seed=0)
    gt.train(
        net, (gt.data.enlarged(x[:256], 28, 28), y[:256]), epochs=1, batch_size=32, progress=False
    )
    return gt.trace(net, gt.data.enlarged(x_test[:16], 28, 28), y_test[:16])


def exact(net: gt.Network) -> gt.Network:
    """The same layers in float64: exp and tanh of float32 are not the same to the last bit."""
    return gt.Network(net.input_shape, net.layers, seed=0, dtype=np.float64)


def pruned(number: int) -> gt.Trace:
    """A random network in which weights and inputs are 0 here and there."""
    net = exact(drawn(number).network)
    draw = np.random.Generator(np.random.PCG64(number))
    for name, array in net.parameters.items():
        if draw.random() < 0.5:
            net.parameters[name] = array * (draw.random(array.shape) > draw.random())
    x = np.maximum(draw.standard_normal((3, *net.input_shape)), 0)
    y = draw.standard_normal(net.system(3).shapes[net.output_name])
    loss = gt.MeanSquaredError()
    return gt.trace(net, x, y, loss=loss, training=bool(number % 2))


def wide() -> gt.Trace:
    """A sum of more products than Python looks at at a time; only the inputs are 0 in the first."""
    inputs = BLOCK + 10
    net = gt.Network((inputs,), [gt.Linear(2, bias=False)])
    x = np.zeros((1, inputs), np.float32)
    x[0, BLOCK + 5 :] = 1
    net.parameters["fc1.weight"] = np.tile(1 - x, (2, 1))
    return gt.trace(net, x, [0])


def cells_of(t: gt.Trace, zeros: int, others: int) -> list[Cell]:
    """Random elements that are 0 and that are not, of all arrays alike."""
    draw = np.random.Generator(np.random.PCG64(11))
    arrays = [("value", t.value, n) for n in t.value] + [("grad", t.grad, n) for n in t.grad]
    found = []
    for wanted, most in ((True, zeros), (False, others)):
        for side, held, name in arrays:
            places = np.argwhere((held[name] == 0) == wanted)
            for place in draw.permutation(len(places))[: -(-most // len(arrays))]:
                found.append((side, name, [int(i) for i in places[place]]))
    return found


def alike(one: Any, other: Any) -> bool:
    """Whether two facts are the same, but for how the products were added up."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) and isinstance(other, int | float):
        return bool(np.isclose(one, other, rtol=1e-9, atol=0))
    return bool(one == other)


def facts(text: str) -> tuple[set[str], set[str]]:
    """The names and the numbers in a sentence."""
    rest = NAME.sub(" ", text)
    return set(NAME.findall(text)), {number.strip(",") for number in NUMBER.findall(rest)}


def check(tab: Any, t: gt.Trace, cells: Sequence[Cell]) -> set[str]:
    """Ask the page and Python about the same cells; the causes that occurred."""
    load_step(tab, Session(t))
    known = [(t.value if s == "value" else t.grad).why(n, tuple(i)) for s, n, i in cells]
    asked = [[cell, answer.fact.to_dict()] for cell, answer in zip(cells, known, strict=True)]
    found = json.loads(tab.evaluate(ASK, json.dumps(asked)))
    for answer, told in zip(known, found, strict=True):
        english, korean = told.pop("texts")
        assert [english, korean] == told.pop("known") == [answer.text, say(answer.fact, "ko")]
        expected: dict[str, Any] = answer.to_dict()
        assert alike(expected.pop("fact"), told.pop("fact"))
        assert expected.pop("text") == english
        assert told | {"value": json_number(float(told["value"]))} == expected
        assert re.search("[가-힣]", korean), korean
        assert "undefined" not in korean
        assert facts(korean) == facts(english), f"{korean}\n{english}"
    return {answer.cause for answer in known}


def test_every_cause_is_told_as_in_python(tab: Any) -> None:
    causes = set()
    for module in MODULES:
        for t in steps_of(module):
            causes |= check(tab, t, cells_of(t, 20, 10))
    assert causes == {*CAUSES, *NOT_ZERO}


def test_a_trained_lenet(tab: Any) -> None:
    t = lenet()
    assert {"relu closed", "lost maximum", "sum"} < check(tab, t, cells_of(t, 400, 300))


@pytest.mark.parametrize("training", [True, False])
def test_a_network_with_everything(tab: Any, training: bool) -> None:
    net = exact(network(EVERYTHING, (2, 13, 12)))
    t = gt.trace(net, *samples(net), training=training)
    assert "relu closed" in check(tab, t, cells_of(t, 150, 100))


@pytest.mark.parametrize("number", range(6))
def test_random_networks_with_zeros_in_them(tab: Any, number: int) -> None:
    t = pruned(number)
    check(tab, t, cells_of(t, 40, 20))


def test_of_very_many_products_the_same_one_is_named(tab: Any) -> None:
    assert check(tab, wide(), [("value", "fc1.output", [0, 1])]) == {"zero products"}


def test_a_pixel_between_the_strides_of_a_transposed_convolution(tab: Any) -> None:
    net = network([gt.ConvTranspose2d(1, 1, stride=2, bias=False), gt.Flatten(), gt.Linear(2)])
    load_step(tab, Session(gt.trace(net, *samples(net))))
    cell, fact = ["value", "convt1.output", [0, 0, 1, 1]], {"kind": "given so"}
    (found,) = json.loads(tab.evaluate(ASK, json.dumps([[cell, fact]])))
    assert found["cause"] == "no window"
    english, korean = found["texts"]
    assert english == "convt1.output[0,0,1,1] is 0: no window of convt1 reaches it."
    assert korean == (
        "convt1.output[0,0,1,1]의 값은 0입니다. convt1 층의 어느 윈도우도 이 원소에 닿지 않습니다."
    )


def test_after_a_change_nothing_is_remembered(tab: Any) -> None:
    net = network(SHALLOW)
    net.parameters["conv1.bias"][1] = -100
    load_step(tab, Session(gt.trace(net, *samples(net))))
    cell, fact = ["grad", "conv1.weight", [1, 0, 1, 1]], {"kind": "given so"}
    causes = []
    for _ in range(2):
        (found,) = json.loads(tab.evaluate(ASK, json.dumps([[cell, fact]])))
        causes.append(found["cause"])
        tab.evaluate('() => { step.array("value", "conv1.output").fill(1); step.store.version++; }')
    assert causes[0] == "relu closed"
    assert causes[1] != "relu closed"
