"""The documents name what is there: files, folders, names, quoted code, every layer."""

from __future__ import annotations

import inspect
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
from test_docs import DOCUMENTS, FENCED, ROOT, named

import gradtrail as gt
from gradtrail.arrays import operations as arrays
from gradtrail.engines.cpu import vector_math
from gradtrail.layers.layer import Layer
from gradtrail.layers.loss_functions import Loss

SOURCE = ROOT / "src" / "gradtrail"
READMES = sorted(SOURCE.rglob("README.md"))
EVERY = [*(path for path in DOCUMENTS if "ko" not in path.name), *READMES]
TECHNICAL = [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "internals.md", *READMES]
TECHNICAL += sorted((ROOT / "docs" / "design").glob("*.md"))

FILE = re.compile(r"(?<![\w/.:-])((?:[\w-]+/)*[\w-]+\.(?:py|js|mjs|css|svg|npz))\b")
FOLDER = re.compile(r"`((?:[\w-]+/)+)`")
NAME = re.compile(r"`([A-Za-z_][\w.]*)(?:\(\))?`")

# What documents name and the project does not have.
ELSEWHERE = {
    "src/gradtrail/layers/scale.py": "the layer that CONTRIBUTING.md adds",
    "shapes.npz": "a user's",
    **dict.fromkeys(("checkpoints/", "tensorboard/", "history/"), "in a run's folder"),
    **dict.fromkeys(("state/", "value/"), "in a checkpoint"),
}
OUTSIDE = {
    "topk": "what others call k",
    "binding.initialize": "llvmlite's",
    "b0bc9faf": "the words of a hash",
}


@cache
def files() -> frozenset[str]:
    """All files of the project by their paths from its root."""
    skipped = {".git", ".venv", "__pycache__", "node_modules"}
    return frozenset(
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*")
        if path.is_file() and not skipped & set(path.relative_to(ROOT).parts)
    )


@cache
def words() -> frozenset[str]:
    """All words of the project's code."""
    found: set[str] = set()
    for folder in ("src", "tests", "benchmarks", "examples"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".js", ".toml", ".css"}:
                found.update(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    for path in files():
        found.update(re.split(r"\W+", path))
    return frozenset(found)


def dead(document: Path, known: frozenset[str], text: str) -> set[str]:
    """Files and folders that a document's text names and that are not there.

    A path counts from the root, the package, the engines, or the document's folder and those above
    it; a bare name may be anybody's.
    """
    near = [*document.parent.relative_to(ROOT).parents, document.parent.relative_to(ROOT)]
    near += [
        Path("src/gradtrail"),
        Path("src/gradtrail/engines/cpu"),
        Path("src/gradtrail/engines"),
    ]
    mentioned = {path.removeprefix("gradtrail/") for path in FILE.findall(text)}
    gone = set()
    for path in mentioned - ELSEWHERE.keys():
        if not any((base / path).as_posix() in known for base in near) and (
            "/" in path or not any(one.rpartition("/")[2] == path for one in known)
        ):
            gone.add(path)
    for folder in set(FOLDER.findall(text)) - ELSEWHERE.keys():
        if not any(
            one.startswith((base / folder).as_posix() + "/") for base in near for one in known
        ):
            gone.add(folder)
    return gone


@pytest.mark.parametrize("path", EVERY, ids=named)
def test_every_file_that_is_named_is_there(path: Path) -> None:
    assert dead(path, files(), path.read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize("path", TECHNICAL, ids=named)
def test_every_name_that_is_given_is_in_the_code(path: Path) -> None:
    text = FENCED.sub("", path.read_text(encoding="utf-8"))
    unknown = {
        name
        for name in NAME.findall(text)
        if name not in OUTSIDE and not all(part in words() for part in name.split(".") if part)
    }
    assert unknown == set()


@pytest.mark.parametrize("path", READMES, ids=named)
def test_a_folders_readme_names_each_of_its_files(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    here = [p for p in path.parent.iterdir() if p.suffix in {".py", ".js"}]
    missing = {p.name for p in here if p.name != "__init__.py" and p.name not in text}
    missing |= {
        f"{p.name}/"
        for p in path.parent.iterdir()
        if p.is_dir() and any(p.rglob("*.py")) and f"{p.name}/" not in text
    }
    assert missing == set()


def test_each_layer_and_loss_has_a_page() -> None:
    """By the code that runs there: `gt.Name(`, `gt.Name` in a list of them, or in the text."""
    pages = {p: p.read_text(encoding="utf-8") for p in (ROOT / "docs" / "layers").glob("*.md")}
    kinds = {
        name
        for name, kind in ((name, getattr(gt, name)) for name in gt.__all__)
        if inspect.isclass(kind) and issubclass(kind, Layer | Loss) and not inspect.isabstract(kind)
    }
    assert len(kinds) >= 18
    found = {n for n in kinds if any(re.search(rf"\bgt\.{n}\(", page) for page in pages.values())}
    assert found == kinds
    listed = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in pages if f"(layers/{page.name})" not in listed] == []


def test_a_file_that_is_gone_is_seen() -> None:
    """The test of the test, for paths, bare names, folders and names of code."""
    known = frozenset({"src/gradtrail/layers/linear.py", "docs/page.md"})
    page = ROOT / "docs" / "internals.md"
    text = "`layers/linear.py` and `linear.py` in `layers/`; `layers/gone.py`, `gone.py`, `lost/`"
    assert dead(page, known, text) == {"layers/gone.py", "gone.py", "lost/"}
    assert NAME.findall("`Network.plan()` and `a + b`") == ["Network.plan"]


def test_the_three_tables_of_operations_have_the_same() -> None:
    """As CONTRIBUTING.md says: on NumPy's arrays, in machine code, and on the page."""
    page = (SOURCE / "exploring" / "page" / "equation" / "scalar.js").read_text(encoding="utf-8")
    table = page[page.index("const OPERATIONS = {") : page.index("\n};")]
    assert set(re.findall(r"^  (\w+)[:,]", table, re.M)) == set(arrays.OPERATIONS)
    assert set(vector_math.OPERATIONS) == set(arrays.OPERATIONS)


def test_the_readme_counts_the_packages() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    numbers = ("seven", "eight", "nine", "ten")
    count = len(settings["project"]["dependencies"]) - 2
    assert f"NumPy, llvmlite and {numbers[count - 7]} light packages" in (
        ROOT / "README.md"
    ).read_text(encoding="utf-8")
