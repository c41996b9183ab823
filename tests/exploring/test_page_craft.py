"""The page's craft: quick, small, and readable for everybody."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gradtrail as gt

pytestmark = pytest.mark.browser

AXE = Path(os.environ.get("GRADTRAIL_AXE", ".venv/axe/package/axe.min.js"))

# The pointer moves over an array, once in each frame. What is counted is given per movement: the
# frames that are asked for, besides the test's own, and the nodes that come into the page.
HOVER = """
async ([side, name, times]) => {
  const map = document.querySelector(`gt-map[data-side="${side}"][data-name="${name}"]`);
  map.scrollIntoView({ block: "center" });
  await new Promise((done) => setTimeout(done, 250));
  const box = map.over.getBoundingClientRect();
  const { requestAnimationFrame } = window;
  let [asked, nodes] = [0, 0];
  window.requestAnimationFrame = (work) => (asked++, requestAnimationFrame(work));
  const added = (records) => records.forEach((record) => (nodes += record.addedNodes.length));
  const observer = new MutationObserver(added);
  observer.observe(document, { childList: true, subtree: true });
  for (let k = 0; k < times; k++) {
    const clientX = box.left + ((k * 7.3) % box.width);
    const clientY = box.top + ((k * 3.1) % box.height);
    map.over.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY, bubbles: true }));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  }
  added(observer.takeRecords());
  observer.disconnect();
  window.requestAnimationFrame = requestAnimationFrame;
  return [asked / times, nodes / times];
}
"""

# Work of the browser's own that is the same on every page: numbers put in order.
PREPARE = """
() => {
  window.unsorted = new Float64Array(1 << 17);
  let drawn = 1;
  for (let i = 0; i < unsorted.length; i++) unsorted[i] = drawn = (drawn * 48271) % 2147483647;
}
"""
SORT = "() => { for (let k = 0; k < 4; k++) unsorted.slice().sort(); }"

MOVES = 40

HOVERED = [
    ("value", "input"),
    ("value", "conv1.output"),
    ("grad", "conv1.weight"),
    ("grad", "conv1.output"),
    ("value", "conv2.output"),
    ("grad", "pool1.output"),
    ("value", "fc1.output"),
    ("grad", "fc1.weight"),
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LeNet-5 with 16 samples, saved."""
    (x, y), (x_test, y_test) = gt.data.digits()
    network = gt.architecture("lenet5").network(None, seed=0)
    settings: dict[str, Any] = {"epochs": 1, "batch_size": 32, "progress": False}
    gt.train(network, (gt.data.enlarged(x, 28, 28), y), optimizer=gt.SGD(0.05), **settings)
    t = gt.trace(network, gt.data.enlarged(x_test[:16], 28, 28), y_test[:16])
    path = tmp_path_factory.mktemp("craft") / "lenet5.html"
    assert t.explore(save=path) == path
    return path


def opened(browser: Any, file: Path, **options: Any) -> Any:
    tab = browser.new_page(**options)
    tab.goto(file.as_uri())
    tab.wait_for_selector("gt-explorer.ready")
    return tab


class Work:
    """What the page's thread does, in processor time: how busy the machine is does not count."""

    def __init__(self, tab: Any) -> None:
        self.session = tab.context.new_cdp_session(tab)
        self.session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def now(self) -> dict[str, float]:
        metrics = self.session.send("Performance.getMetrics")["metrics"]
        return {metric["name"]: metric["value"] for metric in metrics}

    def of(self, work: Callable[[], object]) -> dict[str, float]:
        """What `work` adds to each metric; durations are seconds."""
        before = self.now()
        work()
        after = self.now()
        return {name: after[name] - before[name] for name in before}


