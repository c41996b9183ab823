"""A 3-D CNN tells solid balls from hollow ones. Then: which way did a voxel's gradient come?"""

import matplotlib.pyplot as plt
import numpy as np

import gradtrail as gt


def balls(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Volumes (N, 1, 16, 16, 16) of a ball in noise, and whether it is hollow, (N,)."""
    draw = np.random.default_rng(seed)
    places = np.mgrid[:16, :16, :16].reshape(1, 3, -1) - draw.uniform(6, 10, (count, 3, 1))
    distance, radius = np.hypot.reduce(places, axis=1), draw.uniform(4, 6, (count, 1))
    hollow = draw.integers(0, 2, count)
    filled = (distance < radius) & ((distance > radius / 2) | (hollow[:, None] == 0))
    x = filled * draw.uniform(0.5, 1, (count, 1)) + draw.normal(0, 0.3, filled.shape)
    return x.reshape(count, 1, 16, 16, 16), hollow


(x, y), (x_test, y_test) = balls(600, seed=0), balls(200, seed=1)
layers = [gt.Conv3d(8, 3, padding=1), gt.ReLU(), gt.MaxPool3d(2), gt.Conv3d(16, 3, padding=1)]
layers += [gt.ReLU(), gt.MaxPool3d(2), gt.Flatten(), gt.Linear(2)]
net = gt.Network((1, 16, 16, 16), layers, seed=0)
net.classes = ("solid", "hollow")
gt.train(net, (x, y), optimizer=gt.Adam(0.003), epochs=8, batch_size=16)
scores = gt.confusion(net, (x_test, y_test))
print(scores)

# The voxel of one hollow ball that the loss feels most: through what, most?
n = int(np.argmax(y_test))
t = gt.trace(net, x_test[n : n + 1], y_test[n : n + 1], training=False)
voxel = tuple(map(int, np.unravel_index(np.abs(t.grad["input"]).argmax(), (1, 1, 16, 16, 16))))
print(t.grad.follow("input", voxel, k=1))
planes = {"input": x_test[n, 0, voxel[2]], "dinput": t.grad["input"][0, 0, voxel[2]]}
figure = plt.figure(figsize=(6, 3.3), layout="constrained")
for place, (name, drawn) in enumerate(planes.items(), 1):
    axes = figure.add_subplot(1, 2, place, title=f"{name}, plane {voxel[2]}", xticks=[], yticks=[])
    axes.imshow(drawn, cmap="gray" if place == 1 else "viridis")
    axes.plot(voxel[4], voxel[3], "s", color="red", fillstyle="none")
figure.savefig("volumes.png")
