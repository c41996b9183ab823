"""In a real Jupyter kernel: what is printed there is what is printed elsewhere, once, and whole.

One kernel runs all cells, since starting it takes longer than they do.
"""

from __future__ import annotations

import base64
import importlib
import os
import pkgutil
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

import gradtrail as gt

nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
nbformat = pytest.importorskip("nbformat")

SETUP = """
import copy
import gradtrail as gt
from gradtrail.training import mistakes

train, test = gt.data.digits()
layers = [gt.Conv2d(2, 3), gt.ReLU(), gt.MaxPool2d(2), gt.Flatten(), gt.Linear(10)]
net = gt.Network((1, 8, 8), layers, seed=0)
x, y = test[0][:8], test[1][:8]
history = gt.train(
    net, (x, y), epochs=2, batch_size=4, watch=["conv1.weight[1,0,1,1]"], progress=False,
    engine="reference",
)
t = gt.trace(net, x, y, engine="reference")
terms = t.grad.terms("conv1.weight", (1, 0, 1, 1))
bias = t.grad.terms("fc1.bias", (3,))  # is drawn sooner
paths = t.grad.follow("conv1.weight", (1, 0, 1, 1), k=2)
influence = gt.influence(net, (x, y))
explained = net.explain("conv1", engine="reference")
report = gt.check_gradients(net, x[:2], y[:2], elements=2)
confusion = gt.confusion(net, (x, y))
"""

PRINTED = {
    "Plan": "net.plan(32)",
    "Explanation": "explained",
    "Reach": "net.receptive_field('conv1', (2, 3))",
    "GradientReport": "report",
    "History": "history",
    "RateRange": "gt.lr_range_test(net, (x, y), batch_size=4, steps=10)",
    "Watched": "history.watched['conv1.weight[1,0,1,1]']",
    "Confusion": "confusion",
    "TagScores": "gt.TagScores.of([[1, 0], [1, 1]], [[1, 0], [0, 1]])",
    "Influence": "influence",
    "Mistakes": "mistakes(net, (x, y))",
    "Trace": "t",
    "Values": "t.value",
    "Gradients": "t.grad",
    "Answer": "t.grad.why('conv1.weight', (1, 0, 1, 1))",
    "Terms": "terms",
    "Products": "terms.top(3)",
    "Shares": "terms.by('n')",
    "Paths": "paths",
    "Path": "paths[0]",
    "Overview": "t.dead()",
    "Network": "net",
}
"""By the class of the object."""

ELSEWHERE = {
    *("Shown", "SideArrays"),  # bases
    *("AxisField", "Element", "Hop", "ProductFactor"),  # words in a sentence, not objects to show
    "Explorer",  # a page: tests/exploring/test_widget.py
    *("CNNClassifier", "CNNEstimator", "CNNRegressor"),  # scikit-learn shows its estimators
}

FIGURES = {
    "the cell's last line": "terms.plot()",
    "kept, then the last line": "drawn = bias.plot()\ndrawn",
    "not the last line": "bias.plot()\nx = x",
    "in a loop": "for n in range(2):\n    t.grad.terms('fc1.bias', (n,)).plot()",
    "with pyplot there": "import matplotlib.pyplot as plt\nbias.plot()",
    "of a history": "history.plot()",
    "written to a file": "bias.plot('a.png')\nx = x",
    "written, and the last line": "bias.plot('b.png')",
}

PROGRESS = {
    "a training": "silent = gt.train(copy.deepcopy(net), (x, y), epochs=2, batch_size=4)",
    "influence": "influence = gt.influence(net, (x, y), batch_size=2, progress=True)",
}

