"""Facts and the files that say them: both languages say every fact, and Node says it alike."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exploring.browsing import modules
from exploring.test_page_why import MODULES, cells_of, steps_of
from traces import SHALLOW, network, samples

import gradtrail as gt
from gradtrail.tracing.clauses import CAUSES
from gradtrail.tracing.facts import Fact, fact_from
from gradtrail.tracing.wording import LANGUAGES, _messages, say, words_in

FOLDER = Path(gt.__file__).parent / "tracing" / "words"
WORDS = {language: json.loads(words_in(language)) for language in LANGUAGES}
KINDS = [kind for kind in WORDS["en"] if not kind.startswith("@")]

# What the steps below do not happen to contain, and what numbers may be.
RARE = [
    Fact("finite source", source="fc1.output[2]"),
    Fact("too small", element="dfc1.weight[0,0]"),
    Fact("rounded", element="dfc1.weight[0,0]", nonzero=1, total=-1.25e-9),
    Fact("rounded", element="dfc1.weight[0,0]", nonzero=12345, total=1e300),
    Fact("no output weight", count=2, loss="a.loss"),
    Fact("value flat", layer="a", element="b", value=float("-inf"), function="tanh"),
    Fact("value relu closed", layer="relu1", element="fc1.output[0,0]", value=-0.0),
    Fact("closed", element="dinput[0]", clauses=(), more=1, there=Fact("too small", element="a")),
    Fact("closed", element="dinput[0]", clauses=(), more=2, there=None),
    Fact("taken off", answer=Fact("given so"), norms=("norm1", "norm2"), layer="conv1"),
    *(
        Fact("place share", axis=axis, place="(1,2)", sum=float("nan"), share=share)
        for axis, share in zip("yckf", (0.0994, -0.0996, 0.125, 1e9), strict=True)
    ),
    *(
        Fact("zero factors", count=1 << 20, what=what, element="a")
        for what in ("mask", "weights", "inputs")
    ),
]

# What the order of the clauses follows from, and the layer of weights that are named themselves.
UNSAID = {
    "no class weight": {"count"},
    "left out": {"count"},
    "no weight": {"count"},
    "no output weight": {"count"},
    "zero weights": {"layer"},
}

NODE = """
import { readFileSync, writeSync } from "node:fs";
import { say } from "gradtrail/words/say.js";
import { wordsOf } from "gradtrail/words/words.js";
const facts = JSON.parse(readFileSync(process.argv[2], "utf8"));
const said = facts.map((fact) => ["en", "ko"].map((language) => say(fact, wordsOf(language).why)));
writeSync(1, JSON.stringify(said));
"""


@pytest.fixture(scope="module")
def facts() -> list[Fact]:
    """Those of some elements of every step that the tests of `why` look at."""
    found = list(RARE)
    for module in MODULES:
        for t in steps_of(module):
            for side, name, index in cells_of(t, 20, 20):
                held = t.value if side == "value" else t.grad
                found.append(held.why(name, tuple(index)).fact)
    return found


def within(fact: Fact) -> Iterator[Fact]:
    """A fact and all inside it."""
    yield fact
    for _, value in fact.fields:
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, Fact):
                yield from within(one)


def test_there_is_a_file_for_each_language() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == list(LANGUAGES) == ["en", "ko"]
    assert list(WORDS["en"]) == list(WORDS["ko"])


def test_every_fact_is_said_with_the_same_fields(facts: list[Fact]) -> None:
    """Those of a kind have the same fields; each language needs no other, and neither less."""
    fields: dict[str, set[str]] = {}
    for fact in (one for whole in facts for one in within(whole)):
        names = {name for name, _ in fact.fields}
        assert fields.setdefault(fact.kind, names) == names, fact.kind
    assert fields.keys() == set(KINDS)
    assert set(CAUSES) - {"zero products"} < set(KINDS)
    for kind, names in fields.items():
        used = [fields_in(language, _messages(language)[kind]) for language in LANGUAGES]
        assert used[0] == used[1], kind
        assert used[0] == names - UNSAID.get(kind, set()), kind


def fields_in(language: str, message: Any) -> set[str]:
    """The fields that a template reads, in whichever case."""
    read: set[str] = set()
    for slot in (part for part in message if not isinstance(part, str)):
        read |= set() if slot.template else {slot.name}
        inside = [_messages(language)[f"@{slot.name}"]] if slot.template else slot.cases.values()
        read = read.union(*(fields_in(language, one) for one in inside))
    return read


def test_nothing_of_a_template_is_left(facts: list[Fact]) -> None:
    for fact in facts:
        for language in LANGUAGES:
            text = say(fact, language)
            assert not set("{}@") & set(text), text
            assert "None" not in text


def test_facts_as_json_are_the_same_facts(facts: list[Fact]) -> None:
    for fact in facts:
        data = json.loads(json.dumps(fact.to_dict(), allow_nan=False))
        assert data["kind"] == fact.kind
        for language in LANGUAGES:
            assert say(fact_from(data), language) == say(fact, language)
    cancelled = Fact("cancelled", element="loss", nonzero=2, magnitude=0.5)
    assert cancelled.to_dict() == {
        "kind": "cancelled", "element": "loss", "nonzero": 2, "magnitude": 0.5
    }  # fmt: skip
    assert fact_from(cancelled.to_dict()) == cancelled
    assert repr(cancelled) == "Fact('cancelled', element='loss', nonzero=2, magnitude=0.5)"
    with pytest.raises(AttributeError, match="cannot assign to field 'kind'"):
        cancelled.kind = "sum"  # type: ignore[misc]


def test_node_says_the_same(facts: list[Fact], tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    package = tmp_path / "node_modules" / "gradtrail"
    for name, text in modules().items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_bytes(text)
    (package / "package.json").write_text('{"name": "gradtrail", "type": "module"}')
    (tmp_path / "say.mjs").write_text(NODE)
    (tmp_path / "facts.json").write_text(json.dumps([fact.to_dict() for fact in facts]))
    ran = subprocess.run(
        [node, tmp_path / "say.mjs", tmp_path / "facts.json"], capture_output=True, text=True
    )
    assert ran.stderr == ""
    said = json.loads(ran.stdout)
    assert said == [[say(fact, language) for language in LANGUAGES] for fact in facts]


def test_in_the_language_that_is_chosen() -> None:
    net = network(SHALLOW)
    net.parameters["conv1.bias"][1] = -100
    t = gt.trace(net, *samples(net))
    element = "dconv1.weight[1,0,1,1]"
    value = f"{t.value['conv1.output'][0, 1, 0, 0]:.4g}".replace("-", "−")
    english = t.grad.why(element)
    assert str(english) == (
        f"{element} is 0: relu1 is closed at all 144 positions on the way, such as "
        f"conv1.output[0,1,0,0] is {value}."
    )
    korean = t.grad.why(element, language="ko")
    assert str(korean) == korean.text == korean.to_dict()["text"]
    assert korean.text == (
        f"{element}의 값은 0입니다. 가는 길에 있는 위치 144곳 모두에서 relu1 층이 닫혀 있습니다"
        f"(예: conv1.output[0,1,0,0] = {value})."
    )
    assert korean.fact == english.fact
    assert t.value.why("loss", language="ko").text.startswith("loss = ")
    for wrong in ("fr", None, ""):
        with pytest.raises(gt.UnknownNameError, match=f"no language is called {wrong!r}; .*en, ko"):
            t.value.why("loss", language=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        (["norm1"], "norm1 층은 conv1 층의 출력에서 채널마다 평균을 빼므로"),
        (["norm1", "norm2"], "norm1, norm2 층은 conv1 층의 출력에서 채널마다 평균을 빼므로"),
    ],
)
def test_a_bias_that_is_taken_off_is_said_in_korean(layers: list[str], said: str) -> None:
    net = gt.Network(
        (1, 6, 6),
        [
            gt.Conv2d(2, 3),
            *([gt.BatchNorm2d()] if len(layers) == 1 else []),
            *([gt.Concat([gt.BatchNorm2d()], [gt.BatchNorm2d()])] if len(layers) == 2 else []),
            gt.Flatten(),
            gt.Linear(2),
        ],
        seed=0,
    )
    x: Any = np.random.Generator(np.random.PCG64(0)).standard_normal((4, 1, 6, 6))
    assert said in gt.trace(net, x, [0, 1, 1, 0]).grad.why("conv1.bias", 0, language="ko").text
