"""Whom the server answers: its own page, with its cookie and from this machine, and nobody else."""

from __future__ import annotations

import re
from typing import Any

import pytest
from exploring.asking import Client

from gradtrail.exploring.server import Server
from gradtrail.exploring.session import Session


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
