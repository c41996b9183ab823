"""The plan: every shape before there is any data, and what is said where one does not fit.

`plan.py` makes it, `plan_table.py` writes it as a table, `misfit.py` is the error with it.
"""
