"""Imports flow one way: the equation core knows the standard library and the errors, no more."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gradtrail

PACKAGE = Path(gradtrail.__file__).parent
CORE = "gradtrail.equation"

# What each part may import, in the order data flows. A part is a folder or a file of the package.
ALLOWED = {
    "visible": (),
    "errors": ("visible",),
    "equation": ("errors",),
    "streams": (),
    "calls": ("errors",),
    "class_names": ("errors",),
    "foreign_files": (),
    "forking": (),
    "homes": ("errors",),
    "pinned": (),
    "layers": ("calls", "equation", "errors", "streams"),
    "samples": ("errors", "foreign_files"),
    "field": ("equation", "errors"),
    "notebook": ("visible",),
    "bars": ("notebook", "visible"),
    "figures": ("errors", "notebook", "optional"),
    "optional": ("errors",),
    "other_libraries": (),
    "plan": ("equation", "errors", "field", "layers", "samples"),
    "plan_view": ("table_text", "tables", "visible"),
    "reach": ("equation", "errors"),
    "reach_view": ("figures", "tables", "visible"),
    "table_text": ("notebook", "visible"),
    "tables": ("notebook", "table_text", "visible"),
    "named_arrays": ("errors", "samples"),
    "network": (
        *("calls", "equation", "errors", "layers", "named_arrays"),
        *("pinned", "samples", "streams"),
    ),
    "architecture": ("calls", "equation", "errors", "layers", "network"),
    "files": ("architecture", "calls", "errors", "foreign_files", "streams"),
    "data": (
        *("bars", "calls", "equation.frozen", "errors", "foreign_files", "forking", "homes"),
        *("layers", "notebook", "streams"),
    ),
    "engines": ("calls", "equation", "errors", "forking", "homes", "layers", "pinned", "samples"),
    "trace": (
        *("bars", "calls", "class_names", "data.images", "engines", "equation", "errors"),
        *("field", "figures", "layers", "network", "optional", "reach", "tables"),
    ),
    "train": (
        *("architecture", "bars", "calls", "class_names", "data", "engines", "equation"),
        *("errors", "figures", "files", "forking", "layers", "notebook"),
        *("optional", "pinned", "streams", "tables", "trace"),
    ),
    "runs": (
        *("architecture", "data", "engines", "errors", "files", "homes"),
        *("interop", "layers", "network", "train"),
    ),
    "report": (
        *("data", "engines", "errors", "figures", "files", "layers"),
        *("network", "optional", "runs", "trace", "train", "visible"),
    ),
    "interop": (
        *("architecture", "calls", "data", "engines", "equation", "errors"),
        *("files", "foreign_files", "layers", "network", "optional", "samples", "train"),
    ),
    "sklearn": ("errors", "interop"),
    "explore": (
        *("data", "engines", "equation", "errors", "files", "forking"),
        *("layers", "network", "notebook", "optional", "plan", "trace", "train", "visible"),
    ),
    "cli": ("",),
    "__main__": ("cli",),
    "__init__": ("",),
}

# Inside a function only, where a method of a lower part hands over to a higher one by name.
LATE = {
    "calls": ("network", "other_libraries"),
    "network": ("data.images", "engines", "explore", "files", "other_libraries", "plan", "reach"),
    "trace": ("explore",),
    "plan": ("network", "plan_view"),
    "reach": ("reach_view",),
    "interop": ("__version__",),
    "train": ("__version__",),
}


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports(tree: ast.AST, path: Path, late: bool = False) -> Iterator[tuple[str, bool]]:
    """Absolute names of what is imported, and whether inside a function; not what is for typing."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                for other in node.orelse:
                    yield from imports(other, path, late)
            case ast.Import():
                yield from ((alias.name, late) for alias in node.names)
            case ast.ImportFrom(level=0, module=str(module)):
                yield module, late
            case ast.ImportFrom():
                here = ("gradtrail", *path.relative_to(PACKAGE).parts[:-1])
                base = ".".join(here[: len(here) - node.level + 1])
                if node.module:
                    yield f"{base}.{node.module}", late
                else:
                    yield from ((f"{base}.{alias.name}", late) for alias in node.names)
            case _:
                inside = late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                yield from imports(node, path, inside)


def imported(path: Path) -> list[tuple[str, bool]]:
    return list(imports(ast.parse(path.read_text(encoding="utf-8")), path))


def within(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(p == "" or name == p or name.startswith(p + ".") for p in prefixes)


def refused(path: Path) -> list[str]:
    """What a module imports from the package against the table."""
    part, found = part_of(path), []
    for name, late in imported(path):
        below = name.removeprefix("gradtrail").removeprefix(".")
        allowed = (part, *ALLOWED[part], *(LATE.get(part, ()) if late else ()))
        if name.split(".")[0] == "gradtrail" and not within(below, allowed):
            found.append(name)
    return found


def test_every_part_has_its_line_in_the_table() -> None:
    assert {part_of(path) for path in modules()} == set(ALLOWED)


def test_imports_flow_one_way() -> None:
    assert {path: against for path in modules() if (against := refused(path))} == {}


def test_the_table_itself_flows_one_way() -> None:
    """No part may import one that may import it, directly or through others."""
    above: dict[str, set[str]] = {part: set() for part in ALLOWED}
    for _ in ALLOWED:
        for part, prefixes in ALLOWED.items():
            for lower in (p.split(".")[0] for p in prefixes if p):
                above[lower] |= {part} | above[part]
    assert [part for part in ALLOWED if part in above[part]] == []


def test_the_core_imports_the_standard_library_and_the_errors_only() -> None:
    ours = (CORE, "gradtrail.errors")
    paths = sorted((PACKAGE / "equation").rglob("*.py"))
    others = [n for path in paths for n, _ in imported(path) if not within(n, ours)]
    assert paths
    assert [n for n in others if n.split(".")[0] not in sys.stdlib_module_names] == []


def test_an_upward_import_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: each way of writing an import, in a layer of a package made up here."""
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    path = tmp_path / "layers" / "made_up.py"
    path.parent.mkdir()
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "from ..equation import term\n"
        "from ..network import Network\n"
        "from .. import engines\n"
        "import gradtrail.train.loop\n"
        "from gradtrail.trace import Trace\n"
        "from .base import Layer\n"
        "if TYPE_CHECKING:\n"
        "    from ..cli import main\n"
        "def declare():\n"
        "    from ..plan import Plan\n"
    )
    upward = ["network", "engines", "train.loop", "trace", "plan"]
    assert refused(path) == [f"gradtrail.{name}" for name in upward]
