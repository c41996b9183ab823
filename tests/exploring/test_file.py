"""A saved page holds all numbers and all of the page, and refers to nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from exploring.asking import array_of, packed_in, session, unpacked

import gradtrail as gt
from gradtrail.exploring import document
from gradtrail.exploring.document import page_files, payload, saved_page, served_page
from gradtrail.exploring.session import Session
from gradtrail.exploring.step_description import arrays_by_side, describe_step

NAMESPACES = {b"http://www.w3.org/1998/Math/MathML", b"http://www.w3.org/2000/svg"}
IMPORTED = re.compile(rb"""[}\w] from "([\w/.-]+)"|^import "([^"]+)"|\bimport\("([^"]+)"\)""", re.M)


def test_every_number_is_in_it() -> None:
    shown = session()
    shown.apply([{"kind": "element", "name": "fc1.bias", "index": [2], "value": 0.125}])
    header, arrays, begin = unpacked(packed_in(saved_page(shown).html))
    assert begin % 8 == 0
    description = describe_step(shown)
    description["state"] |= {"edited": False, "following": None}  # a reset leads back to here
    assert header["description"] == json.loads(json.dumps(description))
    assert list(arrays) == arrays_by_side(shown)
    for side, name in arrays_by_side(shown):
        expected = shown.array(side, name)
        found = array_of(arrays[side, name], expected)
        np.testing.assert_array_equal(found, expected, err_msg=f"{side} {name}")
    assert array_of(arrays["value", "fc1.bias"], np.zeros(10, np.float32))[2] == 0.125


@pytest.mark.parametrize(
    ("optimizer", "states"),
    [
        (gt.Adam(0.01), {"mean", "square"}),
        (gt.SGD(0.1, momentum=0.9), {"velocity"}),
        (gt.SGD(0.1), set()),
    ],
)
def test_what_the_optimizer_remembers_is_in_it(optimizer: gt.Optimizer, states: set[str]) -> None:
    traced = session().trace
    shown = Session(traced, optimizer=optimizer)
    shown.apply([{"kind": "update"}] * 3)
    header, arrays, _ = unpacked(payload(shown))
    state = header["description"]["state"]
    assert (state["steps"], state["updates"], state["edited"]) == (3, 0, False)
    assert (shown.state()["steps"], shown.state()["updates"]) == (3, 3)
    # by hand: three updates of another network, and what the optimiser has then
    net = session().network
    x, y = traced.origin.x, traced.origin.y
    for _ in range(3):
        optimizer.update(net, gt.trace(net, x, y).grad)
    steps, remembered = optimizer.remembered(net)
    assert steps == 3
    memory = {called[1:]: content for called, content in arrays.items() if called[0] == "memory"}
    assert set(memory) == {(name, s) for name in net.parameters for s in states}
    for (name, kept), content in memory.items():
        expected = remembered[name][kept]
        assert expected.any()
        np.testing.assert_array_equal(array_of(content, expected), expected, err_msg=name)
    # from there on, the next update is the fourth one
    optimizer.update(net, gt.trace(net, x, y).grad)
    shown.apply([{"kind": "update"}])
    for name, array in net.parameters.items():
        np.testing.assert_array_equal(shown.network.parameters[name], array, err_msg=name)


def test_a_fresh_step_remembers_nothing() -> None:
    shown = session()
    shown.apply([{"kind": "update"}, {"kind": "reset"}])
    header, arrays, _ = unpacked(payload(shown))
    assert header["description"]["state"]["steps"] == 0
    assert {side for side, *_ in arrays} == {"value", "grad"}


def test_a_file_follows_no_training() -> None:
    shown = session()
    shown.following = True
    assert describe_step(shown)["live"] is True
    description = unpacked(payload(shown))[0]["description"]
    assert (description["live"], description["state"]["following"]) == (False, None)


def test_numbers_in_float64_and_with_an_odd_count_lie_at_multiples_of_8() -> None:
    net = gt.Network((1, 3, 3), [gt.MaxPool2d(2, 1), gt.Flatten(), gt.Linear(3)], dtype=np.float64)
    shown = Session(gt.trace(net, np.arange(9.0).reshape(1, 1, 3, 3), [1]))
    _, arrays, _ = unpacked(payload(shown))
    t = shown.trace
    for name in ("pool1.output", "fc1.weight", "pool1.winner"):
        expected = t.value[name]
        np.testing.assert_array_equal(array_of(arrays["value", name], expected), expected)


def test_the_same_step_is_the_same_file() -> None:
    assert saved_page(session()).html == saved_page(session()).html


def test_it_refers_to_nothing_elsewhere() -> None:
    html = saved_page(session("see http://example.org")).html
    modules = json.loads(re.findall(r'type="importmap">(.*?)</script>', html)[0])["imports"]
    prefix = "data:text/javascript;base64,"
    texts = {name: base64.b64decode(url.removeprefix(prefix)) for name, url in modules.items()}
    files = page_files()
    assert texts == {f"gradtrail/{n}": c for n, c in files.items() if n.endswith(".js")}
    for name, text in texts.items():
        assert set(re.findall(rb"https?://[\w./-]*", text)) <= NAMESPACES, name
        for imported in ("".join(m.decode() for m in found) for found in IMPORTED.findall(text)):
            assert imported in texts, name
    rest = html.replace("<title>see http://example.org</title>", "")
    assert not re.search("https?://", rest)
    for address in re.findall(r'(?:src|href)="([^"]*)"', html):
        assert address == "" or address.startswith("data:")


def test_its_policy_allows_what_is_in_it_and_no_connection() -> None:
    html = saved_page(session()).html
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', html)
    parts = dict(part.split(" ", 1) for part in policy.split("; "))
    imports = re.findall(r'<script type="importmap">(.*?)</script>', html, re.S)[0]
    style = re.findall(r"<style>(.*?)</style>", html, re.S)[0]
    hashes = {
        name: "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for name, text in (("imports", imports), ("style", style))
    }
    assert parts == {
        "default-src": "'none'",
        "script-src": f"{hashes['imports']} data:",
        "style-src": hashes["style"],
        "img-src": "data: blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert html.index("Content-Security-Policy") < html.index("<style>") < html.index("<script")


def test_nothing_in_it_ends_what_it_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "view").mkdir()
    (tmp_path / "main.js").write_text('console.log("</script><b>");')
    (tmp_path / "view" / "a.js").write_bytes("export const ü = 1;".encode())
    (tmp_path / "one.css").write_bytes(b'a::after { content: "</style><b>"; }\r\nb { top: 0; }')
    (tmp_path / "two.css").write_bytes(b"c { top: 0; }\n")
    monkeypatch.setattr(document, "STYLES", ("one.css", "two.css"))
    (tmp_path / "secret.txt").write_text("none of the page's")
    monkeypatch.setattr(document, "FOLDER", tmp_path)
    said = ["words/why-en.js", "words/why-ko.js"]
    assert list(page_files()) == ["main.js", "view/a.js", "one.css", "two.css", *said]
    html = saved_page(session("</title><script>alert(1)</script>")).html
    assert html.count("<script") == html.count("</script>") == 3
    assert html.count("</style>") == 1
    assert html.count("<b>") == 1  # inside the style
    assert "\r" not in html
    assert "<title>&lt;/title&gt;&lt;script&gt;" in html
    main = base64.b64encode((tmp_path / "main.js").read_bytes()).decode()
    assert f'<script type="module" src="data:text/javascript;base64,{main}"></script>' in html
    strange = {'</script><b>".js': b""}
    assert "</script><b>" not in served_page("", strange).html


def test_lenet5_with_16_samples_is_small() -> None:
    explored = gt.architecture("lenet5").network(seed=0)
    x, y = gt.data.digits().test
    x = gt.data.enlarged(x[:16], 28, 28)
    html = saved_page(Session(gt.trace(explored, x, y[:16]))).html
    assert len(html.encode()) < 3_000_000
