"""The pictures of docs/explore.md: `make pictures`, with Chromium at /usr/bin/chromium.

A LeNet-5 learns the digits that are in the package, enlarged to 28 × 28; what is shown is a step of
it, in the page that `t.explore()` opens. The fonts are the machine's: with fonts-stix and
fonts-noto-cjk the formulas and the Korean look as they should.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

import gradtrail as gt

HERE = Path(__file__).parent
CHROMIUM = "/usr/bin/chromium"


def traced() -> gt.Trace:
    """A step of a network that has learned for a while, and still makes mistakes."""
    (x, y), (x_test, y_test) = gt.data.digits()
    network = gt.architecture("lenet5").network(None, seed=0)
    images = gt.data.enlarged(x, 28, 28)
    gt.train(network, (images, y), optimizer=gt.SGD(0.05, momentum=0.9), epochs=2, batch_size=32)
    return gt.trace(network, gt.data.enlarged(x_test[:16], 28, 28), y_test[:16])


@contextmanager
def opened(browser: Any, page: Path, **options: Any) -> Iterator[Any]:
    """The page in a tab of its own."""
    tab = browser.new_page(device_scale_factor=1.5, **options)
    tab.goto(page.as_uri())
    tab.wait_for_selector("gt-explorer.ready")
    tab.wait_for_timeout(500)
    yield tab
    tab.close()


def shoot(tab: Any, name: str) -> None:
    """A picture of the page; WebP keeps every pixel in a third of the bytes."""
    picture = Image.open(BytesIO(tab.screenshot())).convert("RGB")
    picture.save(HERE / name, lossless=True, quality=100, method=6)


def do(tab: Any, script: str) -> None:
    """Do something with the page's model, and let it be drawn."""
    model = "document.querySelector('gt-explorer').model"
    tab.evaluate(f"() => {{ const model = {model}; {script} }}")
    tab.wait_for_timeout(700)


def to(layer: str) -> str:
    """A script that brings a layer into sight."""
    row = f"document.querySelector('section[data-layer={layer}]')"
    return f"{row}.scrollIntoView({{ block: 'center' }});"


def pin(side: str, name: str, *index: int) -> str:
    """A script that pins an element."""
    return f"model.pin({{ side: '{side}', name: '{name}', index: {list(index)} }});"


def main() -> None:
    """Draw all of them."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        page = Path(folder) / "lenet5.html"
        traced().explore(save=page, title="LeNet-5 on digits")
        browser = started.chromium.launch(executable_path=CHROMIUM)
        wide = {"viewport": {"width": 1280, "height": 800}}
        with opened(browser, page, **wide) as tab:
            do(tab, pin("grad", "conv1.weight", 4, 0, 1, 1))
            shoot(tab, "gradient.webp")
        with opened(browser, page, color_scheme="dark", **wide) as tab:
            do(tab, "model.go(19); " + pin("value", "conv2.output", 0, 13, 4, 5) + to("conv2"))
            shoot(tab, "backward.webp")
        with opened(browser, page, **wide) as tab:
            do(
                tab,
                "model.set({ zoom: 2 });" + to("pool1") + pin("grad", "conv1.output", 0, 4, 13, 13),
            )
            shoot(tab, "zero.webp")
        with opened(browser, page, viewport={"width": 400, "height": 860}, locale="ko-KR") as tab:
            do(tab, pin("value", "conv1.output", 0, 4, 12, 13) + to("conv1"))
            shoot(tab, "narrow.webp")
        with opened(browser, page, **wide) as tab:
            draw(tab)
            shoot(tab, "draw.webp")
        with training(Path(folder) / "run") as address:
            tab = browser.new_page(device_scale_factor=1.5, **wide)
            tab.goto(address)
            tab.wait_for_timeout(6000)
            shoot(tab, "live.webp")
        browser.close()


@contextmanager
def training(run: Path) -> Iterator[str]:
    """The address of a page that follows a training."""
    command = [sys.executable, "-m", "gradtrail", "train", "--model", "lenet5", "--epochs", "300"]
    options = [
        "--optimizer",
        "sgd",
        "--lr",
        "0.003",
        "--explore",
        "--no-browser",
        "--out",
        str(run),
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen([*command, *options], **pipes) as started:
        assert started.stdout is not None
        yield next(m[0] for line in started.stdout if (m := re.search(r"http://\S+", line)))
        started.send_signal(signal.SIGINT)
        started.send_signal(signal.SIGINT)
        started.terminate()


def draw(tab: Any) -> None:
    """A seven, drawn by hand."""
    tab.get_by_role("button", name="Draw…").click()
    sheet = tab.locator(".sheet").bounding_box()
    points = [(80, 70), (200, 70), (150, 140), (120, 230)]
    tab.mouse.move(sheet["x"] + points[0][0], sheet["y"] + points[0][1])
    tab.mouse.down()
    for x, y in points[1:]:
        tab.mouse.move(sheet["x"] + x, sheet["y"] + y, steps=8)
    tab.mouse.up()
    tab.wait_for_timeout(1500)


if __name__ == "__main__":
    main()
