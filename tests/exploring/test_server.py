"""What the server answers: the parts of the page, and numbers by the values of the session."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
import unicodedata
from typing import Any

import numpy as np
import pytest
from exploring.asking import Client, array_of, nothing_left, session, unpacked

import gradtrail as gt
from gradtrail.exploring import routes
from gradtrail.exploring.document import page_files
from gradtrail.exploring.naming import file_name
from gradtrail.exploring.server import Server
from gradtrail.exploring.session import Session
from gradtrail.tracing.facts import fact_from
from gradtrail.tracing.wording import say

# -- the page ----------------------------------------------------------------------------------


def test_the_page_names_its_parts_and_its_policy_allows_the_import_map(client: Client) -> None:
    page = client.get("/")
    (imports,) = re.findall(r'<script type="importmap">(.*?)</script>', page.text, re.S)
    digest = base64.b64encode(hashlib.sha256(imports.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in page.headers["content-security-policy"]
    modules = json.loads(imports)["imports"]
    names = [name for name in page_files() if name.endswith(".js")]
    assert modules == {f"gradtrail/{name}": f"./page/{name}" for name in names}
    assert "<title>a &lt;b&gt; &amp; &#x27;c&#x27;</title>" in page.text
    assert '<html lang="en" data-mode="served">' in page.text
    assert '<script type="module" src="page/main.js"></script>' in page.text
    assert page.text.count("<script") == 2


def test_parts_are_those_of_the_package_and_no_others(client: Client) -> None:
    for name, content in page_files().items():
        answer = client.get(f"/page/{name}")
        assert (answer.status, answer.body) == (200, content), name
        kind = "javascript" if name.endswith(".js") else "css"
        assert answer.headers["content-type"] == f"text/{kind}; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    ["../server.py", "..%2fserver.py", "%2e%2e/server.py", "equation/../../server.py",
     "/etc/passwd", "%2fetc%2fpasswd", "..\\server.py", "", ".", "equation", "equation/",
     "main.js%00", "main.js/", "./main.js", "equation//affine.js"],
)  # fmt: skip
def test_no_path_leads_anywhere_else(client: Client, path: str) -> None:
    answer = client.ask("GET", f"/page/{path}")
    assert answer.status in (404, 307)
    assert b"import" not in answer.body


# -- the numbers -------------------------------------------------------------------------------


def test_the_description_and_rows_by_value(client: Client, shown: Session) -> None:
    description = client.get("/api/description").json
    state = description["state"]
    assert state == client.get("/api/state").json == json.loads(json.dumps(shown.state()))
    for entry in description["arrays"]:
        name = entry["name"]
        for side, held in (("value", shown.trace.value), ("grad", shown.trace.grad)):
            if side == "grad" and not entry["gradient"]:
                continue
            whole = np.atleast_1d(held[name])
            begin, end = len(whole) // 3, len(whole)
            answer = client.get(
                "/api/rows", version=state["version"], side=side, name=name, **{"from": begin},
                to=end,
            )  # fmt: skip
            assert answer.headers["content-type"] == "application/octet-stream"
            expected = whole[begin:end]
            np.testing.assert_array_equal(array_of(answer.body, expected), expected, err_msg=name)


def test_all_arrays_at_once(client: Client, shown: Session) -> None:
    answer = client.get("/api/all", version=shown.version)
    header, arrays, _ = unpacked(answer.body)
    assert {side for side, _ in arrays} == {"value", "grad", "change"}
    assert len(arrays) == len(header)
    for entry in header:
        expected = shown.array(entry["side"], entry["name"])
        found = array_of(arrays[entry["side"], entry["name"]], expected)
        assert found.dtype == np.dtype(f"<{entry['dtype']}")
        np.testing.assert_array_equal(found, expected, err_msg=entry["name"])


def test_edits_change_the_step_and_the_version(client: Client, shown: Session) -> None:
    version = shown.version
    change = {"kind": "element", "name": "fc1.bias", "index": [3], "value": 1.5}
    state = client.edit(change, {"kind": "label", "n": 0, "label": 7}).json
    assert state == json.loads(json.dumps(shown.state()))
    assert state["version"] == version + 1
    assert state["labels"][0] == 7
    assert shown.network.parameters["fc1.bias"][3] == 1.5
    stale = client.get("/api/all", version=version)
    assert stale.status == 409
    assert stale.json == {"error": f"version {version} is gone; the step is {version + 1} now"}
    query = {"side": "value", "name": "input", "from": 0, "to": 1}
    assert client.get("/api/rows", version=version, **query).status == 409
    index = {"side": "grad", "name": "fc1.bias", "index": "3"}
    assert client.get("/api/why", version=version, **index).status == 409
    assert client.get("/api/why", version=version + 1, **index).status == 200


def test_why_by_value(client: Client, shown: Session) -> None:
    asked = {"version": shown.version, "side": "grad", "name": "conv1.weight", "index": "2,0,1,1"}
    answer = client.get("/api/why", **asked)
    expected = shown.trace.grad.why("conv1.weight", (2, 0, 1, 1)).to_dict()
    assert answer.json == json.loads(json.dumps(expected))
    korean = shown.trace.grad.why("conv1.weight", (2, 0, 1, 1), language="ko")
    assert say(fact_from(answer.json["fact"]), "ko") == korean.text
    loss = {"version": shown.version, "side": "value", "name": "loss", "index": ""}
    assert client.get("/api/why", **loss).json["element"] == "loss"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({}, "version must be a whole number, got None"),
        ({"version": "x"}, "version must be a whole number, got 'x'"),
        ({"side": "slope"}, "got 'slope'"),
        ({"name": "conv9.output"}, "no value is called 'conv9.output'"),
        ({"from": "-1"}, "input has rows 0 to 6, got -1 to 1"),
        ({"to": "7"}, "input has rows 0 to 6, got 0 to 7"),
        ({"to": "1.5"}, "to must be a whole number, got '1.5'"),
        ({"to": "9" * 400}, "to must be a whole number, got '999"),
    ],
)
def test_bad_questions_are_one_sentence(
    client: Client, shown: Session, query: dict[str, str], message: str
) -> None:
    whole = {"version": shown.version, "side": "value", "name": "input", "from": 0, "to": 1}
    answer = client.get("/api/rows", **(whole | query if query else {"side": "value"}))
    assert answer.status == 400
    assert message in answer.json["error"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the request is not JSON"),
        (b"{", "the request is not JSON"),
        (b"[" * 200_000, "the request is not JSON"),
        (b"\xff\xfe", "the request is not JSON"),
        (b"[]", 'an edit is {"changes": [...]}, and this has no "changes"'),
        (b"{}", 'an edit is {"changes": [...]}, and this has no "changes"'),
        (b'{"changes": null}', "changes are a list, got None"),
        (b'{"changes": [{"kind": []}]}', "no change is called []"),
        (b'{"changes": [{"kind": {}}]}', "no change is called {}"),
        (b'{"changes": [], "version": "1"}', "version must be a whole number, got '1'"),
        (b'{"changes": [], "version": true}', "version must be a whole number, got True"),
        (b'{"changes": {}}', "changes are a list, got {}"),
        (b'{"changes": [{"kind": "label", "n": 0, "label": 10}]}', "10"),
        (b'{"changes": [{"kind": "element", "name": "fc1.bias", "index": [0], "value": NaN}]}',
         "needs a finite number, got nan"),
    ],
)  # fmt: skip
def test_bad_edits_are_one_sentence_and_change_nothing(
    client: Client, shown: Session, body: bytes, message: str
) -> None:
    state, before = shown.state(), shown.trace
    answer = client.ask("POST", "/api/edit", body)
    assert answer.status == 400
    assert message in answer.json["error"]
    assert (shown.state(), shown.trace) == (state, before)


def test_an_edit_of_a_version_that_is_gone_is_refused(client: Client, shown: Session) -> None:
    def asked(version: int) -> Any:
        body = {"changes": [{"kind": "update"}], "version": version}
        return client.ask("POST", "/api/edit", json.dumps(body).encode())

    version = shown.version
    first = asked(version)
    assert (first.status, first.json["updates"]) == (200, 1)
    state, before = shown.state(), shown.trace
    again = asked(version)
    assert again.status == 409
    assert again.json == {"error": f"version {version} is gone; the step is {version + 1} now"}
    assert (shown.state(), shown.trace) == (state, before)
    assert asked(version + 1).json["updates"] == 2


def test_a_request_has_a_greatest_length(client: Client, shown: Session) -> None:
    version = shown.version
    answer = client.ask("POST", "/api/edit", b" " * (routes.BODY + 1))
    assert answer.status == 413
    assert answer.json == {"error": "a request has at most 8 MB"}
    longest = b'{"changes": []}'.ljust(routes.BODY)
    assert client.ask("POST", "/api/edit", longest).status == 200
    assert shown.version == version + 1


def test_what_nobody_foresaw_goes_to_the_log_alone(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(session: Session) -> None:
        raise ZeroDivisionError("a secret of the machine")

    monkeypatch.setattr(routes, "describe_step", fails)
    answer = client.get("/api/description")
    assert answer.status == 500
    assert answer.json == {"error": "this failed; the terminal of gradtrail says how"}
    assert "a secret of the machine" in caplog.text


def test_the_file_is_an_attachment(client: Client, shown: Session) -> None:
    answer = client.get("/api/file")
    assert answer.headers["content-disposition"] == 'attachment; filename="a-b-c.html"'
    assert '<html lang="en" data-mode="saved">' in answer.text
    assert client.token not in answer.text


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("lenet5-1", "lenet5-1.html"),
        ("../../etc", "etc.html"),
        ('x"; y\r\nSet-Cookie: z', "x-y-Set-Cookie-z.html"),
        ("숫자 놀이", "숫자-놀이.html"),
        (unicodedata.normalize("NFD", "숫자"), "숫자.html"),  # as macOS writes it
        ("हिन्दी/१", "हिन्दी-१.html"),
        ("a\u202egpj.html\u0000", "a-gpj.html.html"),
        ("☃", "gradtrail.html"),
        ("", "gradtrail.html"),
        ("a" * 200, "a" * 80 + ".html"),
        ("𐐷" * 200, "𐐷" * 60 + ".html"),
    ],
)
def test_a_title_makes_a_harmless_file_name(title: str, name: str) -> None:
    assert file_name(title) == name


@pytest.mark.parametrize(
    ("title", "header"),
    [
        ("lenet5-1", 'filename="lenet5-1.html"'),
        ("숫자", "filename=\"gradtrail.html\"; filename*=UTF-8''%EC%88%AB%EC%9E%90.html"),
        ("숫자 1", "filename=\"1.html\"; filename*=UTF-8''%EC%88%AB%EC%9E%90-1.html"),
    ],
)
def test_a_file_is_called_so_wherever_it_is_from(title: str, header: str) -> None:
    made = Server(session(title))
    try:
        client = Client(made.url)
        assert client.get("/api/description").json["file"] == file_name(title)
        found = client.get("/api/file").headers["content-disposition"]
        assert found == f"attachment; {header}"
    finally:
        made.close()


def test_no_training_is_followed_here(client: Client) -> None:
    answer = client.get("/api/live", after=0)
    assert (answer.status, answer.json) == (404, {"error": "no training is followed here"})


def test_many_ask_at_once(client: Client, shown: Session) -> None:
    """Edits and questions from several threads: each answer is of one version, whole."""
    found: list[tuple[int, float]] = []

    def work(value: float) -> None:
        state = client.edit(
            {"kind": "element", "name": "fc1.bias", "index": [0], "value": value}
        ).json
        query = {"side": "value", "name": "fc1.bias", "from": 0, "to": 10}
        rows = client.get("/api/rows", version=state["version"], **query)
        if rows.status == 200:
            found.append((state["version"], float(np.frombuffer(rows.body, "<f4")[0]) - value))
        else:
            assert rows.status == 409

    threads = [threading.Thread(target=work, args=(float(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found
    assert [difference for _, difference in found] == [0.0] * len(found)


# -- its life ----------------------------------------------------------------------------------


def test_nothing_is_left_when_it_closes() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with nothing_left():
        made = Server(session(), port)
        client = Client(made.url)
        assert client.port == port
        assert client.get("/api/description").status == 200
        assert made.seconds > 0
        with pytest.raises(gt.ArgumentError, match=f"port {port} of 127.0.0.1 cannot be had"):
            Server(session(), port)
        made.close()
        made.close()
    with pytest.raises(OSError, match="refused"):
        client.get("/")
    again = Server(session(), port)
    assert Client(again.url).token != client.token
    again.close()


@pytest.mark.parametrize("port", [-1, 65536, 1.5, "80", True])
def test_a_port_is_a_number(port: Any) -> None:
    with pytest.raises(gt.ArgumentError, match="port must be a whole number from 0 to 65535"):
        Server(session(), port)
