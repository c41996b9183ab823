"""What the package promises as a whole: its names, its speed to import, its messages in tests."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from sources import nodes, tree

import gradtrail as gt

ROOT = Path(__file__).parent.parent
USERS = ("src", "tests", "benchmarks", "docs")
MODULES = ["gradtrail", *(m.name for m in pkgutil.walk_packages(gt.__path__, "gradtrail."))]


def test_faces_are_sorted_and_true() -> None:
    """A package that users import from lists its names; so do the two modules that are faces."""
    faces = []
    for name in MODULES:
        module = importlib.import_module(name)
        listed = getattr(module, "__all__", None)
        if listed is not None:
            faces.append(name)
            assert list(listed) == sorted(listed), name
            assert [entry for entry in listed if not hasattr(module, entry)] == [], name
            assert set(listed) <= set(dir(module)), name
    inner = [n for n in faces if not hasattr(importlib.import_module(n), "__path__")]
    assert inner == ["gradtrail.sklearn", "gradtrail.training.schedules"]
    assert {"gradtrail", "gradtrail.data", "gradtrail.training", "gradtrail.layers"} <= set(faces)


def test_a_function_without_an_underscore_is_used_by_another_file() -> None:
    """Within the package no list says which names are for others: their spelling does."""
    files = [path for folder in USERS for path in (ROOT / folder).rglob("*.py")]
    words = (set(re.findall(r"\w+", path.read_text(encoding="utf-8"))) for path in files)
    in_files = Counter(word for found in words for word in found)
    alone = [
        f"{path.name}: {node.name}"
        for path in files
        if "gradtrail" in path.parts[:-1]
        for node in tree(path).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        if in_files[node.name] == 1
    ]
    assert len(files) > 500
    assert alone == []


def test_dir_offers_what_is_imported_late() -> None:
    asked = "sorted({'check_gradients', 'from_onnx', 'data', 'Watched', 'Network'} & set(dir(gt)))"
    code = f"import gradtrail as gt; print({asked}, {{'load', 'read_image'}} - set(dir(gt.data)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout == "['Network', 'Watched', 'check_gradients', 'data', 'from_onnx'] set()\n"


@pytest.mark.parametrize("readme", ["README.md", "README.ko.md"])
def test_readme_names_the_extras(readme: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = extras["optional-dependencies"].keys() - {"bench", "dev", "test"}
    lines = (ROOT / readme).read_text().splitlines()
    (line,) = [line for line in lines if "pip install '." in line]
    assert set(line.split(": ", 1)[1].split(", ")) == wanted


SCRIPT = """
import numpy as np
import gradtrail as gt

x = np.linspace(0, 1, 300, dtype=np.float32).reshape(12, 1, 5, 5)
y = np.arange(12) % 3
net = gt.Network((1, 5, 5), [gt.Conv2d(2, 3), gt.ReLU(), gt.Flatten(), gt.Linear(3)], seed=0)
shifts = gt.Augment(shift=1)
gt.train(net, (x, y), augment=shifts, epochs=1, batch_size=4, optimizer=gt.SGD(0.1), progress=False)
traced = gt.trace(net, x, y)
print(net.predict(x).shape)
"""


def test_a_script_ends_without_a_word() -> None:
    """What stands at its top level goes only while the interpreter itself is being taken apart."""
    found = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert (found.returncode, found.stdout, found.stderr) == (0, "(12, 3)\n", "")


def imported(module: str) -> set[str]:
    """What there is once a module is imported by a new process."""
    code = f"import sys, {module}; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return set(found.stdout.split())


def test_importing_brings_numpy_and_little_more() -> None:
    """So it takes about twice as long as NumPy; `python -m benchmarks.training` measures it."""
    new = imported("gradtrail") - imported("numpy")
    own = {name for name in new if name.partition(".")[0] == "gradtrail"}
    others = {name.partition(".")[0] for name in new - own}
    assert len(own) <= 80
    assert others <= {"llvmlite", "numpy", *sys.stdlib_module_names}
    assert "llvmlite.binding" not in new


def test_a_step_imports_only_what_it_is_asked_for() -> None:
    """No checkpoints, images, traces, bars or tables; and no nests where code is there already."""
    late = {f"gradtrail.training.{name}" for name in ("checkpoints", "resuming", "staged_feed")}
    late |= {"gradtrail.data.images", "gradtrail.tracing.overview", "gradtrail.tracing.traced_step"}
    late |= {"gradtrail.showing.bars", "gradtrail.showing.tables"}
    late |= {f"gradtrail.engines.cpu.{name}" for name in ("nest", "writing", "planning")}
    code = (
        "import sys, gradtrail as gt, numpy as np, gradtrail.engines.cpu.trainer\n"
        "net = gt.Network((1, 2, 2), [gt.Flatten(), gt.Linear(2)])\n"
        "data = np.ones((2, 1, 2, 2)), [0, 1]\n"
        "history = gt.train(net, data, engine='reference', progress=False)\n"
        f"print(history.steps, sorted({late} & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout.strip() == "1 []"


def test_importing_needs_neither_torch_nor_onnx_nor_rich() -> None:
    late = {"torch", "onnx", "rich", "click", "gradtrail.interop", "gradtrail.showing.tables"}
    late |= {"html", "random", "shutil", "tempfile"}
    code = f"import sys, gradtrail; print(sorted({late} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout.strip() == "[]"


def test_every_raises_has_a_match() -> None:
    bare = []
    for path in Path(__file__).parent.rglob("*.py"):
        for node in nodes(path) if ".raises" in path.read_text(encoding="utf-8") else ():
            called = node.func if isinstance(node, ast.Call) else None
            raises = isinstance(called, ast.Attribute) and called.attr == "raises"
            if raises and not any(k.arg == "match" for k in node.keywords):
                bare.append(f"{path.name}:{node.lineno}")
    assert bare == []


def test_layer_files_hold_no_backward_code() -> None:
    for path in (ROOT / "src" / "gradtrail" / "layers").glob("*.py"):
        names = [n.name for n in nodes(path) if isinstance(n, ast.FunctionDef)]
        assert not [n for n in names if "backward" in n or "grad" in n], path.name


def test_errors_are_one_tree() -> None:
    from gradtrail import errors

    for name in (n for n in vars(errors) if n.endswith("Error") and n != "OSError"):
        assert issubclass(getattr(errors, name), gt.GradtrailError)
    assert issubclass(gt.ShapeError, ValueError)
    assert issubclass(gt.UnknownNameError, KeyError)
    assert str(gt.UnknownNameError("no array is called 'x'")) == "no array is called 'x'"


def test_the_extra_for_notebooks_brings_what_one_runs_in() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    brought = tomllib.loads(text)["project"]["optional-dependencies"]["jupyter"]
    assert [one.partition(">")[0] for one in brought] == ["anywidget", "ipykernel"]
