"""The server answers its own page and nobody else, by the values of the session.

The file is long because every door of one server is tried in one place.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
import unicodedata
from collections.abc import Iterator
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


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server(session())
    yield made
    made.close()


@pytest.fixture
def client(server: Server) -> Client:
    return Client(server.url)


@pytest.fixture
def shown(server: Server) -> Session:
    """The session, as it was at first."""
    held = server._routes.session
    held.apply([{"kind": "reset"}])
    return held


# -- who may ask -------------------------------------------------------------------------------


def test_the_address_gives_a_cookie_and_leads_to_the_page(client: Client) -> None:
    answer = client.ask("GET", f"/?token={client.token}", Cookie=None)
    assert answer.status == 303
    assert answer.headers["location"] == "/"
    name, _, rest = answer.headers["set-cookie"].partition("=")
    value, *settings = rest.split("; ")
    assert (name, value) == (f"gradtrail-{client.port}", client.token)
    assert sorted(s.lower() for s in settings) == ["httponly", "path=/", "samesite=strict"]
    page = client.get("/")
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert client.token not in page.text


def test_a_ticket_opens_the_page_once(server: Server, client: Client) -> None:
    ticket = server.ticket().partition("=")[2]
    assert ticket != client.token
    first, again = (client.ask("GET", f"/?token={ticket}", Cookie=None) for _ in range(2))
    assert first.status == 303
    assert first.headers["set-cookie"].startswith(f"{client.cookie};")
    assert again.status == 403
    assert "the token is none, or was used" in again.text


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/api/description", "/api/edit", "/none"])
@pytest.mark.parametrize("cookie", [None, "wrong", "other", "prefix"])
def test_without_the_cookie_nothing_is_told(client: Client, path: str, cookie: Any) -> None:
    kinds = {
        "wrong": f"gradtrail-{client.port}=wrong",
        "other": f"gradtrail-{client.port + 1}={client.token}",
        "prefix": client.cookie[:-1],
    }
    method = "POST" if path == "/api/edit" else "GET"
    answer = client.ask(method, path, Cookie=kinds.get(cookie))
    assert answer.status == 403
    sentence = "the page opens with the whole address that gradtrail printed"
    assert sentence in (answer.json["error"] if path.startswith("/api") else answer.text)
    assert client.token not in answer.text + str(answer.headers)


@pytest.mark.parametrize("token", ["", "wrong", "ü", "%ff"])
def test_a_wrong_token_is_refused(client: Client, token: str) -> None:
    answer = client.ask("GET", f"/?token={token.replace('ü', '%C3%BC')}", Cookie=None)
    assert (answer.status, "set-cookie" in answer.headers) == (403, False)


def test_a_token_elsewhere_than_in_the_first_address_is_none(client: Client) -> None:
    answer = client.ask("GET", f"/api/description?token={client.token}", Cookie=None)
    assert answer.status == 403


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1", "localhost", "127.0.0.1:1", "127.0.0.1.evil.example:{port}",
     "[::1]:{port}", "0.0.0.0:{port}", "evil.example:{port}", "127.0.0.1:{port}, evil.example"],
)  # fmt: skip
def test_another_host_is_refused_with_token_and_cookie(client: Client, host: str) -> None:
    host = host.format(port=client.port)
    for path in ("/", f"/?token={client.token}", "/api/description", "/page/main.js"):
        answer = client.ask("GET", path, Host=host)
        assert answer.status == 421
        assert f"this server is 127.0.0.1:{client.port} or localhost:{client.port}" in answer.text


def test_localhost_is_us(client: Client) -> None:
    assert client.ask("GET", "/api/description", Host=f"localhost:{client.port}").status == 200


@pytest.mark.parametrize(
    "origin",
    ["null", "http://evil.example", "https://127.0.0.1:{port}", "http://127.0.0.1:1",
     "http://localhost:{port}", "http://127.0.0.1:{port}/", "http://127.0.0.1:{port}.evil.example"],
)  # fmt: skip
def test_another_origin_is_refused(client: Client, shown: Session, origin: str) -> None:
    origin, version = origin.format(port=client.port), shown.version
    for method, path in (("GET", "/api/description"), ("GET", "/"), ("POST", "/api/edit")):
        answer = client.ask(method, path, b'{"changes": []}', Origin=origin)
        assert answer.status == 403
        assert "another site asked" in answer.text
    assert shown.version == version
    assert client.ask("GET", "/", Origin=f"http://{client.host}").status == 200


def test_what_changes_something_needs_an_origin(client: Client, shown: Session) -> None:
    version = shown.version
    answer = client.ask("POST", "/api/edit", b'{"changes": []}', Origin=None)
    assert (answer.status, shown.version) == (403, version)


@pytest.mark.parametrize(
    ("site", "mode", "dest", "status"),
    [
        ("same-origin", "cors", "empty", 200),
        ("none", "navigate", "document", 200),
        ("cross-site", "navigate", "document", 403),
        ("cross-site", "no-cors", "script", 403),
        ("same-site", "navigate", "document", 200),  # a link on another server's page
        ("same-site", "navigate", "iframe", 403),
        ("same-site", "no-cors", "script", 403),
        ("same-site", "cors", "empty", 403),
        ("strange", "navigate", "document", 403),
    ],
)
def test_other_sites_are_told_by_what_browsers_say(
    client: Client, site: str, mode: str, dest: str, status: int
) -> None:
    said = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": mode, "Sec_Fetch_Dest": dest}
    assert client.ask("GET", "/", **said).status == status


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_refused(client: Client, method: str) -> None:
    answer = client.ask(method, "/api/description", Origin=f"http://{client.host}")
    assert answer.status == 405
    assert client.ask("POST", "/api/description", b"{}").status == 405
    assert client.ask("GET", "/api/edit").status == 405


def test_it_listens_on_this_machine_alone(server: Server) -> None:
    assert server._socket.getsockname() == ("127.0.0.1", server.port)


def test_every_answer_says_what_a_browser_must_not_do(client: Client) -> None:
    answers = [
        client.get("/"),
        client.get("/page/none.js"),
        client.get("/api/description"),
        client.get("/api/rows"),
        client.get("/none"),
        client.edit({"kind": "nothing"}),
        client.ask("GET", "/", Cookie=None),
        client.ask("GET", "/", Host="evil.example"),
        client.ask("GET", f"/?token={client.token}"),
    ]
    assert [a.status for a in answers] == [200, 404, 200, 400, 404, 400, 403, 421, 303]
    for answer in answers:
        found = answer.headers
        assert found["cache-control"] == "no-store"
        assert found["cross-origin-opener-policy"] == "same-origin"
        assert found["cross-origin-resource-policy"] == "same-origin"
        assert found["referrer-policy"] == "no-referrer"
        assert found["x-content-type-options"] == "nosniff"
        assert "server" not in found
        policy = dict(part.split(" ", 1) for part in found["content-security-policy"].split("; "))
        assert re.fullmatch(r"'self' 'sha256-[\w+/]+='", policy.pop("script-src"))
        assert policy == {
            "default-src": "'none'",
            "style-src": "'self'",
            "img-src": "'self' data: blob:",
            "connect-src": "'self'",
            "frame-ancestors": "'none'",
            "base-uri": "'none'",
            "form-action": "'none'",
        }


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
