"""Graphs of layers: the functional language, shared weights, and how they are written down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_mutants import Mutant

import gradtrail as gt
from gradtrail.exploring.session import Session
from gradtrail.exploring.step_description import describe_step
from gradtrail.graph.difference import difference
from gradtrail.layers.functional import Block, GraphNode
from gradtrail.network.architecture import network_from


def crossing(dtype: Any = np.float32) -> gt.Network:
    """Branches that cross, with a convolution and a batch norm in two places each."""
    x = gt.Input((2, 5, 6))
    conv, norm = gt.Conv2d(3, 3, padding=1), gt.BatchNorm2d()
    a = gt.ReLU()(gt.Conv2d(3, 3, padding=1)(x))
    b = norm(conv(a))
    c = norm(conv(b + a))
    d = b * c + a
    return gt.Network(x, gt.Linear(3)(gt.Flatten()(gt.concat(d, b, a))), seed=1, dtype=dtype)


CROSSING = """\
input = Input((2, 5, 6))
conv1 = Conv2d(3, 3, padding=1)(input)
relu1 = ReLU()(conv1)
conv2 = Conv2d(3, 3, padding=1)(relu1)
norm1 = BatchNorm2d()(conv2)
add1 = add(norm1, relu1)
conv2_2 = conv2.layer(add1)
norm1_2 = norm1.layer(conv2_2)
mul1 = multiply(norm1, norm1_2)
add2 = add(mul1, relu1)
concat1 = concat(add2, norm1, relu1)
flatten1 = Flatten()(concat1)
fc1 = Linear(3)(flatten1)
Network(input, fc1, seed=1)"""


def test_a_graph_prints_as_the_code_that_makes_it() -> None:
    assert repr(crossing()) == CROSSING
    names = {name: getattr(gt, name) for name in gt.__all__}
    *lines, last = CROSSING.splitlines()
    exec("\n".join(lines), names)
    assert repr(eval(last, names)) == CROSSING


def test_a_node_knows_its_shape_and_says_where_it_is_from() -> None:
    x = gt.Input((3, 8, 8))
    y = gt.Conv2d(4, 3, stride=2)(x)
    assert (x.shape, y.shape, (y + y).shape) == ((3, 8, 8), (4, 3, 3), (4, 3, 3))
    assert repr(x) == "Input((3, 8, 8))"
    assert repr(y) == "<node of Conv2d(4, 3, stride=2): (3, 8, 8) → (4, 3, 3)>"
    assert repr(y * y) == "<node of Multiply(): (4, 3, 3) and (4, 3, 3) → (4, 3, 3)>"


def test_a_chain_of_calls_is_the_list() -> None:
    x = gt.Input((1, 6, 6))
    body = [gt.Conv2d(2, 3, padding=1), gt.ReLU()]
    node = gt.Residual(body)(gt.Conv2d(2, 1)(x))
    layers = [gt.Conv2d(2, 1), gt.Residual(body)]
    called, listed = gt.Network(x, node, seed=3), gt.Network((1, 6, 6), layers, seed=3)
    assert difference(called, listed) is None
    assert [*called.parameters] == [*listed.parameters]
    for name, array in listed.parameters.items():
        np.testing.assert_array_equal(called.parameters[name], array)
    straight = gt.Network(x, gt.ReLU()(gt.Conv2d(2, 1)(x)))
    assert straight.architecture() == gt.Network((1, 6, 6), [layers[0], gt.ReLU()]).architecture()
    assert straight.layers == (gt.Conv2d(2, 1), gt.ReLU())


def test_in_a_list_the_same_object_is_two_layers() -> None:
    conv = gt.Conv2d(2, 3, padding=1)
    block = gt.Residual([conv, conv])
    net = gt.Network((2, 5, 5), [conv, block, block, gt.Concat([conv], [conv])])
    assert len(net.parameters) == 2 * 7
    assert all(step.shares is None for step in net.steps)


def test_a_block_called_twice_shares_its_weights() -> None:
    x = gt.Input((2, 5, 5))
    block = gt.Residual([gt.Conv2d(2, 3, padding=1), gt.ReLU(), gt.Conv2d(2, 3, padding=1)])
    net = gt.Network(x, block(block(x)))
    assert [step.name for step in net.steps] == [
        *("conv1", "relu1", "conv2", "add1"),
        *("conv1_2", "relu2", "conv2_2", "add2"),
    ]
    assert [*net.parameters] == ["conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"]


class Fresh(Block):
    """A block that makes its layers anew in each call."""

    takes = (1, 2)
    name = None

    def forward(self, *nodes: GraphNode) -> GraphNode:
        made = [gt.Conv2d(3, 1)(gt.Residual([gt.Conv2d(2, 1)])(node)) for node in nodes]
        return gt.add(*made) if len(made) > 1 else made[0]


def test_a_block_that_makes_its_layers_in_each_call_shares_them_too() -> None:
    x, block = gt.Input((2, 4, 4)), Fresh()
    one, other = block(x), block(gt.ReLU()(x))
    net = gt.Network(x, one + other)
    assert [*net.parameters] == ["conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"]
    twice = gt.Network(x, Fresh()(x, x))  # two layers of one call are two
    assert len(twice.parameters) == 8


def test_a_named_layer_called_twice_is_told_apart() -> None:
    x, act = gt.Input((2,)), gt.ReLU(name="act")
    net = gt.Network(x, act(act(gt.Linear(2)(x))))
    assert [step.name for step in net.steps] == ["fc1", "act", "act_2"]


@pytest.mark.parametrize("engine", ["reference", "cpu"])
def test_shared_statistics_move_once_for_each_use(engine: str) -> None:
    net, x = crossing(), np.random.default_rng(0).normal(size=(7, 2, 5, 6)).astype(np.float32)
    t = gt.trace(net, x, np.arange(7) % 3, engine="reference")
    expected = {"norm1.running_mean": 0.0, "norm1.running_var": 1.0}
    for use in ("conv2", "conv2_2"):
        output = t.value[f"{use}.output"]
        mean, variance = output.mean((0, 2, 3)), output.var((0, 2, 3), ddof=1)
        for name, moved in zip(expected, (mean, variance), strict=True):
            expected[name] = 0.9 * expected[name] + 0.1 * moved
    gt.train(
        net, (x, np.arange(7) % 3), batch_size=7, epochs=1, engine=engine, progress=False,
        optimizer=gt.SGD(0.1),
    )  # fmt: skip
    for name, array in expected.items():
        np.testing.assert_allclose(net.buffers[name], array, rtol=1e-4, atol=1e-5)


def test_terms_say_which_use_each_product_belongs_to() -> None:
    net, x = crossing(np.float64), np.random.default_rng(0).normal(size=(3, 2, 5, 6))
    t = gt.trace(net, x, [0, 1, 2])
    terms = t.grad.terms("conv2.weight", (1, 2, 0, 1))
    rows = [*terms]
    assert {row.layer for row in rows} == {"conv2", "conv2_2"}
    total = sum(row.product for row in rows)
    assert abs(total - t.grad["conv2.weight"][1, 2, 0, 1]) < 1e-12
    assert gt.check_gradients(net, x, [0, 1, 2])


def test_a_graph_is_saved_and_loaded(tmp_path: Path) -> None:
    net, x = crossing(), np.random.default_rng(0).normal(size=(3, 2, 5, 6))
    net.save(tmp_path / "net.safetensors")
    again = gt.load(tmp_path / "net.safetensors")
    assert difference(net, again) is None
    np.testing.assert_array_equal(net.predict(x), again.predict(x))
    assert network_from(net.architecture()).architecture() == net.architecture()


def test_two_graphs_differ_by_what_they_share() -> None:
    x, conv = gt.Input((2, 4, 4)), gt.Conv2d(2, 1)
    shared = gt.Network(x, conv(conv(x)))
    own = gt.Network(x, gt.Conv2d(2, 1, name="conv1_2")(gt.Conv2d(2, 1)(x)))
    assert difference(shared, own) == (
        "layer 2 'conv1_2' (Conv2d) uses those of conv1, not weights of its own"
    )
    data = own.architecture()
    assert difference(own, network_from(data)) is None


def broken(**changes: Any) -> Any:
    """The crossing network's JSON with a node exchanged, or another key."""
    data: dict[str, Any] = crossing().architecture()
    if "nodes" in changes:
        data["nodes"][1] |= changes.pop("nodes")
    return data | changes


