"""The paper's claims, each judged by a stated test."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import inf
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lit_faces.errors import UserError
from lit_faces.studies.collect import PerImage, Results
from lit_faces.studies.judges import JUDGED, is_blind
from lit_faces.studies.statements import Claim, Order
from lit_faces.studies.study import Study

Verdict = Literal["confirmed", "refuted", "undecided", "not tested"]

_RESAMPLES = 2000
_INTERVAL = f"averaged over seeds; 95 % interval of its mean from {_RESAMPLES} bootstrap resamples of persons"
_PAIRED = f"paired difference over the test images, {_INTERVAL}"


@dataclass(frozen=True)
class Judgement:
    """A claim, its verdict and the evidence: the mean, of a difference or a sum, with its 95 % interval for each part."""

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
    judged = any(metric.startswith(JUDGED) for metric in claim.metrics)
    return judged and any(is_blind(study, results, run) for run in claim.runs())


def _guess(claim: Claim) -> Judgement:
    return Judgement(claim.claim, "not tested", "the classifier is near chance", [])


def _judge(claim: Claim, results: Results) -> Judgement:
    pairs = _pairs(claim, results)
    if not pairs or any(np.isnan(values).all() for _, values, _ in pairs):
        return Judgement(claim.claim, "not tested", "its runs or metrics are not measured", [])
    evidence = [{"of": name, **interval(values, identity)} for name, values, identity in pairs]
    lows, highs = [e["low"] for e in evidence], [e["high"] for e in evidence]
    least, most, test = _test(claim)
    verdict: Verdict = "undecided"
    if min(lows) > least and max(highs) < most:
        verdict = "confirmed"
    # What rises by editing is refuted if it falls by every edit; of all else one part that lies outside is enough.
    elif max(highs) < least if claim.rises else min(highs) < least or max(lows) > most:
        verdict = "refuted"
    return Judgement(claim.claim, verdict, test, evidence)


def _test(claim: Claim) -> tuple[float, float, str]:
    """Between which values every interval must lie, and the test in words."""
    if claim.gain:
        most = claim.gain["at_most"]
        lies = (
            f"Confirmed if the interval of every metric lies below {most:g}, refuted if some lies above, else undecided"
        )
        return -inf, most, f"{_PAIRED}. {lies}"
    bounds, what = claim.equal or claim.level or {}, _PAIRED
    if claim.level:
        *others, last = claim.level["metrics"]
        summed = f"sum of {', '.join(others)} and {last} over the test images that have them all"
        what = f"{summed if others else f'{last} over the test images'}, {_INTERVAL}"
    if "within" in bounds:
        middle, margin = bounds.get("is", 0), bounds["within"]
        lies = f"Confirmed if the interval lies within {margin:g} of {middle:g}, refuted if outside, else undecided"
        return middle - margin, middle + margin, f"{what}. {lies}"
    least = bounds.get("above", 0)
    return least, inf, f"{what}. Confirmed if the interval lies above {least:g}, refuted if below, else undecided"


Pair = tuple[str, NDArray[np.float64], NDArray[np.int64]]


def _pairs(claim: Claim, results: Results) -> list[Pair]:
    """What is judged: names, values (N,) and identities (N,); none if a part was not measured."""
    if claim.rises:
        return _rises(results.per_image.get(claim.rises["run"]), claim.rises["from"], claim.rises["to"])
    if claim.level:
        return _level(results, claim.level["run"], claim.level["metrics"])
    orders = claim.orders
    if claim.equal:
        first, *others = claim.equal["runs"]
        orders = (Order(claim.equal["metric"], first, tuple(others)),)
    if claim.gain:
        orders = tuple(Order(metric, claim.gain["run"], (claim.gain["over"],)) for metric in claim.gain["metrics"])
    parts = [(order, _differences(order, results)) for order in orders]
    if not all(found for _, found in parts):
        return []
    several = len({order.metric for order in orders}) > 1
    return [
        (f"{name} ({order.metric})" if several else name, values, identity)
        for order, found in parts
        for name, values, identity in found
    ]


def _level(results: Results, run: str, metrics: Sequence[str]) -> list[Pair]:
    """The sum of metrics of each image that has them all."""
    measured = results.per_image.get(run)
    columns = [] if measured is None else [_values(measured, metric) for metric in metrics]
    there = [column for column in columns if column is not None]
    if measured is None or len(there) < len(metrics):
        return []
    return [(f"{run} ({' + '.join(metrics)})", np.sum(there, axis=0), measured.identity)]


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
    endings = [name.removeprefix(after) for name in values.columns if name == after or name.startswith(after + "/")]
    pairs = [
        (
            ending.removeprefix("/") or f"{after} - {before}",
            values.columns[after + ending] - values.columns[before + ending],
            values.identity,
        )
        for ending in endings
        if before + ending in values.columns
    ]
    # An edit that no test face could take part in says nothing of the others.
    return [pair for pair in pairs if not np.isnan(pair[1]).all()]


def interval(values: NDArray[np.float64], identity: NDArray[np.int64]) -> dict[str, Any]:
    """Mean of values (N,) with its 95 % bootstrap interval, persons resampled; NaN entries take no part."""
    known = ~np.isnan(values)
    values, identity = values[known], identity[known]
    person = np.unique(identity, return_inverse=True)[1]
    sums, sizes = np.bincount(person, values), np.bincount(person)
    generator = np.random.default_rng(0)
    draws = generator.integers(len(sums), size=(_RESAMPLES, len(sums)))
    means = sums[draws].sum(1) / sizes[draws].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    mean = float(values.mean())
    return {"mean": mean, "low": float(low), "high": float(high), "n": len(values), "persons": len(sums)}
