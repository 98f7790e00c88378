"""The verbs `reproduce` and `report`."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lit_faces.arguments import Parser
from lit_faces.errors import UserError
from lit_faces.processes import check_devices, check_threads, cores, exit_when_terminated

if TYPE_CHECKING:
    from lit_faces.studies.schedule import RunVerb
    from lit_faces.studies.study import Options, Study


_METHODS = "methods, separated by commas (default: all of the study); the report keeps those made before"


def _parser(verb: str, description: str) -> argparse.ArgumentParser:
    parser = Parser(prog=f"lit-faces {verb}", description=description)
    parser.add_argument("study", help="name of a study: a folder of experiments/ with a study.yaml")
    parser.add_argument("--profile", default="laptop", help="smoke, laptop, desktop or paper (default: %(default)s)")
    parser.add_argument(
        "--data",
        default="auto",
        help="the paper's data or Synthetic (default: the paper's if they are there, else Synthetic)",
    )
    parser.add_argument("--seeds", default="0", help="seeds, separated by commas (default: %(default)s)")
    parser.add_argument("--methods", default="", help=_METHODS)
    parser.add_argument("--devices", type=int, default=1, help="processes, one a device (default: %(default)s)")
    parser.add_argument(
        "--jobs", type=int, help="runs trained at a time (default: one a core, or one on --devices GPUs)"
    )
    parser.add_argument(
        "--threads", type=int, help="processor threads of each run (default: what the profile says, else cores / jobs)"
    )
    parser.add_argument("--epochs", type=int, help="epochs of each method (default: what the profile says)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the runs (default: %(default)s)")
    parser.add_argument(
        "--reports", type=Path, default=Path("reports"), help="folder of reports (default: %(default)s)"
    )
    return parser


def _options(parsed: argparse.Namespace) -> "tuple[Study, Options]":
    from lit_faces.studies.study import Options, read_study

    study = read_study(parsed.study)
    study.profile(parsed.profile)
    try:
        seeds = tuple(int(seed) for seed in parsed.seeds.split(","))
    except ValueError as error:
        raise UserError(f"--seeds must be whole numbers separated by commas, got {parsed.seeds!r}") from error
    if parsed.epochs is not None and parsed.epochs < 1:
        raise UserError(f"--epochs must be at least 1, got {parsed.epochs}")
    check_devices("--devices", parsed.devices)
    if parsed.jobs is not None and parsed.jobs < 1:
        raise UserError(f"--jobs must be at least 1, got {parsed.jobs}")
    if parsed.threads is not None:
        check_threads("--threads", parsed.threads)
    if min(seeds) < 0 or max(seeds) >= 2**32 or len(set(seeds)) < len(seeds):
        raise UserError(f"--seeds must be different numbers from 0 to 4294967295, got {parsed.seeds!r}")
    methods = tuple(parsed.methods.split(",")) if parsed.methods else ()
    unknown = set(methods) - set(study.runs)
    if "" in unknown:
        raise UserError(
            f"--methods must be names separated by commas, got {parsed.methods!r}: use some of {', '.join(study.runs)}"
        )
    if unknown:
        raise UserError(f"{study.name} has no method {', '.join(sorted(unknown))}: use some of {', '.join(study.runs)}")
    from lit_faces.studies.sources import settle

    data, stand_ins, said = settle(
        study, parsed.data, parsed.profile, study.chosen(parsed.profile, methods, study.data)
    )
    for line in said:
        print(f"{study.name}, profile {parsed.profile}: {line}", flush=True)
    options = Options(parsed.profile, data, stand_ins, seeds, methods, parsed.devices)
    options = replace(options, epochs=parsed.epochs, runs=parsed.runs, reports=parsed.reports)
    return study, _with_jobs(study, options, parsed.jobs, parsed.threads)


def _with_jobs(study: "Study", options: "Options", jobs: int | None, threads: int | None) -> "Options":
    """As many jobs as were asked for or have a core, or their GPUs, for themselves; each with its part of the cores.

    Threads that the profile gives stand in its config.
    """
    import torch

    jobs = jobs or max(1, (torch.cuda.device_count() or cores()) // options.devices)
    if threads is None and study.threads(options.profile) is None:
        threads = max(1, cores() // (jobs * options.devices))
    return replace(options, jobs=jobs, threads=threads)


def reproduce(arguments: Sequence[str], run_verb: "RunVerb") -> None:
    """Train and evaluate what is missing of a study, write its report, print its table and the report's path.

    `run_verb` runs one verb of `lit-faces` in a child process.
    """
    description = "Train and evaluate a paper's methods and write the report. What was done before is not done again."
    study, options = _options(_parser("reproduce", description).parse_args(arguments))
    from lit_faces.studies.plan import plan
    from lit_faces.studies.schedule import execute

    with exit_when_terminated():
        execute(study, options, plan(study, options), run_verb)
        _report(study, options)


def report(arguments: Sequence[str]) -> None:
    """Write a study's report again, from the records and checkpoints that are there."""
    parser = _parser("report", "Write the report of a study again from its records.")
    parser.add_argument("--publish", action="store_true", help="also renew docs/results and the verdicts in README.md")
    parsed = parser.parse_args(arguments)
    study, options = _options(parsed)
    with exit_when_terminated():
        _report(study, options)
    if parsed.publish:
        from lit_faces.studies.publish import publish

        report_folder = options.reports / study.name / options.label
        for page in publish(study, report_folder, Path("docs"), Path("README.md")):
            print(f"wrote {page}")


def _report(study: "Study", options: "Options") -> None:
    from lit_faces.studies.report import write_report

    print(write_report(study, options), flush=True)
