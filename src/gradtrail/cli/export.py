"""`gradtrail export`: a trained network for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import ArgumentError
from ..network import Network
from ..network.saving import save_network
from ..storage.files import check_writable, write_bytes
from .messages import one_error, said
from .path_types import PATH, WORD, check_ending, check_taken
from .word_meanings import network_of, words

_ENDINGS = {"onnx": ".onnx", "torch": ".py", "safetensors": ".safetensors"}


@click.command("export")
@click.argument("run", type=WORD, shell_complete=words(lambda: ()))
@click.option("--to", "form", type=click.Choice(list(_ENDINGS)), required=True)
@click.option(
    "--out",
    type=PATH,
    help="The file to write; by default RUN's name in this folder.",
)
@click.option(
    "--opset",
    type=int,
    help="With --to onnx: the version of its operators, 9 to 28; by default the lowest that does.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@one_error
def export_command(
    run: str, form: str, out: Path | None, opset: int | None, overwrite: bool
) -> None:
    """Write RUN's network for other programs.

    RUN is a run's folder, a saved network, or whatever else `gradtrail plan` takes.

    \b
    onnx          what it computes in evaluation, for ONNX Runtime and others
    torch         a Python file with a torch.nn.Module, and its weights beside it as safetensors;
                  the file needs torch and safetensors, and nothing of gradtrail
    safetensors   weights and running statistics under their names, the architecture with them

    Example: gradtrail export runs/digits-cnn-1 --to onnx --out digits.onnx
    """  # noqa: D301, click looks for the backspace itself
    source, ending = Path(run).resolve(), _ENDINGS[form]
    if out is not None:
        check_ending("--out", out, [ending])
    name = source.stem if source.is_file() else source.name
    if form != "onnx" and opset is not None:
        raise ArgumentError(f"--opset is for --to onnx, not for --to {form}")
    target = out or Path(f"{name}{ending}")
    weights = target.with_suffix(_ENDINGS["safetensors"])
    files = [target, weights] if form == "torch" else [target]
    if not overwrite:
        check_taken("--out", *files)
    for file in files:
        check_writable(file)
    network = network_of(run, None, 0)
    _write(network, form, target, weights, opset)
    said(f"wrote {' and '.join(map(str, files))}")


def _write(network: Network, form: str, target: Path, weights: Path, opset: int | None) -> None:
    """Write the files of one form; weights before the program that reads them."""
    if form == "onnx":
        from ..interop import to_onnx

        to_onnx(network, target, **({} if opset is None else {"opset": opset}))
    elif form == "torch":
        from ..interop.pytorch.torch_source import torch_source

        text = torch_source(network, weights.name)
        save_network(network, weights)
        write_bytes(target, text.encode())
    else:
        save_network(network, target)
