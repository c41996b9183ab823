"""The static memory plan: nothing that lives at the same time overlaps, and halos stay zero."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from weakref import ref

import numpy as np
import pytest
from cases import CASES
from tails import beginning

import gradtrail as gt
from gradtrail.engines import CPU, Batch, Samples
from gradtrail.engines.cpu import loading
from gradtrail.engines.cpu.context import Context
from gradtrail.engines.cpu.frame import Slot
from gradtrail.engines.cpu.kernels.nest_kernel import NestKernel
from gradtrail.engines.cpu.keys import ArrayKey, gradient, value
from gradtrail.engines.cpu.loading import LoadedProgram, load_program
from gradtrail.engines.cpu.memory_plan import Allocation
from gradtrail.engines.cpu.options import Options
from gradtrail.engines.cpu.planning.planner import plan_program
from gradtrail.engines.cpu.program import Program

NETWORKS = {
    "lenet5": lambda: gt.architecture("lenet5").network(),
    "resnet20": lambda: gt.architecture("resnet20").network(),
    "mnist-cnn": lambda: gt.architecture("mnist-cnn").network(),
    "branches": lambda: gt.Network(
        (3, 9, 9),
        [
            gt.Concat([gt.Conv2d(4, 3, padding=1)], [gt.AvgPool2d(3, 1, 1)], []),
            *(gt.BatchNorm2d(), gt.GELU(), gt.ConvTranspose2d(5, 3, stride=2), gt.SiLU()),
            *(gt.MaxPool2d(3, 2, 1), gt.Dropout(0.3), gt.Flatten(), gt.Linear(7)),
        ],
    ),
}
OPTIONS = {
    "training": Options(training=True, backward=True),
    "kept": Options(training=True, backward=True, keep=True),
    "per sample": Options(training=True, backward=True, per_sample=True),
    "kept per sample": Options(training=True, backward=True, keep=True, per_sample=True),
    "evaluation": Options(training=False, outputs=True),
}


@cache
def program(kind: str, purpose: str) -> Program:
    """Planned once for all that look at it."""
    net = NETWORKS[kind]()
    return plan_program(net, gt.CrossEntropy(), OPTIONS[purpose], CPU(target="avx2").setup)


PLANNED = (Slot.ARENA, Slot.SCRATCH)


def roots(made: Program) -> list[Allocation]:
    """Every place in the arena and in a thread's memory once."""
    found = {id(b.root): b.root for b in made.memory.arrays.values()}
    return [b for b in found.values() if b.region in PLANNED and b.place is not None]


def read(program: Program) -> Iterator[tuple[ArrayKey, range]]:
    """What the nests read that narrow no range, and from which byte to which."""
    for call in program.calls:
        if not isinstance(call.kernel, NestKernel) or call.kernel.nest.clips:
            continue
        nest = call.kernel.nest
        last = {name: size - 1 for name, size in nest.ranges}
        streams = [f.stream for s in nest.sums for f in s.factors]
        streams += [f.less for s in nest.sums for f in s.factors if f.less is not None]
        streams += [e.stream for e in nest.epilogue if e.stream is not None]
        for one in streams:
            ends = [sorted((0, stride * last[name])) for name, stride in one.strides]
            low, high = (
                (one.offset + sum(end) for end in zip(*ends, strict=True))
                if ends
                else (one.offset, one.offset)
            )
            cell = (1 if one.element == "i8" else 4) * (16 if one.lanes else 1)
            yield call.arguments[one.argument], range(low, high + cell)


def test_what_a_nest_reads_lies_in_its_array() -> None:
    """Where it reads beyond the elements, there is a halo of zeros and nothing else."""
    cut = [gt.Conv2d(3, 1), gt.AvgPool2d(3, 1, 1, count_include_pad=False)]
    several = [NETWORKS["branches"](), gt.Network((2, 14, 18), cut)]
    alone = [gt.Network(case.shape[1:], [case.layer]) for case in CASES]
    jobs = [(net, "training") for net in several]
    jobs += [(net, "kept per sample") for net in (*several, *alone)]
    seen, setup = 0, CPU(target="avx2").setup
    for net, purpose in jobs:
        options = replace(OPTIONS[purpose], by_class=False)
        made = plan_program(net, gt.MeanSquaredError(), options, setup)
        for key, span in read(made):
            assert 0 <= span.start < span.stop <= made.memory[key].layout.size, (str(net), key)
            seen += 1
    assert seen > 200


