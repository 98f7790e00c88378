"""The execution of a study: its runs in child processes, several at a time, and its report as far as they have come."""

import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lit_faces.errors import UserError
from lit_faces.files import write_json
from lit_faces.processes import Child, end, exit_when_terminated, use_threads, wait_for, wait_for_all
from lit_faces.run_folder import FOLDER_OPTION
from lit_faces.studies.plan import Run, write_overlays
from lit_faces.studies.study import Options, Study
from lit_faces.studies.time_left import Course, in_words, time_left

# What EpochLines prints, Python's warnings, and the errors of `lit-faces`.
_EPOCH = re.compile(r"epoch (\d+) of (\d+): (.*)")
_WARNING = re.compile(r"\w*Warning: .*")
_ERROR = "lit-faces: error: "
# Runs one verb of `lit-faces`, from its arguments to its exit code.
RunVerb = Callable[[list[str]], int]
# A report takes a quarter of a core where every core trains: with less it would not be there within minutes.
_NICENESS = 5


def execute(study: Study, options: Options, runs: list[Run], run_verb: RunVerb) -> None:
    """Train and evaluate what has not been done, `options.jobs` runs at a time; a run that was interrupted resumes.

    `run_verb` runs each run's verbs, in child processes. Raises UserError if a run fails or its folder holds another run,
    KeyboardInterrupt or SystemExit if it was stopped; the runs that were training then are stopped too, and resume when the study
    does.
    """
    write_overlays(study, options, runs)
    _Execution(study, options, runs, run_verb).go_on_to_the_end()


def in_order(runs: Sequence[Run]) -> list[Run]:
    """The study's first method and what it needs, the other classifiers, then the runs of most epochs.

    So the first pictures come early, and few jobs wait for the last one to end.
    """
    main = next(run for run in runs if not run.is_judge)

    def rank(run: Run) -> tuple[int, int]:
        if run.is_judge:
            return (0 if run.name in main.needs else 2), 0
        return (1, 0) if run is main else (3, -run.epochs)

    return sorted(runs, key=rank)


@dataclass
class _Job:
    """A run and the process that is at one of its commands; `slot` distinguishes it from those that work beside it."""

    run: Run
    title: str
    course: Course
    slot: int = 0
    verbs: list[tuple[str, ...]] = field(default_factory=list)
    child: Child | None = None
    has_pictures: bool = False

    @property
    def is_working(self) -> bool:
        return self.child is not None

    def say(self, what: str) -> None:
        print(f"{self.title}: {what}", flush=True)


