"""Shares of faces that were measured label by label."""

from lit_faces.metrics.attributes import wilson_interval
from lit_faces.studies.collect import Results, Row


def by_label(results: Results, run: str, metric: str) -> dict[str, Row]:
    """The rows `metric/label` of a run by their labels."""
    start = f"{metric}/"
    return {
        row.metric.removeprefix(start): row for row in results.rows if row.run == run and row.metric.startswith(start)
    }


def interval(row: Row) -> tuple[float, float]:
    """Wilson's 95 % interval of a share; of several seeds that of one with their mean."""
    return wilson_interval(row.value * row.n, row.n)


def majority(results: Results, row: Row) -> float | None:
    """What guessing gives for an accuracy `metric/label`: the share of the more frequent value in training."""
    found = results.row(row.run, f"majority_accuracy/{row.metric.partition('/')[2]}")
    return None if found is None else found.value
