"""Recipes and the runs that come of them. See README.md."""

from .opening import Opened, open_data
from .preparing import Prepared, prepared
from .recipe import Recipe, read_recipe, tables_of
from .run_folder import Run
from .running import Outcome, resume, start
from .shipped import names, shipped, shipped_text

__all__ = [
    "Opened",
    "Outcome",
    "Prepared",
    "Recipe",
    "Run",
    "names",
    "open_data",
    "prepared",
    "read_recipe",
    "resume",
    "shipped",
    "shipped_text",
    "start",
    "tables_of",
]
