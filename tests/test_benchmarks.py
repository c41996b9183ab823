"""The benchmarks' own parts; that they run at all, with PyTorch, is one test at the end."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

import gradtrail as gt

sys.path.append(str(Path(__file__).parent.parent))  # the benchmarks are no part of the package

from benchmarks import accuracy, mislabelled, peers, training
from benchmarks.child import ChildError, peak_memory, result_of
from benchmarks.conformance.outcome import apart, part_of, tried
from benchmarks.counting import direct, forward_work, pass_of, step_work
from benchmarks.curves import Curve, compare, window_means
from benchmarks.mislabelled import found_first, with_wrong_labels
from benchmarks.ours import engine, engine_options
from benchmarks.peak import Peak
from benchmarks.peers.base import limited
from benchmarks.report import Part, Table, document, milliseconds, number, write
from benchmarks.rounding import deviations, relative
from benchmarks.sections.layers import gathered, summed
from benchmarks.sections.memory import growth
from benchmarks.sections.scaling import counts
from benchmarks.session import Session
from benchmarks.settings import CURVES, ROUNDING, Workload, workload
from benchmarks.task import DisagreementError, UnavailableError, task_for, without_dropout
from benchmarks.turns import Contender, Pace, Times, best, quartiles, ratio, spread, take_turns

# -- turns ------------------------------------------------------------------------------------


class Clock:
    """A clock that sides move on by what they take."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def side(clock: Clock, name: str, costs: Iterator[float], log: list[str]) -> Contender:
    def run() -> None:
        log.append(name)
        clock.now += next(costs)

    return Contender(name, run, lambda: log.append(f"{name} begins"))


def test_sides_take_turns_in_rotating_order_and_warm_runs_do_not_count() -> None:
    clock, log = Clock(), list[str]()
    sides = [
        side(clock, "a", (0.0 + i for i in count()), log),
        side(clock, "b", (100.0 for _ in count()), log),
    ]
    pace = Pace(rounds=2, warm=1, least=2, pause=7.0)
    times = take_turns(sides, 0.0, pace, clock=clock, sleep=clock.sleep)
    a, b = ["a begins", "a", "a", "a"], ["b begins", "b", "b", "b"]
    assert log == a + b + b + a
    assert times["a"].turns == [[1.0, 2.0], [4.0, 5.0]]
    assert times["b"].turns == [[100.0, 100.0], [100.0, 100.0]]
    assert clock.now == sum(range(6)) + 6 * 100 + 4 * 7


def test_a_turn_lasts_its_share_of_the_seconds() -> None:
    clock = Clock()
    (sides,) = [[side(clock, "a", (0.25 for _ in count()), [])]]
    times = take_turns(sides, 8.0, Pace(rounds=4, least=1), clock=clock, sleep=clock.sleep)
    assert [len(turn) for turn in times["a"].turns] == [8, 8, 8, 8]


def test_two_sides_of_one_name_are_refused() -> None:
    twice = [Contender("PyTorch", list), Contender("PyTorch", list)]
    with pytest.raises(ValueError, match="got \\['PyTorch', 'PyTorch'\\]"):
        take_turns(twice, 0.0)


def test_medians_ratios_and_their_quartiles() -> None:
    slow, fast = Times("s", [[4.0, 6.0, 5.0], [9.0]]), Times("f", [[1.0, 1.0], [3.0]])
    assert slow.median == 5.5
    assert ratio(slow, fast) == 5.5
    assert spread(slow, fast) == (3.5, 4.5)
    assert best({"s": slow, "f": fast}, ["s", "f"]) == "f"
    assert best({}, []) is None


def test_quartiles_lie_between_neighbours() -> None:
    assert quartiles([5.0, 1.0, 3.0, 2.0, 4.0]) == (2.0, 4.0)
    assert quartiles([1.0, 2.0]) == (1.25, 1.75)
    assert quartiles([7.0]) == (7.0, 7.0)


# -- reports ----------------------------------------------------------------------------------


