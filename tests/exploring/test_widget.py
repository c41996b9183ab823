"""The page in a notebook: a widget, or a frame where anywidget is missing."""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from exploring.asking import session

import gradtrail as gt
from gradtrail.exploring import explorer as explorers
from gradtrail.exploring import widget
from gradtrail.exploring.document import saved_page
from gradtrail.exploring.explorer import Explorer

SANDBOX = "allow-scripts allow-downloads"


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel runs us."""
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))


@pytest.fixture
def without_anywidget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "anywidget", None)
    widget.widget_class.cache_clear()
    yield
    widget.widget_class.cache_clear()


@pytest.fixture
def anywidget() -> None:
    pytest.importorskip("anywidget")


@pytest.mark.usefixtures("anywidget")
def test_the_widget_holds_the_page_and_what_is_pinned() -> None:
    explorer = Explorer(session())
    shown = explorer.widget
    assert shown is explorer.widget
    assert shown.html == saved_page(explorer.session).html
    assert shown.pinned == []
    assert {"html", "pinned", "_esm"} <= set(shown.keys)
    shown.set_state({"pinned": ["dconv1.weight[2,0,1,1]"]})
    assert shown.pinned == ["dconv1.weight[2,0,1,1]"]
    first = shown.html
    explorer.session.apply([{"kind": "update"}])
    assert explorer.widget is shown
    assert shown.html == saved_page(explorer.session).html != first


@pytest.mark.usefixtures("anywidget")
def test_its_module_makes_a_sandboxed_frame_and_asks_who_speaks() -> None:
    text = widget.widget_class()._esm
    shown = Explorer(session()).widget
    assert (shown.sandbox, shown.height) == (SANDBOX, 760)
    assert {"sandbox", "height"} <= set(shown.keys)
    assert 'setAttribute("sandbox", model.get("sandbox"))' in text
    assert "event.source !== frame.contentWindow" in text
    assert "export default { render }" in text


@pytest.mark.usefixtures("anywidget", "notebook")
def test_a_notebook_shows_the_widget_alone() -> None:
    explorer = Explorer(session())
    found = explorer._repr_mimebundle_()
    data = found[0] if isinstance(found, tuple) else found
    view = data["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == explorer.widget.model_id
    assert "text/html" not in data
    assert explorer._repr_html_() is None
    title = explorer.session.title
    assert data["text/plain"] == f"ExplorerWidget({title!r}, nothing pinned)"
    explorer.widget.pinned = ["dconv1.weight[2,0,1,1]", "loss"]
    assert (
        repr(explorer.widget) == f"ExplorerWidget({title!r}, pinned: dconv1.weight[2,0,1,1], loss)"
    )


@pytest.mark.usefixtures("without_anywidget", "notebook")
def test_without_anywidget_a_frame_holds_the_page() -> None:
    explorer = Explorer(session())
    with pytest.raises(gt.MissingPackageError, match="needs anywidget: pip install anywidget"):
        _ = explorer.widget
    data = explorer._repr_mimebundle_()
    assert data["text/html"] == explorer._repr_html_()
    (page,) = re.findall(r'srcdoc="([^"]*)"', data["text/html"])
    assert html.unescape(page) == saved_page(explorer.session).html
    (title,) = re.findall(r'title="([^"]*)"', data["text/html"])
    assert html.unescape(title) == "a <b> & 'c'"
    assert f'sandbox="{SANDBOX}"' in data["text/html"]
    assert "height: 760px" in data["text/html"]


@pytest.mark.usefixtures("notebook")
@pytest.mark.parametrize("there", [True, False])
def test_a_page_that_is_too_large_says_so(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, there: bool
) -> None:
    request.getfixturevalue("anywidget" if there else "without_anywidget")
    monkeypatch.setattr(explorers, "LARGEST", 1000)
    data = Explorer(session())._repr_mimebundle_()
    size = len(saved_page(session()).html) / 1e6
    assert f"this page would add {size:.1f} MB to the notebook" in data["text/html"]


def test_a_prompt_shows_text() -> None:
    explorer = Explorer(session())
    assert explorer._repr_mimebundle_() == {"text/plain": repr(explorer)}
