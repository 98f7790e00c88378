"""The paper's claims, each judged by a stated test."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lit_faces.errors import UserError
from lit_faces.studies.collect import PerImage, Results
from lit_faces.studies.judges import JUDGED, is_blind
from lit_faces.studies.study import Claim, Order, Study

Verdict = Literal["confirmed", "refuted", "undecided", "not tested"]

_RESAMPLES = 2000
_PAIRED = (
    "paired difference over the test images, averaged over seeds; 95 % interval of its mean from "
    f"{_RESAMPLES} bootstrap resamples of persons"
)
_TEST = f"{_PAIRED}. Confirmed if the interval lies above 0, refuted if below, else undecided"


@dataclass(frozen=True)
class Judgement:
    """A claim, its verdict and the evidence: the mean difference with its 95 % interval for each part."""

    claim: str
    verdict: Verdict
    test: str
    evidence: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def judge(study: Study, results: Results) -> list[Judgement]:
    """Judge every claim of the study on what was measured; none on the word of a classifier that guesses."""
    return [_guess(claim) if _is_guessed(study, claim, results) else _judge(claim, results) for claim in study.claims]


def _is_guessed(study: Study, claim: Claim, results: Results) -> bool:
    return claim.metric.startswith(JUDGED) and any(is_blind(study, results, run) for run in claim.runs())


def _guess(claim: Claim) -> Judgement:
    return Judgement(claim.claim, "not tested", "the classifier that judges it is near chance", [])


def _judge(claim: Claim, results: Results) -> Judgement:
    if claim.rises:
        run = claim.rises["run"]
        pairs = _rises(results.per_image.get(run), claim.rises["from"], claim.rises["to"])
    elif claim.equal:
        pairs = _differences(
            Order(claim.equal["metric"], claim.equal["runs"][0], tuple(claim.equal["runs"][1:])), results
        )
    else:
        parts = [_differences(order, results) for order in claim.orders]
        pairs = [pair for part in parts for pair in part] if all(parts) else []
    if not pairs or any(np.isnan(difference).all() for _, difference, _ in pairs):
        return Judgement(claim.claim, "not tested", "the runs or metrics that it needs were not measured", [])
    evidence = [{"of": name, **interval(difference, identity)} for name, difference, identity in pairs]
    lows, highs = [e["low"] for e in evidence], [e["high"] for e in evidence]
    verdict: Verdict = "undecided"
    if claim.equal:
        margin = claim.equal["within"]
        if min(lows) > -margin and max(highs) < margin:
            verdict = "confirmed"
        elif max(lows) > margin or min(highs) < -margin:
            verdict = "refuted"
        return Judgement(
            claim.claim,
            verdict,
            f"{_PAIRED}. Confirmed if the interval lies within {margin:g} of 0, refuted if outside, else undecided",
            evidence,
        )
    if min(lows) > 0:
        verdict = "confirmed"
    elif max(highs) < 0 or (claim.orders and min(highs) < 0):
        verdict = "refuted"
    return Judgement(claim.claim, verdict, _TEST, evidence)


Pair = tuple[str, NDArray[np.float64], NDArray[np.int64]]


def _differences(order: Order, results: Results) -> list[Pair]:
    """Paired differences over the images that both runs measured, positive where the order holds; none if a run was not."""
    pairs: list[Pair] = []
    for worse in order.worse:
        one, other = results.per_image.get(order.better), results.per_image.get(worse)
        if one is None or other is None:
            return []
        first, second = (_values(values, order.metric) for values in (one, other))
        if first is None or second is None:
            return []
        _, here, there = np.intersect1d(one.row, other.row, assume_unique=True, return_indices=True)
        if (one.identity[here] != other.identity[there]).any():
            raise UserError(
                f"{order.better} and {worse} were measured on different faces: remove their folders and run "
                "`lit-faces reproduce` again"
            )
        difference = first[here] - second[there]
        name = f"{worse} - {order.better}" if order.lower else f"{order.better} - {worse}"
        pairs.append((name, -difference if order.lower else difference, one.identity[here]))
    return pairs


def _values(values: PerImage, metric: str) -> NDArray[np.float64] | None:
    """A column, or the mean of the columns `metric/...` over the edits that an image took part in."""
    if metric in values.columns:
        return values.columns[metric]
    parts = [column for name, column in values.columns.items() if name.startswith(metric + "/")]
    if not parts:
        return None
    table = np.array(parts)
    counts = (~np.isnan(table)).sum(0)
    return np.where(counts > 0, np.nansum(table, 0) / np.maximum(counts, 1), np.nan)


def _rises(values: PerImage | None, before: str, after: str) -> list[Pair]:
    if values is None:
        return []
    names = [name.partition("/")[2] for name in values.columns if name.startswith(after + "/")]
    pairs = [
        (name, values.columns[f"{after}/{name}"] - values.columns[f"{before}/{name}"], values.identity)
        for name in names
        if f"{before}/{name}" in values.columns
    ]
    # An edit that no test face could take part in says nothing of the others.
    return [pair for pair in pairs if not np.isnan(pair[1]).all()]


def interval(difference: NDArray[np.float64], identity: NDArray[np.int64]) -> dict[str, Any]:
    """Mean of paired differences (N,) with its 95 % bootstrap interval, persons resampled; NaN entries take no part."""
    known = ~np.isnan(difference)
    difference, identity = difference[known], identity[known]
    person = np.unique(identity, return_inverse=True)[1]
    sums, sizes = np.bincount(person, difference), np.bincount(person)
    generator = np.random.default_rng(0)
    draws = generator.integers(len(sums), size=(_RESAMPLES, len(sums)))
    means = sums[draws].sum(1) / sizes[draws].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    mean = float(difference.mean())
    return {"mean": mean, "low": float(low), "high": float(high), "n": len(difference), "persons": len(sums)}