def for_a_call(buffer: Allocation) -> bool:
    """Whether a buffer is a call's scratch, which the next call may use for something else."""
    return buffer.key.kind == "scratch"


@pytest.mark.parametrize("purpose", OPTIONS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_what_lives_at_the_same_time_does_not_overlap(kind: str, purpose: str) -> None:
    made = program(kind, purpose)
    placed = roots(made)
    assert len(placed) > 3
    last = sum(1 for _ in made.calls)
    for number, a in enumerate(placed):
        for b in placed[:number]:
            if a.region is not b.region or (for_a_call(a) and for_a_call(b)):
                continue
            ends = [last if x.lasting else x.last for x in (a, b)]
            together = a.first <= ends[1] and b.first <= ends[0]
            together = together or for_a_call(a) or for_a_call(b)
            apart = a.offset >= b.offset + b.layout.size or b.offset >= a.offset + a.layout.size
            assert apart or not together, f"{a.key} and {b.key}"


@pytest.mark.parametrize("kind", NETWORKS)
def test_places_that_are_used_in_turn_have_one_layout(kind: str) -> None:
    """Halos are set to zero once, so another layout in the same place would spoil them."""
    by_place: dict[object, set[object]] = {}
    for buffer in roots(program(kind, "training")):
        if not for_a_call(buffer):
            by_place.setdefault((buffer.region, buffer.offset), set()).add(buffer.layout)
    assert all(len(layouts) == 1 for layouts in by_place.values())


@pytest.mark.parametrize("purpose", OPTIONS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_what_lives_between_two_barriers_lies_in_the_threads_memory(
    kind: str, purpose: str
) -> None:
    made = program(kind, purpose)
    users: dict[int, set[int]] = {}
    for number, phase in enumerate(made.phases):
        for call in phase.calls:
            for name in call.arguments:
                users.setdefault(id(made.memory[name].root), set()).add(number)
    between = 0
    for buffer in roots(made):
        if for_a_call(buffer):
            continue
        short = len(users[id(buffer)]) == 1 and not buffer.lasting
        assert (buffer.region is Slot.SCRATCH) == (short and made.segmented), buffer.key
        between += short
    assert between or "kept" in purpose


def test_batch_norms_are_applied_again_rather_than_kept() -> None:
    made = program("resnet20", "training")
    again = [(c.layer, c.arguments) for c in made.calls if c.does.endswith(", again")]
    assert len({layer for layer, _ in again}) == 10  # the first, and the first of each block
    for layer, (target, *reads) in again:
        first = next(c for c in made.calls if c.layer == layer and c.does.startswith("forward, "))
        assert tuple(reads) == first.arguments[1:]
        assert made.memory[target].region is Slot.SCRATCH
    assert made.memory[value("relu2.output")].region is Slot.SCRATCH
    assert not any(c.does.endswith("again") for c in program("resnet20", "kept").calls)


@pytest.mark.parametrize("purpose", OPTIONS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_every_argument_lies_inside_its_region(kind: str, purpose: str) -> None:
    made = program(kind, purpose)
    for call in made.calls:
        for name in call.arguments:
            buffer = made.memory[name]
            sizes = made.memory.sizes
            size = sizes.get(buffer.region) or sizes[_ONES[buffer.region]]
            assert 0 <= buffer.offset <= buffer.offset + buffer.layout.size <= size, name
            assert buffer.offset % 4 == 0


_ONES = {Slot.GRADIENTS_ALL: Slot.GRADIENTS, Slot.PARTIAL_ALL: Slot.PARTIAL}
"""Regions of all blocks or groups, which are as large as one of them many times."""


def loaded(kind: str, samples: int) -> tuple[LoadedProgram, Samples]:
    """A training program after one step's blocks have run."""
    net = NETWORKS[kind]()
    loss = gt.CrossEntropy()
    outputs = net.system(1).shapes[net.output_name][1:]
    draw = np.random.Generator(np.random.PCG64(1))
    x = draw.random((samples, *net.input_shape), dtype=np.float32)
    data = Samples(x, draw.integers(0, outputs[0], samples), loss, outputs)
    found = load_program(CPU(2).setup, net, loss, OPTIONS["training"])
    found.context.fill(net.parameters)
    found.context.fill(net.buffers)
    found.feed(Batch(data, data.places), labels=True)
    found.run()
    return found, data


@pytest.mark.parametrize("purpose", ["per sample", "kept per sample"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_what_a_block_has_to_itself_does_not_overlap(kind: str, purpose: str) -> None:
    buffers = program(kind, purpose).memory.arrays.values()
    own = sorted((b for b in buffers if b.region is Slot.PARTIAL), key=lambda b: b.offset)
    assert any(b.key.kind == "share" for b in own)
    for one, other in pairwise(own):
        assert one.offset + one.layout.size <= other.offset, (one.key, other.key)


@pytest.mark.parametrize("kind", beginning(2, ("lenet5", "branches", "mnist-cnn", "resnet20")))
def test_halos_stay_zero(kind: str) -> None:
    found, _ = loaded(kind, 40)
    context = found.context
    memory = {
        Slot.ARENA: context.arenas.reshape(-1, int(context.frame[Slot.ARENA_STRIDE])),
        Slot.SCRATCH: context.scratch.reshape(-1, int(context.frame[Slot.SCRATCH_STRIDE])),
    }
    checked = 0
    for name, place in found.listing.places.items():
        layout = place.layout
        if place.region not in memory or not any(a or b for a, b in layout.margins):
            continue
        held = memory[place.region]
        part = held[:, place.offset : place.offset + layout.size]
        rows = part.reshape(len(held), layout.extents[0], layout.strides[0])
        rows = np.ascontiguousarray(rows[:, :, : layout.extents[1] * layout.strides[1]])
        values = rows.view(np.float32).reshape(len(held), *layout.extents, 16)
        inside = tuple(
            slice(a, a + s) for (a, _), s in zip(layout.margins, layout.shape, strict=True)
        )
        values[(slice(None), *inside)] = 0
        assert not values.any(), name
        checked += 1
    assert checked


def test_a_gradient_of_the_whole_batch_has_one_copy() -> None:
    """`fc1` of mnist-cnn has 9,216 × 128 weights; the others' gradients have a copy per group."""
    found, _ = loaded("mnist-cnn", 100)
    listing, context = found.listing, found.context
    once = 4 * 9216 * 128
    assert listing.at_once == once
    assert context.groups == 7
    assert listing.places[gradient("fc1.weight")].offset == 0
    others = [gradient(n) for n in NETWORKS["mnist-cnn"]().parameters if n != "fc1.weight"]
    assert min(listing.places[k].offset for k in others) == once
    assert context.gradients.nbytes == once + 7 * (context.length - once)


def test_a_map_of_which_only_the_maxima_are_needed_is_not_stored() -> None:
    made = program("mnist-cnn", "training")
    assert value("relu2.output") in made.memory
    assert made.memory[value("relu2.output")].root.place is None
    assert made.memory[value("pool1.output")].root.place is not None
    assert program("mnist-cnn", "kept").memory[value("relu2.output")].place is not None


def test_memory_without_batch_norm_follows_the_threads() -> None:
    """LeNet-5 from 64 to 4,096 samples: less than 5 % more than a process of 100 MB."""
    sizes = []
    for samples in (64, 4096):
        context = loaded("lenet5", samples)[0].context
        held = (context.arenas, context.gradients, context.partial, context.scratch)
        sizes.append(sum(array.nbytes for array in held) + context.results.nbytes)
    assert sizes[1] - sizes[0] < 0.05 * 100e6
    assert (
        loaded("lenet5", 4096)[0].context.arenas.nbytes
        == loaded("lenet5", 64)[0].context.arenas.nbytes
    )


def traced(count: int, *, per_sample: bool = False) -> tuple[Context, list[gt.Trace]]:
    """Traces of one network, all alive, and the memory that the next one runs in."""
    net = NETWORKS["lenet5"]()
    x = np.random.Generator(np.random.PCG64(2)).random((20, *net.input_shape), dtype=np.float32)
    y, data = np.arange(20) % 10, {"per_sample": per_sample}
    traces = [gt.trace(net, x * (1 + n), y, engine=CPU(2), **data) for n in range(count)]
    _, known = loading._LOADED[net]
    (found,) = known.values()
    return found.context, traces


def test_what_traces_held_goes_with_them() -> None:
    context, traces = traced(6)
    pieces = [ref(_waiting(t).base) for t in traces]
    assert all(piece() is not None for piece in pieces)
    assert len({id(piece()) for piece in pieces}) == 6
    del traces
    alive = [piece() for piece in pieces if piece() is not None]
    assert len(alive) == 2  # the next step's, and one that waits
    assert any(context.arenas.base is one for one in alive)


def test_steps_one_after_another_need_two_pieces() -> None:
    net = NETWORKS["lenet5"]()
    x, seen = np.ones((4, *net.input_shape), np.float32), set()
    for _ in range(6):
        t = gt.trace(net, x, [0, 1, 2, 3], engine=CPU(1))
        seen.add(_waiting(t).__array_interface__["data"][0])
    assert len(seen) == 2


@pytest.mark.parametrize("per_sample", [False, True])
def test_a_trace_whose_arrays_were_all_read_holds_no_memory_of_a_step(per_sample: bool) -> None:
    context, (t,) = traced(1, per_sample=per_sample)
    read = {(s, n): a.copy() for s, side in enumerate((t.value, t.grad)) for n, a in side.items()}
    assert (context._lent() is None) == (not per_sample)
    if per_sample:
        before = t.grad.per_sample["conv1.weight"]
        context.renew()
        context.partial[:] = 1
        np.testing.assert_array_equal(t.grad.per_sample["conv1.weight"], before)
    context.arenas[:] = 0
    for (side, name), array in read.items():
        np.testing.assert_array_equal((t.value, t.grad)[side][name], array)


def test_what_prints_a_trace_makes_no_array() -> None:
    _, (t,) = traced(1)
    before = _made(t)
    assert "conv1.output (20, 6, 28, 28)" in repr(t.value)
    assert "input (20, 1, 28, 28)" in repr(t.grad)
    assert repr(t).startswith("Trace(")
    assert _made(t) == before
    assert t.value["conv1.output"].shape == (20, 6, 28, 28)
    assert _made(t) == before + 1


def _waiting(t: gt.Trace) -> np.ndarray:
    """The memory that an array which nobody has read yet is to be made from."""
    part: np.ndarray = t.step.values._arrays["conv1.output"].args[0]
    return part


def _made(t: gt.Trace) -> int:
    """How many arrays have been made."""
    held = (*t.step.values._arrays.values(), *t.step.gradients._arrays.values())
    return sum(isinstance(array, np.ndarray) for array in held)


def test_what_is_given_has_the_halo_that_its_readers_need() -> None:
    """Towards the input, the shares of windows are read beyond their edge, where dZ is 0.

    A NaN lies there (see conftest.py), and 0 times a NaN is one.
    """
    layers = [gt.Tanh(), gt.AvgPool2d(3, 1, 1, count_include_pad=False), gt.Flatten(), gt.Linear(2)]
    net = gt.Network((2, 14, 18), layers, seed=3)
    x = np.random.default_rng(4).random((5, 2, 14, 18), dtype=np.float32)
    found, expected = (
        gt.trace(net, x, [0, 1, 0, 1, 1], engine=engine).grad["tanh1.output"]
        for engine in (gt.CPU(), "reference")
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
