"""The training loop: determinism, history, validation, progress, what stops it."""

from __future__ import annotations

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.engines import Batch, Reference
from gradtrail.optimizers import Optimizer
from gradtrail.streams import stream


def points(count: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """Images of 1 × 4 × 4 with a bright quarter that gives the class."""
    draw = np.random.Generator(np.random.PCG64(2))
    x, y = draw.random((count, 1, 4, 4)), draw.integers(0, 4, count)
    for image, label in zip(x, y, strict=True):
        image[0, 2 * (label // 2) :][:2, 2 * (label % 2) :][:, :2] += 1
    return x, y


def network(seed: int = 0, **settings: object) -> gt.Network:
    layers = [gt.Conv2d(4, 3, padding=1), gt.BatchNorm2d(), gt.ReLU(), gt.MaxPool2d(2)]
    return gt.Network(
        (1, 4, 4), [*layers, gt.Flatten(), gt.Dropout(0.1), gt.Linear(4)], seed=seed, **settings
    )


def trained(net: gt.Network, **settings: object) -> gt.History:
    return gt.train(net, points(), **{"batch_size": 16, "progress": False, **settings})


def test_it_learns_and_says_so() -> None:
    net = network()
    history = trained(net, epochs=12, validation=points(40), optimizer=gt.Adam(0.01))
    assert history.steps == 12 * 6
    assert history.epochs == len(history.accuracy) == len(history.validation_accuracy) == 12
    assert history.accuracy[-1] > 0.95
    assert history.validation_accuracy[-1] == gt.evaluate(net, points(40))["accuracy"]
    assert history.loss[0] > 3 * history.loss[-1]
    assert "12 epochs, 72 steps" in str(history)
    assert gt.History.from_dict(history.to_dict()) == history


def test_the_epochs_loss_weighs_the_last_batch_by_its_size() -> None:
    history = trained(network())
    sizes = [16] * 5 + [10]
    assert history.loss[0] == pytest.approx(
        np.average(history.step_losses, weights=sizes), rel=1e-12
    )


def test_the_same_seed_gives_the_same_training_bit_for_bit() -> None:
    nets = [network(), network(), network()]
    histories = [
        trained(net, epochs=2, threads=t, seed=5) for net, t in zip(nets, (1, 2, None), strict=True)
    ]
    assert histories[0].step_losses == histories[1].step_losses == histories[2].step_losses
    for name in (*nets[0].parameters, *nets[0].buffers):
        arrays = [{**net.parameters, **net.buffers}[name] for net in nets]
        np.testing.assert_array_equal(arrays[0], arrays[1])
        np.testing.assert_array_equal(arrays[0], arrays[2])


def test_another_seed_gives_another_training_and_another_network() -> None:
    assert trained(network(), seed=1).step_losses != trained(network(), seed=2).step_losses
    first, second = network(1).parameters["conv1.weight"], network(2).parameters["conv1.weight"]
    assert not np.array_equal(first, second)


def test_epochs_differ_in_order_unless_told_not_to() -> None:
    net = gt.Network((1, 4, 4), [gt.Flatten(), gt.Linear(4)])
    tiny = {"optimizer": gt.SGD(1e-12), "epochs": 2, "batch_size": 30}
    shuffled, still = (
        trained(net, **tiny).step_losses,
        trained(net, shuffle=False, **tiny).step_losses,
    )
    assert shuffled[:3] != pytest.approx(shuffled[3:], rel=1e-6)
    assert still[:3] == pytest.approx(still[3:], rel=1e-6)


def test_a_batch_larger_than_the_data_is_one_step() -> None:
    assert trained(network(), batch_size=1000).steps == 1


def test_regression_has_no_accuracy() -> None:
    net = gt.Network((1, 4, 4), [gt.Flatten(), gt.Linear(1)])
    x, _ = points()
    settings = {"loss": gt.MeanSquaredError(), "optimizer": gt.SGD(0.02), "epochs": 30}
    history = gt.train(
        net, (x, x.sum((1, 2, 3))), validation=(x, x.sum((1, 2, 3))), progress=False, **settings
    )
    assert history.accuracy == history.validation_accuracy == []
    assert history.validation_loss[-1] < 0.1 * history.validation_loss[0]


def test_one_hot_labels_train_like_class_numbers() -> None:
    x, y = points()
    first = gt.train(network(), (x, y), progress=False)
    second = gt.train(network(), (x, np.eye(4)[y]), progress=False)
    assert first.step_losses == second.step_losses
    assert first.accuracy == second.accuracy


def test_running_statistics_follow_training_and_are_used_in_evaluation() -> None:
    net = network()
    x, y = points()
    t = gt.trace(net, x, y)
    mean, variance = t.value["norm1.mean"], t.value["norm1.variance"]
    np.testing.assert_array_equal(net.buffers["norm1.running_mean"], 0)
    gt.train(net, (x, y), batch_size=len(x), optimizer=gt.SGD(1e-9), progress=False)
    count = len(x) * 16
    np.testing.assert_allclose(net.buffers["norm1.running_mean"], 0.1 * mean, rtol=1e-6)
    np.testing.assert_allclose(
        net.buffers["norm1.running_var"], 0.9 + 0.1 * variance * count / (count - 1), rtol=1e-6
    )
    evaluated = gt.trace(net, x, y, training=False)
    np.testing.assert_allclose(net.predict(x), evaluated.value["fc1.output"], rtol=1e-5, atol=1e-6)
    assert "norm1.mean" not in evaluated.value
    assert "dropout1.mask" not in evaluated.value


def test_tracing_and_predicting_change_nothing() -> None:
    net = network()
    before = {n: a.copy() for n, a in {**net.parameters, **net.buffers}.items()}
    gt.trace(net, *points())
    net.predict(points()[0])
    gt.evaluate(net, points())
    for name, array in {**net.parameters, **net.buffers}.items():
        np.testing.assert_array_equal(array, before[name])


def test_predictions_do_not_depend_on_the_batch_size() -> None:
    net, (x, _) = network(), points()
    np.testing.assert_array_equal(net.predict(x), net.predict(x, batch_size=7))
    assert net.predict(x).dtype == np.float32
    assert net.predict((x * 50).astype(np.int16)).shape == (90, 4)


@pytest.mark.parametrize("optimizer", [gt.SGD(0.1, 0.9), gt.Adam(), gt.AdamW()])
def test_an_optimizer_remembers_each_network_by_itself(optimizer: Optimizer) -> None:
    first = trained(network(), optimizer=optimizer).step_losses
    second = trained(network(), optimizer=optimizer).step_losses
    assert first == second
    assert eval(repr(optimizer), vars(gt)).settings() == optimizer.settings()


def test_a_nan_in_the_input_is_found_with_its_sample() -> None:
    x, y = points()
    x[37, 0, 1, 2] = np.nan
    net = network()
    sentence = r"step \d+: input\[\d+,0,1,2\], sample 37 is nan, .* clean the data"
    with pytest.raises(gt.NonFiniteError, match=sentence):
        gt.train(net, (x, y), batch_size=16, progress=False)
    assert all(np.isfinite(array).all() for array in net.parameters.values())


def test_an_infinity_is_found_in_the_layer_that_made_it() -> None:
    layers = [gt.Conv2d(2, 1, name="first"), gt.Flatten(), gt.Linear(4)]
    net = gt.Network((1, 4, 4), layers, dtype=np.float64)
    net.parameters["first.weight"] = np.full((2, 1, 1, 1), 1e300)
    x, y = points()
    x[5, 0, 0, 3] = 1e30
    before = net.parameters["fc1.weight"].copy()
    sentence = (
        r"step 1: first.output\[5,0,0,3\] of layer 'first' \(Conv2d\), sample 5 is inf, the "
        r"first that is not finite \(2 of 512 there\)"
    )
    with pytest.raises(gt.NonFiniteError, match=sentence):
        gt.train(net, (x[:16], y[:16]), batch_size=16, shuffle=False, progress=False)
    np.testing.assert_array_equal(net.parameters["fc1.weight"], before)


def test_a_broken_parameter_is_named() -> None:
    net = network()
    net.parameters["conv1.weight"][2, 0, 1, 1] = np.inf
    sentence = r"conv1.weight\[2,0,1,1\] of layer 'conv1' \(Conv2d\) is inf.* it was so before this"
    with pytest.raises(gt.NonFiniteError, match=sentence):
        trained(net)


def test_a_gradient_that_is_not_finite_is_named() -> None:
    net = gt.Network((1,), [gt.Linear(2), gt.Linear(2)], dtype=np.float64)
    net.parameters["fc1.weight"] = np.full((2, 1), 1e-300)
    net.parameters["fc2.weight"] = np.array([[1e300, 1e300], [-1e300, 1.0]])
    sentence = r"the gradient of fc1.weight\[0,0\] of layer 'fc1' \(Linear\) is -?(inf|nan)"
    with pytest.raises(gt.NonFiniteError, match=sentence):
        gt.train(net, (np.array([[1e20]]), [1]), progress=False)


class Interrupting(Reference):
    """Ctrl-C in the middle of step 8, whose number is 7."""

    def step(self, network, batch, *arguments, **keywords):
        if batch.step == 7:
            raise KeyboardInterrupt
        return super().step(network, batch, *arguments, **keywords)


def test_ctrl_c_returns_the_state_of_the_last_finished_step() -> None:
    stopped, stepped = network(), network()
    history = trained(stopped, epochs=3, engine=Interrupting())
    assert history.interrupted
    assert (history.steps, history.epochs) == (7, 1)
    x, y = points()
    loss, losses = gt.CrossEntropy(), []
    trainer = Reference().trainer(stepped, loss, gt.Adam())
    for step in range(7):
        order = stream(0, "order", step // 6).permutation(90)
        chosen = order[step % 6 * 16 :][:16]
        batch = Batch.of(stepped, stepped.checked(x[chosen]), y[chosen], loss, 0, step)
        losses.append(trainer.step(batch).loss)
    trainer.store()
    assert history.step_losses == losses
    for name, array in {**stepped.parameters, **stepped.buffers}.items():
        np.testing.assert_array_equal({**stopped.parameters, **stopped.buffers}[name], array)


class InterruptedUpdate(gt.SGD):
    """Ctrl-C while the third update is computed."""

    calls = 0

    def scalars(self, step: int):
        self.calls += 1
        if self.calls == 3:
            raise KeyboardInterrupt
        return super().scalars(step)


def test_ctrl_c_in_an_update_leaves_weights_and_momentum_whole() -> None:
    net, optimizer = network(), InterruptedUpdate(0.1, momentum=0.9)
    history = trained(net, optimizer=optimizer)
    assert history.steps == 2
    assert optimizer.remembered(net).step == 2


def test_an_update_that_overflows_is_not_made() -> None:
    net = network()
    before = net.parameters["fc1.weight"].copy()
    with pytest.raises(gt.NonFiniteError, match="step 1: .* the update would make a parameter"):
        trained(net, optimizer=gt.SGD(1e300))
    np.testing.assert_array_equal(net.parameters["fc1.weight"], before)


def beyond_float32() -> gt.Network:
    """Its output is 3e38 · 10, which float64 holds and float32 does not."""
    net = gt.Network((1,), [gt.Linear(1)])
    net.parameters["fc1.weight"][...] = 3e38
    return net


@pytest.mark.parametrize("engine", ["reference", "cpu"])
def test_a_prediction_beyond_float32_is_infinite_without_a_warning(engine: str) -> None:
    predicted = beyond_float32().predict(np.full((2, 1), [[10.0], [1.0]]), engine=engine)
    assert predicted.tolist() == [[np.inf], [float(np.float32(3e38))]]


@pytest.mark.parametrize("optimizer", [gt.SGD(0.1), gt.SGD(0.1, momentum=0.9), gt.Adam(0.1)])
def test_an_update_by_hand_beyond_float32_gives_no_warning(optimizer: Optimizer) -> None:
    net = beyond_float32()
    optimizer.update(net, {"fc1.weight": np.full((1, 1), 1e60), "fc1.bias": np.zeros(1)})
    assert not np.isfinite(net.parameters["fc1.weight"]).any()
    assert net.parameters["fc1.bias"].tolist() == [0.0]


def test_a_validation_loss_that_is_not_finite_stops_training() -> None:
    x, y = points(20)
    x[3, 0, 0, 0] = np.inf
    net = gt.Network((1, 4, 4), [gt.Flatten(), gt.Linear(4)])
    with pytest.raises(gt.NonFiniteError, match="epoch 1: the validation loss is nan"):
        trained(net, validation=(x, y))


def test_momentum_may_be_switched_on_later() -> None:
    net, optimizer = network(), gt.SGD(0.1)
    t = gt.trace(net, *points())
    optimizer.update(net, t.grad)
    optimizer.momentum = 0.9
    optimizer.update(net, t.grad)
    with pytest.raises(gt.ArgumentError, match="loss must be an object such as gt.CrossEntropy"):
        gt.trace(net, *points(), loss="mse")


def test_networks_and_optimizers_go_through_pickle_and_copy() -> None:
    import copy
    import pickle

    net, optimizer = network(), gt.Adam(0.01)
    trained(net, optimizer=optimizer)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(twin.predict(points()[0]), net.predict(points()[0]))
    assert pickle.loads(pickle.dumps(optimizer)).settings() == optimizer.settings()


def test_progress_is_a_line_per_epoch_where_there_is_no_terminal(capsys) -> None:
    gt.train(network(), points(), epochs=2, validation=points(20))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert "validation accuracy" in lines[0]
    gt.train(network(), points(), progress=False)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_progress_is_a_bar_in_a_terminal(monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    gt.train(network(), points(), epochs=2)
    shown = capsys.readouterr().err
    assert "images/s" in shown
    assert "━" in shown


def test_what_fits_is_checked_before_anything_runs() -> None:
    net = network()
    before = net.parameters["fc1.weight"].copy()
    x, y = points()
    y[89] = 7
    with pytest.raises(gt.DataError, match="label 7 at position 89"):
        gt.train(net, (x, y), progress=False)
    np.testing.assert_array_equal(net.parameters["fc1.weight"], before)
    with pytest.raises(gt.ArgumentError, match="epochs must be a whole number ≥ 1, got 0"):
        trained(net, epochs=0)
    with pytest.raises(gt.ArgumentError, match=r"an object such as gt.Adam\(\), got 'adam'"):
        trained(net, optimizer="adam")


WEIGHTS = gt.CrossEntropy(weight=(1.0, 5.0, 0.2, 0.0))


def test_with_class_weights_the_mean_does_not_depend_on_the_batches() -> None:
    net, data = network(), points()
    figures = [gt.evaluate(net, data, loss=WEIGHTS, batch_size=b)["loss"] for b in (1000, 17, 1)]
    assert figures[1:] == pytest.approx(figures[:1] * 2, rel=1e-6)


def test_a_batch_whose_classes_all_have_weight_0_has_loss_0() -> None:
    net = gt.Network((1, 4, 4), [gt.Flatten(), gt.Linear(4)])
    x, _ = points(4)
    t = gt.trace(net, x, [3, 3, 3, 3], loss=WEIGHTS)
    assert t.loss == 0
    np.testing.assert_array_equal(t.grad["fc1.weight"], 0)
    with pytest.raises(
        gt.DataError, match="all labels in data are of classes with weight 0; nothing"
    ):
        gt.train(net, (x, [3, 3, 3, 3]), loss=WEIGHTS, progress=False)


def test_a_perfect_prediction_has_loss_plus_0() -> None:
    net = gt.Network((2,), [gt.Flatten()], dtype=np.float64)
    assert str(gt.trace(net, [[0.0, 1e4]], [1]).loss) == "0.0"


def test_a_nan_in_the_targets_is_not_blamed_on_the_learning_rate() -> None:
    net = gt.Network((1, 4, 4), [gt.Flatten(), gt.Linear(1)])
    x, y = points(8)[0], np.ones(8)
    y[5] = np.nan
    sentence = r"loss.target\[\d,0\] of layer 'loss' .*, sample 5 is nan.*clean"
    with pytest.raises(gt.NonFiniteError, match=sentence):
        gt.train(net, (x, y), loss=gt.MeanSquaredError(), progress=False)


def test_equal_seeds_for_network_and_training_share_no_stream() -> None:
    from gradtrail.streams import stream

    drawn = [stream(0, purpose, 0).random() for purpose in ("parameters", "order")]
    assert len(set(drawn)) == 2
