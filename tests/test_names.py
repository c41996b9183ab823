"""A name means one thing: classes and functions, modules beside their package's names, files."""

import ast
import importlib
from collections import defaultdict
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from imports import modules
from sources import tree

import gradtrail

PACKAGE = Path(gradtrail.__file__).parent
MODULES = modules(PACKAGE)

# Public classes and functions that several files may define: which files, and why.
ALLOWED: dict[str, tuple[set[str], str]] = {
    "split": (
        {"data.splitting", "layers.rearranging"},
        "`gt.split` cuts a node as PyTorch's cuts a tensor, `gt.data.split` a set",
    ),
    **dict.fromkeys(
        ("maximum", "minimum"),
        (
            {"equation.scalar", "layers.joins"},
            "NumPy's and PyTorch's word, for numbers in an expression and for nodes",
        ),
    ),
    "load": ({"data.known", "network.saving"}, "`gt.load` opens a network, `gt.data.load` a set"),
}

# Files that may have one name in several folders, each with its reason.
ALLOWED_FILES = {
    "plan.py": "the command line has one file per command, by the command's name",
    "recipe.py": "the command line has one file per command, by the command's name",
    "trace.py": "the command line has one file per command, by the command's name",
}


def defined(files: dict[str, Path]) -> dict[str, set[str]]:
    """The modules that define each public class or function at their top level."""
    found: dict[str, set[str]] = defaultdict(set)
    for module, path in files.items():
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                found[node.name].add(module)
    return {name: where for name, where in found.items() if not name.startswith("_")}


@cache
def meanings() -> dict[str, set[str]]:
    """The package's public classes and functions, with where they are defined."""
    return defined(MODULES)


def several(places: dict[str, set[str]]) -> dict[str, set[str]]:
    """Those that stand in more than one place."""
    return {name: where for name, where in places.items() if len(where) > 1}


def file_names(files: dict[str, Path]) -> dict[str, set[str]]:
    """The modules by the names of their files."""
    found: dict[str, set[str]] = defaultdict(set)
    for module, path in files.items():
        if path.name != "__init__.py":
            found[path.name].add(module)
    return found


def test_no_public_name_has_two_meanings() -> None:
    found = several(meanings())
    assert {k: v for k, v in found.items() if not v <= ALLOWED.get(k, (set(), ""))[0]} == {}


def test_few_names_are_allowed_twice_and_each_is_still_there() -> None:
    assert len(ALLOWED) <= 8
    found = meanings()
    for name, (where, _) in ALLOWED.items():
        assert where <= found[name], name


def test_no_two_files_are_mistaken_for_each_other() -> None:
    found = several(file_names(MODULES))
    assert {k: v for k, v in found.items() if k not in ALLOWED_FILES} == {}


def test_each_file_name_that_is_allowed_twice_is_still_there() -> None:
    assert ALLOWED_FILES.keys() <= several(file_names(MODULES)).keys()


def shadowed(package: ModuleType, name: str, below: set[str]) -> list[str]:
    """The public names of a package that are the name of one of its modules and mean another."""
    return [
        f"{name}.{public}".lstrip(".")
        for public in getattr(package, "__all__", ())
        if public in below and not isinstance(getattr(package, public), ModuleType)
    ]


def modules_below(name: str) -> set[str]:
    """The last parts of the names of the modules in a package."""
    return {m.rpartition(".")[2] for m in MODULES if m and m.rpartition(".")[0] == name}


@pytest.mark.parametrize("name", [m for m, p in MODULES.items() if p.name == "__init__.py"])
def test_no_module_has_the_name_of_what_its_package_offers(name: str) -> None:
    """`import gradtrail.data.x as x` must give the module, whatever has been imported before."""
    package = importlib.import_module(f"gradtrail.{name}".rstrip("."))
    assert shadowed(package, name, modules_below(name)) == []


def test_a_name_with_two_meanings_is_seen(tmp_path: Path) -> None:
    """The test of the test: two classes and two files of one name, and a module behind a name."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file.py").write_text("class Twice: ...\ndef _own(): ...\n")
    (tmp_path / "one" / "only.py").write_text("def alone(): ...\n")
    found = modules(tmp_path)
    assert several(defined(found)) == {"Twice": {"one.file", "two.file"}}
    assert several(file_names(found)) == {"file.py": {"one.file", "two.file"}}
    package = ModuleType("package")
    package.__all__ = ["trace", "data", "train"]
    package.trace, package.train, package.data = print, print, ModuleType("data")
    assert shadowed(package, "package", {"trace", "data", "loop"}) == ["package.trace"]
