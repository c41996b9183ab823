"""Calls as another library would have them: each is refused in one sentence with what to write."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.checking.calls import call_example, in_short
from gradtrail.checking.other_names import NAMES

X = np.linspace(0, 1, 8 * 3 * 36, dtype=np.float32).reshape(8, 3, 6, 6)
Y = np.arange(8) % 2

NET = gt.Network((3, 6, 6), [gt.Conv2d(2, 3), gt.Flatten(), gt.Linear(2)], seed=0)

g: Any = gt  # what is called wrongly here, a type checker would refuse

NO_FIT: dict[str, tuple[Callable[[], Any], str]] = {
    "x and y apart": (
        lambda: g.train(NET, X, Y),
        r"^train takes 2 arguments by position \(network, data\), got 3; write gt.train\(network, "
        r"\(x, y\), epochs=3\)$",
    ),
    "evaluated likewise": (
        lambda: g.evaluate(NET, X, Y),
        r"write gt.evaluate\(network, \(x, y\)\)",
    ),
    "no data": (lambda: g.train(NET), r"^train needs data; write gt.train"),
    "a pair for a trace": (
        lambda: g.trace(NET, (X, Y)),
        r"^trace needs y; write gt.trace\(network, ",
    ),
    "nothing to check": (lambda: g.check_gradients(NET), "^check_gradients needs x and y; write"),
    "the data first": (
        lambda: g.train((X, Y), NET),
        "^train: network must be a Network, got a tuple of 2; write gt.train",
    ),
    "a path as network": (
        lambda: g.evaluate("run", (X, Y)),
        r"got 'run'; gt.load\(path\) opens a saved one; write",
    ),
    "the rate": (
        lambda: g.train(NET, (X, Y), lr=0.1),
        "'lr': the optimiser has it: optimizer=gt.SG",
    ),
    "a momentum of Adam": (
        lambda: g.Adam(0.1, momentum=0.9),
        "^Adam has no argument 'momentum': write betas=, whose first one is the momentum$",
    ),
    "a momentum of Adagrad": (
        lambda: g.Adagrad(0.1, momentum=0.9),
        "^Adagrad has no argument 'momentum': it takes lr, lr_decay",
    ),
    "Keras's validation": (
        lambda: g.train(NET, (X, Y), validation_data=(X, Y)),
        r"^train has no argument 'validation_data': write validation=\(x, y\)",
    ),
    "Keras's verbose": (
        lambda: g.train(NET, (X, Y), verbose=0),
        "write progress=False for silence",
    ),
    "Keras's verbose, predicting": (
        lambda: g.Network.predict(NET, X, verbose=0),
        "^predict has no argument 'verbose': nothing is written, so leave it out",
    ),
    "PyTorch's criterion": (lambda: g.train(NET, (X, Y), criterion=None), "write loss=$"),
    "scikit-learn's seed": (lambda: g.train(NET, (X, Y), random_state=0), "write seed=$"),
    "scikit-learn's share": (lambda: g.data.split(X, Y, test_size=0.2), "write share=$"),
    "no share": (lambda: g.data.split(X, Y), r"^split needs share; write gt.data.split\(x, y, 0.2"),
    "a slip of the pen": (lambda: g.train(NET, (X, Y), epoch=3), "did you mean epochs=$"),
    "nobody knows": (
        lambda: g.schedules.StepDecay(every=3),
        "^StepDecay has no argument 'every': it takes at, gamma, w",
    ),
    "Keras's filters": (lambda: g.Conv2d(filters=8, kernel_size=3), "write out_channels=$"),
    "Keras's units": (lambda: g.Linear(units=10), "write out_features=$"),
    "Keras's activation": (
        lambda: g.Conv2d(8, 3, activation="relu"),
        r"an activation is a layer of its own behind this one: gt.ReLU\(\)",
    ),
    "no kernel": (
        lambda: g.Conv2d(8),
        r"^Conv2d needs kernel_size; write gt.Conv2d\(16, 3, padding",
    ),
    "twice": (
        lambda: g.Conv2d(3, 16, kernel_size=3),
        "^Conv2d gets kernel_size twice, by position",
    ),
    "PyTorch's in place": (
        lambda: g.ReLU(inplace=True),
        "leave it out; nothing is computed in place",
    ),
    "PyTorch's reduction": (
        lambda: g.CrossEntropy(reduction="sum"),
        "a loss is the mean over the sam",
    ),
    "a loss called": (
        lambda: g.CrossEntropy(X, Y),
        "^CrossEntropy takes no arguments by position, g",
    ),
    "class weights": (lambda: g.CrossEntropy(class_weights=[1, 2]), "write weight=$"),
    "no rate": (lambda: g.SGD(), r"^SGD needs lr; write gt.SGD\(0.1, momentum=0.9\)"),
    "Keras's rate": (lambda: g.SGD(learning_rate=0.1), "write lr=$"),
    "Keras's betas": (lambda: g.Adam(beta_1=0.9), r"write betas=\(0.9, 0.999\)$"),
    "parameters to the optimiser": (
        lambda: g.SGD(NET.parameters, 0.1),
        r"^SGD: lr must be a finite number above 0, got a NamedArrays; the network is given to "
        r"gt.train, so write gt.SGD\(0.1\)$",
    ),
    "PyTorch's schedule": (
        lambda: g.schedules.Cosine(T_max=10),
        "a schedule runs over the whole training",
    ),
    "Keras's stopping": (
        lambda: g.EarlyStopping(monitor="val_loss"),
        'write measure="validation_los',
    ),
    "torchvision's flip": (lambda: g.Augment(hflip=0.5), "write flip=0.5"),
    "a device": (lambda: g.Network((3,), [gt.Linear(2)], device="cuda"), "is computed on the CPU"),
    "layers one by one": (
        lambda: g.Network((3, 6, 6), gt.Flatten(), gt.Linear(2)),
        r"^Network takes 2 arguments by position \(input_shape, layers\), got 3; write gt.Network",
    ),
    "no shape": (lambda: g.Network([gt.ReLU()]), "^Network needs layers; write gt.Network"),
    "an index apart": (
        lambda: g.trace(NET, X, Y).grad.terms("conv1.weight", 0, 0, 0, 0),
        r"^terms takes 2 arguments by position \(name, index\), got 5; write t.grad.terms",
    ),
    "a position apart": (
        lambda: g.Network.receptive_field(NET, "conv1", 1, 2),
        r"got 3; write network.receptive_field\(\"conv1\", \(y, x\)\)",
    ),
    "a result made by hand": (
        lambda: g.Influence(NET),
        r"write gt.influence\(network, \(x, y\)\)$",
    ),
    "a checkpoint for the best": (
        lambda: g.Checkpoints("a", save_best_only=True),
        "leave it out; gt.EarlyStopping keeps the best epoch's weights",
    ),
    "torchvision's transform": (
        lambda: g.data.read("a", transform=None),
        "size= and channels= say how",
    ),
    "a name that read has not": (
        lambda: g.data.read("a", colour=3),
        "'colour': it takes channels_la",
    ),
    "arguments for an architecture": (
        lambda: g.architecture("lenet5", num_classes=5),
        r"lenet5 has no setting 'num_classes': write classes=$",
    ),
    "pretrained": (
        lambda: g.architecture("lenet5", pretrained=True),
        r"write weights=\"file\.safetensors\"; nothing is downloaded$",
    ),
    "classes for a layer": (lambda: g.Linear(num_classes=5), "write out_features=$"),
}


@pytest.mark.parametrize("case", NO_FIT)
def test_a_call_that_does_not_fit_is_told_what_to_write(case: str) -> None:
    call, words = NO_FIT[case]
    with pytest.raises(gt.ArgumentError, match=words):
        call()


VALUES: dict[str, tuple[Callable[[], Any], str]] = {
    "a slope in words": (lambda: g.LeakyReLU("0.1"), "negative_slope must be finite, got"),
    "no slope": (lambda: g.LeakyReLU(None), "negative_slope must be finite, got None"),
    "a share in words": (lambda: g.Dropout("0.5"), "p must be at least 0 and below 1, got '0.5'"),
    "smoothing in words": (
        lambda: g.CrossEntropy(label_smoothing="a"),
        "label_smoothing must lie between 0 and 1, got 'a'",
    ),
    "a class as layer": (lambda: g.Network((3,), [gt.ReLU]), "call it: write its brackets"),
    "a layer alone": (
        lambda: g.Network((3,), gt.Linear(2)),
        r"put it in brackets, \[Linear\(…\)\]",
    ),
    "a layer's name": (
        lambda: g.Network((3,), ["relu"]),
        r"layers are objects such as gt.ReLU\(\)",
    ),
    "a list in the list": (
        lambda: g.Network((3,), [[gt.ReLU()]]),
        "write its layers among the othe",
    ),
    "a loss as layer": (lambda: g.Network((3,), [gt.CrossEntropy()]), "it is given to gt.train"),
    "an iterator": (lambda: g.Network((3,), iter([gt.ReLU()])), r"write list\(…\) around it"),
    "arrays to read": (
        lambda: g.data.read((X, Y)),
        "read: path must be a folder or a file, got a t",
    ),
    "no folder": (lambda: g.data.ImageFolder(None), "ImageFolder: path must be a folder or a file"),
    "no image": (
        lambda: g.data.read_image(X, (3, 6, 6)),
        "read_image: path must be a folder or a fi",
    ),
    "nothing watched": (
        lambda: g.load_watched(None),
        "load_watched: path must be a folder or a file",
    ),
    "nowhere to save": (
        lambda: g.Network.save(NET, 5),
        "save: path must be a folder or a file, got 5",
    ),
    "a network to load": (
        lambda: g.load(NET),
        "load: path must be a folder or a file, got a Network$",
    ),
    "a network as file": (
        lambda: g.to_onnx(NET, NET),
        "to_onnx: path must be a file to write, got a N",
    ),
}


@pytest.mark.parametrize("case", VALUES)
def test_a_value_of_another_kind_is_told(case: str) -> None:
    if case == "a network as file":
        pytest.importorskip("onnx")
    call, words = VALUES[case]
    with pytest.raises(gt.ArgumentError, match=words):
        call()


def test_a_network_that_is_called_says_how_it_predicts() -> None:
    with pytest.raises(
        gt.ArgumentError, match=r"write network.predict\(x\), or gt.trace\(network, "
    ):
        g.Network.__call__(NET, X)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fit", r"write gt.train\(network, \(x, y\)\)"),
        ("forward", r"write network.predict\(x\)"),
        ("state_dict", "write network.parameters, a mapping of arrays"),
        ("conv1", r"write network.parameters\[\"conv1.weight\"\]"),
        ("nonsense", "a network has no attribute 'nonsense'$"),
        ("_repr_png_", "a network has no attribute '_repr_png_'$"),
    ],
)
def test_what_networks_have_elsewhere_is_named(name: str, words: str) -> None:
    assert not hasattr(NET, name)
    with pytest.raises(AttributeError, match=words):
        getattr(NET, name)


def test_networks_are_copied_and_pickled_as_before() -> None:
    for made in (copy.deepcopy(NET), pickle.loads(pickle.dumps(NET))):
        np.testing.assert_array_equal(made.predict(X), NET.predict(X))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Dense", r"write gt.Linear\(10\)"),
        ("Conv2D", r"write gt.Conv2d\("),
        ("CrossEntropyLoss", r"write gt.CrossEntropy\(\)"),
        ("BCEWithLogitsLoss", r"write gt.BCEWithLogits\(\)$"),
        ("NLLLoss", r"write gt.CrossEntropy\(\), and no LogSoftmax before it$"),
        ("SmoothL1Loss", r"write gt.Huber\(beta\)"),
        ("ReflectionPad2d", r'write gt.Pad\(1, "reflect"\)'),
        ("LazyConv3d", r"write gt.Conv3d, whose channels are inferred"),
        ("ReduceLROnPlateau", r"write gt.schedules.ReduceLROnPlateau\(\)"),
        ("read_image", "write gt.data.read_image"),
        ("CNNClassifier", "write from gradtrail.sklearn import CNNClassifier"),
        ("Linaer", "write gt.Linear"),
        ("nonsense", "has no attribute 'nonsense'$"),
    ],
)
def test_names_of_other_libraries_are_named(name: str, words: str) -> None:
    assert not hasattr(gt, name)
    with pytest.raises(AttributeError, match=words):
        getattr(gt, name)


def test_no_name_of_another_library_is_ours() -> None:
    """Else nobody hears of it, and it grows stale; and what is to be written is there."""
    listed = [name for names in NAMES for name in names]
    assert len(listed) == len({*listed})
    assert [name for name in listed if name in gt.__all__] == []
    written = {word for text in NAMES.values() for word in re.findall(r"gt\.([A-Za-z_]\w*)", text)}
    assert [word for word in sorted(written) if not hasattr(gt, word)] == []


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ("mse", r"got 'mse'; write gt.MeanSquaredError\(\)"),
        ("binary_crossentropy", r"write gt.BCEWithLogits\(\)"),
        (gt.Huber, r"got the class Huber; write gt.Huber\(…\), with its brackets"),
        (3, r"got 3$"),
    ],
)
def test_a_loss_of_another_library_is_named(loss: Any, words: str) -> None:
    with pytest.raises(gt.ArgumentError, match=words):
        gt.trace(NET, X, [0], loss=loss)


def test_an_error_inside_a_function_stays_what_it_is() -> None:
    @call_example("gt.wrong(1)")
    def wrong(number: int) -> int:
        return number + "a"  # type: ignore[operator]

    with pytest.raises(TypeError, match="unsupported operand"):
        wrong(1)
    with pytest.raises(gt.ArgumentError, match=r"^wrong needs number; write gt.wrong\(1\)$"):
        wrong()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros((2, 3)), "an array of shape (2, 3)"),
        (int, "the class int"),
        ((1, 2), "(1, 2)"),
        (list(range(99)), "a list of 99"),
        ("a" * 99, repr("a" * 99)[:60] + "…"),
        (Path("a"), repr(Path("a"))),
        (None, "None"),
        (NET, "a Network"),
    ],
)
def test_what_came_is_told_in_few_words(value: Any, words: str) -> None:
    assert in_short(value) == words
