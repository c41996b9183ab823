"""What a person does on the page, in Chromium, with the numbers on it checked against Python's."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explore.browsing import chromium

import gradtrail as gt
from gradtrail.explore.explorer import Explorer
from gradtrail.explore.session import Session
from gradtrail.tables import number as as_shown

pytestmark = pytest.mark.browser

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


@pytest.fixture(scope="module")
def network() -> gt.Network:
    net = gt.Network((1, 8, 8), LAYERS, seed=3)
    train, _ = gt.data.digits()
    gt.train(net, train, optimizer=gt.SGD(0.1), epochs=3, batch_size=32, progress=False)
    return net


@pytest.fixture
def traced(network: gt.Network) -> gt.Trace:
    x, y = gt.data.digits().test
    return gt.trace(network, x[:SAMPLES], y[:SAMPLES], seed=5)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


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


@pytest.fixture
def explorer(traced: gt.Trace) -> Iterator[Explorer]:
    with Explorer(Session(traced, optimizer=gt.SGD(0.1), title="a digit net")) as made:
        yield made


@pytest.fixture
def page(browser: Any, explorer: Explorer) -> Iterator[Page]:
    opened = Page(browser, explorer.url)
    yield opened
    opened.close()
    assert opened.complaints == []
    origin = explorer.url.split("?")[0]
    assert [u for u in opened.asked if not u.startswith((origin, "data:", "blob:"))] == []


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


def again(explorer: Explorer) -> gt.Trace:
    """The step as Python computes it from what the session has now."""
    session = explorer.session
    return gt.trace(session.network, session.x, session.y, seed=5)


def test_an_edited_weight_changes_everything(page: Page, explorer: Explorer) -> None:
    before = page.loss()
    page.click("value", "conv1.weight", (1, 0, 0, 2))
    field = page.tab.locator("gt-edit .field")
    field.fill("0.75")
    field.press("Enter")
    page.until(f"document.querySelector('.loss').textContent !== 'loss {shown(before)}'")
    t = again(explorer)
    assert t.value["conv1.weight"][1, 0, 0, 2] == np.float32(0.75)
    assert close(page.loss(), t.loss)
    page.hover("grad", "conv2.weight", (1, 1, 0, 2))
    assert close(page.value(), float(t.grad["conv2.weight"][1, 1, 0, 2]))
    page.tab.get_by_role("button", name="Reset").click()
    page.until(f"document.querySelector('.loss').textContent === 'loss {shown(before)}'")


def test_a_pixel_and_a_label_are_changed(page: Page, explorer: Explorer) -> None:
    before = page.loss()
    page.click("value", "input", (0, 0, 4, 4))
    slider = page.tab.locator("gt-edit .slider")
    slider.focus()
    slider.press("End")
    page.until("document.querySelector('gt-explorer').model.source.state.edited")
    page.until(f"document.querySelector('.loss').textContent !== 'loss {shown(before)}'")
    assert explorer.session.x[0, 0, 4, 4] == 1
    page.tab.locator(".label-select select").select_option("3")
    page.until("document.querySelector('gt-explorer').model.source.state.labels[0] === 3")
    page.settle()
    assert close(page.loss(), again(explorer).loss)
    assert int(explorer.session.y[0]) == 3


def test_a_drawn_digit_is_the_sample(page: Page, explorer: Explorer) -> None:
    page.tab.get_by_role("button", name="Draw…").click()
    sheet = page.tab.locator(".sheet").bounding_box()
    mouse = page.tab.mouse
    mouse.move(sheet["x"] + 140, sheet["y"] + 40)
    mouse.down()
    mouse.move(sheet["x"] + 140, sheet["y"] + 240, steps=12)
    mouse.up()
    page.until(
        "!document.querySelector('gt-draw').busy && !document.querySelector('gt-draw').again"
    )
    page.tab.get_by_role("button", name="Done").click()
    drawn = explorer.session.x[0, 0]
    assert drawn[2:6, 3:5].mean() > 0.5  # a stroke down the middle
    assert drawn[:, :2].max() < 0.05
    page.settle()
    assert close(page.loss(), again(explorer).loss)
    page.hover("value", "conv1.output", (0, 2, 3, 4))
    assert close(page.value(), float(again(explorer).value["conv1.output"][0, 2, 3, 4]))


def test_an_image_file_is_the_sample(page: Page, explorer: Explorer, tmp_path: Path) -> None:
    from PIL import Image

    picture = np.zeros((8, 8, 3), np.uint8)
    picture[2:5, 1:3] = (255, 255, 255)
    Image.fromarray(picture).save(tmp_path / "picture.png")
    page.tab.locator('gt-samples input[type="file"]').set_input_files(tmp_path / "picture.png")
    page.until("document.querySelector('gt-explorer').model.source.state.edited")
    assert np.allclose(explorer.session.x[0, 0], picture[..., 0] / 255, atol=1e-6)
    (tmp_path / "no.png").write_bytes(b"no picture")
    page.tab.locator('gt-samples input[type="file"]').set_input_files(tmp_path / "no.png")
    page.tab.wait_for_selector(".message:not([hidden])")
    assert "no.png is no image" in page.text(".message")
    assert np.allclose(explorer.session.x[0, 0], picture[..., 0] / 255, atol=1e-6)


def test_an_update_is_applied(page: Page, explorer: Explorer, network: gt.Network) -> None:
    before, after = explorer.trace, gt.Network((1, 8, 8), LAYERS)
    for name in network.parameters:
        after.parameters[name] = network.parameters[name]
    gt.SGD(0.1).update(after, before.grad)
    page.hover("change", "fc2.bias", (4,))
    moved = float(after.parameters["fc2.bias"][4] - network.parameters["fc2.bias"][4])
    assert page.element() == "Δfc2.bias[4]"
    assert close(page.value(), moved, 5)
    page.tab.get_by_role("button", name="Apply one update").click()
    page.until("document.querySelector('.before-after').textContent !== ''")
    told = page.text(".before-after")
    x, y = explorer.session.x, explorer.session.y
    updated = gt.trace(after, x, y, seed=5)
    assert told == f"update 1: loss {shown(before.loss, 5)} → {shown(updated.loss, 5)}"
    assert close(page.loss(), updated.loss)


def test_what_cannot_be_done_is_told_and_nothing_is_lost(page: Page, explorer: Explorer) -> None:
    page.tab.locator(".rate").fill("-1")
    page.tab.locator(".rate").press("Enter")
    page.tab.wait_for_selector(".message:not([hidden])")
    assert "lr must be above 0, got -1.0" in page.text(".message")
    assert explorer.session.version == 0
    page.complaints = [c for c in page.complaints if "400" not in c]  # the browser logs it


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


def test_the_saved_file_works_offline(
    page: Page, browser: Any, traced: gt.Trace, tmp_path: Path
) -> None:
    with page.tab.expect_download() as waiting:
        page.tab.get_by_role("button", name="Save file").click()
    path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(path)
    assert path.name == "a-digit-net.html"
    offline = Page(browser, path.as_uri(), offline=True)
    for side, name, index in CELLS:
        offline.hover(side, name, index)
        held = traced.value if side == "value" else traced.grad
        assert close(offline.value(), float(held[name][index]))
        assert offline.why() == held.why(name, index).text
    # edits are computed in the page, in float64
    offline.click("value", "conv1.weight", (1, 0, 0, 2))
    field = offline.tab.locator("gt-edit .field")
    field.fill("0.75")
    field.press("Enter")
    offline.until("document.querySelector('gt-explorer').model.source.state.edited")
    offline.settle()
    net = gt.Network((1, 8, 8), LAYERS, dtype=np.float64)
    for name in net.parameters:
        net.parameters[name] = traced.value[name]
    net.parameters["conv1.weight"][1, 0, 0, 2] = 0.75
    origin = traced.origin
    t = gt.trace(net, origin.x, origin.y, seed=5, engine="reference")
    assert close(offline.loss(), t.loss)
    for side, name, index in CELLS:
        offline.hover(side, name, index)
        real = float((t.value if side == "value" else t.grad)[name][index])
        assert close(offline.value(), real) or abs(real) < 1e-12
    offline.tab.get_by_role("button", name="Apply one update").click()
    offline.until("document.querySelector('.before-after').textContent !== ''")
    gt.SGD(0.1).update(net, t.grad)
    t = gt.trace(net, origin.x, origin.y, seed=5, engine="reference")
    assert close(offline.loss(), t.loss)
    offline.tab.locator(".label-select select").select_option("9")
    offline.settle()
    labels = np.array(origin.y)
    labels[0] = 9
    assert close(offline.loss(), gt.trace(net, origin.x, labels, seed=5, engine="reference").loss)
    # and it can be saved again, with what was changed
    with offline.tab.expect_download() as waiting:
        offline.tab.get_by_role("button", name="Save file").click()
    second = tmp_path / "second.html"
    waiting.value.save_as(second)
    copied = Page(browser, second.as_uri(), offline=True)
    assert copied.loss() == offline.loss()
    for opened in (offline, copied):
        opened.close()
        assert opened.complaints == []
        assert [u for u in opened.asked if not u.startswith(("file:", "data:", "blob:"))] == []


def test_a_saved_optimizer_goes_on(browser: Any, traced: gt.Trace, tmp_path: Path) -> None:
    """What Adam remembers is in the file, and in the file that the page itself saves."""
    net = gt.Network((1, 8, 8), LAYERS, dtype=np.float64)
    for name in net.parameters:
        net.parameters[name] = traced.value[name]
    x, y = traced.origin.x, traced.origin.y
    session = Session(gt.trace(net, x, y, seed=5), optimizer=gt.Adam(0.01))
    session.apply([{"kind": "update"}] * 3)
    path = tmp_path / "adam.html"
    Explorer(session).save(path)
    for update in (4, 5):
        page = Page(browser, path.as_uri(), offline=True)
        page.hover("change", "fc2.bias", (4,))
        assert close(page.value(), float(session.changes["fc2.bias"][4]), 5)
        session.apply([{"kind": "update"}])
        page.tab.get_by_role("button", name="Apply one update").click()
        page.until("document.querySelector('.before-after').textContent !== ''")
        assert close(page.loss(), session.trace.loss), update
        with page.tab.expect_download() as waiting:
            page.tab.get_by_role("button", name="Save file").click()
        path = tmp_path / f"adam{update}.html"
        waiting.value.save_as(path)
        page.tab.get_by_role("button", name="Reset").click()  # to the step as it was saved
        page.until("document.querySelector('[data-name=reset]').disabled")
        page.hover("change", "fc2.bias", (4,))
        page.close()
        assert page.complaints == []


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


def test_two_pages_of_one_step(browser: Any, page: Page, explorer: Explorer) -> None:
    other = Page(browser, explorer.url)
    page.tab.get_by_role("button", name="Apply one update").click()
    page.until("document.querySelector('.before-after').textContent !== ''")
    other.tab.get_by_role("button", name="Apply one update").click()
    other.tab.wait_for_selector(".message:not([hidden])")
    assert "was changed on another page" in other.text(".message")
    assert explorer.session.updates == 1
    other.settle()
    assert other.loss() == page.loss()
    other.tab.get_by_role("button", name="Apply one update").click()
    other.until("document.querySelector('.before-after').textContent !== ''")
    assert other.text(".before-after").startswith("update 2: loss ")
    other.close()
    assert [c for c in other.complaints if "409" not in c] == []


def test_a_server_that_has_ended_is_told(browser: Any, traced: gt.Trace) -> None:
    with Explorer(Session(traced)) as explorer:
        page = Page(browser, explorer.url)
        before = page.loss()
    page.tab.get_by_role("button", name="Apply one update").click()
    page.tab.wait_for_selector(".message:not([hidden])")
    assert "gradtrail has ended" in page.text(".message")
    assert page.loss() == before
    page.close()


def test_targets_that_are_numbers_are_changed(browser: Any, tmp_path: Path) -> None:
    net = gt.Network((6,), [gt.Linear(4), gt.Tanh(), gt.Linear(2)], seed=1)
    draw = np.random.Generator(np.random.PCG64(2))
    x, y = draw.standard_normal((5, 6)), draw.standard_normal((5, 2))
    t = gt.trace(net, x, y, loss=gt.MeanSquaredError())
    with Explorer(Session(t)) as explorer:
        explorer.save(tmp_path / "squared.html")
        for url in (explorer.url, (tmp_path / "squared.html").as_uri()):
            page = Page(browser, url)
            page.tab.locator(".target").fill("0.25 -1")
            page.tab.locator(".target").press("Enter")
            page.until("document.querySelector('gt-explorer').model.source.state.edited")
            page.settle()
            changed = y.copy()
            changed[0] = (0.25, -1)
            expected = gt.trace(net, x, changed, loss=gt.MeanSquaredError())
            assert close(page.loss(), expected.loss, 5)
            page.close()
            assert page.complaints == []


def test_what_is_not_a_number_is_shown_as_such(browser: Any, tmp_path: Path) -> None:
    net = gt.Network((1, 8, 8), [gt.Conv2d(2, 3), gt.ReLU(), gt.Flatten(), gt.Linear(10)], seed=1)
    net.parameters["conv1.weight"][1, 0, 0, 0] = np.nan
    x, y = gt.data.digits().test
    with np.errstate(all="ignore"):
        t = gt.trace(net, x[:4], y[:4])
        path = t.explore(save=tmp_path / "nan.html")
    page = Page(browser, path.as_uri())
    page.hover("value", "conv1.output", (0, 1, 2, 2))
    assert page.text("gt-inspector .value") == "NaN"
    assert page.why() == t.value.why("conv1.output", (0, 1, 2, 2)).text
    page.tab.locator(".rate").fill("-1")
    page.tab.locator(".rate").press("Enter")
    page.tab.wait_for_selector(".message:not([hidden])")
    assert page.text(".message") == "The learning rate must be above 0."
    assert page.tab.locator(".rate").input_value() == "0.05"
    page.tab.get_by_role("button", name="Apply one update").click()
    page.until("document.querySelector('.before-after').textContent !== ''")
    assert "predicts 0" in page.text(".sample-facts")
    page.close()
    assert page.complaints == []
    with Explorer(Session(t)) as explorer:
        page = Page(browser, explorer.url)
        assert page.text(".loss") == "loss NaN"
        page.hover("change", "conv1.weight", (1, 0, 0, 0))
        assert page.text("gt-inspector .value") == "NaN"
        page.close()
        assert page.complaints == []


def test_a_narrow_page_is_usable(browser: Any, explorer: Explorer) -> None:
    page = Page(browser, explorer.url, viewport={"width": 400, "height": 800})
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= 400
    page.click("value", "conv1.output", (0, 2, 3, 4))
    sheet = page.tab.locator("gt-inspector").bounding_box()
    assert sheet["width"] <= 400
    assert sheet["y"] + sheet["height"] <= 801
    page.close()
    assert page.complaints == []


def test_a_large_step_is_sent_in_slices(
    browser: Any, explorer: Explorer, traced: gt.Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a large network's: the page fetches what it shows, and nothing else."""
    page = Page(browser, explorer.url)
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
    for side, name, index in CELLS:
        page.hover(side, name, index)
        page.until("document.querySelector('.worked, .slot-products .soft')")
        held = traced.value if side == "value" else traced.grad
        assert close(page.value(), float(held[name][index]))
        assert page.why() == held.why(name, index).text
    assert not any("api/all" in url for url in page.asked)
    assert any("api/rows" in url for url in page.asked)
    page.close()
    assert page.complaints == []


def served_js() -> str:
    from explore.browsing import PAGE

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
