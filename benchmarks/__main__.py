"""`python -m benchmarks`: run all benchmarks, print a table of goals and measurements, write one JSON file each."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import freed_memory, parzen, study, training_loop, training_step
from benchmarks.result import Result
from benchmarks.workload import FULL, QUICK, Scale
from lit_faces.allocator import keep_freed_memory

BENCHMARKS: dict[str, Callable[[Scale], Result]] = {
    "training_step": training_step.run,
    "training_loop": training_loop.run,
    "freed_memory": freed_memory.run,
    "parzen": parzen.run,
    "study": study.run,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks that were asked for; returns the exit code 0, whether or not goals are met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ({', '.join(BENCHMARKS)}); all by default")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: try the benchmarks out, measure nothing")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "results", help="folder of the JSON files"
    )
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}: choose from {', '.join(BENCHMARKS)}")
    # As `lit-faces fit` does.
    keep_freed_memory()
    print(f"{'times as fast':<30} {'against':<26} {'goal':>7} {'median':>8} {'min':>8} {'max':>8}")
    for name in options.names or BENCHMARKS:
        result = BENCHMARKS[name](QUICK if options.quick else FULL)
        result.write(options.output)
        for label, ratio in result.ratios.items():
            goal, median = ratio["goal"], ratio["median"]
            wanted = "" if goal is None else f">={goal:g}"
            verdict = "" if goal is None else " met" if median >= goal else " missed"
            numbers = " ".join(f"{ratio[key]:8.2f}" for key in ("median", "min", "max"))
            print(f"{label:<30} {ratio['against']:<26} {wanted:>7} {numbers}{verdict}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
