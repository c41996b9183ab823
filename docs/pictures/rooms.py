"""The picture of the rooms in docs/internals.md: `python docs/pictures/rooms.py` writes it.

One row and one column per room, in the order of the table in docs/design/house.md; a dot where the
row's room imports the column's. What lies below the diagonal flows one way.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).parent.parent.parent
PICTURE = Path(__file__).parent / "rooms.svg"
PACKAGE = ROOT / "src" / "gradtrail"
sys.path.insert(0, str(ROOT / "tests"))

from imports import Edge, edges, room  # noqa: E402

CELL, EDGE, LETTER = 22, 16, 7.0  # pixels: a cell, the margin, a letter's width at most
SIZES = ((1, 2.5), (4, 4.5), (10, 6.5), (30, 8.5))  # from so many imports: a dot of that radius

STYLE = """
text { font: 13px system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; fill: #1f2328 }
.name { font-weight: 600 } .about, .note { fill: #59636e } .note { font-size: 12px }
.paper { fill: #ffffff } .line { fill: none; stroke: #e4e8ec }
.room { fill: #cfd6dd } .dot { fill: #0b6bcb }
.back { fill: none; stroke: #bc4c00; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .about, .note { fill: #9198a1 }
  .paper { fill: #0d1117 } .line { stroke: #262c34 } .room { fill: #4a535d } .dot { fill: #58a6ff }
  .back { stroke: #f0883e }
}
"""


def rooms() -> dict[str, str]:
    """The rooms in order, each with what it holds, from the table in house.md."""
    text = (ROOT / "docs" / "design" / "house.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)(?:/|\.py)` \| (.*) \|$", text, re.M)
    return {name: re.split(r"[:;.]", holds)[0] for name, holds in rows}


def dots(order: list[str], found: Iterable[Edge]) -> Counter[tuple[int, int]]:
    """How many imports lead from one room to another, by their places."""
    place = {name: number for number, name in enumerate(order)}
    place["__main__"] = place["cli"]
    pairs = [(room(e.importer), room(e.imported)) for e in found]
    places = [(place[a], place[b]) for a, b in pairs if a and b]
    return Counter((a, b) for a, b in places if a != b)


def centre(number: int) -> int:
    """Where a row or a column lies."""
    return EDGE + number * CELL + CELL // 2


def radius(count: int) -> float:
    """How large a dot is."""
    return max(size for least, size in SIZES if count >= least)


def drawing(imports: Iterable[Edge]) -> str:
    """The picture as SVG."""
    held = rooms()
    found = dots(list(held), imports)
    bottom = centre(len(held) - 1) + CELL // 2
    marks, lines, labels = [], [], []
    for at, (name, about) in enumerate(held.items()):
        y = centre(at)
        lines.append(f'<path class="line" d="M{EDGE} {y}H{y}V{bottom}"/>')
        marks.append(f'<rect class="room" x="{y - 6}" y="{y - 6}" width="12" height="12" rx="3"/>')
        x = centre(max([at, *(b for a, b in found if a == at)])) + 16
        words = f'<tspan class="name">{name}</tspan>'
        words += f'<tspan class="about" dx="8">{escape(about)}</tspan>'
        labels.append((x + LETTER * len(f"{name}  {about}"), f'<text x="{x}" y="{y + 4}">{words}'))
    for (row, column), count in sorted(found.items()):
        kind = "dot" if column < row else "back"
        size = radius(count) if column < row else 6
        marks.append(
            f'<circle class="{kind}" cx="{centre(column)}" cy="{centre(row)}" r="{size}"/>'
        )
    width = round(max(end for end, _ in labels)) + EDGE
    body = [*lines, *marks, *(f"{text}</text>" for _, text in labels), *legend(bottom + 34)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom + 56}" '
            f'width="{width}" height="{bottom + 56}" role="img" aria-labelledby="title">',
            '<title id="title">Which room imports which: all dots are below the diagonal</title>',
            f"<style>{STYLE}</style>",
            f'<rect class="paper" width="{width}" height="{bottom + 56}"/>',
            *body,
            "</svg>\n",
        ]
    )


def legend(y: int) -> list[str]:
    """What the dots say."""
    found, x = (
        [f'<text class="note" x="{EDGE}" y="{y + 4}">The row imports the column:</text>'],
        195,
    )
    for least, size in SIZES:
        found.append(f'<circle class="dot" cx="{x}" cy="{y}" r="{size}"/>')
        found.append(f'<text class="note" x="{x + 14}" y="{y + 4}">{least} or more</text>')
        x += 100
    found.append(f'<circle class="back" cx="{x}" cy="{y}" r="6"/>')
    found.append(f'<text class="note" x="{x + 14}" y="{y + 4}">the one hand-over upwards</text>')
    return found


if __name__ == "__main__":
    PICTURE.write_text(drawing(edges(PACKAGE)), encoding="utf-8")
