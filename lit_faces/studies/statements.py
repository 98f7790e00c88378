"""The claims of a paper, as a study states them."""

from dataclasses import dataclass
from typing import Any

# What is measured image by image, each of itself or of what follows behind a slash.
METRICS = frozenset(
    {
        "arithmetic_hit",
        "arithmetic_unedited",
        "c_hat_off_hit",
        "c_hat_on_hit",
        "counterfactual_mse",
        "edit_hit",
        "edit_inferred_hit",
        "elbo",
        "generation_hit",
        "identity_kept",
        "iwae",
        "kl",
        "label_right",
        "leakage_hit",
        "log_likelihood",
        "original_changed",
        "parzen_log_likelihood",
        "posterior_deviation",
        "prior_deviation",
        "probe_error",
        "probe_hit",
        "reconstruction_mse",
        "sharpness",
        "target_changed",
        "target_original",
        "unedited_hit",
        "unedited_identity_kept",
    }
)
# The keys of each kind of claim.
_KEYS: dict[str, tuple[set[str], ...]] = {
    "rises": ({"run", "from", "to"},),
    "equal": ({"metric", "runs", "within"},),
    "level": ({"run", "metrics", "above"}, {"run", "metrics", "is", "within"}),
    "gain": ({"metrics", "run", "over", "at_most"},),
}
_NUMBERS = ("within", "above", "is", "at_most")


@dataclass(frozen=True)
class Order:
    """A `metric` that `better` has more of than each of `worse` (less of, with `lower`)."""

    metric: str
    better: str
    worse: tuple[str, ...]
    lower: bool = False


@dataclass(frozen=True)
class Claim:
    """What the paper says and how it is judged.

    Either by `orders` of runs, all of which must hold, by what `rises` by editing in one run, by a metric being `equal`
    in two runs, up to a margin, by the `level` of a sum of metrics in one run, above a value or within a margin of it,
    or by the `gain` of one run over another being at most so much.
    """

    claim: str
    orders: tuple[Order, ...] = ()
    rises: dict[str, str] | None = None
    equal: dict[str, Any] | None = None
    level: dict[str, Any] | None = None
    gain: dict[str, Any] | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """What it is judged by."""
        named = [order.metric for order in self.orders]
        named += [self.rises["from"], self.rises["to"]] if self.rises else []
        named += [self.equal["metric"]] if self.equal else []
        named += [metric for part in (self.level, self.gain) if part for metric in part["metrics"]]
        return tuple(named)

    def runs(self) -> list[str]:
        """Every run that it speaks of."""
        named = [run for order in self.orders for run in (order.better, *order.worse)]
        named += self.equal["runs"] if self.equal else []
        named += [part["run"] for part in (self.rises, self.level, self.gain) if part]
        return [*named, *([self.gain["over"]] if self.gain else [])]


def claim_of(described: dict[str, Any]) -> Claim:
    """A claim from what study.yaml says. Raises TypeError, naming the claim, for other keys, metrics and numbers."""
    given = dict(described)
    orders = tuple(Order(**{**order, "worse": tuple(order["worse"])}) for order in given.pop("orders", ()))
    claim = Claim(orders=orders, **given)
    kinds = ("orders", *_KEYS)
    if sum(bool(getattr(claim, kind)) for kind in kinds) != 1:
        raise TypeError(f"the claim {claim.claim!r} needs one of {', '.join(kinds)}")
    for kind, choices in _KEYS.items():
        part = getattr(claim, kind) or {}
        if part and set(part) not in choices:
            wanted = " or ".join(f"{{{', '.join(sorted(keys))}}}" for keys in choices)
            raise TypeError(f"the claim {claim.claim!r} needs {kind}: {wanted}, got {', '.join(sorted(part))}")
        for key in _NUMBERS:
            if key in part and (isinstance(part[key], bool) or not isinstance(part[key], int | float)):
                raise TypeError(f"the claim {claim.claim!r} needs a number as {kind}.{key}, got {part[key]!r}")
    if not claim.metrics:
        raise TypeError(f"the claim {claim.claim!r} names no metric")
    for metric in claim.metrics:
        if metric.partition("/")[0] not in METRICS:
            raise TypeError(
                f"the claim {claim.claim!r} names the metric {metric!r}, which is not measured image by image: "
                f"use one of {', '.join(sorted(METRICS))}"
            )
    return claim
