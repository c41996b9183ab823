"""The page in a tab as a person reads it, and the step that it shows in the tests."""

from __future__ import annotations

import math
import time
from typing import Any

import gradtrail as gt
from gradtrail.exploring.explorer import Explorer
from gradtrail.showing.numbers import number_text as as_shown

SAMPLES = 8


LAYERS = [
    gt.Conv2d(4, 3, padding=1),
    gt.BatchNorm2d(),
    gt.ReLU(),
    gt.MaxPool2d(2),
    gt.Residual([gt.Conv2d(4, 3, padding=1)]),
    gt.AvgPool2d(2),
    gt.Flatten(),
    gt.Linear(12),
    gt.Tanh(),
    gt.Dropout(0.25),
    gt.Linear(10),
]


CELLS = [
    ("value", "input", (0, 0, 3, 4)),
    ("value", "conv1.output", (0, 2, 3, 4)),
    ("grad", "conv1.output", (0, 1, 2, 2)),
    ("value", "conv1.weight", (2, 0, 1, 1)),
    ("grad", "conv1.weight", (2, 0, 1, 1)),
    ("grad", "conv1.bias", (3,)),
    ("value", "norm1.output", (0, 0, 5, 5)),
    ("value", "norm1.mean", (1,)),
    ("grad", "norm1.weight", (2,)),
    ("grad", "norm1.output", (0, 3, 4, 4)),
    ("value", "relu1.output", (0, 1, 1, 6)),
    ("grad", "relu1.output", (0, 1, 4, 3)),
    ("value", "pool1.output", (0, 2, 1, 3)),
    ("grad", "pool1.output", (0, 0, 2, 2)),
    ("value", "add1.output", (0, 3, 2, 1)),
    ("grad", "conv2.weight", (1, 1, 0, 2)),
    ("value", "pool2.output", (0, 1, 0, 1)),
    ("grad", "flatten1.output", (0, 7)),
    ("value", "fc1.output", (0, 5)),
    ("grad", "fc1.weight", (5, 3)),
    ("value", "tanh1.output", (0, 5)),
    ("grad", "tanh1.output", (0, 2)),
    ("value", "dropout1.output", (0, 3)),
    ("value", "fc2.output", (0, 9)),
    ("grad", "fc2.output", (0, 4)),
    ("value", "loss.probabilities", (0, 1)),
    ("value", "loss", ()),
]


class Page:
    """The page in a tab, and what a person reads on it."""

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        self.complaints: list[str] = []
        self.asked: list[str] = []
        size = options.pop("viewport", {"width": 1280, "height": 800})
        self.context = browser.new_context(viewport=size, accept_downloads=True, **options)
        self.tab = self.context.new_page()
        self.tab.on("console", lambda message: self.complaints.append(message.text))
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.goto(url)
        self.tab.wait_for_selector("gt-explorer.ready")

    def map(self, side: str, name: str) -> Any:
        return self.tab.locator(f'gt-map[data-side="{side}"][data-name="{name}"]')

    def spot(self, side: str, name: str, index: tuple[int, ...]) -> tuple[Any, dict[str, float]]:
        """A map's canvas, and where on it an element lies."""
        held = self.map(side, name)
        held.scroll_into_view_if_needed()
        over = held.locator(".map-over")
        over.wait_for()
        drawn = f"[...document.querySelectorAll('gt-map')].find((m) => m.dataset.side === '{side}'"
        self.until(f"{drawn} && m.dataset.name === '{name}').tiles")
        at = held.evaluate(
            """(map, index) => {
                const place = map.placeOfPin({ index });
                const rect = map.tiles?.rect(place);
                return rect && { x: rect.x + map.tiles.cell / 2, y: rect.y + map.tiles.cell / 2 };
            }""",
            list(index),
        )
        assert at is not None, f"{side} {name} {index} is folded away"
        return over, at

    def hover(self, side: str, name: str, index: tuple[int, ...]) -> None:
        over, at = self.spot(side, name, index)
        over.hover(position=at)
        self.settle()

    def click(self, side: str, name: str, index: tuple[int, ...]) -> None:
        over, at = self.spot(side, name, index)
        over.click(position=at)
        self.settle()

    def settle(self) -> None:
        """Wait for two frames: what was pointed at is drawn then."""
        self.tab.evaluate(
            "() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))"
        )

    def until(self, condition: str) -> None:
        """Wait until a condition holds; the page's policy forbids Playwright's own way to wait."""
        end = time.monotonic() + 15
        while not self.tab.evaluate(f"() => Boolean({condition})"):
            assert time.monotonic() < end, condition
            self.tab.wait_for_timeout(20)

    def text(self, selector: str) -> str:
        return str(self.tab.locator(selector).first.inner_text())

    def value(self) -> float:
        return number(self.text("gt-inspector .value"))

    def element(self) -> str:
        return self.text("gt-inspector .element")

    def why(self) -> str:
        self.until("!['…', ''].includes(document.querySelector('.why')?.textContent ?? '')")
        return str(self.tab.evaluate("document.querySelector('.why').firstChild.textContent"))

    def loss(self) -> float:
        return number(self.text(".loss").split()[-1])

    def close(self) -> None:
        self.context.close()


def number(text: str) -> float:
    return float(text.strip("= \n").replace("−", "-").replace("∞", "inf"))


def shown(value: float, digits: int = 6) -> str:
    """A number as the page writes it."""
    return as_shown(value, digits)


def close(told: float, real: float, digits: int = 6) -> bool:
    """Whether a number shown with some digits is another one."""
    return abs(told - real) <= 0.51 * 10 ** (
        math.floor(math.log10(abs(real) or 1e-300)) - digits + 1
    ) or (real == 0 and told == 0)


def again(explorer: Explorer) -> gt.Trace:
    """The step as Python computes it from what the session has now."""
    session = explorer.session
    return gt.trace(session.network, session.x, session.y, seed=5)
