"""Files that a command is to write are looked at before it works."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import gradtrail as gt
from gradtrail.cli import main
from gradtrail.cli.path_types import OutputPath
from gradtrail.runs import shipped_text
from gradtrail.storage.files import free_name


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


WRITING = {
    "evaluate": ("--plot", "--wrong"),
    "trace": ("--plot",),
    "influence": ("--plot",),
    "watch": ("--plot",),
    "explore": ("--save",),
    "report": ("--out",),
    "rates": ("--plot",),
}
ENDING = {"--plot": ".png", "--wrong": ".csv", "--save": ".html", "--out": ".html"}
PAIRS = [(command, option) for command, options in WRITING.items() for option in options]


def asked(command: str, option: str, path: object) -> Result:
    """A command about a run that is not there: whatever is said of the file is said before."""
    element = ("dconv1.weight[0,0,0,0]",) if command == "trace" else ()
    return run(command, "nowhere", *element, option, path)


def test_every_file_that_is_written_is_looked_at() -> None:
    found = {
        (name, option)
        for name, command in main.commands.items()
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option in ENDING and isinstance(parameter.type, OutputPath)
    }
    assert found == set(PAIRS)
    others = {  # a folder, and a file whose ending --to says: with checks of their own, see below
        (name, "--out")
        for name, command in main.commands.items()
        if any("--out" in p.opts and not isinstance(p.type, OutputPath) for p in command.params)
    }
    assert others == {("train", "--out"), ("export", "--out")}


@pytest.mark.parametrize(("command", "option"), PAIRS)
def test_what_cannot_be_written_is_said_first(
    command: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = ENDING[option]
    wrong = asked(command, option, tmp_path / "c.xyz")
    assert wrong.exit_code == 2
    assert wrong.output.startswith(
        f"gradtrail: {option} {tmp_path}/c.xyz: the file's name must end"
    )
    assert f"as {tmp_path}/c{ending} does" in wrong.output
    assert f"as c{ending} does" in asked(command, option, "c").output
    (tmp_path / "file").write_text("")
    within = asked(command, option, tmp_path / "file" / f"c{ending}")
    assert f"cannot write {tmp_path}/file/c{ending}: {tmp_path}/file is no folder" in within.output
    (tmp_path / f"folder{ending}").mkdir()
    folder = asked(command, option, tmp_path / f"folder{ending}").output
    assert f"folder{ending} is there already, and a folder; name a file with {option}" in folder

    def shut(**where: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", shut)
    shut_out = asked(command, option, tmp_path / "new" / f"c{ending}").output
    assert f"cannot write {tmp_path}/new/c{ending}: Permission denied" in shut_out
    assert not (tmp_path / "new").exists()


def test_a_picture_without_matplotlib_is_refused_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.backend_bases", None)
    for command in ("evaluate", "trace", "influence", "watch"):
        told = asked(command, "--plot", "c.png").output
        assert told == "gradtrail: a picture needs matplotlib: pip install matplotlib\n"


@pytest.mark.parametrize(("command", "option"), [("explore", "--save"), ("report", "--out")])
def test_a_name_that_is_taken_comes_with_one_that_is_free(
    command: str, option: str, tmp_path: Path
) -> None:
    there = tmp_path / "a.html"
    there.write_text("mine")
    (tmp_path / "a-2.html").write_text("mine, too")
    told = asked(command, option, there).output
    assert f"{there} is there already; give {option} another name or --overwrite: " in told
    assert f"{tmp_path}/a-3.html is free" in told
    assert "there is no run" in run(command, "nowhere", option, there, "--overwrite").output


def test_export_names_what_is_free_beside_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("export", "lenet5", "--to", "torch").exit_code == 0
    told = run("export", "lenet5", "--to", "torch").output
    assert "lenet5.py is there already; give --out another name or --overwrite: lenet5-2.py" in told
    Path("lenet5-2.safetensors").write_text("mine")
    assert "lenet5-3.py is free" in run("export", "lenet5", "--to", "torch").output
    assert run("export", "lenet5", "--to", "torch", "--out", "lenet5-3.py").exit_code == 0
    for form, ending in (("onnx", ".onnx"), ("torch", ".py"), ("safetensors", ".safetensors")):
        told = run("export", "nowhere.json", "--to", form, "--out", "a.bin").output
        assert told == (
            f"gradtrail: --out a.bin: the file's name must end in {ending}, as a{ending} does\n"
        )


def test_a_run_s_folder_is_looked_at_before_its_images(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(shipped_text("digits").replace('digits"', 'mnist"', 1))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").write_text("")
    told = run("train", "--data-path", tmp_path / "none", "--out", tmp_path / "run").output
    assert (
        f"{tmp_path}/run is not empty; give --out a new folder, such as {tmp_path}/run-2," in told
    )
    told = run("train", "--data-path", "none", "--out", tmp_path / "run" / "mine" / "a").output
    assert f"{tmp_path}/run/mine is no folder" in told


def test_a_folder_for_a_picture_is_made(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    net = gt.Network((1, 2, 2), [gt.Flatten(), gt.Linear(2)], seed=0)
    t = gt.trace(net, [[[[0.0, 1.0], [0.5, 0.25]]]], [0])
    t.value.terms("fc1.output", (0, 0)).plot(tmp_path / "new" / "a.png")
    assert (tmp_path / "new" / "a.png").stat().st_size > 0


def test_free_names(tmp_path: Path) -> None:
    assert free_name(tmp_path / "net.v1.onnx") == tmp_path / "net.v1-2.onnx"
    (tmp_path / "a-2.py").touch()
    (tmp_path / "a-3.safetensors").touch()
    assert free_name(tmp_path / "a.py", [".py", ".safetensors"]) == tmp_path / "a-4.py"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("train", "--model", "nix.onnx"), "cannot read nix.onnx: there is no such file"),
        (("train", "--model", "nets/mine"), "cannot read nets/mine: there is no such file"),
        (("train", "--model", "lenet"), "--model: no architecture is called 'lenet'"),
        (("train", "--model", "cnn-1d"), "--model: cnn-1d takes windows (channels, length), and"),
        (("rates", "--model", "unet"), "--model: unet gives every position a class, and recipes"),
        (("plan", "nets/mine"), "cannot read nets/mine: there is no such file"),
        (("plan", "nix.safetensors"), "cannot read nix.safetensors: there is no such file"),
        (("export", "runs/none", "--to", "onnx"), "cannot read runs/none: there is no such file"),
        (("train", "--data", "photos/"), "--data photos/: there is no such file or folder"),
        (("train", "--data", "x.npz"), "--data x.npz: there is no such file or folder"),
        (("train", "--data", "minst"), "no data set is called 'minst'; did you mean: mnist"),
        (("train", "nix.toml"), "cannot read nix.toml: No such file"),
        (("train", "recipes/nix"), "cannot read recipes/nix: there is no such file"),
    ],
)
def test_a_path_where_nothing_is_is_told_from_a_name(
    arguments: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.exit_code == 2
    assert told in done.output


def test_a_tilde_that_the_shell_left_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert f"--data {tmp_path}/photos: there is no" in run("train", "--data=~/photos").output
    assert f"cannot read {tmp_path}/a.onnx" in run("plan", "~/a.onnx").output
    assert f"there is no run {tmp_path}/run" in run("report", "~/run").output
    monkeypatch.setenv("HOME", "")
    told = run("report", "~/run")
    assert told.exit_code == 2
    assert "cannot read ~/run: it is not known which folder ~ is; write its whole" in told.output


@pytest.mark.parametrize(
    "command",
    [
        ("train", "--data", ""),
        ("train", "--model", ""),
        ("train", "--out", ""),
        ("plan", ""),
        ("evaluate", ""),
        ("export", ""),
        ("report", "run", "--out", ""),
    ],
)
def test_an_empty_path_is_not_the_working_folder(command: tuple[str, ...]) -> None:
    told = CliRunner().invoke(main, command)
    assert told.exit_code == 2
    assert "it is empty; '.' is the working folder" in told.output
