"""The processor that code is made for: its name, its features, how many registers it has.

`GRADTRAIL_CPU` and `GRADTRAIL_CPU_FEATURES` override what the machine says of itself; virtual
machines at times say something wrong. `GRADTRAIL_CPU` may also be one of the presets `avx512`,
`avx2` and `baseline`.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from functools import cache

import llvmlite

from ...equation.frozen import frozen
from ...errors import ArgumentError
from .cache import read_stored, stored_path, write_stored
from .llvm import INSIDE

LANES = 16
"""How many samples stand side by side: one AVX-512 register, two of AVX2, four of NEON."""


def lane_groups(count: int) -> int:
    """How often sixteen lanes are begun for so many numbers."""
    return -(-count // LANES)


@frozen
class Target:
    """A processor to generate code for.

    Args:
        cpu: LLVM's name of it.
        features: LLVM's feature string, `+avx2,+fma,…`.
        width: how many float32 one register holds.
        registers: how many vector registers there are.
        fma: whether it multiplies and adds in one rounding.
    """

    cpu: str
    features: str
    width: int
    registers: int
    fma: bool

    @property
    def parts(self) -> int:
        """How many registers the 16 lanes of one value take."""
        return LANES // self.width

    @property
    def rate(self) -> float:
        """Multiply-adds of sixteen lanes that a core does in a cycle."""
        registers = (1.0 if self.width == 16 else 2.0) * (1.0 if self.fma else 0.5)
        return registers / self.parts

    def __str__(self) -> str:
        fused = "fused multiply-add" if self.fma else "no fused multiply-add"
        return f"{self.cpu}, {self.registers} registers of {self.width} float32, {fused}"


_PRESETS = {
    "avx512": ("x86-64-v4", "+avx512f,+avx512vl,+avx512dq,+avx512bw,+avx2,+fma"),
    "avx2": ("x86-64-v3", "+avx2,+fma,-avx512f"),
    "baseline": ("x86-64", "+sse2,-avx,-fma"),
}


@cache
def host() -> Target:
    """This machine, or what the environment says it is."""
    name, features = os.environ.get("GRADTRAIL_CPU"), os.environ.get("GRADTRAIL_CPU_FEATURES")
    if name in _PRESETS:
        return target_for(name)
    here, found = _detected()
    cpu = name or here
    if not name and not features:
        return _described(cpu, found)
    # what the machine has, less what the name lacks: a name brings nothing, but it takes away
    return _described(cpu, ",".join((found, *_lacking(cpu, features or ""))))


@cache
def _detected() -> tuple[str, str]:
    """LLVM's name of this machine's processor and its features.

    Both follow from what Linux tells of the first processor, so they are kept on disk under that:
    asking LLVM takes longer than loading a program.
    """
    told = _told()
    key = hashlib.sha256("\0".join((llvmlite.__version__, told)).encode()).hexdigest()
    path = stored_path(key, "processor") if told else None
    kept = read_stored(path)
    if kept is not None and kept.count(b"\n") == 1:
        name, features = kept.decode().split("\n")
        return name, features
    with INSIDE:
        import llvmlite.binding as llvm

        found = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    write_stored(path, "\n".join(found).encode())
    return found


def _told() -> str:
    """What Linux tells of the first processor; nothing elsewhere."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            first = file.read(1 << 14).partition("\n\n")[0]
    except OSError:
        return ""
    changing = ("cpu MHz", "bogomips", "BogoMIPS")
    return "\n".join(line for line in first.splitlines() if not line.startswith(changing))


def _lacking(cpu: str, features: str) -> tuple[str, ...]:
    """What the environment says, and before it what has to be switched off for it.

    It is tried in a process of its own, since LLVM ends the one that asks for what it does not
    know. LLVM tells no features of a name, but what code it makes shows them.

    Raises:
        ArgumentError: LLVM cannot make code for it.
    """
    import subprocess
    import sys

    tried = subprocess.run(
        [sys.executable, "-c", _TRIAL, cpu, features], capture_output=True, text=True, check=False
    )
    if tried.returncode or "not a recognized" in tried.stderr:
        cause = (tried.stderr.strip().splitlines() or ["no message"])[-1]
        names = ("GRADTRAIL_CPU", "GRADTRAIL_CPU_FEATURES")
        told = " with ".join(f"{n}={os.environ[n]!r}" for n in names if os.environ.get(n))
        raise ArgumentError(
            f"{told} is nothing that LLVM makes code for ({cause}); use {', '.join(_PRESETS)}, a "
            "name and features that LLVM knows, or unset it"
        )
    signs = _SIGNS if platform.machine() in ("x86_64", "AMD64") else {}
    off = (f"-{name}" for name, sign in signs.items() if not re.search(sign, tried.stdout))
    return (*off, features) if features else tuple(off)


_SIGNS = {"avx512f": "%zmm", "avx2": r"vpaddd.*%[yz]mm", "fma": "vfmadd", "avx": "%[yz]mm"}
"""How one knows from the trial's code that a processor has a feature."""

_TRIAL = """
import sys
import llvmlite.binding as llvm
llvm.initialize_native_target()
llvm.initialize_native_asmprinter()
target = llvm.Target.from_triple(llvm.get_process_triple())
machine = target.create_target_machine(cpu=sys.argv[1], features=sys.argv[2])
text = '''
declare <16 x float> @llvm.fma.v16f32(<16 x float>, <16 x float>, <16 x float>)
define <16 x float> @f(<16 x float> %x) #0 {
  %y = call <16 x float> @llvm.fma.v16f32(<16 x float> %x, <16 x float> %x, <16 x float> %x)
  ret <16 x float> %y
}
define <16 x i32> @g(<16 x i32> %x) #0 {
  %y = add <16 x i32> %x, %x
  ret <16 x i32> %y
}
attributes #0 = { "prefer-vector-width"="512" "min-legal-vector-width"="512" }
'''
print(machine.emit_assembly(llvm.parse_assembly(text)))
"""


@cache
def target_for(name: str | None) -> Target:
    """A preset by name; None is this machine.

    Raises:
        ArgumentError: no preset has the name.
    """
    if name is None:
        return host()
    if name not in _PRESETS:
        raise ArgumentError(
            f"target must be one of {', '.join(_PRESETS)} or None for this machine, got {name!r}"
        )
    return _described(*_PRESETS[name])


@cache
def runnable(target: Target) -> bool:
    """Whether this machine has what the target needs."""
    has = _switches(_detected()[1])
    wanted = _switches(target.features)
    return all(has.get(name, False) for name, on in wanted.items() if on and name in has)


def _switches(features: str) -> dict[str, bool]:
    """Which features are on and off; of several mentions the last counts."""
    return {f[1:]: f[0] == "+" for f in features.split(",") if f}


def _described(cpu: str, features: str) -> Target:
    listed = {("+" if on else "-") + f for f, on in _switches(features).items()}
    if "+avx512f" in listed and "+avx512vl" in listed:
        return Target(cpu, features, 16, 32, True)
    if "+avx2" in listed and "+fma" in listed:
        return Target(cpu, features, 8, 16, True)
    if platform.machine() in ("aarch64", "arm64"):
        return Target(cpu, features, 4, 32, True)
    return Target(cpu, features, 4, 16, False)
