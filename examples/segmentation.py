"""A U-Net learns to find discs and squares. Then: over which pixels does a gradient lie?"""

import matplotlib.pyplot as plt
import numpy as np

import gradtrail as gt


def shapes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 1, 48, 48) of a disc and a square in noise, and every pixel's class."""
    draw, (y, x) = np.random.default_rng(seed), np.mgrid[:48, :48]
    images, classes = np.zeros((count, 1, 48, 48)), np.zeros((count, 48, 48), int)
    for image, labels in zip(images, classes, strict=True):
        for kind in (1, 2):
            (dy, dx), size = np.abs([y, x] - draw.uniform(8, 40, (2, 1, 1))), draw.uniform(6, 12)
            inside = (np.hypot(dy, dx) if kind == 1 else np.maximum(dy, dx)) < size
            labels[inside], image[0, inside] = kind, draw.uniform(0.5, 1)
    return images + draw.normal(0, 0.15, images.shape), classes


(x, y), held_out = shapes(1000, seed=0), shapes(128, seed=1)
net = gt.architecture("unet", classes=3, depth=2, width=8).network((1, 48, 48), seed=0)
schedule = gt.schedules.OneCycle()
gt.train(net, (x, y), optimizer=gt.Adam(0.01), schedule=schedule, epochs=10, batch_size=16)
scores = gt.confusion(net, held_out, classes=("background", "disc", "square"))
print(scores)

# The weight of the head that one image moves most: how much of that comes from which pixel?
image, labels = (part[:1] for part in held_out)
t = gt.trace(net, image, labels, training=False)
k, c, *_ = map(int, np.unravel_index(np.abs(t.grad["head.weight"]).argmax(), (3, 8)))
print(t.grad.why("head.weight", (k, c, 0, 0)))
where = t.grad.terms("head.weight", (k, c, 0, 0)).by("y", "x").dense()
maps = {"image": image[0, 0], "is": labels[0], "found": net.predict(image)[0].argmax(0)}
figure = plt.figure(figsize=(8, 2.3), layout="constrained")
for place, (name, drawn) in enumerate((maps | {f"in dhead.weight[{k},{c}]": where}).items(), 1):
    figure.add_subplot(1, 4, place, title=name, xticks=[], yticks=[]).imshow(drawn)
figure.savefig("segmentation.png")
