"""Recipes: read, checked whole, written, read again."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import gradtrail as gt
from gradtrail.runs import Recipe, read_recipe, shipped_names, shipped_tables, shipped_text
from gradtrail.runs.toml_lines import lines_of

FULL = """
[data]
name = "digits"
validation = 0.25

[model]
layers = [
    {type = "Conv2d", out_channels = 4, kernel_size = 3},
    {type = "ReLU"},
    {type = "Residual", body = [{type = "Conv2d", out_channels = 4, kernel_size = 3, padding = 1}]},
    {type = "Concat", branches = [[{type = "ReLU"}], [], [{type = "Tanh"}]]},
    {type = "Flatten"}, {type = "Linear", out_features = 10},
]
seed = 3

[training]
epochs = 4
batch_size = 100
seed = 5
mixup = 0.2
clip_norm = 1.5
average = 0.9
watch = ["fc1.bias[3]"]

[loss]
label_smoothing = 0.1
weight = "balanced"

[optimizer]
type = "sgd"
lr = 0.1
momentum = 0.9

[schedule]
type = "step-decay"
at = [0.5, 0.75]
warm_up = 0.1

[augment]
crop = 1
rotation = 5

[stopping]
patience = 2
measure = "validation_accuracy"

[checkpoints]
steps = 100
keep = 3

[log]
csv = true
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_full_recipe_becomes_objects(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, FULL))
    course = recipe.course()
    assert recipe.data.validation == 0.25
    assert course.optimizer.settings() == gt.SGD(0.1, momentum=0.9).settings()
    assert course.schedule == gt.schedules.StepDecay((0.5, 0.75), warm_up=0.1)
    assert course.augment == gt.Augment(crop=1, rotation=5)
    assert course.stopping == gt.EarlyStopping(2, measure="validation_accuracy")
    assert (course.epochs, course.batch_size, course.seed) == (4, 100, 5)
    assert (course.mixup, course.clip_norm, course.average) == (0.2, 1.5, 0.9)
    assert course.loss == gt.CrossEntropy(label_smoothing=0.1)
    assert recipe.training.watch == ("fc1.bias[3]",)
    assert recipe.checkpoints.within(tmp_path) == gt.Checkpoints(tmp_path, steps=100, keep=3)
    assert recipe.log.csv
    assert recipe.model.layers is not None
    assert len(recipe.model.layers) == 6


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, FULL))
    again = tmp_path / "again.toml"
    again.write_text(recipe.to_toml(), encoding="utf-8")
    assert tomllib.loads(again.read_text())["gradtrail"] == gt.__version__
    assert read_recipe(again).to_dict() == recipe.to_dict()


@pytest.mark.parametrize("name", shipped_names())
def test_the_recipes_that_come_along_are_sound(name: str) -> None:
    base = shipped_tables(name)
    changes = {} if "name" in base["data"] else {("data", "path"): ("--data", "here")}
    assert isinstance(read_recipe(None, changes, base), Recipe)


MINIMAL = '[data]\nname = "digits"\n[model]\narchitecture = "digits-cnn"\n'

