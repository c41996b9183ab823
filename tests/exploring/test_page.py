"""What a person looks at on the page, in Chromium; numbers on it are checked against Python's."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from exploring.reading import CELLS, Page, close, number, shown

import gradtrail as gt
from gradtrail.exploring.explorer import Explorer

pytestmark = pytest.mark.browser


def test_every_kind_of_cell_says_what_python_says(page: Page, traced: gt.Trace) -> None:
    for side, name, index in CELLS:
        page.hover(side, name, index)
        held = traced.value if side == "value" else traced.grad
        terms = held.terms(name, index)
        assert page.element() == terms.element
        assert close(page.value(), terms.value), terms.element
        assert page.why() == held.why(name, index).text, terms.element
        if terms.given:
            continue
        assert close(number(page.text(".worked b")), terms.sum()), terms.element
        count = f"{len(terms):,} products, {terms.nonzero:,} of them not 0"
        one = len(terms) == 1
        assert page.text(".totals .soft").startswith("one product" if one else count)
        labels = page.tab.locator(".formula.numbers").evaluate_all(
            "all => all.map((one) => one.getAttribute('aria-label'))"
        )
        assert tuple(labels) == terms.equations()


def test_pointing_lights_up_the_window_and_the_reach(page: Page, traced: gt.Trace) -> None:
    page.click("value", "conv1.output", (0, 2, 3, 4))
    marked = page.tab.evaluate(
        """() => {
            const { spot } = document.querySelector("gt-explorer").model;
            const places = (marked) => Object.fromEntries(marked.keys.map((key) => {
                const mask = marked.of(...key.split(" "));
                return [key, [...mask.keys()].filter((place) => mask[place])];
            }));
            return { window: places(spot.window), reach: places(spot.reach) };
        }"""
    )
    shape = traced.value["input"].shape
    rows = [int(np.ravel_multi_index((0, 0, y, x), shape)) for y in (2, 3, 4) for x in (3, 4, 5)]
    assert marked["window"]["value input"] == rows
    assert marked["window"]["value conv1.weight"] == list(range(18, 27))
    assert marked["window"]["value conv1.bias"] == [2]
    (place,) = (int(np.ravel_multi_index((0, 2, 3, 4), traced.value["conv1.output"].shape)),)
    assert marked["reach"]["value norm1.normalised"] == [place]
    assert "value norm1.mean" in marked["reach"]
    # the marks are there to be seen: the pixels of the input's overlay differ inside and outside
    inside, outside = page.map("value", "input").evaluate(
        """(map) => {
            const copy = new OffscreenCanvas(map.over.width, map.over.height);
            const context = copy.getContext("2d", { willReadFrequently: true });
            context.drawImage(map.over, 0, 0);
            const at = (place) => {
                const { x, y } = map.tiles.rect(place);
                const half = map.tiles.cell / 2;
                return context.getImageData(x + half, y + half, 1, 1).data[3];
            };
            return [at(3 * 8 + 4), at(7 * 8)];
        }"""
    )
    assert inside == 0 < outside


def test_the_four_stages_are_walked_through(page: Page) -> None:
    tab = page.tab
    state = "m => m.querySelector('.map-frame').dataset.state"
    tab.get_by_label("To the start").click()
    assert page.map("value", "conv1.output").evaluate(state) == "pending"
    assert page.map("grad", "conv1.weight").evaluate(state) == "pending"
    tab.get_by_label("One step on").click()
    assert page.map("value", "conv1.output").evaluate(state) == "current"
    assert "conv1 computes" in page.text(".caption")
    tab.keyboard.press("1")
    assert page.map("value", "fc2.output").evaluate(state) == "current"
    assert page.map("value", "loss.probabilities").evaluate(state) == "pending"
    tab.keyboard.press("2")
    assert "the loss is" in page.text(".caption")
    assert page.map("grad", "fc2.output").evaluate(state) == "pending"
    tab.keyboard.press(".")
    assert page.map("grad", "fc2.output").evaluate(state) == "current"
    tab.keyboard.press("3")
    assert page.map("grad", "conv1.weight").evaluate(state) == "current"
    assert page.map("change", "conv1.weight").evaluate(state) == "pending"
    tab.keyboard.press("4")
    assert page.map("change", "fc2.bias").evaluate(state) == "current"
    bar = tab.get_by_role("slider", name="Stages of the learning step")
    bar.focus()
    bar.press("Home")
    assert bar.get_attribute("aria-valuenow") == "0"
    tab.get_by_label("Play", exact=True).click()
    page.until("document.querySelector('gt-explorer').model.at >= 2")
    tab.get_by_label("Pause").click()
    at = tab.evaluate("document.querySelector('gt-explorer').model.at")
    tab.wait_for_timeout(900)
    assert tab.evaluate("document.querySelector('gt-explorer').model.at") == at


def test_a_trail_leads_from_a_weight_to_a_pixel_and_back(page: Page, traced: gt.Trace) -> None:
    start = (2, 0, 1, 1)
    page.click("grad", "conv1.weight", start)
    strongest = traced.grad.terms("conv1.weight", start).top(1)[0]
    pixel = next(f for f in strongest.factors if f.name == "input")
    page.tab.get_by_role("tab", name="Products").click()
    row = page.tab.locator("gt-rows tbody tr").first
    assert row.get_attribute("data-row") == str(strongest.number)
    assert close(number(row.locator("td").last.inner_text()), strongest.product, 4)
    row.locator(f'button[data-element="{pixel}"]').click()
    page.settle()
    assert page.element() == str(pixel)
    assert close(page.value(), pixel.stored)
    chosen = page.tab.locator('.thumb[aria-checked="true"]').get_attribute("data-sample")
    assert chosen == str(pixel.index[0])
    assert page.text(".trail ol").strip() == "dconv1.weight[2,0,1,1]"
    page.tab.keyboard.press("Backspace")
    page.settle()
    assert page.element() == "dconv1.weight[2,0,1,1]"


def test_sums_are_split_up_and_sorted(page: Page, traced: gt.Trace) -> None:
    page.click("grad", "conv1.weight", (2, 0, 1, 1))
    terms = traced.grad.terms("conv1.weight", (2, 0, 1, 1))
    page.tab.get_by_role("tab", name="By sample").click()
    lines = page.tab.locator("gt-shares tbody tr").all_inner_texts()
    best = [(f"sample {n}", v) for n, v in terms.by("n").top(len(lines)).items()]
    for line, (name, value) in zip(lines, best, strict=True):
        assert re.split(r"\s*\t\s*|\n", line.strip())[0] == name
        assert close(number(line.split()[-1]), value, 4)
    page.tab.get_by_role("tab", name="Products").click()
    page.tab.locator("gt-rows th", has_text="y").first.locator("button").click()
    first = page.tab.locator("gt-rows tbody tr").first.locator("td").nth(1).inner_text()
    assert first == "0"


def test_two_pinned_cells_are_compared(page: Page, traced: gt.Trace) -> None:
    page.click("grad", "conv1.weight", (2, 0, 1, 1))
    page.click("grad", "conv1.weight", (2, 0, 0, 0))
    table = page.tab.locator(".compared")
    a, b = (traced.grad["conv1.weight"][2, 0, i, i] for i in (1, 0))
    assert shown(b / a, 4) in table.inner_text()
    page.tab.keyboard.press("Escape")
    page.settle()
    assert page.text("gt-inspector h2") == "Point at any number"


def test_zeros_say_why(page: Page, traced: gt.Trace) -> None:
    closed = np.argwhere(traced.grad["norm1.output"][0] == 0)[:4].tolist()
    assert len(closed) == 4
    for place in closed:
        page.hover("grad", "norm1.output", (0, *place))
        answer = traced.grad.why("norm1.output", (0, *place))
        assert page.why() == answer.text
        assert page.tab.locator(".why").get_attribute("data-cause") == answer.cause


def test_winners_and_ties_are_drawn(page: Page) -> None:
    def ink() -> Any:
        page.settle()
        return page.map("value", "pool1.output").evaluate("m => m.picture.toDataURL()")

    page.map("value", "pool1.output").scroll_into_view_if_needed()
    with_marks = ink()
    page.tab.get_by_role("button", name="winners").click()
    without = ink()
    assert with_marks != without


def test_language_theme_and_keyboard(page: Page) -> None:
    tab = page.tab
    tab.locator('[data-name="language"]').select_option("ko")
    assert page.text(".stage-name") == "순전파"
    assert tab.evaluate("document.documentElement.lang") == "ko"
    page.hover("grad", "conv1.weight", (2, 0, 1, 1))
    assert "dconv1.weight[2,0,1,1]" in page.why()
    assert re.search("[가-힣]", page.why())
    tab.locator('[data-name="language"]').select_option("en")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = tab.evaluate(colour)
    tab.get_by_role("button", name="light / dark").click()
    assert tab.evaluate(colour) != light
    over = page.map("value", "conv1.output").locator(".map-over")
    over.focus()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowDown")
    page.settle()
    assert page.element() == "conv1.output[0,0,1,1]"
    tab.keyboard.press("PageDown")
    tab.keyboard.press("Enter")
    page.settle()
    assert page.element() == "conv1.output[0,1,1,1]"
    assert tab.locator(".pin").get_attribute("aria-pressed") == "true"


def test_a_layer_shows_its_equations(page: Page) -> None:
    page.tab.locator('[data-layer="conv1"] .layer-name').click()
    page.settle()
    card = page.text(".layer-card")
    assert "(8 + 2·1 − 3)/1 + 1 = 8" in card
    assert page.tab.locator(".layer-card math").count() == 4  # forward; towards W, b and X
    page.tab.locator('[data-layer="input"] .layer-name').click()
    page.settle()
    assert "8 × 1 × 8 × 8" in page.text("gt-inspector")


def test_every_weight_of_a_matrix_can_be_pointed_at(page: Page, traced: gt.Trace) -> None:
    for index in [(0, 0), (11, 15), (7, 3)]:
        page.tab.evaluate(
            "(index) => document.querySelector('gt-explorer').model.pin("
            "{ side: 'grad', name: 'fc1.weight', index })",
            list(index),
        )
        page.settle()
        page.map("grad", "fc1.weight").scroll_into_view_if_needed()
        page.settle()
        page.hover("grad", "fc1.weight", index)  # it has come forward
        assert page.element() == f"dfc1.weight[{index[0]},{index[1]}]"
        assert close(page.value(), float(traced.grad["fc1.weight"][index]))
        page.tab.keyboard.press("Escape")
        page.tab.mouse.move(2, 2)  # a map under the pointer stays as it is


def test_a_narrow_page_is_usable(browser: Any, explorer: Explorer) -> None:
    page = Page(browser, explorer.url, viewport={"width": 400, "height": 800})
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= 400
    page.click("value", "conv1.output", (0, 2, 3, 4))
    inspector = page.tab.locator("gt-inspector")
    inspector.wait_for(state="visible")
    sheet = inspector.bounding_box()
    assert sheet["width"] <= 400
    assert sheet["y"] + sheet["height"] <= 801
    page.close()
    assert page.complaints == []


def test_on_a_narrow_page_the_sheet_does_not_take_the_pointer(
    browser: Any, explorer: Explorer
) -> None:
    """It comes up over the map that is pointed at, which stays pointed at and can be clicked."""
    page = Page(browser, explorer.url, viewport={"width": 400, "height": 800})
    page.map("value", "conv1.output").evaluate("(map) => map.scrollIntoView({ block: 'end' })")
    _, at = page.spot("value", "conv1.output", (0, 2, 3, 4))
    box = page.map("value", "conv1.output").locator(".map-over").bounding_box()
    x, y = box["x"] + at["x"], box["y"] + at["y"]
    inspector = page.tab.locator("gt-inspector")
    page.tab.mouse.move(x, y)
    inspector.wait_for(state="visible")
    assert inspector.bounding_box()["y"] < y  # the sheet lies over the element
    page.tab.mouse.move(x + 0.5, y)
    page.settle()
    assert page.element() == "conv1.output[0,2,3,4]"
    page.tab.mouse.down()
    page.tab.mouse.up()
    page.settle()
    pinned = "document.querySelector('gt-explorer').model.pins.map(({ index }) => index.join())"
    assert page.tab.evaluate(pinned) == ["0,2,3,4"]
    page.tab.mouse.move(2, 2)
    page.settle()
    assert page.element() == "conv1.output[0,2,3,4]"
    page.close()
    assert page.complaints == []


def test_a_large_step_is_sent_in_slices(
    browser: Any, explorer: Explorer, traced: gt.Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a large network's: the page fetches what it shows, and says it in its own language."""
    page = Page(browser, explorer.url)
    send_in_slices(page)
    for side, name, index in CELLS:
        page.hover(side, name, index)
        page.until("document.querySelector('.worked, .slot-products .soft')")
        held = traced.value if side == "value" else traced.grad
        assert close(page.value(), float(held[name][index]))
        assert page.why() == held.why(name, index).text
    page.tab.locator('[data-name="language"]').select_option("ko")
    for side, name, index in CELLS:
        page.hover(side, name, index)
        held = traced.value if side == "value" else traced.grad
        assert page.why() == held.why(name, index, language="ko").text
    assert not any("api/all" in url for url in page.asked)
    assert any("api/rows" in url for url in page.asked)
    page.close()
    assert page.complaints == []


