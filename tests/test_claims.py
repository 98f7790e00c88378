"""Claims: what is confirmed, refuted, undecided and not tested, and on which images."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lit_faces.errors import UserError
from lit_faces.studies.claims import Judgement, interval, judge
from lit_faces.studies.collect import PerImage, Results, Row, _per_image
from lit_faces.studies.statements import Claim, Order, claim_of
from lit_faces.studies.study import read_study
from lit_faces.studies.tables import claims_table, count_verdicts, lettered_tests, verdict_lines


def per_image(**columns: list[float]) -> PerImage:
    count = len(next(iter(columns.values())))
    return PerImage(np.arange(count), np.arange(count), {name: np.array(values) for name, values in columns.items()})


def verdicts(**runs: PerImage) -> dict[str, str]:
    judgements = judge(read_study("cmma"), Results([], {}, runs))
    return {judgement.claim: judgement.verdict for judgement in judgements}


def judged(claim: Claim, **runs: PerImage) -> Judgement:
    [judgement] = judge(replace(read_study("cmma"), claims=(claim,)), Results([], {}, runs))
    return judgement


NOISE = np.random.default_rng(0).normal(size=400)
EQUAL = Claim("equal", equal={"metric": "m", "runs": ["a", "b"], "within": 0.02})


def test_a_clear_difference_is_judged_and_noise_is_not() -> None:
    noise = np.random.default_rng(0).normal(size=400)
    better, worse = (noise + 5).tolist(), noise.tolist()
    claim = "CMMA's variational lower bound exceeds CVAE's (Table 2)"
    assert verdicts(cmma=per_image(elbo=better), cvae=per_image(elbo=worse))[claim] == "confirmed"
    assert verdicts(cmma=per_image(elbo=worse), cvae=per_image(elbo=better))[claim] == "refuted"
    other = np.random.default_rng(1).normal(size=400).tolist()
    assert verdicts(cmma=per_image(elbo=worse), cvae=per_image(elbo=other))[claim] == "undecided"
    assert verdicts(cmma=per_image(elbo=worse))[claim] == "not tested"


def test_an_edit_that_fails_keeps_the_claim_undecided() -> None:
    claim = "Faces edited by CMMA show the new attribute (section 4.5.2)"
    never, always = [0.0] * 50, [1.0] * 50
    works = {"unedited_hit/A": never, "edit_hit/A": always}
    fails = {"unedited_hit/B": never, "edit_hit/B": never}
    assert verdicts(cmma=per_image(**works))[claim] == "confirmed"
    assert verdicts(cmma=per_image(**works, **fails))[claim] == "undecided"


def test_the_interval_is_of_the_mean_over_persons() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(1.0, 2.0, 1000)
    alone = interval(values, np.arange(1000))
    half = 1.96 * values.std() / np.sqrt(1000)
    assert alone["high"] - alone["mean"] == pytest.approx(half, rel=0.1)
    # Ten pictures of each person that say the same thing carry a tenth of the evidence.
    copied = interval(np.repeat(values[:100], 10), np.repeat(np.arange(100), 10))
    once = interval(values[:100], np.arange(100))
    assert copied["high"] - copied["low"] == pytest.approx(once["high"] - once["low"], rel=0.05)


def test_images_that_took_no_part_are_left_out() -> None:
    values = np.array([1.0, np.nan, 3.0])
    assert interval(values, np.arange(3))["n"] == 2
    assert interval(values, np.arange(3))["mean"] == 2


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [
        (0.001 * NOISE, "confirmed"),
        (0.01 + 0.001 * NOISE, "confirmed"),
        (0.05 + 0.001 * NOISE, "refuted"),
        (-0.05 + 0.001 * NOISE, "refuted"),
        (0.02 + 0.001 * (NOISE - NOISE.mean()), "undecided"),
        (NOISE, "undecided"),
    ],
)
def test_two_runs_are_equal_within_a_margin(difference: np.ndarray, verdict: str) -> None:
    common = np.random.default_rng(1).normal(size=400)
    judgement = judged(EQUAL, a=per_image(m=(common + difference).tolist()), b=per_image(m=common.tolist()))
    assert judgement.verdict == verdict
    assert judgement.evidence[0]["mean"] == pytest.approx(difference.mean())
    assert "within 0.02 of 0" in judgement.test


def values(mean: float, spread: float) -> list[float]:
    return (mean + spread * (NOISE - NOISE.mean())).tolist()


@pytest.mark.parametrize(
    ("bounds", "mean", "spread", "verdict"),
    [
        ({"above": 0.9}, 0.95, 0.1, "confirmed"),
        ({"above": 0.9}, 0.85, 0.1, "refuted"),
        ({"above": 0.9}, 0.9, 0.1, "undecided"),
        ({"is": 1, "within": 0.05}, 1.02, 0.1, "confirmed"),
        ({"is": 1, "within": 0.05}, 0.9, 0.1, "refuted"),
        ({"is": 1, "within": 0.05}, 1.1, 0.1, "refuted"),
        ({"is": 1, "within": 0.05}, 1.05, 0.1, "undecided"),
        ({"is": 1, "within": 0.05}, 1, 2, "undecided"),
    ],
)
def test_the_level_of_a_sum(bounds: dict[str, float], mean: float, spread: float, verdict: str) -> None:
    # The parts differ much more between images than their sum does.
    wild = np.random.default_rng(3).normal(size=400)
    off, on = wild, np.array(values(mean, spread)) - wild
    claim = Claim("level", level={"run": "a", "metrics": ["off", "on"], **bounds})
    judgement = judged(claim, a=per_image(**{"off/A": off.tolist(), "on/A": on.tolist()}))
    assert judgement.verdict == verdict
    [evidence] = judgement.evidence
    assert (evidence["of"], evidence["mean"]) == ("a (off + on)", pytest.approx(mean))
    assert evidence["high"] - evidence["low"] == pytest.approx(2 * 1.96 * spread / 20, rel=0.15)
    where = "within 0.05 of 1, refuted if outside" if "is" in bounds else "above 0.9, refuted if below"
    assert judgement.test.startswith("sum of off and on over the test images that have them all, averaged over seeds")
    assert f"Confirmed if the interval lies {where}, else undecided" in judgement.test


def test_a_level_is_of_the_faces_that_have_all_metrics() -> None:
    columns = {"off": [1.0, 1.0, np.nan, 1.0], "on": [1.0, np.nan, 5.0, 1.0]}
    claim = Claim("level", level={"run": "a", "metrics": ["off", "on"], "is": 2, "within": 0.1})
    judgement = judged(claim, a=per_image(**columns))
    assert judgement.evidence == [{"of": "a (off + on)", "mean": 2.0, "low": 2.0, "high": 2.0, "n": 2, "persons": 2}]
    one = judged(Claim("level", level={"run": "a", "metrics": ["on"], "above": 0}), a=per_image(**columns))
    assert (one.evidence[0]["n"], one.verdict) == (3, "confirmed")
    assert one.test.startswith("on over the test images, averaged")
    for missing in (per_image(off=[1.0]), per_image(off=[1.0, np.nan], on=[np.nan, 1.0])):
        assert judged(claim, a=missing).verdict == "not tested"
    assert judged(claim, b=per_image(**columns)).verdict == "not tested"


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        ((-0.5, 0.02), "confirmed"),
        ((0.0, 0.08), "refuted"),
        ((0.08, 0.08), "refuted"),
        ((0.0, 0.05), "undecided"),
    ],
)
def test_a_gain_is_at_most_so_much_in_every_metric(differences: tuple[float, float], verdict: str) -> None:
    common = np.random.default_rng(4).normal(size=400)
    names = ("off", "on")
    base = per_image(**dict.fromkeys(names, common.tolist()))
    run = per_image(**{n: (common + values(d, 0.1)).tolist() for n, d in zip(names, differences, strict=True)})
    claim = Claim("gain", gain={"metrics": ["off", "on"], "run": "a", "over": "b", "at_most": 0.05})
    judgement = judged(claim, a=run, b=base)
    assert judgement.verdict == verdict
    assert [(e["of"], e["mean"]) for e in judgement.evidence] == [
        (f"a - b ({name})", pytest.approx(d, abs=1e-9)) for name, d in zip(names, differences, strict=True)
    ]
    assert "every metric lies below 0.05, refuted if some lies above" in judgement.test
    assert judged(claim, a=run).verdict == "not tested"
    assert judged(claim, a=run, b=per_image(off=common.tolist())).verdict == "not tested"


LEVEL = {"run": "a", "metrics": ["edit_hit"], "above": 0.9}
GAIN = {"metrics": ["edit_hit/A", "elbo"], "run": "a", "over": "b", "at_most": 0}


def test_a_claim_knows_its_metrics_and_runs() -> None:
    level, gain = claim_of({"claim": "x", "level": LEVEL}), claim_of({"claim": "x", "gain": GAIN})
    assert (level.metrics, level.runs()) == (("edit_hit",), ["a"])
    assert (gain.metrics, gain.runs()) == (("edit_hit/A", "elbo"), ["a", "b"])


@pytest.mark.parametrize(
    ("described", "said"),
    [
        ({}, "the claim 'x' needs one of orders, rises, equal, level, gain"),
        ({"level": LEVEL, "gain": GAIN}, "the claim 'x' needs one of orders"),
        ({"levels": LEVEL}, "unexpected keyword argument 'levels'"),
        (
            {"level": LEVEL | {"below": 1}},
            "needs level: {above, metrics, run} or {is, metrics, run, within}, got above, below, metrics, run",
        ),
        ({"level": {"run": "a", "metrics": ["elbo"], "is": 1}}, "needs level: {above, metrics, run} or"),
        ({"gain": {"metrics": ["elbo"], "run": "a"}}, "needs gain: {at_most, metrics, over, run}, got metrics, run"),
        ({"equal": {"metric": "elbo", "runs": ["a", "b"]}}, "needs equal: {metric, runs, within}, got metric, runs"),
        ({"rises": {"run": "a", "to": "edit_hit"}}, "needs rises: {from, run, to}, got run, to"),
        ({"level": LEVEL | {"above": "most"}}, "needs a number as level.above, got 'most'"),
        ({"level": LEVEL | {"metrics": []}}, "the claim 'x' names no metric"),
        (
            {"gain": GAIN | {"metrics": ["c_hat_of_hit"]}},
            "names the metric 'c_hat_of_hit', which is not measured image",
        ),
        (
            {"orders": [{"metric": "edit_hits", "better": "a", "worse": ["b"]}]},
            "names the metric 'edit_hits', which is not measured image by image: use one of ",
        ),
    ],
)
def test_a_wrong_claim_is_named(described: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError, match=re.escape(said)):
        claim_of({"claim": "x", **described})


def test_every_one_of_several_orders_must_hold() -> None:
    up, level = (NOISE + 5).tolist(), NOISE.tolist()
    runs = {"a": per_image(m=up, error=level), "b": per_image(m=level, error=up)}
    more, less = Order("m", "a", ("b",)), Order("error", "a", ("b",), lower=True)
    assert judged(Claim("both", (more, less)), **runs).verdict == "confirmed"
    assert [part["of"] for part in judged(Claim("both", (more, less)), **runs).evidence] == [
        "a - b (m)",
        "b - a (error)",
    ]
    assert judged(Claim("one", (more, replace(less, lower=False))), **runs).verdict == "refuted"
    shuffled = np.random.default_rng(2).permutation(NOISE).tolist()
    runs["b"] = per_image(m=level, error=shuffled)
    assert judged(Claim("one is noise", (more, less)), **runs).verdict == "undecided"
    assert judged(Claim("one is missing", (more, Order("other", "a", ("b",)))), **runs).verdict == "not tested"


def test_images_are_paired_by_their_rows() -> None:
    values = np.arange(50.0)
    one = PerImage(np.arange(50), np.arange(50), {"m": values + 1})
    other = PerImage(np.arange(10, 50)[::-1], np.arange(10, 50)[::-1], {"m": values[10:][::-1]})
    [evidence] = judged(Claim("m", (Order("m", "a", ("b",)),)), a=one, b=other).evidence
    assert evidence == {"of": "a - b", "mean": 1.0, "low": 1.0, "high": 1.0, "n": 40, "persons": 40}
    strangers = replace(other, identity=other.identity + 1)
    with pytest.raises(UserError, match="a and b were measured on different faces"):
        judged(Claim("m", (Order("m", "a", ("b",)),)), a=one, b=strangers)


def test_no_common_image_is_not_tested() -> None:
    some, absent = per_image(m=[1.0, 2.0]), per_image(m=[np.nan, np.nan])
    later = replace(some, row=some.row + 2)
    order = Claim("order", (Order("m", "a", ("b",)),))
    for claim in (order, EQUAL):
        for other in (absent, later):
            assert judged(claim, a=some, b=other).verdict == "not tested"
    rises = Claim("rises", rises={"run": "a", "from": "before", "to": "after"})
    never = {"before/A": [np.nan, np.nan], "after/A": [np.nan, np.nan]}
    assert judged(rises, a=per_image(**never)).verdict == "not tested"
    works = {"before/B": [0.0, 0.0], "after/B": [1.0, 1.0]}
    assert judged(rises, a=per_image(**never, **works)).verdict == "confirmed"


def test_what_rises_is_one_metric_or_all_behind_its_name() -> None:
    found = per_image(**{"hit/bottom/A": [0, 0], "hit/top/A": [1, 1], "hit/bottom/B": [0, 0], "hit/top/B": [0, 0]})
    one = Claim("one", rises={"run": "a", "from": "hit/bottom/A", "to": "hit/top/A"})
    assert [part["of"] for part in judged(one, a=found).evidence] == ["hit/top/A - hit/bottom/A"]
    assert judged(one, a=found).verdict == "confirmed"
    every = Claim("all", rises={"run": "a", "from": "hit/bottom", "to": "hit/top"})
    assert [part["of"] for part in judged(every, a=found).evidence] == ["A", "B"]
    assert judged(every, a=found).verdict == "undecided"


def test_seeds_of_different_images_are_refused(tmp_path: Path) -> None:
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    one.write_text("row,identity,m\n3,7,1\n5,8,\n")
    other.write_text("row,identity,m\n3,7,2\n5,8,4\n")
    values = _per_image([one, other])
    assert (values.row.tolist(), values.identity.tolist()) == ([3, 5], [7, 8])
    np.testing.assert_array_equal(values.columns["m"], [1.5, np.nan])
    other.write_text("row,identity,m\n3,7,2\n6,8,4\n")
    with pytest.raises(UserError, match="are of different images"):
        _per_image([one, other])


def test_each_distinct_test_is_told_with_its_claims() -> None:
    study = read_study("cmma")
    one = {"of": "a - b", "mean": 1234.5, "low": -0.00123, "high": 1.0}
    judgements = [
        Judgement("one", "confirmed", "by order", [one]),
        Judgement("two", "not tested", "nothing was measured", []),
        Judgement("three", "undecided", "by margin", [one, {**one, "of": "c", "mean": 2}]),
        Judgement("four", "refuted", "by order", [one]),
    ]
    assert lettered_tests(judgements) == {"A": "by order", "B": "by margin"}
    rows = claims_table(study, Results([], {}, {}), judgements).rows
    assert [row[-1] for row in rows] == ["A", "-", "B", "A"]
    assert [row[:2] for row in rows[:2]] == [["confirmed", "one"], ["not tested", "two"]]
    assert [row[2] for row in rows[:3]] == [
        "a - b: 1,230 [-0.00123, 1]",
        "nothing was measured",
        "2 to 1,230 in 2 comparisons",
    ]
    assert verdict_lines(judgements)[2].parts == ["a - b: 1,230 [-0.00123, 1]", "c: 2 [-0.00123, 1]"]
    assert count_verdicts(judgements) == "1 confirmed, 1 refuted, 1 undecided, 1 not tested"
    assert count_verdicts(judgements[:1]) == "1 confirmed"


def share(run: str, metric: str, value: float) -> Row:
    return Row(run, metric, value, 0.01, 50, [0], "share of faces", None, True, None, {})


def test_nothing_is_claimed_on_the_word_of_a_classifier_that_guesses() -> None:
    runs = ("condvae", "condvae_info")
    shown = per_image(**{"edit_hit/Eyeglasses": [1.0] * 30})
    for accuracy, verdict in ((0.5, "not tested"), (0.9, "confirmed")):
        rows = [share(run, "unedited_rate/Eyeglasses", 0.1) for run in runs]
        rows.append(share("judge", "balanced_accuracy/Eyeglasses", accuracy))
        found = judge(read_study("csvae"), Results(rows, {}, dict.fromkeys(runs, shown)))
        assert [j.verdict for j in found if j.claim.endswith("here on CelebA-Glasses")] == [verdict]


@pytest.mark.parametrize(
    "part",
    [
        {"level": {"run": "vae", "metrics": ["sharpness", "edit_hit"], "above": 0.9}},
        {"gain": {"metrics": ["sharpness", "edit_hit"], "run": "condvae", "over": "vae", "at_most": 0.1}},
    ],
)
def test_neither_a_level_nor_a_gain_is_known_from_guesses(part: dict[str, Any]) -> None:
    study = replace(read_study("csvae"), claims=(claim_of({"claim": "x", **part}),))
    shown = per_image(**{"edit_hit/Eyeglasses": [1.0] * 30}, sharpness=[1.0] * 30)
    for accuracy, verdict in ((0.5, "not tested"), (0.9, "confirmed")):
        # The judge of the second run is told by the second run's edits alone.
        rows = [share("vae", "unedited_rate/Eyeglasses", 0.1), share("judge", "balanced_accuracy/Eyeglasses", accuracy)]
        [found] = judge(study, Results(rows, {}, {"vae": shown, "condvae": shown}))
        assert found.verdict == verdict