WRONG = {
    "key": (MINIMAL + "[training]\nepoch = 3", "line 6, training.epoch: no key is called 'epoch'"),
    "near": (MINIMAL + "[training]\nepoch = 3", "did you mean: epochs"),
    "type": (
        MINIMAL + '[training]\nepochs = "many"',
        "line 6, training.epochs: must be a whole number, got 'many'",
    ),
    "truth": (
        MINIMAL + '[optimizer]\ntype = "SGD"\nlr = 0.1\nnesterov = "no"',
        "line 8, optimizer.nesterov: must be true or false, got 'no'",
    ),
    "range": (
        MINIMAL + '[optimizer]\ntype = "SGD"\n\nlr = -1',
        "line 8, optimizer.lr: SGD: lr must be a finite number above 0, got -1",
    ),
    "group": (
        MINIMAL + '[optimizer]\ntype = "SGD"\nlr = 0.1\n[optimizer.groups]\n"fc*" = {lr = "a"}',
        "line 8, optimizer.groups: SGD: groups['fc*']: SGD: lr must be a finite number above 0",
    ),
    "another key in the sentence": (
        MINIMAL + "[schedule]\ntype = 'StepDecay'\nat = [0.5]\ngamma = 2",
        "line 8, schedule.gamma: StepDecay: gamma must be above 0 and at most 1, got 2",
    ),
    "missing": (MINIMAL + '[optimizer]\ntype = "SGD"', "line 5, optimizer: needs the key 'lr'"),
    "kind": (
        MINIMAL + '[optimizer]\ntype = "Adan"',
        "line 6, optimizer.type: no type is called 'Adan'; did you mean: Adam",
    ),
    "no kind": (MINIMAL + "[schedule]\nwarm_up = 0.1", "line 5, schedule: needs the key 'type'"),
    "table": (MINIMAL + "[trainig]", "line 5, trainig: is no table of a recipe"),
    "no table": ("[data]\nname = 'digits'", "a recipe needs a table [model]"),
    "no data": ("[data]\n[model]\narchitecture = 'lenet5'", "line 1, data: data needs a name"),
    "set": (
        "[data]\nname = 'digit'\n[model]\narchitecture = 'lenet5'",
        "line 2, data.name: no data set is called 'digit'; did you mean: digits",
    ),
    "architecture": (
        "[data]\nname = 'digits'\n[model]\narchitecture = 'lenet'",
        "line 4, model.architecture: no architecture is called 'lenet'",
    ),
    "two models": (MINIMAL + "file = 'a.json'", "architecture and file"),
    "layer": (
        "[data]\nname = 'digits'\n[[model.layers]]\ntype = 'Flatten'\n"
        "[[model.layers]]\ntype = 'Linea'",
        "line 5, model.layers[1]: layer 1: no layer is called 'Linea'; did you mean: Linear",
    ),
    "argument": (
        "[data]\nname = 'digits'\n[[model.layers]]\ntype = 'Conv2d'\nkernel = 3",
        "line 3, model.layers[0]: layer 0: no argument of Conv2d is called 'kernel'",
    ),
    "both clips": (
        MINIMAL + "[training]\nclip_norm = 1\nclip_value = 1",
        "line 6, training.clip_norm: train: clip_norm and clip_value exclude each other",
    ),
    "augment": (
        MINIMAL + "[augment]\nflip = 2.0",
        "line 6, augment.flip: Augment: flip must lie between 0 and 1, got 2.0",
    ),
    "weights": (MINIMAL + "[loss]\nweight = 'even'", "line 6, loss.weight: weight must"),
    "engine": (MINIMAL + "[training]\nengine = 'gpu'", "line 6, training.engine: engine must be"),
    "syntax": (MINIMAL + "[training\n", "is not TOML: "),
    "list": ("model = 3\n" + "[data]\nname = 'digits'", "line 1, model: must be a table, got 3"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_named_by_key_and_line(name: str, tmp_path: Path) -> None:
    text, sentence = WRONG[name]
    with pytest.raises(gt.FileError, match="recipe.toml") as caught:
        read_recipe(written(tmp_path, text))
    assert sentence in str(caught.value)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    text = MINIMAL + '[training]\nepochs = 0\nbatch = 3\n[optimizer]\ntype = "Adam"\nlr = "fast"'
    with pytest.raises(gt.FileError, match="has 3 mistakes") as caught:
        read_recipe(written(tmp_path, text.replace("epochs = 0", "epochs = 1.5")))
    lines = str(caught.value).splitlines()
    assert [line.split(",")[0].strip() for line in lines[1:]] == ["line 6", "line 7", "line 10"]


def test_each_value_out_of_its_range_is_named(tmp_path: Path) -> None:
    text = MINIMAL + "[training]\nepochs = 0\nmixup = -3\nbatch_size = 0\naverage = 1.0\n"
    text += '[stopping]\npatience = -1\nmeasure = "luck"'
    with pytest.raises(gt.FileError, match="has 6 mistakes") as caught:
        read_recipe(written(tmp_path, text))
    lines = str(caught.value).splitlines()[1:]
    assert sorted(line.split(",")[0].strip() for line in lines) == [
        *(f"line {n}" for n in (11, 12)), *(f"line {n}" for n in (6, 7, 8, 9))
    ]  # fmt: skip


def test_options_take_the_place_of_values_and_are_blamed_themselves(tmp_path: Path) -> None:
    path = written(tmp_path, FULL)
    changes = {("optimizer", "lr"): ("--lr", 0.5), ("stopping", "patience"): ("--patience", 7)}
    recipe = read_recipe(path, changes)
    assert (recipe.optimizer.lr, recipe.stopping.patience) == (0.5, 7)
    with pytest.raises(gt.FileError, match=r"^--lr: SGD: lr must be a finite number above 0"):
        read_recipe(path, {("optimizer", "lr"): ("--lr", 0)})


def test_paths_in_a_file_are_seen_from_its_folder(tmp_path: Path) -> None:
    text = "[data]\npath = 'images'\ntest = '/elsewhere'\n[model]\nfile = 'net.json'"
    recipe = read_recipe(written(tmp_path, text))
    assert recipe.data.path == str(tmp_path / "images")
    assert recipe.data.test == "/elsewhere"
    assert recipe.model.file == str(tmp_path / "net.json")
    changed = read_recipe(tmp_path / "recipe.toml", {("data", "path"): ("--data", "here")})
    home = read_recipe(written(tmp_path, text.replace("images", "~/images")))
    assert home.data.path == str(Path.home() / "images")
    assert changed.data.path == "here"


def test_what_is_no_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(gt.FileError, match=r"cannot read .*none.toml: No such file"):
        read_recipe(tmp_path / "none.toml")
    large = written(tmp_path, "#" * (1 << 20) + "\n")
    with pytest.raises(gt.FileError, match="larger than 1 MiB"):
        read_recipe(large)
    large.write_bytes(b"a = '\xff'")
    with pytest.raises(gt.FileError, match="byte 5 is not UTF-8"):
        read_recipe(large)
    written(tmp_path, "a = " + "[" * 5000)
    with pytest.raises(gt.FileError, match="is not TOML"):
        read_recipe(large)


def test_lines_of_keys() -> None:
    text = '''# first
version = 1
[data]
"odd key" = [1, # ]
 2]
text = """
[not.a.table]
k = 1
"""
[optimizer]
lr.x = 0.1
[[model.layers]]
type = 'Conv2d'
[[model.layers]]
type = "ReLU"
[model.layers.sub]
a = {b = 1, c = "}"}
[a."b.c"]
d = 1'''
    assert tomllib.loads(text)["a"]["b.c"]["d"] == 1
    assert lines_of(text) == {
        ("version",): 2,
        ("data",): 3,
        ("data", "odd key"): 4,
        ("data", "text"): 6,
        ("optimizer",): 10,
        ("optimizer", "lr"): 11,
        ("optimizer", "lr", "x"): 11,
        ("model", "layers"): 12,
        ("model", "layers", 0): 12,
        ("model", "layers", 0, "type"): 13,
        ("model", "layers", 1): 14,
        ("model", "layers", 1, "type"): 15,
        ("model", "layers", 1, "sub"): 16,
        ("model", "layers", 1, "sub", "a"): 17,
        ("a", "b.c"): 18,
        ("a", "b.c", "d"): 19,
    }


def test_a_recipe_s_first_line_has_the_accuracy_of_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    measured = dict(re.findall(r"^\| `([\w-]+)` \|.*\| ([\d.]+ %) \|", page, re.M))
    told = {n: re.findall(r"[\d.]+ %", shipped_text(n).partition("\n")[0]) for n in shipped_names()}
    assert {name: figures[0] for name, figures in told.items() if figures} == measured
    assert measured["digits"] == "99.7 %"