FILES = f"""
from pathlib import Path
for name, text in {PRINTED!r}.items():
    Path(name + ".txt").write_text(str(eval(text)), encoding="utf-8")
"""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Each cell's outputs, by its source."""
    folder = tmp_path_factory.mktemp("notebook")
    sources = [SETUP, FILES, *FIGURES.values(), *PROGRESS.values()]
    for expression in PRINTED.values():
        sources += [expression, f"print({expression})", f"repr({expression})"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    homes = dict.fromkeys(("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"), str(folder))
    env = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    settings = {
        "timeout": 600,
        "coalesce_streams": True,
        "resources": {"metadata": {"path": str(folder)}},
    }
    nbclient.NotebookClient(book, **settings).execute(env=env | homes)
    found: dict[str, list[Any]] = {cell.source: cell.outputs for cell in book.cells}
    found["files"] = [folder]
    return found


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """The same objects in a process that knows of no notebook."""
    names: dict[str, Any] = {}
    exec(SETUP, names)
    return {kind: eval(expression, names) for kind, expression in PRINTED.items()}


@pytest.fixture(autouse=True)
def no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.mark.parametrize("kind", PRINTED)
def test_print_writes_what_it_writes_elsewhere(kind: str, outputs: Any, expected: Any) -> None:
    (written,) = outputs[f"print({PRINTED[kind]})"]
    assert (written.output_type, written.name) == ("stream", "stdout")
    assert written.text == f"{expected[kind]}\n"


@pytest.mark.parametrize("kind", PRINTED)
def test_the_last_line_shows_it_once(kind: str, outputs: Any, expected: Any) -> None:
    (shown,) = outputs[PRINTED[kind]]
    assert shown.output_type == "execute_result"
    assert shown.data["text/plain"] == repr(expected[kind])
    html = getattr(expected[kind], "_repr_html_", None)
    assert shown.data.get("text/html") == (html and html())


@pytest.mark.parametrize("kind", PRINTED)
def test_a_file_holds_it(kind: str, outputs: Any, expected: Any) -> None:
    (folder,) = outputs["files"]
    assert (folder / f"{kind}.txt").read_text(encoding="utf-8") == str(expected[kind])


@pytest.mark.parametrize("kind", [k for k in PRINTED if k not in ("Trace", "Values", "Gradients")])
def test_repr_is_what_str_says(kind: str, expected: Any) -> None:
    """A dataclass's own repr would hold every loss of a training, or every number of a plan."""
    assert repr(expected[kind]) == str(expected[kind])


def test_short_ones_are_one_line(expected: Any) -> None:
    assert repr(expected["History"]).startswith("History: 2 epochs, 4 steps, loss ")
    report = "26 elements and 9 arrays agree with central differences (largest difference "
    for kind in ("History", "GradientReport"):
        assert "\n" not in repr(expected[kind])
    assert repr(expected["GradientReport"]).split(" agree")[1].startswith(report.split(" agree")[1])


@pytest.mark.parametrize("where", FIGURES)
def test_plot_shows_its_figure_once(where: str, outputs: Any) -> None:
    found = outputs[FIGURES[where]]
    pictures = [base64.b64decode(one.data["image/png"]) for one in found if "data" in one]
    wanted = {"in a loop": 2, "written to a file": 0}.get(where, 1)
    assert [picture[:4] for picture in pictures] == [b"\x89PNG"] * wanted
    assert len(found) == wanted


@pytest.mark.parametrize("what", PROGRESS)
def test_progress_is_one_output_that_changes(what: str, outputs: Any) -> None:
    """And none of it red, as standard error is."""
    bar, *lines = outputs[PROGRESS[what]]
    assert bar.output_type == "display_data"
    assert bar.data["text/html"].startswith('<div style="font-family: monospace')
    if what == "influence":
        assert lines == []
        assert bar.data["text/plain"].startswith("each sample  100 %  ")
        return
    assert bar.data["text/plain"].startswith("epoch 2/2  100 %  ")
    assert {line.name for line in lines} == {"stdout"}
    told = "".join(line.text for line in lines).splitlines()
    assert [line.split("  ")[0] for line in told] == ["epoch 1/2", "epoch 2/2"]


def test_no_cell_writes_to_standard_error(outputs: Any) -> None:
    found = [one for cell in outputs.values() for one in cell if not isinstance(one, Path)]
    assert [one for one in found if one.get("name") == "stderr"] == []


def test_every_printed_class_is_here() -> None:
    """A new one gets a line in `PRINTED`."""
    kinds = set()
    for module in pkgutil.walk_packages(gt.__path__, "gradtrail."):
        held = importlib.import_module(module.name)
        kinds |= {
            name
            for name, kind in vars(held).items()
            if isinstance(kind, type)
            and kind.__module__ == module.name
            and not module.name.startswith("gradtrail.engines.cpu")
            and not issubclass(kind, BaseException | Enum)
            and (hasattr(kind, "_repr_html_") or kind.__str__ is not object.__str__)
        }
    assert kinds - ELSEWHERE == set(PRINTED) - {"Network"}
