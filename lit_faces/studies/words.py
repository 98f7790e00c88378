"""Metrics and settings in words for readers; records, results and CSVs keep their names."""

from collections.abc import Mapping
from typing import Any

_METRICS = {
    "elbo": "lower bound",
    "log_likelihood": "reconstruction term of the bound",
    "kl": "divergence term of the bound",
    "iwae": "importance-weighted bound",
    "posterior_deviation": "standard deviation of the posterior of the code",
    "prior_deviation": "standard deviation of the prior of the code",
    "parzen_log_likelihood": "Parzen log-likelihood",
    "pixels_at_variance_floor": "pixels at the variance floor",
    "nearest_sample_rms": "distance to the nearest sample",
    "reconstruction_mse": "reconstruction error",
    "sharpness": "sharpness of the reconstruction",
    "leakage": "leakage: accuracy of predicting the label from the code z",
    "unedited_rate": "attribute found without the edit",
    "edit_accuracy": "edit accuracy: attribute found after the edit",
    "edit_inferred_accuracy": "edit accuracy if the model infers the face's attributes",
    "edit_rise": "rise of the edit accuracy above the rate without the edit",
    "edit_change_in_others": "change of the other attributes",
    "generation_accuracy": "attribute found in generated faces",
    "counterfactual_mse": "squared error of the edited face against the true one",
    "unedited_mse": "the same error without the edit",
    "c_hat_off": "Ĉ no longer finds the label after y = 0",
    "c_hat_on": "Ĉ still finds the label after y = 1",
    "first_16_c_hat_off": "Ĉ no longer finds the label after y = 0, first 16 faces",
    "first_16_c_hat_on": "Ĉ still finds the label after y = 1, first 16 faces",
    "label_accuracy": "accuracy of E_y, the model's own classifier",
    "majority_accuracy": "share of the value that is more frequent in training",
    "linear_accuracy": "accuracy of a linear classifier on the code z",
    "identity_kept": "person recognised after the edit",
    "identity_accuracy": "person distinguished from others after the edit",
    "unedited_identity_kept": "person recognised without the edit",
    "verification_accuracy": "verification accuracy on photographs",
    "kid": "kernel distance of drawn images from test images",
    "kid_of_photographs": "the same kernel distance of validation images",
    "fid": "Fréchet distance of drawn images from test images",
    "fid_of_photographs": "the same Fréchet distance of validation images",
    "mmd": "MMD of the codes from the prior",
    "code_mean": "mean of the codes, 0 in the prior",
    "code_covariance": "distance of the codes' covariance from the prior's",
    "active_units": "code entries in use",
    "probe_accuracy": "accuracy of a linear probe on the codes",
    "probe_r2": "variance that a linear probe on the codes explains",
    "arithmetic_accuracy": "attribute found in a - b + c",
    "arithmetic_unedited_rate": "attribute found in a",
}
# Column headings of tables, and what they mean, by the names in their files.
HEADINGS = {
    "ours ± standard error": ("ours", "our value ± its standard error over the test images"),
    "the paper's": ("paper", "the published value"),
    "judge's balanced accuracy": (
        "classifier",
        "its balanced accuracy on photographs, or that of the recognition of persons",
    ),
    "none seen after y = 0 [95 %]": (
        "off",
        "share of faces in which the label is no longer found after y = 0 [95 % interval]",
    ),
    "seen after y = 1 [95 %]": ("on", "share of faces in which the label is still found after y = 1 [95 % interval]"),
    "first 16: none seen after y = 0 [95 %]": ("off, 16", "the same on the first 16 faces"),
    "first 16: seen after y = 1 [95 %]": ("on, 16", "the same on the first 16 faces"),
    "accuracy [95 %]": ("accuracy", "with its 95 % interval"),
    "always the majority": ("majority", "accuracy of always predicting the more frequent value"),
    "probe ± standard error": ("probe", "score of a classifier trained on the code ± its standard error"),
    "linear probe": ("linear", "score of a linear classifier"),
    "linear probe, first seed": ("linear", "score of a linear classifier, first seed"),
    "chance": ("chance", "score of guessing"),
    "dimensions": ("dim", "dimensions of the code"),
    "mean [95 % interval]": ("evidence", "mean difference, or value [95 % interval]"),
    "mmd": ("MMD", "distance of the codes from the prior"),
    "code mean": ("mean", "mean of the codes, 0 in the prior"),
    "code covariance": ("covariance", "distance of the codes' covariance from the prior's"),
    "probe accuracy": ("accuracy", "accuracy of a linear classifier on the codes"),
    "probe r2": ("R²", "variance that a linear regression on the codes explains"),
}
# The metrics of one edit, short.
OF_EDITS = {
    "strength": ("strength", "how far the edit goes, chosen on the validation split"),
    "unedited rate": ("found before", "share of faces in which the classifier finds the attribute without the edit"),
    "edit accuracy": ("found after", "the same after the edit"),
    "edit rise": ("rise", "their difference"),
    "edit inferred accuracy": ("found after, inferred", "the same if the model infers the face's attributes"),
    "edit change in others": ("others", "mean change of the classifier's other probabilities"),
    "generation accuracy": ("generated", "share of generated faces in which the classifier finds the attribute"),
    "identity kept": ("person", "share of edited faces in which the person is recognised"),
    "identity accuracy": ("person, balanced", "accuracy of distinguishing the person from another one after the edit"),
    "counterfactual mse": ("error", "squared error of the edited face against the true one"),
    "unedited mse": ("error before", "the same error without the edit"),
}


def metric_words(metric: str) -> str:
    """A metric as a reader calls it; what it is of, behind the slashes of its name, follows in brackets."""
    name, *of = metric.split("/")
    words = _METRICS.get(name, name.replace("_", " "))
    # A layer is called z_0 by readers too.
    of = [part if part.startswith("z_") else part.replace("_", " ") for part in of]
    return f"{words} ({', '.join(of)})" if of else words


def settings_words(settings: Mapping[str, Any]) -> str:
    """How a number was made, from a measurement's settings."""
    left = dict(settings)
    words = []
    if "wilson_low" in left:
        words.append(f"95 % interval {left.pop('wilson_low'):.3f} to {left.pop('wilson_high'):.3f} (Wilson)")
    if "mean_over" in left:
        words.append(f"mean over the {left.pop('mean_over')}")
    if left.pop("width_on_edge_of_grid", False):
        words.append("the width is at the edge of its grid")
    clamp = left.pop("clamp", {})
    words += [f"{_spaced(key)} clamped to {low:g} to {high:g}" for key, (low, high) in clamp.items()]
    return ", ".join([*(f"{_spaced(key)} {plain(value)}" for key, value in left.items()), *words])


def _spaced(name: str) -> str:
    return name.replace("_", " ").replace("log variance", "log-variance")


def plain(value: Any) -> str:
    """A setting's value; of numbers with a point three digits."""
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, dict):
        return "; ".join(f"{key} {plain(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return f"[{', '.join(plain(inner) for inner in value)}]"
    return str(value)
