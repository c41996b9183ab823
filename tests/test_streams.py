"""Random words: Philox as its authors publish it, and where each of dropout's words comes from."""

from __future__ import annotations

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.layers.layer import Draws
from gradtrail.streams import philox

# Random123's kat_vectors for philox4x32-10: counter, key, output.
KNOWN = [
    (
        (0, 0, 0, 0),
        (0, 0),
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    (
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "output"), KNOWN)
def test_known_answers(counter, key, output) -> None:
    assert tuple(philox(key, counter)) == output


def plain_philox(key: tuple[int, int], counter: tuple[int, int, int, int]) -> list[int]:
    """The same once more in Python's whole numbers, as the paper writes it."""
    (k0, k1), (a, b, c, d) = key, counter
    for _ in range(10):
        first, second = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = second >> 32 ^ b ^ k0, second % 2**32, first >> 32 ^ d ^ k1, first % 2**32
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return [a, b, c, d]


def test_counters_broadcast() -> None:
    key, first, second = (7, 2**32 - 1), [0, 1, 2**32 - 1], [[5], [2**31]]
    words = philox(key, (first, second, 3, 2**32 - 2))
    assert (words.shape, words.dtype) == ((2, 3, 4), np.uint32)
    expected = [[plain_philox(key, (a, b, 3, 2**32 - 2)) for a in first] for (b,) in second]
    assert words.tolist() == expected


@pytest.mark.parametrize("seed", [0, 5, 2**32 + 9, 2**64 - 1, 2**64 + 5, 2**200 + 2**33])
def test_every_word_by_the_definition(seed: int) -> None:
    step, layer, samples, count = 2**32 + 3, 2, 3, 7
    key = seed % 2**32, seed // 2**32 % 2**32
    words = Draws(seed, step, layer).words(samples, count)
    assert (words.shape, words.dtype) == ((samples, count), np.uint32)
    assert words.tolist() == [
        [plain_philox(key, (e // 4, n, step % 2**32, layer))[e % 4] for e in range(count)]
        for n in range(samples)
    ]


def test_a_word_depends_on_its_place_alone() -> None:
    words = Draws(1, 2, 3).words(6, 40)
    for samples, count in ((1, 40), (6, 1), (2, 39), (0, 4), (4, 0)):
        fewer = Draws(1, 2, 3).words(samples, count)
        np.testing.assert_array_equal(fewer, words[:samples, :count])
    others = [Draws(2, 2, 3), Draws(1, 3, 3), Draws(1, 2, 4), Draws(1 + 2**32, 2, 3)]
    for other in others:
        assert (other.words(6, 40) != words).all()


@pytest.mark.parametrize(
    ("p", "threshold"),
    [
        (0, 0),
        (0.5, 2**31),
        (0.1, 429496730),  # 429496729.6
        (0.3, 1288490189),  # 1288490188.8
        (2**-33, 0),  # a tie goes to the even one
        (3 * 2**-33, 2),
        (1 - 2**-33, 2**32 - 1),
        (np.float64(0.25), 2**30),
    ],
)
def test_threshold(p: float, threshold: int) -> None:
    found = gt.Dropout(p).draws["M"].threshold
    assert (found, type(found)) == (threshold, int)


def test_the_mask_by_the_definition() -> None:
    net = gt.Network((2, 3, 5), [gt.ReLU(), gt.Dropout(0.3), gt.Flatten()])
    x = np.ones((4, 2, 3, 5), np.float32)
    mask = gt.trace(net, x, np.ones((4, 30)), loss=gt.MeanSquaredError(), seed=8).value[
        "dropout1.mask"
    ]
    assert mask.shape == x.shape
    for n, c, y, column in np.ndindex(x.shape):
        e = c * 15 + y * 5 + column
        dropped = plain_philox((8, 0), (e // 4, n, 0, 1))[e % 4] < 1288490189
        assert mask[n, c, y, column] == (0.0 if dropped else 1 / 0.7)


def test_the_share_that_is_dropped() -> None:
    draws, count = Draws(0, 0, 0), 200_000
    words = draws.words(1, count)
    for p in (0.1, 0.5, 0.9):
        share = (words < gt.Dropout(p).draws["M"].threshold).mean()
        assert abs(share - p) < 4 * np.sqrt(p * (1 - p) / count)


def test_nothing_is_dropped_at_0() -> None:
    net = gt.Network((500,), [gt.Dropout(0.0)])
    x = np.ones((2, 500))
    mask = gt.trace(net, x, x, loss=gt.MeanSquaredError()).value["dropout1.mask"]
    assert (mask == 1).all()
