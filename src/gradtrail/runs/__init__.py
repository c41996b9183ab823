"""Recipes and the runs that come of them. See README.md."""

from .lifecycle import Outcome, resume, start
from .recipe import Recipe, read_recipe, tables_of
from .recipe_data import RecipeData, read_data
from .run_folder import Run
from .run_inputs import RunInputs, prepare_run
from .shipped import shipped_names, shipped_tables, shipped_text

__all__ = [
    "Outcome",
    "Recipe",
    "RecipeData",
    "Run",
    "RunInputs",
    "prepare_run",
    "read_data",
    "read_recipe",
    "resume",
    "shipped_names",
    "shipped_tables",
    "shipped_text",
    "start",
    "tables_of",
]
