"""What `net.explain` prints, and the code it shows: text only, so the same on every machine."""

from __future__ import annotations

import platform

import pytest

import gradtrail as gt
from gradtrail.engines.cpu.builder import Code
from gradtrail.equation import text
from gradtrail.errors import UnknownNameError

from .targets import PRESETS

DIRECT = gt.CPU(target="avx2", winograd="off")

x86 = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="assembler text of x86 processors"
)


@pytest.fixture(scope="module")
def net() -> gt.Network:
    layers = [
        *(gt.Conv2d(4, 3, padding=1), gt.BatchNorm2d(), gt.ReLU(), gt.MaxPool2d(2)),
        *(gt.Conv2d(5, 3), gt.GELU(), gt.Dropout(0.25), gt.Flatten(), gt.Linear(6)),
    ]
    return gt.Network((3, 10, 9), layers, seed=0)


@pytest.mark.parametrize("layer", ["conv1", "conv2", "norm1", "pool1", "fc1", "dropout1", "loss"])
def test_golden(net: gt.Network, layer: str, golden) -> None:
    golden(f"explain-{layer}", str(net.explain(layer, engine=DIRECT)))


def test_golden_with_winograd(net: gt.Network, golden) -> None:
    engine = gt.CPU(target="avx2", winograd="f2")
    golden("explain-conv2-winograd", str(net.explain("conv2", engine=engine)))


def test_the_reference_shows_equations(net: gt.Network, golden) -> None:
    explained = net.explain("conv2", engine="reference")
    assert explained.equations == net.explain("conv2", engine=DIRECT).equations
    node = next(n for n in net.system(16, training=True).nodes if n.name == "conv2")
    assert explained.equations[0] == text(node.equation)
    assert [explained.ir(), explained.assembly()] == ["", ""]
    golden("explain-conv2-reference", str(explained))


def test_threads_change_nothing(net: gt.Network) -> None:
    one, many = (gt.CPU(threads, target="avx2", winograd="off") for threads in (1, 5))
    assert str(net.explain("conv2", engine=one)) == str(net.explain("conv2", engine=many))


def test_the_losss_name_counts(net: gt.Network) -> None:
    explained = net.explain("loss", loss=gt.MeanSquaredError(), engine=DIRECT)
    assert str(explained) != str(net.explain("loss", engine=DIRECT))


@pytest.mark.parametrize("engine", [DIRECT, "reference"], ids=["cpu", "reference"])
def test_a_layer_that_there_is_not(net: gt.Network, engine: gt.CPU | str) -> None:
    with pytest.raises(UnknownNameError, match=r"no layer is called 'conv3'; .*: conv2, conv1"):
        net.explain("conv3", engine=engine)
    with pytest.raises(UnknownNameError, match=r"'xyz'; there are: conv1, norm1, relu1"):
        net.explain("xyz", engine=engine)


@pytest.mark.parametrize("target", PRESETS)
@pytest.mark.parametrize("layer", ["conv2", "norm1", "pool1", "fc1", "dropout1", "loss"])
def test_the_ir_is_llvms(net: gt.Network, layer: str, target: str) -> None:
    import llvmlite.binding as llvm

    explained = net.explain(layer, engine=gt.CPU(target=target, winograd="f2"))
    assert explained.calls
    for number, _ in enumerate(explained.calls):
        module = llvm.parse_assembly(explained.ir(number))
        module.verify()
        (defined,) = (f for f in module.functions if not f.is_declaration)
        assert defined.name.startswith("k")


@x86
def test_the_machine_code_has_fused_multiply_adds(net: gt.Network) -> None:
    """AVX2's are of eight lanes each; the baseline has none."""
    engines = {name: gt.CPU(target=name, winograd="off") for name in PRESETS}
    code = {name: net.explain("conv2", engine=e).assembly(0) for name, e in engines.items()}
    for name in ("avx2", "avx512"):
        assert "vfmadd" in code[name], name
        assert ("%zmm" in code[name]) == (name == "avx512"), name
    assert "%ymm" in code["avx2"]
    assert "vfmadd" not in code["baseline"]
    assert "%xmm" in code["baseline"]


def test_the_code_is_a_function_of_two_addresses(net: gt.Network) -> None:
    explained = net.explain("fc1", engine=DIRECT)
    assert f"({Code('any', DIRECT.processor).signature})" in explained.ir(0)
