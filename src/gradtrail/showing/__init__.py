"""How things look: tables, figures, notebooks, terminals, progress.

`shown.py` is the base of what prints, `tables.py` what a table is, `table_text.py` its one writer,
`numbers.py` and `axis_names.py` how numbers and axes stand in all of them; `figures.py` draws,
`bars.py` is progress, and `notebook.py` knows where words for a person go.
"""
