"""`gradtrail rates`: what Python's range test finds, with its picture, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from commands import run

import gradtrail as gt


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A network small enough to train in a blink, on the digits."""
    path = tmp_path / "tiny.toml"
    layers = '{type = "MaxPool2d", kernel_size = 2}, {type = "Flatten"}'
    path.write_text(
        f'[model]\nlayers = [{layers}, {{type = "Linear", out_features = 10}}]\n'
        'seed = 2\nnormalize = false\n[data]\nname = "digits"\n'
        '[optimizer]\ntype = "SGD"\nlr = 7.0\n[training]\nbatch_size = 48\nseed = 3\n'
        'engine = "reference"\n'
    )
    return path


def test_it_finds_what_python_finds(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options take the place of what the recipe says; no run is left."""
    monkeypatch.chdir(tmp_path)
    shape, layers = (1, 8, 8), [gt.MaxPool2d(2), gt.Flatten(), gt.Linear(10)]
    (x, y), _ = gt.data.digits()
    expected = gt.lr_range_test(
        gt.Network(shape, layers, seed=2),
        (x, y),
        optimizer=gt.SGD(1.0),
        batch_size=32,
        steps=15,
        least=1e-3,
        most=10.0,
        seed=3,
        engine="reference",
    )
    size = ("--batch-size", 32, "--steps", 15, "--least", 0.001, "--most", 10)
    told = run("rates", recipe, *size, "--plot", "rates.png")
    assert told.exit_code == 0, told.output
    assert expected.reason in " ".join(told.output.split())
    assert f"--lr {expected.suggestion:.2g} begins with it" in told.output
    assert (tmp_path / "rates.png").read_bytes()[:4] == b"\x89PNG"
    found = json.loads(run("rates", recipe, *size, "--json").output)
    assert found["suggestion"] == expected.suggestion
    np.testing.assert_array_equal(found["losses"], expected.losses)
    assert {p.name for p in tmp_path.iterdir()} == {"tiny.toml", "rates.png"}


def test_mistakes_are_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, sentence in (
        (
            ("--least", 1, "--most", 0.1),
            "--least and --most are rates with 0 < least < most, got 1",
        ),
        (("--least", "nan"), "--least and --most are rates with 0 < least < most, got nan and 1"),
        (("--steps", 3), "Invalid value for '--steps': 3 is not in the range x>=10"),
        (("--plot", "rates.xyz"), "rates.xyz"),
        (("nowhere.toml",), "cannot read nowhere.toml: No such file"),
    ):
        told = run("rates", *arguments)
        assert told.exit_code == 2, arguments
        assert sentence in told.output
        assert "Traceback" not in told.output
    assert not list(tmp_path.iterdir())