def test_tables_are_markdown_of_one_width() -> None:
    table = Table(("side", "time >"))
    table.add("ours", "1.28 ms")
    table.add("a|b", "9 ms")
    part = Part("Steps", ["Why.", table])
    assert document("Report", ["On a day."], [part]) == (
        "# Report\n\nOn a day.\n\n## Steps\n\nWhy.\n\n"
        "| side |    time |\n"
        "| ---- | ------: |\n"
        "| ours | 1.28 ms |\n"
        "| a\\|b |    9 ms |\n"
    )


def test_a_row_has_a_cell_for_each_head() -> None:
    with pytest.raises(ValueError, match="needs 2 cells, got 1"):
        Table(("side", "time >")).add("ours")


@pytest.mark.parametrize(
    ("value", "text"), [(1.278, "1.28"), (31.14, "31.1"), (184.3, "184"), (1230.4, "1,230")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_short_times_keep_their_digits() -> None:
    assert [milliseconds(t) for t in (0.00128, 2.1e-5, 3.193)] == [
        "1.28 ms",
        "0.021 ms",
        "3,193 ms",
    ]


def test_a_report_is_written_whole(tmp_path: Path) -> None:
    write(tmp_path / "new" / "report.md", "text")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["report.md"]


# -- processes of their own -------------------------------------------------------------------


def test_peak_memory_is_the_processs_own() -> None:
    status = "Name:\tpython\nVmPeak:\t  999999 kB\nVmHWM:\t   10240 kB\nVmRSS:\t 1 kB\n"
    assert peak_memory(status, 77) == 10 << 20
    assert peak_memory(None, 77, "linux") == 77 << 10
    assert peak_memory(None, 77, "darwin") == 77
    assert peak_memory("Name:\tpython\n", 77, "linux") == 77 << 10


@pytest.mark.parametrize("line", ["VmHWM: 10 MB", "VmHWM: many kB", "VmHWM: 10"])
def test_memory_in_an_unknown_unit_is_refused(line: str) -> None:
    with pytest.raises(ChildError, match=line):
        peak_memory(line, 77)


def test_the_result_is_the_last_line() -> None:
    assert result_of('a warning\n{"first": 0.5}\n') == {"first": 0.5}
    with pytest.raises(ChildError, match="got 'Killed'"):
        result_of("Killed\n")
    with pytest.raises(ChildError, match="got 'nothing'"):
        result_of("")


def test_growth_leaves_the_input_out() -> None:
    assert growth({"peak": 110, "input": 10}, {"peak": 205, "input": 100}) == pytest.approx(0.05)


# -- what there is to do ----------------------------------------------------------------------


def test_work_is_that_of_the_plan() -> None:
    net = gt.architecture("lenet5").network()
    plan = net.plan(64)
    assert forward_work(net, 64) == plan.multiply_adds
    # the input's gradient is the only one that nobody asks for
    assert step_work(net, 64) == 3 * plan.multiply_adds - plan["conv1"].multiply_adds
    assert direct(net, 64)["conv2", "backward towards pool1.output"] == plan["conv2"].multiply_adds


def test_calls_are_gathered_by_layer_and_pass() -> None:
    net = gt.architecture("digits-cnn").network()
    calls = [
        ("conv1", "forward, with relu1", "nest", 2.0),
        ("conv2", "backward towards relu1.output, through relu1", "nest", 3.0),
        ("conv2", "backward towards conv2.weight", "zero", 0.5),
        ("conv2", "backward towards conv2.weight", "nest", 4.0),
        ("conv2", "backward towards conv2.bias", "nest", 0.5),
    ]
    work = {("conv2", "backward towards conv2.weight"): 10}
    rows = gathered(calls, work)
    assert [(r.seconds, r.work, r.kernels) for r in rows] == [
        (2.0, 0, ["nest"]),
        (3.0, 0, ["nest"]),
        (4.5, 10, ["zero", "nest"]),
        (0.5, 0, ["nest"]),
    ]
    assert [(r.layer, r.which, r.seconds) for r in summed(rows, net)] == [
        ("Conv2d", "backward towards parameters", 5.0),
        ("Conv2d", "backward towards inputs", 3.0),
        ("Conv2d", "forward", 2.0),
    ]
    assert pass_of("statistics of the batch") == "statistics of the batch"


def test_the_network_without_dropout_has_the_same_weights() -> None:
    network = task_for(Workload("mnist-cnn", 2), 1).network
    plain = without_dropout(network)
    assert [s.layer.kind for s in plain.steps].count("Dropout") == 0
    for name, values in network.parameters.items():
        np.testing.assert_array_equal(plain.parameters[name], values)
    bare = task_for(Workload("lenet5", 2), 1)
    assert without_dropout(bare.network) is bare.network
    assert [x.shape for x, _ in bare.batches] == [(2, 1, 28, 28)] * 4


def test_threads_double_up_to_the_most() -> None:
    assert [counts(n) for n in (1, 2, 6, 8)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]


def test_other_architectures_are_measured_without_a_goal() -> None:
    assert workload("lenet5").goal == 4.0
    assert workload("digits-cnn") == Workload("digits-cnn", 32, None)


# -- curves and rounding ----------------------------------------------------------------------


def test_means_are_over_whole_windows() -> None:
    assert window_means([1.0, 3.0, 5.0, 7.0, 9.0], 2).tolist() == [2.0, 6.0]
    assert window_means([1.0, 3.0], 50).tolist() == [2.0]


def test_curves_are_judged_by_their_bounds() -> None:
    settings, _, chaotic = CURVES
    theirs = Curve([2.0] * 100, 0.85)
    near = Curve([2.0 + 5e-5] * 20 + [2.01] * 80, 0.852)
    assert [v.good for v in compare(near, theirs, settings)] == [True, True, True]
    far = Curve([2.0 + 2e-4] * 20 + [2.03] * 80, 0.846)
    assert [v.failed for v in compare(far, theirs, settings)] == [True, True, True]
    assert [v.failed for v in compare(far, theirs, chaotic)] == [True, False, False]
    found = compare(far, theirs, settings)[2]
    assert found.cells()[1:] == ("0.4 points", "≤ 0.3 points", "FAIL")


def test_what_is_no_number_fails() -> None:
    theirs, broken = Curve([2.0] * 100, 0.85), Curve([2.0, math.nan] * 50, math.nan)
    assert [v.good for v in compare(broken, theirs, CURVES[0])] == [False, False, False]


def test_relative_errors() -> None:
    assert relative(np.array([3.0, 4.0]), np.array([3.0, 4.0])) == 0.0
    assert relative(np.array([0.0, 5.0]), np.array([3.0, 4.0])) == pytest.approx(10**0.5 / 5)
    assert relative(np.ones(2), np.zeros(2)) == math.inf


def test_every_layer_is_near_float64() -> None:
    net = gt.architecture("digits-cnn").network(seed=1)
    draw = np.random.default_rng(2)
    x, y = draw.standard_normal((5, 1, 8, 8), np.float32), draw.integers(0, 10, 5)
    reference = gt.trace(net, x, y, engine="reference")
    found = deviations(net, x, y, engine(1, {}), reference)
    passes = {(row.layer, row.which) for row in found.rows}
    assert ("conv2", "backward towards conv2.weight") in passes
    assert 1e-9 < found.worst("alone").alone < ROUNDING.bound
    # an array that is not what the layer makes of its input is seen
    net.parameters["fc1.bias"] = np.full(10, 0.1)
    assert deviations(net, x, y, engine(1, {}), reference).worst("whole").whole > 0.01


def test_winograd_is_compared_where_the_engine_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy, "fields", lambda kind: [SimpleNamespace(name="winograd")])
    found = accuracy.settings_to_compare({}, ("off",))
    assert found == {"default": {}, "winograd=off": {"winograd": "off"}}
    given = accuracy.settings_to_compare({"target": "avx2"}, ("off",))
    assert given == {"target=avx2": {"target": "avx2"}}
    monkeypatch.setattr(accuracy, "fields", lambda kind: [])
    assert accuracy.settings_to_compare({}, ("off",)) == {"default": {}}


# -- wrong labels -----------------------------------------------------------------------------


def test_so_many_labels_are_wrong_and_no_others() -> None:
    y = np.arange(3000) % 10
    wrong, places = with_wrong_labels(y, 0.1, seed=3)
    assert len(places) == 300
    np.testing.assert_array_equal(np.flatnonzero(wrong != y), np.sort(places))
    assert set((wrong - y)[places] % 10) == set(range(1, 10))
    again, others = (with_wrong_labels(y, 0.1, seed)[1] for seed in (3, 4))
    np.testing.assert_array_equal(again, places)
    assert set(others) != set(places)


def test_the_share_of_places_at_the_beginning_of_a_ranking() -> None:
    ranking = np.array([7, 3, 0, 9, 1, 2, 4, 5, 6, 8])
    assert found_first(ranking, np.array([3, 9, 8]), 0.4) == pytest.approx(2 / 3)
    assert found_first(ranking, np.array([7]), 0.1) == 1.0
    assert found_first(ranking, np.array([8]), 0.9) == 0.0


@pytest.mark.long
def test_the_loss_finds_wrong_labels_among_the_digits() -> None:
    arguments = ["--data", "digits", "--networks", "digits-cnn", "--epochs", "4", "--seeds", "2"]
    result = CliRunner().invoke(mislabelled.main, arguments)
    assert result.exit_code == 0, result.output
    assert "digits, 2 % of the labels wrong, SGD(0.05, momentum=0.9), epochs: 4" in result.output
    rows = [[cell.strip() for cell in line.split("|")] for line in result.output.splitlines()]
    found = {row[2]: [float(c.removesuffix(" %")) for c in row[3:5]]
             for row in rows if row[1:2] == ["digits-cnn"]}  # fmt: skip
    assert list(found) == ["surprise", "pull", "against", "(test accuracy)"]
    assert min(found["surprise"]) > 80
    assert min(found["(test accuracy)"]) > 85
    assert max(found["against"]) < min(found["surprise"])


def test_a_network_that_the_images_are_too_small_for_is_named() -> None:
    arguments = ["--data", "digits", "--networks", "lenet-short"]
    result = CliRunner().invoke(mislabelled.main, arguments)
    assert result.exit_code == 1
    assert "into the 4 positions of height from layer 3 'pool1'" in result.output


# -- machine and peers ------------------------------------------------------------------------


def test_the_peak_is_measured() -> None:
    peak = Peak(engine(1, {}).processor, 2)
    assert peak.measured(3) > 1e8
    assert peak.operations == 2 * 12 * 2 * peak.rounds * peak.target.width


def test_a_peer_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        known = "torch" if name.endswith("pytorch") else "a_part_of_it"
        raise ModuleNotFoundError(f"No module named {known!r}", name=known)

    monkeypatch.setattr(peers, "import_module", missing)
    found, absent = peers.installed(1)
    assert found == []
    assert [(a.name, a.reason) for a in absent][:2] == [
        ("PyTorch", "not installed"),
        ("TensorFlow", "No module named 'a_part_of_it'"),
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="nothing can be interrupted there")
def test_what_compiles_too_long_is_given_up() -> None:
    message = "compiling took more than 0.05 s"
    with pytest.raises(UnavailableError, match=message), limited("compiling", 0.05):
        time.sleep(10)


def test_engine_options_are_checked() -> None:
    assert engine_options(["target=avx2"]) == {"target": "avx2"}
    with pytest.raises(ValueError, match="NAME=VALUE.*got 'avx2'"):
        engine_options(["avx2"])
    with pytest.raises(ValueError, match="no option 'colour'; it has"):
        engine_options(["colour=red"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--networks", "lenet6"], "no architecture is called 'lenet6'"),
        (["--networks", ","], "name at least one network"),
        (["--sections", "trainings"], "no section is called 'trainings'; did you mean: training"),
        (["--sections", ""], "name at least one section"),
        (["--seconds", "0"], "0.0 is not in the range x>0"),
        (["--threads", "0"], "0 is not in the range x>=1"),
        (["--engine-option", "colour=red"], "no option 'colour'"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(training.main, arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


@pytest.mark.long
def test_our_side_is_measured_without_peers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "installed", lambda threads: ([], []))
    monkeypatch.setattr(take_turns, "__defaults__", (Pace(rounds=2, warm=0, least=1),))
    arguments = ["--networks", "digits-cnn", "--seconds", "0.01", "--threads", "1"]
    named = "training,layers,inference,samples,tracing,exploring,overhead"
    sections = ["--sections", named, "--out", str(tmp_path)]
    result = CliRunner().invoke(training.main, [*arguments, *sections])
    assert result.exit_code == 0, result.output
    written = (tmp_path / "training.md").read_text(encoding="utf-8")
    assert "| conv2     |" in written
    assert "FMA peak, 1 thread" in written
    assert written.count("| digits-cnn / 32 | gradtrail, a training step |") == 2
    assert "| digits-cnn / 32 | gradtrail, gt.trace " in written
    assert "| digits-cnn / 32 | followed by a page |" in written
    assert not (tmp_path / "training.png").exists()


@pytest.mark.torch
def test_the_training_benchmark_runs(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    arguments = ["--networks", "digits-cnn", "--seconds", "0.02", "--skip", "compile"]
    sections = ["--sections", "training,inference,samples", "--out", str(tmp_path)]
    result = CliRunner().invoke(training.main, [*arguments, *sections])
    assert result.exit_code == 0, result.output
    written = (tmp_path / "training.md").read_text(encoding="utf-8")
    assert "| digits-cnn / 32 | PyTorch channels_last |" in written
    assert "| mode compile" in written
    assert "compile |" not in written.split("## A training step")[1]


@pytest.mark.torch
def test_a_side_that_computes_something_else_is_not_timed() -> None:
    pytest.importorskip("torch")
    from benchmarks.peers import pytorch
    from benchmarks.sections.steps import checked

    task = task_for(Workload("lenet5", 4), 1)
    peer = pytorch.make(1)
    with pytest.raises(DisagreementError, match="the first loss of PyTorch eager is .*, ours 1.0"):
        checked(peer, "eager", task, task, 1.0)
    assert Session([], 1.0, 1, {}, [peer], skipped=["compile"]).modes(peer) == [
        "eager",
        "channels_last",
    ]


# -- models of others -------------------------------------------------------------------------


def test_outcomes_are_told_apart() -> None:
    def refuse() -> float:
        raise gt.ArgumentError("node 'a1' is no layer")

    found = [
        tried("Conv", "one", 1e-8, lambda: 1e-9),
        tried("Conv", "two", 1e-8, lambda: 2e-8),
        tried("Pad", "three", 1e-8, lambda: float("nan")),
        tried("Pad", "four", 1e-8, refuse),
    ]
    assert [one.word for one in found] == ["right", "wrong", "wrong", "refused"]
    part, passed = part_of("cases", found, None)
    assert not passed
    assert part.body[0] == "FAIL: of 4 cases 1 are right (25 %), 1 refused, 2 wrong."
    assert "node '…' is no layer" in part.markdown()
    assert part_of("cases", found[:1], 1.0)[1]
    assert not part_of("cases", [found[0], found[3]], 0.6)[1]


def test_arrays_are_apart_where_anything_is() -> None:
    inf, nan = float("inf"), float("nan")
    one = np.array([1.0, inf, nan, -4.0])
    assert apart(one, one) == 0.0
    assert apart(np.array([1.0, inf, nan, -3.0]), one) == 0.25
    for other in ([1.0, -inf, nan, -4.0], [1.0, inf, 2.0, -4.0], [nan, inf, nan, -4.0], [1.0]):
        assert apart(np.array(other), one) == inf
