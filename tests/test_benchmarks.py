"""The benchmarks run, check what they compare, and write what was measured; how fast it was is not tested."""

import json
import math

import pytest

NAMES = {"training_step", "training_loop", "freed_memory", "parzen"}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    from benchmarks.__main__ import main

    folder = tmp_path_factory.mktemp("results")
    assert main(["--quick", "--output", str(folder), *NAMES]) == 0
    return {path.stem: json.loads(path.read_text()) for path in folder.iterdir()}


def test_every_benchmark_writes_its_file(results):
    from benchmarks.__main__ import BENCHMARKS

    assert results.keys() == NAMES
    # This one trains for minutes.
    assert BENCHMARKS.keys() - NAMES == {"study"}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_ratio_has_at_least_five_rounds_and_no_goal_at_tiny_sizes(results, name):
    result = results[name]
    assert result["scale"]["quick"]
    assert result["ratios"]
    for ratio in result["ratios"].values():
        assert len(ratio["rounds"]) >= 5
        assert 0 < ratio["min"] <= ratio["median"] <= ratio["max"] < math.inf
        assert ratio["goal"] is None
    for times in result["seconds"].values():
        assert 0 < times["min"] <= times["median"] <= times["max"]


@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_machine_is_described(results, name):
    machine = results[name]["machine"]
    assert machine["versions"].keys() == {"lit_faces", "python", "torch", "pytorch-lightning", "numpy"}
    assert machine["processor_flags"].keys() >= {"amx_bf16", "avx512_bf16"}
    assert machine["threads"] >= 1
    assert machine["fast_precision"] in ("bf16-mixed", "32-true")
    assert machine["allocator"].keys() == {"keep_freed_memory", "environment", "preloaded"}


@pytest.mark.parametrize(
    ("name", "checks"),
    [
        (
            "training_step",
            {"float64 loss of fast and plain, relative", "float64 gradients of fast and plain, relative"},
        ),
        ("training_loop", {"parameters trained by suite and bare loop, fp32"}),
        ("parzen", {"suite against float64, nats", "naive against float64, nats"}),
    ],
)
def test_what_is_compared_was_found_equal_first(results, name, checks):
    assert results[name]["checks"].keys() == checks
    for check in results[name]["checks"].values():
        assert check["difference"] <= check["tolerance"]


def test_a_difference_above_the_tolerance_ends_a_benchmark():
    from benchmarks.result import Result
    from benchmarks.workload import QUICK

    for difference in (0.2, math.nan):
        with pytest.raises(ValueError, match="outputs"):
            Result("name", QUICK).check("outputs", difference, 0.1)


def test_rounds_are_interleaved_after_a_warm_up():
    from benchmarks.timing import interleave, speed_up

    calls = []

    def work(name, seconds):
        def measure():
            calls.append(name)
            return seconds

        return measure

    times = interleave({"slow": work("slow", 3.0), "fast": work("fast", 1.5)}, 5)
    assert calls == ["slow", "fast"] + ["slow", "fast", "fast", "slow"] * 2 + ["slow", "fast"]
    assert speed_up(times, "fast", "slow", 1.0) == {
        "of": "fast",
        "against": "slow",
        "goal": 1.0,
        "median": 2.0,
        "min": 2.0,
        "max": 2.0,
        "rounds": [2.0] * 5,
    }


def test_too_few_rounds_are_refused():
    from benchmarks.timing import interleave

    with pytest.raises(ValueError, match="at least 5"):
        interleave({"one": lambda: 1.0}, 4)


def test_a_study_is_timed_with_one_job_and_with_two_in_turn(monkeypatch):
    from benchmarks import study
    from benchmarks.workload import FULL, QUICK

    calls = []

    def reproduce(jobs, words):
        calls.append((jobs, *words))
        record = {"training": {"seconds": 30.0, "threads": 1}, "evaluation": {"seconds": 10.0}}
        return 80.0 / jobs, [record, record]

    monkeypatch.setattr(study, "reproduce", reproduce)
    result = study.run(FULL)
    assert calls == [(1,), (2,), (2,), (1,), (1,), (2,)]
    assert result.ratios["a study, two jobs"]["rounds"] == [2.0] * 3
    assert result.seconds["1 job"]["median"] == 80.0
    assert result.details["share_of_evaluation"]["median"] == 0.25
    calls.clear()
    study.run(QUICK)
    assert [call[0] for call in calls] == [1, 2]
