#!/usr/bin/env bash
# A rich Console that is given a file, `Console(file=io.StringIO())`, in a Jupyter kernel. It is how
# a library turns a table into text for its __str__.
#
# One would guess: what is printed is written into that file, as it is in any other process.
# What happens: the console sees the kernel, displays the table as an output of the cell, and writes
# nothing: the file is empty. str() of an object is "" and a table appears that nobody printed; a
# table as a cell's last line appears twice, since its repr is asked for, too. With
# force_jupyter=False the file holds it.
# What follows here: one writer of tables, whose console may not see a notebook (table_text.py), and
# tests that run a real kernel (tests/notebook), since no other process shows it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    rich==15.0.0 ipykernel==7.4.0 nbclient==0.11.0

cat > "$work/show.py" <<'PYTHON'
from importlib.metadata import version

from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

CELL = """
import io
from rich.console import Console
from rich.table import Table

table = Table("layer")
table.add_row("conv1")
held = io.StringIO()
Console(file=held, width=40{}).print(table)
print("conv1" in held.getvalue(), len(held.getvalue()))
"""

book = new_notebook(cells=[new_code_cell(CELL.format(s)) for s in ("", ", force_jupyter=False")])
NotebookClient(book, timeout=300, kernel_name="python3").execute()
print(", ".join(f"{name} {version(name)}" for name in ("rich", "ipykernel", "nbclient")))
seen = []
for cell, what in zip(book.cells, ("file=", "file=, force_jupyter=False"), strict=True):
    shown = sum(one.output_type == "display_data" for one in cell.outputs)
    written = "".join(one.text for one in cell.outputs if one.output_type == "stream")
    seen.append((shown, written.startswith("True")))
    print(f"Console({what}): {shown} displayed, in the file: {seen[-1][1]}")
as_described = seen == [(1, False), (0, True)]
print("as described" if as_described else "CHANGED")
raise SystemExit(not as_described)
PYTHON
"$work/venv/bin/python" "$work/show.py" 2> "$work/errors" || { cat "$work/errors" >&2; exit 1; }
