"""Every mistake gets one clear error: what, where, how the number arose, what to change."""

from __future__ import annotations

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.errors import unknown

X = np.zeros((4, 1, 28, 28), np.float32)
Y = np.array([0, 1, 2, 3])


@pytest.fixture
def lenet() -> gt.Network:
    return gt.architecture("lenet5").network()


def refused(error: type[Exception], match: str):
    return pytest.raises(error, match=match)


def test_a_linear_layer_that_expects_another_number_of_inputs() -> None:
    layers = [gt.Conv2d(20, 5), gt.ReLU(), gt.MaxPool2d(3), gt.Flatten()]
    sentence = (
        r"layer 5 'fc1' \(Linear\): weight expects 640 inputs but gets 1280 = 20 channels × 8 × 8 "
        r"from layer 4 'flatten1'\. Set in_features=1280, or make layer 3 'pool1' give 4 × 8\."
    )
    with refused(gt.ShapeError, sentence) as caught:
        gt.Network((1, 28, 28), [*layers, gt.Linear(10, in_features=640)])
    table = str(caught.value)
    for name in ("conv1", "relu1", "pool1", "flatten1"):
        assert name in table
    assert table.index("flatten1") < table.index("layer 5 'fc1'")
    assert "(24 − 3)/3 + 1 = 8" in table


