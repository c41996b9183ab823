"""Who imports whom in a package, read from its files: when it is imported, in functions, for types.

An edge leads from a module to the module whose text it needs. What `TYPE_CHECKING` guards counts
as much as the rest: a file that cannot be read without another depends on it.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sources import tree

Kind = Literal["import", "function", "type"]


@dataclass(frozen=True)
class Edge:
    """One import.

    Args:
        importer: the module that imports, by its path in the package: `tracing.trace`.
        imported: the module that is imported; a folder's is the folder's name.
        kind: when it is imported, inside a function, or for types alone.
        line: where.
    """

    importer: str
    imported: str
    kind: Kind
    line: int


def modules(package: Path) -> dict[str, Path]:
    """The files of a package by their dotted names within it; its own `__init__` is ""."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def edges(package: Path) -> list[Edge]:
    """All imports within a package."""
    known = modules(package)
    return [
        edge
        for name, path in known.items()
        for edge in _of_file(name, path, known, package.name)
        if edge.importer != edge.imported
    ]


def _of_file(name: str, path: Path, known: Mapping[str, Path], package: str) -> Iterator[Edge]:
    folder = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node, kind in _imports(tree(path), "import"):
        for target in _targets(node, folder, package):
            while target and target not in known:  # a name in a module, not a module
                target = target.rpartition(".")[0]
            yield Edge(name, target, kind, node.lineno)


def _imports(node: ast.AST, kind: Kind) -> Iterator[tuple[ast.Import | ast.ImportFrom, Kind]]:
    """The import statements below a node, with their kind."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            continue  # no import stands in an expression
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, kind
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for guarded in child.body:
                yield from _imports(ast.Module([guarded], []), "type")
            for other in child.orelse:
                yield from _imports(ast.Module([other], []), kind)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _imports(child, "type" if kind == "type" else "function")
        else:
            yield from _imports(child, kind)


def _targets(node: ast.Import | ast.ImportFrom, folder: str, package: str) -> Iterator[str]:
    """What a statement imports of the package, as dotted names within it."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif node.level:
        up = folder.split(".") if folder else []
        up = up[: len(up) - node.level + 1]
        base = ".".join([package, *up, *([node.module] if node.module else [])])
        names = [f"{base}.{alias.name}" for alias in node.names]
    else:
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    for name in names:
        first, _, rest = name.partition(".")
        if first == package:
            yield rest


def room(module: str) -> str:
    """The folder or file at the top of the package that a module is in."""
    return module.partition(".")[0]


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The sets of nodes that lead to each other, of more than one node each.

    Source: R. Tarjan, "Depth-first search and linear graph algorithms" (1972).
    """
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = lowest[node] = len(order)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in order:
                visit(other)
            if other in stack:
                lowest[node] = min(lowest[node], lowest[other])
        if lowest[node] == order[node]:
            at = stack.index(node)
            if len(stack) > at + 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(graph):
        if node not in order:
            visit(node)
    return found


def graph_of(found: list[Edge]) -> dict[str, set[str]]:
    """The edges as neighbours."""
    graph: dict[str, set[str]] = defaultdict(set)
    for edge in found:
        graph[edge.importer].add(edge.imported)
    return graph
