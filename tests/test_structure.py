"""Imports flow one way, whether they are made at once, inside a function, or for types alone."""

import runpy
import sys
from functools import cache
from pathlib import Path

import pytest
from imports import Edge, circles, edges, graph_of, modules, room
from sources import nodes

import gradtrail

PACKAGE = Path(gradtrail.__file__).parent
PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "rooms.py"

# Every room may import those above it. docs/design/house.md says what each is for.
ROOMS = (
    *("version", "errors", "renamed", "machine", "storage", "checking", "showing", "streams"),
    *("equation", "arrays", "fields", "layers", "plan", "graph", "optimizers"),
    *("engines", "data", "tracing", "training", "exploring"),
    *("network", "interop", "sklearn", "runs", "reporting", "cli", "__main__"),
)

# Rooms at the bottom that stand for themselves: all that they may know of the package.
KNOWS = {
    "version": set[str](),
    "errors": set[str](),
    "equation": {"errors", "machine", "renamed"},
    "storage": {"errors"},
    "machine": {"errors"},
    "streams": set[str](),
}

# Where a lower room hands over to a higher one: what users write begins at what they have in hand.
HANDED_OVER = {
    ("tracing.trace", "exploring.explorer"): "`t.explore()` opens the page about a traced step",
}


@cache
def found() -> tuple[Edge, ...]:
    """All imports of the package."""
    return tuple(edges(PACKAGE))


def against(found: list[Edge]) -> list[Edge]:
    """The edges that lead to a later room."""
    place = {name: number for number, name in enumerate(ROOMS)}
    return [
        edge
        for edge in found
        if edge.importer  # the package's own face knows all of it
        and room(edge.importer) != room(edge.imported)
        and place[room(edge.importer)] < place.get(room(edge.imported), len(place))
        and (edge.importer, edge.imported) not in HANDED_OVER
    ]


def folder(module: str) -> str:
    """The folder that a module's file is in."""
    path = modules(PACKAGE)[module]
    return path.parent.relative_to(PACKAGE).as_posix()


def test_every_room_has_its_place() -> None:
    assert {room(name) for name in modules(PACKAGE) if name} == set(ROOMS)


def test_the_rooms_are_drawn_as_they_stand() -> None:
    made = runpy.run_path(str(PICTURE))
    assert (*made["rooms"](), "__main__") == ROOMS  # as docs/design/house.md lists them
    now = made["drawing"](found()) == PICTURE.with_suffix(".svg").read_text(encoding="utf-8")
    assert now, "imports have changed: python docs/pictures/rooms.py draws them"


def test_imports_flow_one_way() -> None:
    assert len(found()) > 1000
    assert {edge.kind for edge in found()} == {"import", "function", "type"}
    assert against(found()) == []


def test_no_circle_leaves_its_folder() -> None:
    apart = [e for e in found() if e.importer and (e.importer, e.imported) not in HANDED_OVER]
    wide = [c for c in circles(graph_of(apart)) if len({folder(name) for name in c}) > 1]
    assert wide == []


def test_each_hand_over_is_still_there() -> None:
    assert {(edge.importer, edge.imported) for edge in found()} >= set(HANDED_OVER)


@pytest.mark.parametrize("name", KNOWS)
def test_the_lowest_rooms_know_hardly_anybody(name: str) -> None:
    known = {room(e.imported) for e in found() if room(e.importer) == name} - {name}
    assert known <= KNOWS[name]


def test_the_equations_need_the_standard_library_only() -> None:
    import ast

    names = set()
    for path in (PACKAGE / "equation").glob("*.py"):
        for node in nodes(path):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(str(node.module).partition(".")[0])
    assert names
    assert names <= sys.stdlib_module_names


def test_an_import_against_the_order_is_seen(tmp_path: Path) -> None:
    """The test of the test: each way of writing an import, in a layer of a package made up here."""
    package = tmp_path / "gradtrail"
    for name in ("layers", "network", "engines", "training", "tracing", "plan", "cli", "equation"):
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "training" / "loop.py").touch()
    (package / "layers" / "made_up.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "from ..equation import term\n"
        "from ..network import Network\n"
        "from .. import engines\n"
        "import gradtrail.training.loop\n"
        "from gradtrail.tracing import Trace\n"
        "from .base import Layer\n"
        "if TYPE_CHECKING:\n"
        "    from ..cli import main\n"
        "def declare():\n"
        "    from ..plan import Plan\n"
    )
    upward = against(edges(package))
    assert [(edge.imported, edge.kind) for edge in upward] == [
        *(("network", "import"), ("engines", "import"), ("training.loop", "import")),
        *(("tracing", "import"), ("cli", "type"), ("plan", "function")),
    ]


def test_a_circle_is_seen() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set[str]()}
    assert circles(graph) == [["a", "b", "c"]]
