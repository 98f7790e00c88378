"""The figure of a code of two numbers: where the prior puts a person's faces, and where the posterior finds them."""

from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.patches import Ellipse
from torch import Tensor

from lit_faces.methods.capabilities import BoundsLikelihood
from lit_faces.objectives.gaussian import DiagonalGaussian
from lit_faces.studies.figures.context import Context
from lit_faces.studies.figures.drawing import save, write_table
from lit_faces.studies.figures.faces import faces_lacking
from lit_faces.studies.figures.panels import numbers

PERSONS, FOUND = 8, 3
# Contours, in standard deviations.
_LEVELS = (1.0, 2.0, 3.0)


def draw_latent2d(run: str, context: Context) -> list[Path]:
    """Priors and posteriors of the first test persons (CMMA's second version, Figure 4); nothing without a code of two.

    (a) the prior of each person, one standard deviation wide; (b) contours of the first person's prior at one, two and three
    standard deviations, dashed, and those of the posteriors of three persons, in their colours of (a).
    """
    method: object = context.methods.get(run)
    if not isinstance(method, BoundsLikelihood) or method.latent_dim != 2:
        return []
    batch = faces_lacking(context.data(run), [], PERSONS)
    prior, posterior = method.prior(batch.attributes), method.posterior(batch.images, batch.attributes)
    colours = [plt.get_cmap("tab10")(number) for number in range(len(batch.row))]
    rows = [int(row) for row in batch.row]

    figure, axis = _plane("p(z|y) of several persons, one standard deviation")
    for number, colour in enumerate(colours):
        _contour(axis, prior, number, 1.0, edgecolor=colour, label=f"person {number + 1}")
    first = _finish(figure, context.folder / "latent2d_a.png", [("prior", prior, n) for n in range(len(rows))], rows)

    figure, axis = _plane("p(z|y) of person 1 (dashed) and q(z|x) of three persons")
    found = range(min(FOUND, len(rows)))
    for level in _LEVELS:
        # A label begins with "_" so that a person stands in the legend once.
        shown = "" if level == _LEVELS[0] else "_"
        _contour(axis, prior, 0, level, edgecolor=colours[0], ls="--", label=f"{shown}prior of person 1")
        for number in found:
            _contour(
                axis,
                posterior,
                number,
                level,
                edgecolor=colours[number],
                label=f"{shown}posterior of person {number + 1}",
            )
    drawn = [("prior", prior, 0), *(("posterior", posterior, number) for number in found)]
    return [first, _finish(figure, context.folder / "latent2d_b.png", drawn, rows)]


def _plane(title: str) -> tuple[Any, Any]:
    figure, axis = plt.subplots(figsize=(5.2, 5.2))
    axis.set_aspect("equal", adjustable="datalim")
    axis.set(xlabel="z1", ylabel="z2")
    axis.set_title(title, fontsize=10)
    return figure, axis


def _contour(axis: Any, distribution: DiagonalGaussian, number: int, level: float, **style: Any) -> None:
    """The ellipse of one of the Gaussians, at so many standard deviations from its mean."""
    (x, y), (across, up) = distribution.mean[number].tolist(), (2 * level * distribution.stddev[number]).tolist()
    axis.add_patch(Ellipse((x, y), across, up, fill=False, lw=1, **style))


def _finish(figure: Any, path: Path, drawn: list[tuple[str, DiagonalGaussian, int]], rows: list[int]) -> Path:
    figure.axes[0].autoscale_view()
    # Names beside the ellipses would lie over each other.
    figure.axes[0].legend(fontsize=8)
    save(figure, path)
    table = [[n + 1, rows[n], kind, *_numbers(d.mean[n], d.stddev[n])] for kind, d, n in drawn]
    header = ["person", "test row", "distribution", "mean z1", "mean z2", "deviation z1", "deviation z2"]
    write_table(path.with_suffix(".csv"), header, table)
    return path


def _numbers(*parts: Tensor) -> list[float]:
    return [value for part in parts for value in numbers(part)]
