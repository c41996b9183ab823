"""The page in a Jupyter notebook: a frame that holds the saved form, and tells what is pinned.

The frame is sandboxed: what is in it has no origin, so it reaches neither the notebook nor the
server of the notebook. The only way out is a message with the elements that are pinned.
"""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from ..machine.packages import optional_package

_MODULE = Path(__file__).with_name("widget.js")
_SANDBOX = "allow-scripts allow-downloads"
_HEIGHT = 760


@cache
def widget_class() -> Any:
    """The class of the widget, whose base anywidget has.

    `html` is the page and `title` what it is called; `pinned` lists the pinned elements as they
    are written: `dconv1.weight[2,0,1,1]`. `sandbox` and `height` are the frame's, as in `frame`.

    Raises:
        MissingPackageError: anywidget is not there.
    """
    base: Any = optional_package("anywidget", "the explorer as a widget").AnyWidget
    traitlets: Any = optional_package("traitlets", "the explorer as a widget", "anywidget")

    class ExplorerWidget(base):  # type: ignore[misc]
        _esm = _MODULE.read_text(encoding="utf-8")
        html = traitlets.Unicode().tag(sync=True)
        sandbox = traitlets.Unicode(_SANDBOX, read_only=True).tag(sync=True)
        height = traitlets.Int(_HEIGHT, read_only=True).tag(sync=True)
        pinned = traitlets.List(traitlets.Unicode()).tag(sync=True)
        title = traitlets.Unicode()

        def __repr__(self) -> str:
            """Without the page, which has megabytes."""
            held = ", ".join(self.pinned)
            return (
                f"ExplorerWidget({self.title!r}, {f'pinned: {held}' if held else 'nothing pinned'})"
            )

    return ExplorerWidget


def frame(page: str, title: str) -> str:
    """The frame as HTML, for notebooks without anywidget.

    Args:
        page: the saved form.
        title: what the frame is called.
    """
    return (
        f'<iframe title="{escape(title)}" sandbox="{_SANDBOX}" srcdoc="{escape(page)}" '
        f'style="width: 100%; height: {_HEIGHT}px; border: 0"></iframe>'
    )
