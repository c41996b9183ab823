"""A training that is followed in the page, in Chromium."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

import pytest
from exploring.following import Asking, data, training
from exploring.reading import Page, close

import gradtrail as gt
from gradtrail.exploring.explorer import Explorer
from gradtrail.exploring.live import Live, session_of

pytestmark = pytest.mark.browser


def test_the_page_follows_a_training(browser: Any) -> None:
    live, ending = Live(), threading.Event()
    slowly = Asking(lambda seen: None if ending.is_set() else time.sleep(0.03))
    followed = training([slowly, live], epochs=60)
    session = session_of(followed, *data(16), title="run")
    live.watch(followed, session)
    before = followed.network.parameters["conv1.weight"].copy()
    worker = threading.Thread(target=followed.run)
    with Explorer(session, live=live) as explorer:
        page = Page(browser, explorer.url)
        model = "document.querySelector('gt-explorer').model"
        worker.start()
        # its curve grows and the weights in the page move
        facts = "document.querySelector('.live-facts').textContent"
        page.until(f"/epoch [1-9]\\d* of 60, step [1-9]\\d* of 360/.test({facts})")
        page.until(f"{model}.source.state.version > 0")
        page.hover("value", "conv1.weight", (1, 0, 1, 1))
        assert page.value() != pytest.approx(float(before[1, 0, 1, 1]), rel=1e-7)
        rows = page.tab.locator(".health tbody tr")
        assert rows.first.locator("th").inner_text() == "conv1.weight"
        # an edit stops it; the button takes it up again
        page.click("value", "conv1.bias", (0,))
        field = page.tab.locator("gt-edit .field")
        field.fill("0.5")
        field.press("Enter")
        page.until(f"{model}.source.state.following === false")
        assert session.network.parameters["conv1.bias"][0] == 0.5
        page.until("!document.querySelector('[data-name=\"follow\"]').disabled")
        page.tab.get_by_role("button", name="Follow the training again").click()
        page.until(f"{model}.source.state.following === true")
        # the end: the page shows what the training came to
        ending.set()
        worker.join(60)
        assert live.settle()
        page.until("document.querySelector('.live-facts').textContent.startsWith('training has')")
        page.until(f"{model}.source.state.version === {session.version}")
        page.settle()
        final = gt.trace(followed.network, *data(16), seed=5, engine=gt.CPU(1).direct)
        assert close(page.loss(), final.loss)
        assert "epoch 60 of 60, step 360 of 360, loss " in page.text(".live-facts")
        assert page.map("value", "conv1.weight").evaluate("m => m.limit") == pytest.approx(
            float(abs(followed.network.parameters["conv1.weight"]).max())
        )
        # its curve is a trailing mean: of a thirtieth of the steps, whatever they were thinned to
        smooth = "points => import('gradtrail/view/live.js').then(m => m.smoothed(points))"
        noise = [[step, 1.0 + (-1) ** step * 0.5] for step in range(1, 601)]
        flat = page.tab.evaluate(smooth, noise)
        assert [step for step, _ in flat] == list(range(1, 601))
        assert flat[0][1] == pytest.approx(0.5)
        assert all(abs(loss - 1) < 0.04 for _, loss in flat[60:])
        falling = [[30 * point, 2.0**-point] for point in range(1, 21)]
        (_, first), (_, second) = page.tab.evaluate(smooth, falling)[:2]
        kept = math.exp(-30 / (600 / 30))
        assert (first, second) == pytest.approx((0.5, (kept * 0.5 + 0.25) / (kept + 1)))
        # below it stand whole epochs, and steps where there is one epoch alone
        marks = "([s, e]) => import('gradtrail/view/live.js').then(m => m.axisMarks(s, e))"
        assert page.tab.evaluate(marks, [6, 60]) == {
            "unit": "epoch",
            "marks": [[6 * epoch, epoch] for epoch in range(0, 61, 10)],
        }
        for (steps, epochs), (unit, numbers) in {
            (938, 3): ("epoch", [0, 1, 2, 3]),
            (938, 7): ("epoch", [0, 2, 4, 6]),
            (4, 100_000): ("epoch", [0, 20_000, 40_000, 60_000, 80_000, 100_000]),
            (938, 1): ("step", [0, 200, 400, 600, 800]),
            (3, 1): ("step", [0, 1, 2, 3]),
            (0, 1): ("step", [0, 1]),
        }.items():
            found = page.tab.evaluate(marks, [steps, epochs])
            assert found["unit"] == unit
            size = steps if unit == "epoch" else 1
            assert found["marks"] == [[size * n, n] for n in numbers]
        curve = page.tab.locator("canvas.curve")
        assert "each step so far, over epochs; the last is " in curve.get_attribute("aria-label")
        page.close()
        assert page.complaints == []
