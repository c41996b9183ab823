"""A 1-D CNN tells three movements by six sensors. Then: which moment pulled on a weight most?"""

import matplotlib.pyplot as plt
import numpy as np

import gradtrail as gt


def windows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows (N, 6, 128) whose classes differ in 24 moments of sensor 4; where these begin."""
    draw, moments = np.random.default_rng(seed), np.arange(128)
    x = np.sin(moments / 9 + draw.uniform(0, 7, (count, 6, 1)))
    y, begins = draw.integers(0, 3, count), draw.integers(8, 96, count)
    inside = moments - begins[:, None]
    x[:, 4] += np.where((inside >= 0) & (inside < 24), 1.5 * np.sin(inside * y[:, None] / 2), 0)
    return x + draw.normal(0, 0.6, x.shape), y, begins


(x, y, _), (x_test, y_test, begins) = windows(1200, seed=0), windows(300, seed=1)
layers = [gt.Conv1d(12, 9, padding=4), gt.ReLU(), gt.MaxPool1d(2), gt.Conv1d(16, 9, padding=4)]
layers += [gt.ReLU(), gt.GlobalMaxPool1d(), gt.Linear(3)]
net = gt.Network((6, 128), layers, seed=0)
net.classes = ("still", "walking", "running")
gt.train(net, (x, y), optimizer=gt.Adam(0.003), epochs=8, batch_size=32)
scores = gt.confusion(net, (x_test, y_test))
print(scores)

# The weight with the greatest gradient over all unseen windows: whose moment is behind it?
t = gt.trace(net, x_test, y_test, training=False)
k, c, i = map(int, np.unravel_index(np.abs(t.grad["conv1.weight"]).argmax(), (12, 6, 9)))
moments = t.grad.terms("conv1.weight", (k, c, i)).by("n", "x")
n, _ = next(iter(moments.top(1)))
print(moments.top(3), f"\nwindow {n} differs from {begins[n]} to {begins[n] + 23}, at sensor 4")
plt.figure(figsize=(8, 3.2), layout="constrained")
plt.plot(x_test[n, c], label=f"sensor {c} of window {n}, {net.classes[y_test[n]]}")
plt.plot(500 * moments.dense()[n], label=f"500 × what it brings to dconv1.weight[{k},{c},{i}]")
plt.axvspan(begins[n], begins[n] + 23, alpha=0.15, label="where the classes differ")
plt.legend(loc="upper left", fontsize=8)
plt.savefig("sensors.png")
