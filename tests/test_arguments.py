"""Numbers and flags as callers pass them: what counts as one, and what is said of the rest."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.checking.arguments import is_finite, is_real, is_whole, whole_number
from gradtrail.storage.files import write_whole

WHOLE = (0, -3, 10**400, np.int8(5), np.uint64(2**64 - 1))
NOT_WHOLE = (True, np.True_, 1.0, np.float32(2), "3", None, [1], np.array([1]), np.array(1))


@pytest.mark.parametrize("value", WHOLE, ids=repr)
def test_whole_numbers(value: object) -> None:
    assert is_whole(value)
    assert is_real(value)


@pytest.mark.parametrize("value", NOT_WHOLE, ids=repr)
def test_what_is_no_whole_number(value: object) -> None:
    assert not is_whole(value)
    with pytest.raises(gt.ArgumentError, match="it: seed must be a whole number ≥ 0, got "):
        whole_number("it: seed", value, 0)


def test_a_whole_number_has_bounds() -> None:
    assert [is_whole(n, 1) for n in (0, 1, np.int64(-1))] == [False, True, False]
    found = whole_number("port", np.int16(80), 0, 65_535)
    assert (found, type(found)) == (80, int)
    with pytest.raises(
        gt.ArgumentError, match="port must be a whole number from 0 to 65535, got -1"
    ):
        whole_number("port", -1, 0, 65_535)
    with pytest.raises(gt.ArgumentError, match="from 0 to 65535, got 65536"):
        whole_number("port", 65_536, 0, 65_535)


def test_real_and_finite_numbers() -> None:
    assert all(map(is_real, (0.5, np.float16(1), Fraction(1, 3), float("nan"))))
    assert not any(map(is_real, (1j, np.complex64(1), True, np.False_, "1", None)))
    assert all(map(is_finite, (0.5, np.float16(1), 10**300)))
    assert not any(map(is_finite, (float("inf"), np.float32("nan"), 10**400, "1")))


def test_a_step_that_is_none_is_called_step() -> None:
    net = gt.Network((2,), [gt.Linear(2)])
    with pytest.raises(gt.ArgumentError, match="trace: step must be a whole number ≥ 0, got -1"):
        gt.trace(net, np.ones((1, 2), np.float32), [0], step=-1)


def test_an_error_while_a_file_is_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"old")

    def half() -> None:
        with write_whole(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt("Ctrl-C")

    with pytest.raises(KeyboardInterrupt, match="Ctrl-C"):
        half()
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]
    assert path.read_bytes() == b"old"
    with write_whole(tmp_path / "new" / "kept", flush=False) as file:
        file.write(b"whole")
    assert (tmp_path / "new" / "kept").read_bytes() == b"whole"
