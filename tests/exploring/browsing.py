"""Chromium with the page's modules in it, without any server: requests get the files."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import gradtrail
from gradtrail.exploring.document import page_files
from gradtrail.exploring.packing import as_sent
from gradtrail.exploring.session import Session
from gradtrail.exploring.step_description import arrays_by_side, describe_step

PAGE = Path(gradtrail.__file__).parent / "exploring" / "page"
ORIGIN = "http://page.test/"
CHROMIUM = "/usr/bin/chromium"

# A step in the page as Python has it, for modules that take one.
LOAD = """
async (text) => {
  const { description, arrays } = JSON.parse(text); // Playwright takes long over objects
  const { Step } = await import("gradtrail/step/step.js");
  const { Arrays, arrayOf } = await import("gradtrail/step/arrays.js");
  const held = new Arrays();
  for (const { side, name, dtype, data } of arrays) {
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    held.set(side, name, arrayOf(dtype, bytes.buffer, 0, bytes.length));
  }
  window.step = new Step(description, held);
}
"""


@cache
def modules() -> dict[str, bytes]:
    """The page's modules by their paths, with those that are made of the languages' files."""
    return {name: text for name, text in page_files().items() if name.endswith(".js")}


def import_map() -> str:
    return json.dumps({"imports": {f"gradtrail/{name}": f"{ORIGIN}{name}" for name in modules()}})


@contextmanager
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


def modules_page(browser: Any) -> Any:
    """An empty page that can import the modules; what it complains of is raised."""
    tab = browser.new_page()
    empty = f'<!doctype html><script type="importmap">{import_map()}</script>'

    def answer(route: Any) -> None:
        name = route.request.url.removeprefix(ORIGIN)
        if name == "":
            route.fulfill(content_type="text/html", body=empty)
        elif name in modules():
            route.fulfill(content_type="text/javascript", body=modules()[name])
        else:
            route.abort()

    tab.route("**/*", answer)
    tab.goto(ORIGIN)
    return tab


def load_step(tab: Any, session: Session) -> None:
    """Put a session's step into `window.step`."""
    tab.evaluate(LOAD, step_as_text(session))


def step_as_text(session: Session) -> str:
    """A session's step as JSON: its description, and the bytes of its arrays."""
    arrays = []
    for side, name in arrays_by_side(session):
        held = session.trace.value if side == "value" else session.trace.grad
        data = as_sent(held[name])
        arrays.append(
            {
                "side": side,
                "name": name,
                "dtype": data.dtype.str[1:],
                "data": base64.b64encode(data.tobytes()).decode(),
            }
        )
    return json.dumps({"description": describe_step(session), "arrays": arrays})