MISFITS = {
    "window": (
        [gt.MaxPool2d(4), gt.MaxPool2d(2), gt.Conv2d(4, 5)],
        r"layer 3 'conv1' \(Conv2d\): a window of 5 does not fit into the 3 positions of height "
        r"from layer 2 'pool2', where ⌊\(7 − 2\)/2⌋ \+ 1 = 3\. Use a smaller window",
    ),
    "dilated window": (
        [gt.Conv2d(4, 3, dilation=14, padding=0)],
        r"a window of 29 does not fit into the 28 positions of height from the input",
    ),
    "no flatten": (
        [gt.Conv2d(3, 5), gt.Linear(10)],
        r"layer 2 'fc1' \(Linear\): expects a sample of \(features\) but gets 3 × 24 × 24 "
        r"from layer 1 'conv1'.* Put Flatten\(\)",
    ),
    "convolution of a row": (
        [gt.Flatten(), gt.Conv2d(3, 3)],
        r"layer 2 'conv1' \(Conv2d\): expects a sample of \(channels, height, width\) but gets 784",
    ),
    "channels": (
        [gt.Conv2d(3, 5, in_channels=3)],
        r"layer 1 'conv1' \(Conv2d\): weight expects 3 channels but gets 1 from the input\. "
        r"Set in_channels=1",
    ),
    "groups": (
        [gt.Conv2d(6, 3), gt.Conv2d(8, 3, groups=4)],
        r"groups=4 does not divide the 6 input channels from layer 1 'conv1'",
    ),
    "features of a norm": (
        [gt.BatchNorm2d(num_features=4)],
        r"layer 1 'norm1' \(BatchNorm2d\): .*expects 4 channels but gets 1.*Set num_features=1",
    ),
    "residual": (
        [gt.Residual([gt.Conv2d(3, 3)])],
        r"'add1' \(Add\): what layer 1 'conv1' gives is 3 × 26 × 26 but the input is 1 × 28",
    ),
    "concat": (
        [gt.Concat([gt.Conv2d(3, 3)], [gt.ReLU()])],
        r"gives is 3 × 26 × 26 but what layer 2 'relu1' gives is 1 × 28 × 28; only the channels",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_layers_that_do_not_fit(name: str) -> None:
    layers, sentence = MISFITS[name]
    with refused(gt.ShapeError, sentence):
        gt.Network((1, 28, 28), layers)


SAMPLES = {
    "channels last": (
        np.zeros((4, 28, 28, 1)),
        r"shape \(4, 28, 28, 1\), but the network takes \(N, 1, 28, 28\): it is channels last "
        r"\(N, H, W, C\); pass x.transpose\(0, 3, 1, 2\), which has shape \(4, 1, 28, 28\)",
    ),
    "no channel axis": (
        np.zeros((4, 28, 28)),
        r"shape \(4, 28, 28\).*the channel axis is missing; pass x\[:, None\]",
    ),
    "no batch axis": (np.zeros((1, 28, 28)), r"one sample without the batch axis; pass x\[None\]"),
    "one bare image": (np.zeros((28, 28)), r"pass x\[None, None\]"),
    "flat": (np.zeros((4, 784)), r"the samples are flat; pass x.reshape\(-1, 1, 28, 28\)"),
    "colour": (np.zeros((4, 3, 28, 28)), "it has 3 channels instead of 1"),
    "size": (np.zeros((4, 1, 32, 30)), "its images are 32 × 30 instead of 28 × 28"),
    "axes": (np.zeros((4, 1, 1, 28, 28)), "it has 5 axes instead of 4"),
    "empty": (np.zeros((0, 1, 28, 28)), r"x is empty: shape \(0, 1, 28, 28\) holds no sample"),
    "text": (np.array(["a", "b"]), "x must hold real numbers, got dtype <U1"),
    "complex": (np.zeros((4, 1, 28, 28), complex), "real numbers, got dtype complex128"),
    "ragged": ([[1, 2], [3]], "x is no array: its rows differ in length"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_samples(lenet: gt.Network, name: str) -> None:
    x, sentence = SAMPLES[name]
    for use in (lenet.predict, lambda x: gt.trace(lenet, x, Y), lambda x: gt.train(lenet, (x, Y))):
        with refused(gt.DataError, sentence):
            use(x)


LABELS = {
    "out of range": (
        [0, 1, 10, 3],
        "label 10 at position 2 is out of range: the network has 10 outputs, so labels run from 0",
    ),
    "negative": ([0, -1, 2, 3], "label -1 at position 1 is out of range"),
    "from one": (
        [1, 10, 2, 3],
        r"label 10 at position 1 .* the classes seem to be counted from 1: pass y - 1",
    ),
    "whole floats": (
        [0.0, 1.0, 2.0, 3.0],
        r"dtype float64, but the cross-entropy takes class numbers 0 to 9 as integers "
        r"\(first label: 0.0\); pass y.astype\(int\)",
    ),
    "floats": (
        [0.5, 1.0, 2.0, 3.0],
        r"first label: 0.5\); numbers to come near \(regression\) are for loss=MeanSquaredError",
    ),
    "text": (["a", "b", "c", "d"], "dtype <U1.*np.unique"),
    "too few": ([0, 1, 2], "y has 3 labels, but x has 4 samples"),
    "single": (3, "y has a single value, but x has 4 samples"),
    "column": ([[0], [1], [2], [3]], r"shape \(4, 1\).*pass y\[:, 0\]"),
    "one-hot of other width": (np.eye(4), r"shape \(4, 4\); labels are integers of shape \(4,\)"),
    "no probabilities": (np.full((4, 10), 0.2), "row 0 of y sums to 2; one-hot rows"),
    "ten numbers": (
        np.full((4, 10), -1.5),
        r"row 0 of y sums to -15; .*numbers to come near \(regression\) are for loss=MeanSquaredE",
    ),
    "two numbers": (
        np.full((4, 2), 1.5),
        r"y has 2 columns, but the network 10 outputs, and numbers .* loss=MeanSquaredError\(\)",
    ),
    "two classes": (np.eye(2)[[0, 1, 0, 1]], r"network 10 outputs: end it with Linear\(2\)"),
    "several tags": (
        np.eye(10, dtype=int)[[0, 1, 2, 3]] + np.eye(10, dtype=int)[4],
        r"row 0 of y has 2 ones.*several tags for a sample \(multi-label\) are for loss=BCEWith",
    ),
    "no tag": (np.zeros((4, 10), bool), r"row 0 of y has 0 ones.*\(multi-label\)"),
    "sets of tags": (
        np.array([{"a"}, {"b"}, {"a", "b"}, set()]),
        r"dtype object.*\(multi-label\) are for loss=BCEWithLogits\(\)",
    ),
    "maps": (
        np.zeros((4, 8, 8), int),
        r"shape \(4, 8, 8\); labels are integers of shape \(4,\).*; a class for every position "
        r"\(segmentation\) needs outputs for every position, such as Conv2d\(10, 1\)",
    ),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels(lenet: gt.Network, name: str) -> None:
    y, sentence = LABELS[name]
    for use in (lambda y: gt.trace(lenet, X, y), lambda y: gt.train(lenet, (X, y), progress=False)):
        with refused(gt.DataError, sentence):
            use(y)


ONE_OUTPUT = {
    "two classes": ([0, 1, 0, 1], "y has label 1 at position 1, but the network has a single o"),
    "two whole floats": (
        [0.0, 1.0, 0.0, 1.0],
        r"pass y.astype\(int\); end the network with L",
    ),
    "numbers": ([0.0, 1.5, 0.0, 1.0], r"\(regression\) are for loss=MeanSquaredError\(\)"),
    "a column": ([[0], [1], [0], [1]], r"row 0 of y has 0 ones.*loss=MeanSquaredError\(\)"),
}


@pytest.mark.parametrize("name", ONE_OUTPUT)
def test_labels_for_one_output(name: str) -> None:
    y, sentence = ONE_OUTPUT[name]
    net = gt.Network((1, 28, 28), [gt.Flatten(), gt.Linear(1)])
    with refused(gt.DataError, sentence):
        gt.train(net, (X, np.array(y)), progress=False)
    todo = (
        r"Linear\(2\) for two classes, or pass loss=BCEWithLogits\(\) for yes or no, "
        r"loss=MeanSquaredError\(\) for a number per sample"
    )
    with refused(gt.DataError, todo):
        gt.trace(net, X, [0, 1, 0, 1])


def test_labels_for_maps() -> None:
    """A class for every position, or numbers; one label per sample says what is missing."""
    net = gt.Network((1, 28, 28), [gt.Conv2d(3, 3, padding=1)])
    with refused(
        gt.DataError,
        r"y has shape \(4,\); labels are integers of shape \(4, 28, 28\) or one-hot of shape "
        r"\(4, 3, 28, 28\); for one label per sample, end the network with Flatten\(\) and Linear",
    ):
        gt.train(net, (X, Y), progress=False)
    assert gt.train(net, (X, np.zeros((4, 28, 28), int)), progress=False).steps == 1
    masks = np.zeros((4, 3, 28, 28))
    assert gt.train(net, (X, masks), loss=gt.MeanSquaredError(), progress=False).steps == 1


def test_targets_of_the_squared_error(lenet: gt.Network) -> None:
    with refused(gt.DataError, r"y has shape \(4, 3\), but the network's outputs have \(4, 10\)"):
        gt.trace(lenet, X, np.zeros((4, 3)), loss=gt.MeanSquaredError())


ARGUMENTS = {
    "out_channels": (
        lambda: gt.Conv2d(0, 3),
        "Conv2d: out_channels must be a whole number ≥ 1, got 0",
    ),
    "kernel_size": (lambda: gt.Conv2d(3, 0), "kernel_size must be a whole number ≥ 1"),
    "kernel entries": (lambda: gt.Conv2d(3, (3, 3, 3)), "kernel_size needs 2 entries.*got 3"),
    "stride": (lambda: gt.Conv2d(3, 3, stride=0), "stride must be a whole number ≥ 1.*got 0"),
    "padding": (lambda: gt.Conv2d(3, 3, padding=-1), "padding must be a whole number ≥ 0.*got -1"),
    "padding word": (lambda: gt.Conv2d(3, 3, padding="full"), '"same" or "valid", got \'full\''),
    "same with stride": (
        lambda: gt.Conv2d(3, 3, padding="same", stride=2),
        r'padding="same" keeps the size only with stride 1, got stride \(2, 2\)',
    ),
    "channels by position": (
        lambda: gt.Conv2d(1, 6, 5),
        r"Conv2d takes 2 arguments by position \(out_channels, kernel_size\), got 3; .*inferred",
    ),
    "features by position": (lambda: gt.Linear(400, 120), "Linear takes 1 argument by position"),
    "norm by position": (
        lambda: gt.BatchNorm2d(16),
        "takes no arguments by position, got 1",
    ),
    "groups": (lambda: gt.Conv2d(5, 3, groups=2), "out_channels=5 is not a multiple of groups=2"),
    "output_padding": (
        lambda: gt.ConvTranspose2d(5, 3, stride=2, output_padding=2),
        "output_padding=2 must be smaller than stride=2 or dilation=1",
    ),
    "pool padding": (
        lambda: gt.MaxPool2d(2, 2, 2),
        "padding=2 is more than half of kernel_size=2; at most 1 is taken, whatever the dilation",
    ),
    "dilated pool padding": (
        lambda: gt.MaxPool2d(3, padding=(1, 2), dilation=2),
        "padding=2 is more than half of kernel_size=3; at most 1 is taken, whatever the dilation",
    ),
    "dropout": (lambda: gt.Dropout(1.0), "p must be at least 0 and below 1, got 1.0"),
    "eps": (lambda: gt.BatchNorm2d(eps=0), "eps must be above 0, got 0"),
    "momentum": (lambda: gt.BatchNorm2d(momentum=2), "momentum must lie between 0 and 1, got 2"),
    "no momentum": (lambda: gt.BatchNorm2d(momentum=None), "between 0 and 1, got None"),
    "slope": (lambda: gt.LeakyReLU(float("nan")), "negative_slope must be finite, got nan"),
    "eps beyond every float": (
        lambda: gt.BatchNorm2d(eps=10**400),
        "eps must be above 0, got 1000",
    ),
    "slope beyond": (lambda: gt.LeakyReLU(10**400), "negative_slope must be finite, got 1000"),
    "mean beyond": (lambda: gt.Normalize(10**400, 1), "mean must be one finite number or one"),
    "std beyond": (lambda: gt.Normalize(0, [10**400]), "std must be one number above 0"),
    "weight beyond": (lambda: gt.CrossEntropy(weight=[10**400, 1]), "weight needs finite numbers"),
    "gelu": (lambda: gt.GELU(approximate="erf"), '"none" or "tanh", got \'erf\''),
    "initialization": (
        lambda: gt.Linear(3, initialization="he"),
        "initialization must be one of he_normal, he_uniform.*got 'he'",
    ),
    "smoothing": (lambda: gt.CrossEntropy(label_smoothing=2), "between 0 and 1, got 2"),
    "one class weight": (lambda: gt.CrossEntropy(weight=5), "needs finite numbers .*, got 5"),
    "class weights": (lambda: gt.CrossEntropy(weight=(0, 0)), "one of them above 0"),
    "empty residual": (lambda: gt.Residual([]), "the body needs at least one layer, got none"),
    "one branch": (lambda: gt.Concat([gt.ReLU()]), "takes 2 to 25 lists of layers, got 1"),
    "no layer": (lambda: gt.Network((1, 2, 2), ["relu"]), "entry 0 is not a layer but 'relu'"),
    "class for layer": (lambda: gt.Network((1,), [gt.ReLU]), r"entry 0 .*\(call it"),
    "no layers": (lambda: gt.Network((1,), []), "needs at least one layer, got none"),
    "input_shape": (lambda: gt.Network((1, 0, 2), [gt.ReLU()]), r"got \(1, 0, 2\)"),
    "dtype": (
        lambda: gt.Network((1,), [gt.ReLU()], dtype="int32"),
        "float32 or float64, got 'int32'",
    ),
    "seed": (lambda: gt.Network((1,), [gt.ReLU()], seed=-1), "seed must be a whole number ≥ 0"),
    "name twice": (
        lambda: gt.Network((1,), [gt.ReLU(name="a"), gt.Tanh(name="a")]),
        "two layers are called 'a'",
    ),
    "name that is no word": (lambda: gt.Network((1,), [gt.ReLU(name=3)]), "got 3"),
    "name with a dot": (lambda: gt.Network((1,), [gt.ReLU(name="a.b")]), "got 'a.b'"),
    "lr": (lambda: gt.SGD(0), "SGD: lr must be a finite number above 0, got 0"),
    "nan lr": (lambda: gt.Adam(float("nan")), "Adam: lr must be a finite number above 0, got nan"),
    "nesterov": (lambda: gt.SGD(0.1, nesterov=True), "set momentum"),
    "one beta": (lambda: gt.Adam(betas=0.9), "two numbers from 0 to below 1, got 0.9"),
    "no dtype": (
        lambda: gt.Network((1,), [gt.ReLU()], dtype="x"),
        "dtype must be float32 or float64, got 'x'",
    ),
    "no path": (lambda: gt.load(5), "path must be a folder or a file, got 5"),
    "betas": (lambda: gt.Adam(betas=(0.9, 1.0)), "two numbers from 0 to below 1"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments(name: str) -> None:
    make, sentence = ARGUMENTS[name]
    with refused(gt.ArgumentError, sentence):
        make()


def test_class_weights_of_another_number(lenet: gt.Network) -> None:
    with refused(gt.ShapeError, "has 3 class weights but gets 10 outputs"):
        gt.trace(lenet, X, Y, loss=gt.CrossEntropy(weight=(1, 1, 1)))


def test_batch_norm_over_one_position_is_refused_before_training() -> None:
    network = gt.Network((3,), [gt.Linear(4), gt.Flatten()])
    normed = gt.Network((3, 1, 1), [gt.BatchNorm2d(), gt.Flatten(), gt.Linear(2)])
    x, y = np.zeros((5, 3, 1, 1)), [0, 1, 0, 1, 0]
    with refused(
        gt.DataError, r"layer 'norm1' \(BatchNorm2d\).* a batch of 1 sample has 1 position"
    ):
        gt.train(normed, (x, y), batch_size=4, progress=False)
    assert network.plan().parameter_count == 16


def test_names_that_no_array_has(lenet: gt.Network) -> None:
    t = gt.trace(lenet, X, Y)
    with refused(
        gt.UnknownNameError, "no parameter is called 'conv1.weights'; did you mean: conv1.w"
    ):
        _ = lenet.parameters["conv1.weights"]
    with refused(gt.UnknownNameError, "no gradient is called 'conv9.weight'"):
        _ = t.grad["conv9.weight"]
    with refused(gt.UnknownNameError, "no architecture is called 'lenet'; did you mean: lenet5"):
        gt.architecture("lenet")


def test_parameters_of_another_shape(lenet: gt.Network) -> None:
    with refused(gt.ShapeError, r"conv1.bias has shape \(6,\), but got \(7,\)"):
        lenet.parameters["conv1.bias"] = np.zeros(7)
    with refused(gt.ShapeError, r"gradient of conv1.bias has shape \(7,\)"):
        t = gt.trace(lenet, X, Y)
        gt.SGD(0.1).update(lenet, {**t.grad, "conv1.bias": np.zeros(7)})
    with refused(gt.UnknownNameError, "no gradient is given for parameter 'conv1.weight'"):
        gt.SGD(0.1).update(lenet, {})


def test_an_engine_that_there_is_not(lenet: gt.Network) -> None:
    with refused(gt.ArgumentError, "engine must be .* got 'gpu'"):
        lenet.predict(X, engine="gpu")


def test_data_must_be_a_pair(lenet: gt.Network) -> None:
    with refused(gt.DataError, r"data must be a pair \(samples, labels\), got ndarray"):
        gt.train(lenet, X)
    with refused(gt.DataError, r"got str; gt.data.ImageFolder\(path\) opens a folder of images"):
        gt.train(lenet, "photos")
    with refused(gt.DataError, "validation must be a pair .* got 3 entries"):
        gt.train(lenet, (X, Y), validation=(X, Y, Y))


def test_samples_beyond_float32(lenet: gt.Network) -> None:
    x = np.zeros((2, 1, 28, 28))
    x[1, 0, 3, 4] = 1e300
    with refused(gt.DataError, r"x\[1,0,3,4\] is 1e\+300, beyond what float32 can hold; scale"):
        lenet.predict(x)
    x[1, 0, 3, 4] = np.inf
    assert not np.isfinite(lenet.predict(x)[1]).any()


@pytest.mark.parametrize("seed", [-1, 1.5, True])
def test_seeds(lenet: gt.Network, seed: object) -> None:
    for use in (gt.trace, gt.check_gradients):
        with refused(gt.ArgumentError, f"seed must be a whole number ≥ 0, got {seed}"):
            use(lenet, X, Y, seed=seed)
    with refused(gt.ArgumentError, f"train: seed must be a whole number ≥ 0, got {seed}"):
        gt.train(lenet, (X, Y), seed=seed, progress=False)
    with refused(gt.ArgumentError, "threads must be a whole number ≥ 1, got 0"):
        gt.train(lenet, (X, Y), threads=0, progress=False)


def test_a_warning_points_at_the_line_that_called() -> None:
    from gradtrail.errors import warn

    with pytest.warns(gt.GradtrailWarning, match="blue is constant") as caught:
        warn("blue is constant")
    assert [warning.filename for warning in caught] == [__file__]


def test_the_command_line_shows_a_warning_as_one_line() -> None:
    import warnings

    import click
    from click.testing import CliRunner

    from gradtrail.cli.messages import one_error
    from gradtrail.errors import warn

    @click.command()
    @one_error
    def speaking() -> None:
        warn("blue is constant")
        warnings.warn("another's", UserWarning, stacklevel=1)

    with pytest.warns(UserWarning, match="another's"):
        result = CliRunner().invoke(speaking)
    assert result.stderr == "gradtrail: blue is constant\n"


def test_an_array_instead_of_a_shape_is_told_by_its_shape() -> None:
    with refused(gt.ArgumentError, r"without the batch, got an array of shape \(1, 3, 16, 16\)$"):
        gt.Network(np.zeros((1, 3, 16, 16)), [gt.Flatten(), gt.Linear(2)])


def test_a_near_name_is_given_once() -> None:
    assert (
        unknown("value", "los", ["loss", "loss"]) == "no value is called 'los'; did you mean: loss"
    )
