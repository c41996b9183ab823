"""The report: one file that says what is true, and that a browser shows without asking anybody."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import gradtrail as gt
from gradtrail.cli import main
from gradtrail.reporting import report
from gradtrail.reporting.pictures import as_pixels, curve_pictures, filters
from gradtrail.reporting.report_page import _hardest
from gradtrail.runs import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run, so that there are mistakes."""
    out = tmp_path_factory.mktemp("runs") / "digits <1>"
    command = ["train", "--epochs", "2", "--schedule", "one-cycle", "--out", str(out), "--quiet"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    result = CliRunner().invoke(main, ["report", str(run)])
    assert result.exit_code == 0, result.output
    assert str(run / "report.html") in result.output
    return (run / "report.html").read_text(encoding="utf-8")


class Outline(HTMLParser):
    """Headings, pictures with their captions, and whatever points elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.pictures: list[tuple[str, str]] = []
        self.elsewhere: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        for name, value in attrs:
            refers = name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset")
            if refers and value and not value.startswith(("data:", "#")):
                self.elsewhere.append(value)
        if tag == "img":
            found = dict(attrs)
            self.pictures.append((found["src"] or "", found["alt"] or ""))

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data)
            self.open.append("")


def pixels_of(uri: str) -> np.ndarray:
    from PIL import Image

    assert uri.startswith("data:image/png;base64,")
    data = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)))


def test_it_has_all_parts_and_needs_nothing_from_elsewhere(page: str, run: Path) -> None:
    outline = Outline(page)
    assert outline.headings == [
        "digits <1>",
        "How it went",
        "What is taken for what (test images)",
        "The worst mistakes",
        "Filters of the first convolution",
        "Gradients, layer by layer",
        "Training images that contradict the rest",
        "The plan",
        "The recipe",
    ]
    assert outline.elsewhere == []
    assert "<script" not in page
    assert "@import" not in page
    assert re.findall(r"url\((?!#)", page) == []
    assert "(8 + 2·1 − 3)/1 + 1 = 8" in page
    assert 'architecture = "digits-cnn"' in page
    assert page.count("data:image/png;base64,") > 30


def test_the_worst_mistakes_are_those_with_the_greatest_certainty(page: str, run: Path) -> None:
    x, y = gt.data.digits().test
    outputs = gt.load(run).predict(x)
    shares = np.exp(outputs - outputs.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    taken = shares.argmax(1)
    wrong = np.flatnonzero(taken != y)
    worst = wrong[np.argsort(-shares.max(1)[wrong], kind="stable")]
    assert f"{len(wrong)} of 355 images are wrong" in page
    pictures = Outline(page).pictures[: len(worst[:40])]
    for n, (uri, told) in zip(worst, pictures, strict=False):
        assert told == f"{y[n]}, taken for {taken[n]} ({shares[n].max():.0%}); image {n}"
        np.testing.assert_array_equal(pixels_of(uri), np.round(255 * x[n, 0]))


def hardest(page: str) -> tuple[str, list[tuple[str, str]]]:
    """The last gallery's section and its pictures."""
    section = page[: page.index("<section><h2>The plan")].rpartition("<section>")[2]
    return section, Outline(section).pictures


def test_images_that_contradict_are_those_seen_as_another_class(page: str, run: Path) -> None:
    x, y = gt.data.digits().train
    ranked = [r for r in gt.influence(gt.load(run), (x, y)).top(len(x)) if r.label != r.predicted]
    assert 0 < len(ranked) < len(x)
    section, pictures = hardest(page)
    assert "<h2>Training images that contradict the rest</h2>" in section
    assert f"{len(ranked):,} of 1,442 training images are seen as another class" in section
    for one, (uri, told) in zip(ranked, pictures, strict=False):
        assert told.startswith(f"{one.label}, seen as {one.predicted}; loss {one.surprise:.2f}")
        assert told.endswith(f"image {one.sample}")
        np.testing.assert_array_equal(pixels_of(uri), np.round(255 * x[one.sample, 0]))
    assert len(pictures) == min(30, len(ranked))


def test_nothing_contradicts_where_all_is_seen_as_labelled(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Run(run)
    x, y = gt.data.digits().train
    right = np.flatnonzero(opened.network.predict(x).argmax(1) == y)[:40]
    title, above, gallery = _hardest(opened.network, (x[right], y[right]), opened)
    assert title == "The training images with the greatest loss"
    assert "All of 40 training images are seen as labelled" in above
    ranked = gt.influence(opened.network, (x[right], y[right])).top(30)
    told = [told for _, told in Outline(gallery).pictures]
    assert [t.split("; ")[0] for t in told] == [f"{one.label}, seen so" for one in ranked]


def test_the_curves_have_whole_epochs_and_the_pages_colours(page: str) -> None:
    loss, accuracy, rate = re.findall(r"<svg .*?</svg>", page, re.DOTALL)
    for svg, title in ((loss, "loss"), (accuracy, "accuracy"), (rate, "learning rate")):
        assert svg.startswith(f'<svg role="img" aria-label="{title} over the epochs"')
        assert not re.search(r"#0[1-5]0[1-5]0[1-5]", svg)
        assert "var(--soft)" in svg
    history = gt.History()
    history.step_losses, history.loss = [2.0 - step / 8 for step in range(12)], [1.8, 1.3, 0.8]
    history.accuracy, history.seconds = [0.5, 0.75, 1.0], [0.1] * 3
    assert len(curve_pictures(history, 4)) == 2  # an earlier version's, which noted no rates
    history.rates = [0.1] * 12
    drawn = curve_pictures(history, 4)
    ticks = [
        re.findall(r"<!-- (\d[^ ]*) -->", svg.partition("matplotlib.axis_2")[0]) for svg in drawn
    ]
    assert ticks == [["0", "1", "2", "3"]] * 3
    assert drawn == curve_pictures(history, 4)


def test_the_confusion_is_that_of_the_test_images(page: str, run: Path) -> None:
    found = gt.confusion(gt.load(run), gt.data.digits().test)
    cells = re.findall(r'<td class="number[^"]*" style="[^"]*" title="([^"]*)">', page)
    expected = [f"{i} taken for {j}: {found.matrix[i, j]}" for i in range(10) for j in range(10)]
    assert cells == expected
    assert f"{found.accuracy:.2%}" in page


def test_a_filter_is_grey_at_0_bright_above_and_dark_below() -> None:
    weight = np.zeros((2, 1, 2, 2))
    weight[1, 0] = [[1.0, -1.0], [0.5, 0.0]]
    first, second = (pixels_of(re.search(r'src="([^"]*)"', f)[1]) for f in filters(weight))
    assert first.tolist() == [[128, 128], [128, 128]]
    assert second.tolist() == [[255, 0], [191, 128]]


def test_an_image_beyond_0_and_1_is_shown_from_its_least_to_its_greatest() -> None:
    assert as_pixels(np.array([[[0.0, 1.0], [0.5, 0.2]]])).tolist() == [[[0, 255], [128, 51]]]
    assert as_pixels(np.array([[[-2.0, 2.0], [0.0, 0.0]]])).tolist() == [[[0, 255], [128, 128]]]
    assert as_pixels(np.full((1, 1, 2), 7.0)).tolist() == [[[0, 0]]]


def test_another_file_is_not_replaced(run: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.html"
    there.write_text("mine")
    result = CliRunner().invoke(main, ["report", str(run), "--out", str(there)])
    assert result.exit_code == 2
    assert "is there already; give --out another name or --overwrite" in result.output
    assert there.read_text() == "mine"


def test_what_has_not_ended_has_no_report(run: Path, tmp_path: Path) -> None:
    with pytest.raises(gt.FileError, match="there is no run"):
        report(tmp_path / "none")
    (tmp_path / "recipe.toml").write_text((run / "recipe.toml").read_text())
    with pytest.raises(gt.FileError, match="its training has not ended; go on with gradtrail tra"):
        report(tmp_path)


def test_classes_with_names_are_shown_escaped_in_place_of_another_file(
    run: Path, tmp_path: Path
) -> None:
    network = gt.load(run)
    network.classes = ("<b>", *network.classes[1:])
    for path in run.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    network.save(tmp_path / "weights.safetensors")
    (tmp_path / "report.html").write_text("mine")
    forced = ["report", str(tmp_path), "--overwrite"]
    assert CliRunner().invoke(main, forced).exit_code == 0
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "<b>" not in text
    assert "&lt;b&gt; taken for 1" in text
    assert Run(tmp_path).network.classes == network.classes


@pytest.mark.browser
def test_a_browser_shows_it_without_asking_anybody(page: str, run: Path, tmp_path: Path) -> None:
    from PIL import Image
    from playwright.sync_api import sync_playwright

    asked: list[str] = []
    complaints: list[str] = []
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path="/usr/bin/chromium")
        tab = browser.new_page(viewport={"width": 1200, "height": 900})
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto((run / "report.html").as_uri())
        broken = tab.evaluate("[...document.images].filter(i => !i.naturalWidth).length")
        wide = tab.evaluate("document.documentElement.scrollWidth")
        curves = tab.evaluate("document.querySelector('svg').getBoundingClientRect().height")
        tab.screenshot(path=tmp_path / "page.png", full_page=True)
        tab.set_viewport_size({"width": 360, "height": 800})
        named = "document.querySelector('header dl div:last-child dd').textContent = "
        tab.evaluate(named + "'photographs_of_leaves_and_flowers_of_2026'")
        crowded = tab.evaluate(
            "[...document.querySelectorAll('main, section, header dl, header dl div')]"
            ".filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.textContent)"
        )
        uneven = tab.evaluate(
            "[...document.querySelectorAll('table:not(.matrix) tbody td')].filter((cell) =>"
            " getComputedStyle(cell).textAlign !== getComputedStyle(cell.closest('table')"
            ".tHead.rows[0].cells[cell.cellIndex]).textAlign).map((cell) => cell.outerHTML)"
        )
        browser.close()
    assert crowded == []
    assert uneven == []
    assert [u for u in asked if not u.startswith("data:")] == [(run / "report.html").as_uri()]
    assert complaints == []
    assert broken == 0
    assert wide <= 1200
    assert curves > 150
    shot = np.asarray(Image.open(tmp_path / "page.png").convert("L"))
    assert shot.shape[0] > 2500
    assert all(band.std() > 3 for band in np.array_split(shot, 8))  # something is drawn everywhere