def test_a_saved_step_is_small_and_opens_at_once(browser: Any, file: Path) -> None:
    """Opening it takes no longer than sorting 131,072 numbers 60 times does: about 0.6 s."""
    assert file.stat().st_size < 3e6
    costs = []
    for _ in range(3):
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        work = Work(tab)

        def open_it(tab: Any = tab) -> None:
            tab.goto(file.as_uri())
            tab.wait_for_selector("gt-explorer.ready")

        opening = work.of(open_it)["TaskDuration"]
        tab.evaluate(PREPARE)
        sorting = work.of(lambda tab=tab: tab.evaluate(SORT))["TaskDuration"] / 4
        costs.append(opening / sorting)
        tab.close()
    print(costs)
    assert min(costs) < 60, costs


def test_pointing_stays_within_a_frame(browser: Any, file: Path) -> None:
    """Script, style and layout of one movement take less than sorting 131,072 numbers does.

    Where that sorting takes 10 ms, it leaves the browser a third of a frame for painting.
    """
    tab = opened(browser, file, viewport={"width": 1280, "height": 800})
    for which in HOVERED:
        tab.evaluate(HOVER, [*which, 10])  # the first are compiled, too
    tab.evaluate(PREPARE)
    work = Work(tab)
    for which in HOVERED:
        costs = []
        for _ in range(3):
            sorting = work.of(lambda: tab.evaluate(SORT))["TaskDuration"] / 4
            pointing = work.of(lambda at=which: tab.evaluate(HOVER, [*at, MOVES]))
            own = ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration")
            costs.append(sum(pointing[name] for name in own) / MOVES / sorting)
            if costs[-1] < 1:
                break
        assert min(costs) < 1, (which, costs)
    tab.close()


def test_pointing_asks_for_one_frame_and_one_layout(browser: Any, file: Path) -> None:
    tab = opened(browser, file, viewport={"width": 1280, "height": 800})
    work = Work(tab)
    for which in HOVERED:
        tab.evaluate(HOVER, [*which, 10])
        before = work.now()["LayoutCount"]
        frames, nodes = tab.evaluate(HOVER, [*which, MOVES])
        layouts = (work.now()["LayoutCount"] - before) / MOVES
        found = (which, frames, nodes, layouts)
        assert frames <= 2, found  # a second one where maps come to other tiles
        assert nodes <= 40, found  # the table's rows are not made anew
        assert layouts <= 1.1, found  # none is forced in between
    tab.close()


@pytest.mark.skipif(not AXE.exists(), reason=f"{AXE} is not there; make browser fetches it")
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_axe_finds_nothing(browser: Any, file: Path, theme: str, width: int) -> None:
    size = {"width": width, "height": 800}
    tab = opened(browser, file, viewport=size, color_scheme=theme)
    tab.evaluate(AXE.read_text(encoding="utf-8"))

    def findings() -> list[Any]:
        tab.wait_for_timeout(300)
        found = tab.evaluate("async () => (await axe.run()).violations")
        return [(v["id"], v["impact"], v["nodes"][0]["html"]) for v in found]

    assert findings() == []
    model = "document.querySelector('gt-explorer').model"
    tab.evaluate(
        f"() => {model}.pin({{ side: 'grad', name: 'conv1.weight', index: [4, 0, 1, 1] }})"
    )
    assert findings() == []
    tab.evaluate(
        f"() => {model}.pin({{ side: 'grad', name: 'conv1.weight', index: [3, 0, 1, 1] }})"
    )
    tab.get_by_role("tab", name="By sample").click()
    tab.locator('[data-name="language"]').select_option("ko")
    assert findings() == []
    tab.locator('section[data-layer="conv2"] .layer-name').click()
    assert findings() == []
    tab.get_by_role("button", name="그리기…").click()
    assert findings() == []
    tab.close()


def test_nothing_is_wider_than_the_page(browser: Any, file: Path) -> None:
    for width in (1280, 1000, 760, 400):
        tab = opened(browser, file, viewport={"width": width, "height": 800})
        tab.wait_for_timeout(200)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        tab.close()
