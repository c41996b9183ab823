"""The page as an HTML document: served in parts, or saved as one file.

All of it is ES modules below page/, which import each other as `gradtrail/<path below page/>`. An
import map says where these are: at an address of the server, or as a data: URL in the file itself.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..tracing.wording import LANGUAGES, words_in
from .packing import pack
from .session import Session
from .step_description import arrays_by_side, describe_step

FOLDER = Path(__file__).parent / "page"
MAIN = "main.js"
STYLES = tuple(
    f"style/{part}.css"
    for part in (
        *("base", "frame", "stages", "samples", "network", "inspector", "live"),
        "narrow",  # has the last word
    )
)

_NOTHING = ("base-uri 'none'", "form-action 'none'")


@dataclass(frozen=True)
class Document:
    """A page and what it may do.

    Args:
        html: the document.
        policy: the content security policy that it goes with.
    """

    html: str
    policy: str


def page_files() -> dict[str, bytes]:
    """Every module and every style by their paths below page/; there are no others to be had.

    What `why` says is among them: a module for each language's file.
    """
    paths = [*sorted(FOLDER.rglob("*.js")), *(FOLDER / name for name in STYLES)]
    files = {path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in paths}
    said = {f"words/why-{one}.js": f"export default {words_in(one)}" for one in LANGUAGES}
    return files | {name: text.encode() for name, text in said.items()}


def served_page(title: str, files: Mapping[str, bytes]) -> Document:
    """The page whose parts and numbers a server sends.

    Args:
        title: of the page.
        files: of `page_files`.
    """
    imports = _import_map({name: f"./page/{name}" for name in _modules(files)})
    head = [
        *(f'<link rel="stylesheet" href="page/{name}">' for name in STYLES),
        f'<script type="importmap">{imports}</script>',
        f'<script type="module" src="page/{MAIN}"></script>',
    ]
    policy = [
        "default-src 'none'",
        f"script-src 'self' {_hash_source(imports)}",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        *_NOTHING,
    ]
    return Document(_document("served", title, head), "; ".join(policy))


def saved_page(session: Session) -> Document:
    """The page as one file that needs nothing from anywhere.

    The file fetches nothing and sends nothing: its own policy forbids it.

    Args:
        session: whose present step is in it.
    """
    files = page_files()
    urls = {name: _data_url(files[name]) for name in _modules(files)}
    imports = _import_map(urls)
    style = "\n".join(files[name].decode() for name in STYLES)
    style = style.replace("\r\n", "\n")  # as the browser will hash it
    style = style.replace("</", "<\\/")  # the same to CSS, and no end of the element
    policy = [
        "default-src 'none'",
        f"script-src {_hash_source(imports)} data:",
        f"style-src {_hash_source(style)}",
        "img-src data: blob:",
        *_NOTHING,
    ]
    with session.lock:
        content = payload(session)
    numbers = base64.b64encode(gzip.compress(content, 6, mtime=0)).decode()
    head = [
        f'<meta http-equiv="Content-Security-Policy" content="{"; ".join(policy)}">',
        f"<style>{style}</style>",
        f'<script type="importmap">{imports}</script>',
        f'<script type="text/plain" id="session">{numbers}</script>',
        f'<script type="module" src="{urls.get(MAIN, "")}"></script>',
    ]
    return Document(_document("saved", session.title, head), "; ".join(policy))


def payload(session: Session) -> bytes:
    """The description and all arrays, as `packing` describes.

    What the optimiser remembers is among them, with its `state` named. The step is what a reset
    leads back to, and no training is followed any more.
    """
    arrays = session.arrays_of(arrays_by_side(session))
    arrays += [
        ({"side": "memory", "name": name, "state": state}, array)
        for name, remembered in session.memory.items()
        for state, array in remembered.items()
    ]
    state = session.state() | {"edited": False, "updates": 0, "following": None}
    return pack(arrays, {"description": describe_step(session) | {"live": False, "state": state}})


def _modules(files: Mapping[str, bytes]) -> list[str]:
    return [name for name in files if name.endswith(".js")]


def _import_map(urls: Mapping[str, str]) -> str:
    """The import map's JSON, in which nothing ends the script that it stands in."""
    imports = {f"gradtrail/{name}": url for name, url in urls.items()}
    return json.dumps({"imports": imports}, separators=(",", ":")).replace("<", "\\u003c")


def _data_url(module: bytes) -> str:
    return f"data:text/javascript;base64,{base64.b64encode(module).decode()}"


def _hash_source(text: str) -> str:
    """What lets a policy allow exactly this text inside the document."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _document(mode: str, title: str, head: list[str]) -> str:
    """The document; a policy stands before all that it is about."""
    lines = [
        "<!doctype html>",
        f'<html lang="en" data-mode="{mode}">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{html.escape(title)}</title>",
        '<link rel="icon" href="data:,">',
        *head,
        "</head>",
        "<body>",
        "<gt-explorer></gt-explorer>",
        "<noscript>This page computes in your browser and needs JavaScript.</noscript>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"
