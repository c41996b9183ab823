"""What a person changes on the page, in Chromium; what follows is checked against Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exploring.reading import CELLS, LAYERS, Page, again, close, number, shown

import gradtrail as gt
from gradtrail.exploring.explorer import Explorer
from gradtrail.exploring.session import Session
from gradtrail.layers.weighted_loss_functions import WeightedCrossEntropy, WeightedSquaredError

pytestmark = pytest.mark.browser


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


WEIGHTED = {
    "targets": (WeightedSquaredError(), [[1, -1, 2], [0.5, 2, 1]], "0.25 -1 3", [0.25, -1, 3]),
    "class": (WeightedCrossEntropy(), [[1, 2], [0, 1]], "0 0.5", [0, 0.5]),
}


@pytest.mark.parametrize("kind", WEIGHTED)
def test_a_sample_that_has_a_weight_is_changed_with_it(
    kind: str, browser: Any, tmp_path: Path
) -> None:
    """The field holds what labels the sample, and behind it the weight."""
    loss, labels, typed, row = WEIGHTED[kind]
    net = gt.Network((3,), [gt.Linear(2)], seed=1)
    x, y = np.array([[0.5, -1, 2], [1, 0.25, -0.5]]), np.array(labels, np.float64)
    changed = np.array([row, labels[1]], np.float64)
    wanted = gt.trace(net, x, changed, loss=loss)
    with Explorer(Session(gt.trace(net, x, y, loss=loss))) as explorer:
        explorer.save(tmp_path / "weighted.html")
        for url in (explorer.url, (tmp_path / "weighted.html").as_uri()):
            page = Page(browser, url)
            field = page.tab.locator(".target")
            page.until("document.querySelector('.target').value")
            assert field.input_value() == " ".join(f"{v:g}" for v in labels[0])
            field.fill(typed)
            field.press("Enter")
            page.until("document.querySelector('gt-explorer').model.source.state.edited")
            page.settle()
            assert close(page.loss(), wanted.loss, 5)
            page.hover("grad", "fc1.weight", (1, 2))
            assert close(page.value(), wanted.grad["fc1.weight"][1, 2], 5)
            page.close()
            assert page.complaints == []


def test_a_weight_below_zero_is_refused(browser: Any, tmp_path: Path) -> None:
    net = gt.Network((3,), [gt.Linear(2)], seed=1)
    t = gt.trace(
        net, np.eye(3)[:2], np.array([[1, 2, 1], [0, 1, 1.0]]), loss=WeightedSquaredError()
    )
    page = Page(browser, t.explore(save=tmp_path / "weighted.html").as_uri())
    page.tab.locator(".target").fill("1 2 -1")
    page.tab.locator(".target").press("Enter")
    page.tab.wait_for_selector(".message:not([hidden])")
    assert page.text(".message") == "A sample's weight is a number from 0."
    assert page.loss() == number(shown(float(t.loss)))
    page.close()


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
