"""A net tags images. Then: who pulls on a rare tag, the few that have it or the many without?"""

import matplotlib.pyplot as plt
import numpy as np

import gradtrail as gt

TAGS, OFTEN = ("bar", "frame", "cross", "dot"), (0.5, 0.4, 0.3, 0.05)


def images(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 1, 24, 24) in noise, and which of the tags each has, (N, 4) of 0 and 1."""
    draw, (y, x) = np.random.default_rng(seed), np.mgrid[-2:3, -2:3]
    signs = (y == 0, np.maximum(abs(y), abs(x)) == 2, abs(y) == abs(x), np.hypot(y, x) < 1.5)
    found, tags = draw.normal(0, 0.2, (count, 1, 24, 24)), draw.random((count, 4)) < OFTEN
    for n, k in np.argwhere(tags):
        top, left = draw.integers(0, 20, 2)
        found[n, 0, top : top + 5, left : left + 5][signs[k]] = 1
    return found, tags.astype(int)


(x, y), held_out = images(1500, seed=0), images(500, seed=1)
layers = [gt.Conv2d(16, 5), gt.ReLU(), gt.Conv2d(32, 3), gt.ReLU(), gt.GlobalMaxPool2d()]
net = gt.Network((1, 24, 24), [*layers, gt.Linear(4)], seed=0)
weighted = gt.BCEWithLogits(pos_weight=[(1 - often) / often for often in OFTEN])

# Each image's part in the gradient of the dot's bias, before anything is learned.
figure = plt.figure(figsize=(6, 2.8), layout="constrained")
for place, loss in enumerate((gt.BCEWithLogits(), weighted), 1):
    pulls = gt.trace(net, x[:400], y[:400], loss=loss).grad.terms("fc1.bias", (3,)).by("n").dense()
    sides = {"with a dot": pulls[y[:400, 3] == 1], "without": pulls[y[:400, 3] == 0]}
    print({name: f"{len(p)} images, together {p.sum():+.4f}" for name, p in sides.items()})
    axes = figure.add_subplot(1, 2, place, title=f"dot's pos_weight {(1, 19)[place - 1]}")
    axes.bar(list(sides), [p.sum() for p in sides.values()])
figure.savefig("tags.png")

gt.train(net, (x, y), loss=weighted, optimizer=gt.Adam(0.003), epochs=8, batch_size=32)
scores = gt.tag_scores(net, held_out, classes=TAGS)
print(scores)
