"""How long a study will still take, as far as its runs have shown."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import mean


@dataclass
class Course:
    """How far a run is, and what it has taken. Times are of one clock, in seconds.

    A run is begun, finishes its epochs one by one, is evaluated and ends. What one that resumes has been trained for is known
    from its first epoch on.
    """

    epochs: int
    is_judge: bool
    trained: int = 0
    ended: bool = False
    evaluation: float | None = None
    """Seconds of the evaluation, once the run has ended."""
    _since: float = 0.0
    _seconds: list[float] = field(default_factory=list)

    def begins(self, now: float) -> None:
        """Training begins."""
        self._since = now

    def finishes_epoch(self, number: int, epochs: int, now: float) -> None:
        """The epoch with this number of all `epochs`, counted from 1, is over."""
        self.trained, self.epochs = number, epochs
        self._seconds.append(now - self._since)
        self._since = now

    def is_evaluated(self, now: float) -> None:
        """Evaluation begins."""
        self.trained, self._since = self.epochs, now

    def ends(self, now: float) -> None:
        """All is done."""
        self.ended, self.evaluation = True, now - self._since

    @property
    def pace(self) -> float | None:
        """Seconds an epoch, as far as this sitting has shown; its first one has the start-up too."""
        return mean(self._seconds[1:] or self._seconds) if self._seconds else None


def time_left(courses: Sequence[Course], jobs: int) -> float | None:
    """Seconds until all runs have ended, `jobs` of them at a time; None while nothing is known of some.

    A run that has not shown its pace is taken to have the mean pace of its kind: of the classifiers, or of the methods.
    """
    left = []
    for course in courses:
        if course.ended:
            continue
        like = [other for other in courses if other.is_judge == course.is_judge]
        paces = [course.pace] if course.pace is not None else [o.pace for o in like if o.pace is not None]
        if not paces and course.trained < course.epochs:
            return None
        evaluations = [other.evaluation for other in like if other.evaluation is not None]
        epochs = course.epochs - course.trained
        left.append(epochs * mean(paces or [0.0]) + mean(evaluations or [0.0]))
    return max(sum(left) / jobs, *left) if left else 0.0


def in_words(seconds: float) -> str:
    """A time as one would say it."""
    if seconds < 5:
        return "a few seconds"
    if seconds < 90:
        return f"about {max(10, round(seconds, -1)):.0f} seconds"
    if seconds < 90 * 60:
        return f"about {seconds / 60:.0f} minutes"
    return f"about {seconds / 3600:.1f} hours"
