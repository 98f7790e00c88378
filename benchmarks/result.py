"""What a benchmark found, and on what machine: one JSON file a benchmark."""

import os
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.timing import Seconds, spread
from benchmarks.workload import Scale, device
from lit_faces.cli import fast_precision
from lit_faces.files import write_json

# What decides how fast a processor multiplies fp32 and bf16 matrices.
_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16")


def machine() -> dict[str, Any]:
    """Versions, processor, threads, precision, memory allocator and load."""
    name, flags = _processor()
    return {
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("lit_faces", "torch", "pytorch-lightning", "numpy")},
        },
        "system": platform.platform(),
        "processor": name,
        "processor_flags": {flag: flag in flags for flag in _FLAGS},
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device()) if device().type == "cuda" else "cpu",
        "fast_precision": fast_precision(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "allocator": {
            "keep_freed_memory": "on, but where a benchmark compares with off",
            "environment": {key: value for key, value in os.environ.items() if key.startswith(("MALLOC_", "GLIBC_"))},
            "preloaded": os.environ.get("LD_PRELOAD", ""),
        },
        "load_average": os.getloadavg()[0],
    }


def _processor() -> tuple[str, set[str]]:
    """Name and flags of the processor, as Linux tells them; elsewhere a name alone."""
    file = Path("/proc/cpuinfo")
    if not file.exists():
        return platform.processor(), set()
    lines = (line.partition(":") for line in file.read_text(encoding="utf-8").splitlines())
    facts = {key.strip(): value.strip() for key, _, value in lines}
    return facts.get("model name", platform.processor()), set(facts.get("flags", "").split())


@dataclass
class Result:
    """A benchmark's ratios with their goals, its times, the checks made before timing, and the machine as it was then.

    `checks` are largest differences, each with the tolerance that it met. `ratios` are those of `speed_up` and others that
    have a median.
    """

    name: str
    scale: Scale
    checks: dict[str, dict[str, float]] = field(default_factory=dict)
    ratios: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, dict[str, Any]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=machine)

    def check(self, name: str, difference: float, tolerance: float) -> None:
        """Note a difference. Raises ValueError if it is larger than the tolerance: nothing is worth timing then."""
        if not difference <= tolerance:
            raise ValueError(f"{self.name}: {name} is {difference:.3g}, more than {tolerance:.3g}")
        self.checks[name] = {"difference": difference, "tolerance": tolerance}

    def add(self, seconds: Seconds, prefix: str = "") -> None:
        """Keep the times of an interleaved run."""
        self.seconds |= {prefix + name: spread(values) for name, values in seconds.items()}

    def write(self, folder: Path) -> Path:
        """Write `NAME.json` into a folder."""
        path = folder / f"{self.name}.json"
        write_json(path, asdict(self))
        return path