class _Execution:
    def __init__(self, study: Study, options: Options, runs: list[Run], run_verb: RunVerb) -> None:
        self.study, self.options, self.run_verb = study, options, run_verb
        self.jobs = []
        for number, run in enumerate(in_order(runs), 1):
            seed = f", seed {run.seed}" if len(options.seeds) > 1 and not run.is_judge else ""
            title = f"[{number}/{len(runs)}] {run.name}{seed}"
            self.jobs.append(_Job(run, title, Course(run.epochs, run.is_judge)))
        self.reporting: Child | None = None
        self.report_is_due = self.report_was_begun = False
        self.reported_outcomes: set[bool] = set()

    def go_on_to_the_end(self) -> None:
        try:
            for job in self.jobs:
                if job.run.is_planned() and not job.run.lost:
                    job.course.ended = True
                    job.say("done before")
            while any(not job.course.ended for job in self.jobs):
                self.begin()
                wait_for(self.children(), 1.0)
                for job in self.jobs:
                    if job.child is not None:
                        self.follow(job, job.child)
                self.renew_report()
        except KeyboardInterrupt:
            # A terminal has interrupted the children too: let them stop in order.
            wait_for_all(self.children(), 10)
            raise
        finally:
            end(self.children())

    def children(self) -> list[Child]:
        children = [job.child for job in self.jobs] + [self.reporting]
        return [child for child in children if child is not None]

    def begin(self) -> None:
        """Let jobs begin while there is a slot and one that has what it needs."""
        done = {job.run.name for job in self.jobs if job.course.ended}
        for job in self.jobs:
            free = set(range(self.options.jobs)) - {other.slot for other in self.jobs if other.is_working}
            if not free:
                return
            if not job.course.ended and not job.is_working and job.run.needs <= done:
                job.slot, job.verbs = min(free), [job.run.fit, job.run.test]
                if job.run.is_planned():
                    # What is made again may be interrupted before it is whole.
                    job.run.done.unlink()
                job.say(f"trains in {job.run.folder.path}")
                job.course.begins(time.monotonic())
                self.begin_verb(job)

    def begin_verb(self, job: _Job) -> None:
        environment = {FOLDER_OPTION: "--runs FOLDER", **gpus_of(job.slot, self.options.devices)}
        job.child = Child(self.run_verb, list(job.verbs.pop(0)), environment=environment)

    def follow(self, job: _Job, child: Child) -> None:
        """Report what a job has done since; go on to its next command when it has ended."""
        now, code = time.monotonic(), child.code
        for line in child.lines():
            if epoch := _EPOCH.fullmatch(line):
                number, epochs = int(epoch[1]), int(epoch[2])
                job.course.finishes_epoch(number, epochs, now)
                job.say(f"epoch {number} of {epochs}, {_measure(epoch[3])}{self.remaining()}")
            elif warning := _WARNING.search(line):
                job.say(warning[0])
        if not job.has_pictures and job.run.folder.checkpoint.is_file():
            # Its first epoch is over, or it resumes.
            job.has_pictures = True
            self.report_is_due |= not job.run.is_judge or not self.report_was_begun
        if code is None:
            return
        if code != 0:
            raise _failure(job.title, child)
        job.child = None
        if job.verbs:
            job.course.is_evaluated(now)
            self.begin_verb(job)
            return
        job.course.ends(now)
        write_json(job.run.done, job.run.plan)
        self.report_is_due = True
        job.say(f"done{self.remaining()}")

    def remaining(self) -> str:
        """The time left for the whole study, at the end of a line; nothing while it is not known."""
        seconds = time_left([job.course for job in self.jobs], self.options.jobs)
        return f"; {in_words(seconds)} left" if seconds else ""

    def renew_report(self) -> None:
        """Write the report anew if there is more to see, one at a time; it may fail, but not stop the study."""
        if self.reporting is not None:
            child, code = self.reporting, self.reporting.code
            child.lines()
            if code is None:
                return
            self.reporting = None
            if (succeeded := code == 0) not in self.reported_outcomes:
                self.reported_outcomes.add(succeeded)
                page = self.options.reports / self.study.name / self.options.label / "index.html"
                why = child.last_lines[-1].removeprefix(_ERROR) if child.last_lines else f"it ended with code {code}"
                print(f"report so far: {page}" if succeeded else f"no report before the end: {why}", flush=True)
        if self.report_is_due and any(not job.course.ended for job in self.jobs):
            self.report_is_due, self.report_was_begun = False, True
            done = sum(job.course.ended for job in self.jobs)
            progress = f"{done} of {len(self.jobs)} runs{self.remaining().replace(';', ',')}"
            self.reporting = Child(write_interim_report, self.study, self.options, progress)


def gpus_of(slot: int, devices: int) -> dict[str, str]:
    """The environment that gives the job in a slot GPUs of its own, while there are enough; nothing where there are none."""
    import torch

    count = torch.cuda.device_count()
    if count == 0:
        return {}
    visible = [gpu for gpu in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if gpu]
    visible = visible or [str(gpu) for gpu in range(count)]
    own = [visible[(slot * devices + number) % count] for number in range(devices)]
    return {"CUDA_VISIBLE_DEVICES": ",".join(own)}


def write_interim_report(study: Study, options: Options, progress: str) -> int:
    """The report of a study that goes on, in a child that takes little from those that train; returns the exit code."""
    from lit_faces.studies.report import write_report

    os.nice(_NICENESS)
    use_threads(1)
    try:
        with exit_when_terminated():
            write_report(study, options, progress)
    except UserError as error:
        print(f"{_ERROR}{error}", file=sys.stderr, flush=True)
        return 2
    return 0


def _measure(values: str) -> str:
    """The measure on validation that was logged in an epoch, or the loss if there was no validation."""
    named = values.split(", ")
    return next((value for value in named if value.startswith("validation/")), named[0])


def _failure(title: str, child: Child) -> BaseException:
    """What to raise for a child that failed: it was stopped, has said why, or has crashed, and what it said last is printed."""
    code, said = child.code, [*child.last_lines]
    if code in (130, -2):
        return KeyboardInterrupt()
    if code in (143, -15):
        return SystemExit(143)
    errors = [line.removeprefix(_ERROR) for line in said if line.startswith(_ERROR)]
    if code == 2 and errors:
        return UserError(f"{title}: {errors[-1]}")
    if code == -9:
        return UserError(
            f"{title}: the system has killed it, probably for want of memory: give fewer --jobs; the same command resumes"
        )
    print("\n".join(said), file=sys.stderr)
    return UserError(f"{title}: it ended with code {code}; its last lines above say why")
