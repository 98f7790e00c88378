"""The time that is left of a study, from what is known of its runs."""

import pytest

from lit_faces.studies.time_left import Course, in_words, time_left


def course(epochs: int, *seconds: float, is_judge: bool = False, resumed: int = 0) -> Course:
    """One whose epochs took so long."""
    one, now = Course(epochs, is_judge), 100.0
    one.begins(now)
    for number, took in enumerate(seconds, resumed + 1):
        now += took
        one.finishes_epoch(number, epochs, now)
    return one


def finished(one: Course, evaluation: float) -> Course:
    one.is_evaluated(0.0)
    one.ends(evaluation)
    return one


def test_nothing_is_said_before_a_method_has_shown_its_pace() -> None:
    judge = course(4, 10.0, is_judge=True)
    assert time_left([judge, Course(12, False)], 1) is None
    assert time_left([judge, course(12)], 2) is None
    # A judge that is done says nothing of a method either.
    assert time_left([finished(course(1, 5.0, is_judge=True), 2.0), Course(12, False)], 1) is None
    assert time_left([judge], 1) == 30.0


def test_what_has_not_begun_takes_the_mean_time_of_what_has() -> None:
    # Of the first epoch, which has the start-up too, only while there is no other.
    running, other = course(12, 50.0, 10.0, 10.0), course(4, 30.0)
    assert time_left([running], 1) == 9 * 10
    assert time_left([running, other], 1) == 9 * 10 + 3 * 30
    assert time_left([running, other, Course(5, False)], 1) == 9 * 10 + 3 * 30 + 5 * 20


def test_evaluations_take_the_mean_time_of_those_that_are_over() -> None:
    done = finished(course(2, 7.0, 7.0), 6.0)
    assert time_left([done], 1) == 0
    assert time_left([done, Course(3, False)], 1) == 3 * 7 + 6
    evaluated = course(2, 7.0, 7.0)
    evaluated.is_evaluated(200.0)
    assert time_left([done, evaluated], 1) == 6


def test_jobs_share_the_work_but_no_run() -> None:
    same = [course(11, 10.0) for _ in range(4)]
    assert time_left(same, 1) == 400
    assert time_left(same, 2) == 200
    assert time_left([course(41, 10.0), course(2, 10.0)], 2) == 400


def test_a_run_that_resumes_has_its_earlier_epochs() -> None:
    assert time_left([course(12, 10.0, 10.0, resumed=7)], 1) == 3 * 10


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (2, "a few seconds"),
        (5, "about 10 seconds"),
        (44, "about 40 seconds"),
        (100, "about 2 minutes"),
        (490, "about 8 minutes"),
        (6000, "about 1.7 hours"),
    ],
)
def test_times_are_said_as_one_would(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