def test_a_gradient_is_drawn_closed_by_values_that_come_late(
    browser: Any, explorer: Explorer
) -> None:
    """Of a large step, whichever rows come first: the ReLU's input decides, and is waited for."""
    picture = "(map) => map.picture.toDataURL()"
    page = Page(browser, explorer.url)
    whole = page.map("grad", "norm1.output").evaluate(picture)

    def late(route: Any) -> None:
        page.tab.wait_for_timeout(500)
        route.continue_()

    page.context.route(
        lambda url: "api/rows" in url and "side=value" in url and "norm1.output" in url, late
    )
    send_in_slices(page)
    page.tab.wait_for_timeout(1000)
    assert any("side=value&name=norm1.output" in url for url in page.asked)
    assert page.map("grad", "norm1.output").evaluate(picture) == whole
    page.close()
    assert page.complaints == []


def send_in_slices(page: Page) -> None:
    """Reload a page that takes every step for a large one."""
    limit = "const WHOLE = 24e6"
    assert limit in served_js()
    sliced = served_js().replace(limit, "const WHOLE = 0")
    page.context.route(
        "**/page/source/served.js",
        lambda route: route.fulfill(content_type="text/javascript", body=sliced),
    )
    page.asked.clear()
    page.tab.reload()
    page.tab.wait_for_selector("gt-explorer.ready")
    page.tab.wait_for_timeout(300)


def served_js() -> str:
    from exploring.browsing import PAGE

    return (PAGE / "source/served.js").read_text(encoding="utf-8")


def test_both_languages_say_everything(page: Page) -> None:
    """Every word there is in one language is there in the other, of the same kind."""
    english, korean = page.tab.evaluate(
        """async () => {
            const { wordsOf } = await import("gradtrail/words/words.js");
            const kinds = (words) => Object.fromEntries(Object.entries(words).map(([key, word]) => [
                key, typeof word === "object" && !Array.isArray(word) ? kinds(word) : typeof word,
            ]));
            return ["en", "ko"].map((language) => kinds(wordsOf(language)));
        }"""
    )
    assert english == korean
    assert english["captions"]["backward"] == "function"
    assert english["why"]