BROKEN = {
    r"'reluu1'": broken(nodes={"from": ["reluu1"]}),
    r"nodes\[1\]\.from must be a list of names, got \[\]": broken(nodes={"from": []}),
    r"nodes\[1\]: name must be a word of its own, got 'conv1'": broken(nodes={"name": "conv1"}),
    r"nodes\[1\] must be .*got": broken(nodes={"extra": 1}),
    r"nodes\[1\]\.layer: no layer is called 'RelU'": broken(nodes={"layer": {"type": "RelU"}}),
    r"Residual is made of several layers": broken(
        nodes={"layer": {"type": "Residual", "body": [{"type": "ReLU"}]}}
    ),
    r"nodes\[1\]\.layer: no node before it is called 'conv7'": broken(nodes={"layer": "conv7"}),
    r"nodes\[1\]\.layer: no argument of Add is called 'x'": broken(
        nodes={"layer": {"type": "Add", "x": 1}}
    ),
    r"Add\(\) takes 2 to 25 nodes, got 1": broken(nodes={"layer": {"type": "Add"}}),
    r"inputs must be \{name: shape\}, got \[\]": broken(inputs=[]),
    r"outputs must be \{name: node\}, got \{\}": broken(outputs={}),
    r"outputs: no node before it is called 'z'": broken(outputs={"output": "z"}),
    r"Input: shape is one sample's": broken(inputs={"input": [0]}),
    r"has no key 'layers'": broken(layers=[]),
    r"nodes must be a list, got 'x'": {"inputs": {}, "nodes": "x", "outputs": {}},
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_a_graph_in_json_that_is_none_is_refused(sentence: str) -> None:
    with pytest.raises(gt.ArgumentError, match=sentence):
        network_from(BROKEN[sentence])


def wrong(kind: str) -> Any:
    x, y = gt.Input((2, 6, 6)), gt.Input((2, 6, 6))
    conv = gt.Conv2d(2, 3)
    return {
        "array": lambda: gt.ReLU()(np.zeros((1, 2, 6, 6))),
        "layer": lambda: gt.ReLU()(conv),
        "list": lambda: gt.concat([x, x]),
        "two": lambda: conv(x, x),
        "one": lambda: gt.add(x),
        "number": lambda: x + 1,
        "front": lambda: np.ones(3) * x,
        "shapes": lambda: conv(x) * x,
        "window": lambda: gt.Conv2d(2, 7)(x),
        "no input": lambda: gt.Network(x, y + x),
        "not needed": lambda: gt.Network([x, y], conv(x)),
        "no layer": lambda: gt.Network(x, x),
        "not a node": lambda: gt.Network(x, conv),
        "mixed": lambda: gt.Network((2, 6, 6), conv(x)),
        "inner": lambda: gt.Network(conv(x), conv(x)),
        "twice": lambda: gt.Network([x, x], conv(x)),
        "shared": lambda: gt.Network(x, gt.Flatten()(conv(gt.concat(conv(x), conv(x))))),
        "name": lambda: gt.Network(x, gt.ReLU(name="input")(x)),
        "taken": lambda: gt.Network(x, gt.ReLU(name="a")(gt.Tanh(name="a")(x))),
        "shape": lambda: gt.Input((2, 0)),
        "word": lambda: gt.Input((2,), name=3),  # type: ignore[arg-type]
    }[kind]


WRONG = {
    "array": r"ReLU\(\) takes nodes, got an array of .*gt\.Input\(shape\) gives the first node",
    "layer": r"ReLU\(\) takes nodes, got a Conv2d; call it on a node first",
    "list": r"Join\(\) takes nodes, got .*; write them one after another, without the brackets",
    "two": r"Conv2d\(2, 3\) takes 1 node, got 2; gt\.concat, gt\.add or gt\.multiply make one",
    "one": r"Add\(\) takes 2 to 25 nodes, got 1",
    "number": r"\+ 1: both must be nodes; a number stands in a formula, such as gt.Pointwise",
    "front": r"\* an array of shape \(3,\): both must be nodes",
    "shapes": r"input 1 is 2 × 4 × 4 but input 2 is 2 × 6 × 6; a product element by element",
    "window": r"Conv2d\(2, 7\) on Input\(\(2, 6, 6\)\): a window of 7 does not fit into the 6",
    "no input": r"needs Input\(\(2, 6, 6\)\), which is not among the inputs",
    "not needed": r"no output needs Input\(\(2, 6, 6\)\); leave it out",
    "no layer": r"the output is an input; call at least one layer on it",
    "not a node": r"outputs takes nodes, got a Conv2d; call it on a node first",
    "mixed": r"inputs are what gt\.Input\(shape\) gives, got 2",
    "inner": r"inputs are what gt\.Input\(shape\) gives, got <node of Conv2d",
    "twice": r"an input is listed twice",
    "shared": r"'conv1_3' \(Conv2d\) shares conv1\.weight, which has shape \(2, 2, 3, 3\), "
    r"but would need \(2, 4, 3, 3\)",
    "name": r"is a word of letters, digits and _, and not input or loss; got 'input'",
    "taken": r"two layers are called 'a'; give one another name",
    "shape": r"Input: shape is one sample's \(channels, height, width\) or \(features,\)",
    "word": r"Input: name must be a word, got 3",
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_makes_no_graph_is_said(kind: str) -> None:
    with pytest.raises((gt.ArgumentError, gt.ShapeError), match=WRONG[kind]):
        wrong(kind)()


def test_a_graph_has_no_list_of_layers() -> None:
    with pytest.raises(gt.ArgumentError, match="a graph, which no list of layers says"):
        _ = crossing().layers


def test_the_plan_counts_shared_weights_once() -> None:
    plan, net = crossing().plan(), crossing()
    assert plan.parameter_count == sum(array.size for array in net.parameters.values())
    assert "those of conv2" in str(plan)


def siamese(dtype: Any = np.float32) -> gt.Network:
    """Two images through the same layers, and numbers beside them."""
    left, right = gt.Input((2, 6, 5), name="left"), gt.Input((2, 6, 5), name="right")
    extra = gt.Input((3,), name="extra")
    conv, fc = gt.Conv2d(3, 3), gt.Linear(4)
    one, other = (fc(gt.Flatten()(gt.ReLU()(conv(node)))) for node in (left, right))
    beside = gt.Tanh()(gt.Linear(4)(extra))
    joined = gt.concat(one * other, other, beside)
    return gt.Network([left, right, extra], gt.Linear(3)(joined), seed=2, dtype=dtype)


def pairs(count: int = 19) -> tuple[dict[str, np.ndarray], np.ndarray]:
    draw = np.random.default_rng(3)
    shapes = {"left": (2, 6, 5), "right": (2, 6, 5), "extra": (3,)}
    x = {name: draw.normal(size=(count, *shape)) for name, shape in shapes.items()}
    return x, np.arange(count) % 3


@pytest.mark.parametrize("engine", ["reference", "cpu"])
def test_several_inputs_are_predicted_traced_and_trained(engine: str) -> None:
    x, y = pairs()
    net, exact = siamese(), siamese(np.float64)
    t = gt.trace(exact, x, y)
    for name, array in x.items():
        np.testing.assert_array_equal(t.value[name], array)
    outputs = t.value["fc3.output"]
    for given in (x, tuple(x.values()), {name: x[name] for name in reversed(x)}):
        np.testing.assert_allclose(net.predict(given, engine=engine), outputs, atol=1e-5)
    one = {name: array[:1] for name, array in x.items()}
    np.testing.assert_allclose(net.predict(one, engine=engine), outputs[:1], atol=1e-5)
    near = gt.trace(net, x, y, engine=engine)
    for name in ("left", "right", "extra", "conv1.weight", "fc1.bias"):
        np.testing.assert_allclose(near.grad[name], t.grad[name], atol=1e-6)
    gt.train(
        net, (x, y), validation=(x, y), epochs=2, batch_size=8, engine=engine, progress=False,
        optimizer=gt.SGD(0.02),
    )  # fmt: skip
    gt.train(
        exact, (x, y), epochs=2, batch_size=8, progress=False, optimizer=gt.SGD(0.02),
    )  # fmt: skip
    np.testing.assert_allclose(
        net.parameters["conv1.weight"], exact.parameters["conv1.weight"], atol=1e-5
    )


def test_gradients_of_several_inputs_agree_with_differences() -> None:
    x, y = pairs(3)
    report = gt.check_gradients(siamese(np.float64), x, y)
    assert {"left", "right", "extra"} <= {element.array for element in report.elements}


def test_the_plan_tells_the_inputs_apart() -> None:
    plan = siamese().plan()
    assert plan["mul1"].fields_by_input[0][0] == "left"
    assert [name for name, _ in plan["fc3"].fields_by_input] == ["left", "right", "extra"]
    text = str(plan)
    assert "left 2×6×5 and right 2×6×5 and extra 3 per sample" in text
    assert "4 of fc1 and fc1_2 → 4" in text
    assert "2×6×5 of right → 3×4×3" in text
    assert "right: 3, jump 1, from 0" in text


def test_fields_of_several_inputs() -> None:
    net = siamese()
    assert net.receptive_field("conv1_2", (1, 2), of="right").rows == (1, 2, 3)
    with pytest.raises(gt.ArgumentError, match="conv1_2.output does not depend on left"):
        net.receptive_field("conv1_2", (1, 2), of="left")
    one = gt.Input((1, 4, 4), name="image")
    named = gt.Network(one, gt.Conv2d(1, 3)(one))
    assert named.receptive_field("conv1", (0, 0)).columns == (0, 1, 2)
    assert named.predict(np.ones((2, 1, 4, 4))).shape == (2, 1, 2, 2)


UNFIT = {
    r"x lacks the input 'right'; the network takes left, right, extra": {"left": 1},
    r"x must be \{name: array\} or 3 arrays in the order left, right, extra": [1, 2],
    r"x: no input is called 'z'": {**pairs()[0], "z": 1},
    r"got an array of shape \(19, 2, 6, 5\)": pairs()[0]["left"],
    r"as many samples, got 19 of left, 19 of right, 2 of extra": {
        **pairs()[0],
        "extra": pairs()[0]["extra"][:2],
    },
    r"x\['extra'\] has shape \(19, 2\), but the network takes \(N, 3\)": {
        **pairs()[0],
        "extra": pairs()[0]["extra"][:, :2],
    },
}


@pytest.mark.parametrize("sentence", UNFIT)
def test_samples_that_do_not_fit_several_inputs(sentence: str) -> None:
    with pytest.raises(gt.DataError, match=sentence):
        siamese().predict(UNFIT[sentence])


def test_several_inputs_have_no_one_shape() -> None:
    with pytest.raises(gt.ArgumentError, match="several inputs, left, right, extra; network.input"):
        _ = siamese().input_shape


def one_use_alone(sent, values, gradients, right):
    """A shared layer's gradient from its first use only."""
    share = right(sent, values, gradients)
    again = sent.node.name.endswith("_2") and sent.operand in sent.node.parameters
    return np.zeros_like(share) if again else share


def inputs_exchanged(sent, values, gradients, right):
    """What one input brings to a gradient is read from the other."""
    return right(sent, {**values, "left": values["right"], "right": values["left"]}, gradients)


def one_factor_forgotten(sent, values, gradients, right):
    """A product's gradient handed on as a sum's is."""
    if sent.node.kind != "Multiply":
        return right(sent, values, gradients)
    return gradients[sent.node.output]


@pytest.mark.parametrize("mistake", [one_use_alone, inputs_exchanged, one_factor_forgotten])
def test_the_checker_catches_mistakes_in_graphs(mistake: Any) -> None:
    x, y = pairs(3)
    with pytest.raises(gt.GradientError, match=r"array (conv1|fc1|left|right)"):
        gt.check_gradients(siamese(np.float64), x, y, engine=Mutant(mistake))


def test_the_page_shows_and_changes_every_input() -> None:
    x, y = pairs(2)
    session = Session(gt.trace(siamese(), x, y))
    assert describe_step(session)["inputs"] == ["left", "right", "extra"]
    session.apply([{"kind": "element", "name": "right", "index": [1, 0, 2, 3], "value": 9.0}])
    assert session.trace.value["right"][1, 0, 2, 3] == 9.0
    np.testing.assert_array_equal(session.trace.value["left"], x["left"].astype(np.float32))


def forked(named: bool = True) -> gt.Network:
    """Outputs at the end, in the middle, and of another rank."""
    x = gt.Input((2, 6, 6))
    before = gt.Conv2d(3, 3, padding=1)(x)
    maps = gt.ReLU()(before)
    scores = gt.Linear(4)(gt.Flatten()(gt.MaxPool2d(2)(maps)))
    ends = {"scores": scores, "maps": maps, "before": before}
    return gt.Network(x, ends if named else [*ends.values()], seed=5)


@pytest.mark.parametrize("count", [1, 19])
def test_several_outputs_are_predicted_by_name_or_in_a_list(count: int, tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=(count, 2, 6, 6)).astype(np.float32)
    net = forked()
    found, right = net.predict(x), net.predict(x, engine="reference")
    assert [*found] == ["scores", "maps", "before"]
    for name, array in right.items():
        assert array.dtype == np.float32
        np.testing.assert_allclose(found[name], array, atol=1e-5)
    np.testing.assert_array_equal(found["maps"], np.maximum(found["before"], 0))
    assert found["scores"].shape == (count, 4)
    listed = forked(named=False).predict(x)
    assert isinstance(listed, list)
    np.testing.assert_array_equal(listed[2], found["before"])
    net.save(tmp_path / "net.safetensors")
    again = gt.load(tmp_path / "net.safetensors").predict(x)
    np.testing.assert_array_equal(again["scores"], found["scores"])


def test_what_takes_one_output_says_so() -> None:
    x, sentence = np.ones((2, 2, 6, 6)), "has several outputs, scores, maps, before, but this takes"
    with pytest.raises(gt.ArgumentError, match=sentence):
        gt.confusion(forked(), (x, [0, 1]))
    assert difference(forked(), forked(named=False)) is None


@pytest.mark.parametrize(
    ("outputs", "sentence"),
    [
        (lambda x: [], "needs at least one output, got none"),
        (lambda x: {"a": gt.ReLU()(x), "b": x}, "the output is an input"),
        (lambda x: {"a b": gt.ReLU()(x)}, "an output's name is a word, got 'a b'"),
    ],
)
def test_outputs_that_are_none(outputs: Any, sentence: str) -> None:
    x = gt.Input((2, 4))
    with pytest.raises(gt.ArgumentError, match=sentence):
        gt.Network(x, outputs(x))
