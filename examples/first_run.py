"""The first run: every shape, a training on handwritten digits, and one weight's gradient."""

import time

import numpy as np

import gradtrail as gt
from gradtrail.equation import text

# 1. The data, and a network with every shape known before any of it is touched.
(x, y), (x_test, y_test) = gt.data.digits()
net = gt.architecture("digits-cnn").network(seed=0)
print(net.plan(batch_size=32), end="\n\n")

# 2. Train it. The test images are for the end: no choice is made by them.
since = time.perf_counter()
gt.train(net, (x, y), optimizer=gt.Adam(0.002), epochs=12, batch_size=32)
seconds = time.perf_counter() - since
accuracy = gt.evaluate(net, (x_test, y_test))["accuracy"]
print(f"\ntest accuracy {accuracy:.2%} after {seconds:.1f} s, on {len(y_test)} unseen images")

# 3. Take one learning step apart: which weight would it move most, and by which sum?
name = "conv2.weight"
images, labels = x_test[:16], y_test[:16]
t = gt.trace(net, images, labels, training=False)
k, c, i, j = (int(n) for n in np.unravel_index(np.abs(t.grad[name]).argmax(), t.grad[name].shape))
index, at = (k, c, i, j), {"k": k, "c": c, "i": i, "j": j}
(equation,) = t.grad.equations(name)
print(f"\nthe gradient of {name}[{k},{c},{i},{j}] in a step with {len(images)} unseen images")
print("  with symbols  ", text(equation))
print("  with numbers  ", text(equation, numbers=True, at=at))
print(f"  its value      {t.grad[name][index]:+.8f}")

# 4. Do not believe it: move that weight a little both ways, and look at the loss.
twin = gt.Network(net.input_shape, net.layers, dtype=np.float64)
losses = []
for step in (+1e-5, -1e-5):
    for parameter, values in net.parameters.items():
        twin.parameters[parameter] = values
    twin.parameters[name][index] += step
    losses.append(gt.trace(twin, images, labels, training=False).loss)
print(f"  by difference  {(losses[0] - losses[1]) / 2e-5:+.8f}   (L(w + h) − L(w − h)) / 2h")
