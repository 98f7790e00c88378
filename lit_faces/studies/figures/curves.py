"""Figures of numbers: what was logged while training, and what the width of the Parzen window does."""

import csv
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from lit_faces.studies.figures.context import Context
from lit_faces.studies.figures.drawing import save, write_table
from lit_faces.studies.plan import Run

_ADVERSARIAL = ("train/discriminator_loss", "train/generator_loss")
_TOTAL, _BOUND = "train/loss", "validation/elbo"
# What a panel may show, in the colours of all panels.
_CURVES = {
    _BOUND: ("bound on the validation split, nats per image", "tab:green"),
    _TOTAL: ("loss", "tab:blue"),
    _ADVERSARIAL[0]: ("discriminator loss", "tab:orange"),
    _ADVERSARIAL[1]: ("generator loss", "tab:purple"),
}
_COLUMNS = 4


def read_history(run: Run) -> list[dict[str, str]]:
    """Logged lines of a run over all its sittings; of a batch that was trained again, the last one."""
    lines: dict[tuple[str, bool], dict[str, str]] = {}
    logs = run.folder.path / "logs"
    for path in sorted(logs.glob("version_*/metrics.csv"), key=lambda p: int(p.parent.name.partition("_")[2])):
        with path.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                if any(key.startswith(("train/", "validation/")) and value for key, value in line.items()):
                    validation = any(key.startswith("validation/") and value for key, value in line.items())
                    lines[line["step"] if not validation else line["epoch"], validation] = line
    return list(lines.values())


def unlogged(context: Context) -> list[str]:
    """What to say of the runs whose logs are gone, if the study draws them; training again would be the only remedy."""
    if "training" not in context.study.figures:
        return []
    logs = [run.folder.path / "logs" for run in context.runs if not run.is_judge]
    return [f"left out of the curves of training: {path} is missing" for path in logs if not path.is_dir()]


def _drawn(line: dict[str, str]) -> set[str]:
    """Which of its losses a line adds to the picture: the adversarial ones, and `train/loss` where there is more to it."""
    logged = {key for key, value in line.items() if key.startswith("train/") and value}
    # Beside these two alone it is their sum.
    return logged & set(_ADVERSARIAL) if logged == {*_ADVERSARIAL, _TOTAL} else logged & {*_ADVERSARIAL, _TOTAL}


def draw_training(settings: object, context: Context) -> list[Path]:
    """A panel a run of what was logged while training: the validation bound, or the losses of a method without one."""
    runs = [run for run in context.runs if not run.is_judge]
    several = len({run.seed for run in runs}) > 1
    panels: dict[str, Curves] = {}
    table: list[list[Any]] = []
    for run in runs:
        training = context.results.records[run.name][run.seed]["training"]
        if curves := _curves(read_history(run), training["batches"] / max(1, training["epochs"])):
            panels[f"{run.name}, seed {run.seed}" if several else run.name] = curves
        for key, points in curves.items():
            table += [[run.name, run.seed, round(epochs, 4), key, f"{value:.6g}"] for epochs, value in points]
    if not panels:
        return []
    path = context.folder / "training.png"
    save(_drawn_panels(panels), path)
    write_table(path.with_suffix(".csv"), ["run", "seed", "epochs", "quantity", "value"], table)
    return [path]


Curves = dict[str, list[tuple[float, float]]]


def _curves(history: list[dict[str, str]], batches: float) -> Curves:
    """Epochs and values by what was logged, of a run with so many batches an epoch."""
    bound = [(int(line["epoch"]) + 1.0, float(line[_BOUND])) for line in history if line.get(_BOUND)]
    if bound:
        return {_BOUND: bound}
    losses = {
        key: [(int(line["step"]) / batches, float(line[key])) for line in history if key in _drawn(line)]
        for key in (_TOTAL, *_ADVERSARIAL)
    }
    return {key: points for key, points in losses.items() if points}


def _drawn_panels(panels: dict[str, Curves]) -> Figure:
    """Each run with its own axes, since lengths and weights differ; what a curve is stands in one legend."""
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(3.1 * columns, 2.2 * rows), squeeze=False, layout="constrained")
    for axis in grid.flat[len(panels) :]:
        axis.set_visible(False)
    shown = {}
    for axis, (title, curves) in zip(grid.flat, panels.items(), strict=False):
        for key, points in curves.items():
            label, colour = _CURVES[key]
            marker = "." if key == _BOUND else None
            [shown[key]] = axis.plot(*zip(*points, strict=True), color=colour, marker=marker, lw=1, label=label)
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=8)
        axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        axis.set_xlim(left=0)
        values = [value for points in curves.values() for _, value in points]
        # Sums over pixels fall by orders of magnitude.
        if max(values) > 20 * min(values) > 0:
            axis.set_yscale("log")
            axis.yaxis.set_minor_formatter(NullFormatter())
        # The first epochs can lie far below the rest.
        if _BOUND in curves and min(values) < 0 < max(values):
            axis.set_ylim(bottom=0)
    figure.supxlabel("epochs", fontsize=9)
    handles = [shown[key] for key in _CURVES if key in shown]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), fontsize=9, frameon=False)
    return figure


def draw_widths(settings: object, context: Context) -> list[Path]:
    """Parzen log-likelihood against the width of the window, on the split that chooses it and on the test split."""
    curves = {
        name: by_seed[min(by_seed)]["curves"]["parzen_width"]
        for name, by_seed in context.results.records.items()
        if "parzen_width" in by_seed[min(by_seed)]["curves"]
    }
    if not curves:
        return []
    figure, axis = plt.subplots(figsize=(6, 3.6))
    table = []
    for name, curve in curves.items():
        largest = max(curve["validation"], key=int)
        for split, style in (("validation", "-"), ("test", ":")):
            axis.plot(curve["widths"], curve[split][largest], style, label=f"{name}, {split}, {largest} samples")
            for count, values in curve[split].items():
                table += [[name, split, count, w, v] for w, v in zip(curve["widths"], values, strict=True)]
    axis.set(xlabel="width of the window (pixels in [0, 1])", ylabel="nats per image", xscale="log")
    ticks = (0.03, 0.05, 0.1, 0.2, 0.3)
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    best = max(row[4] for row in table)
    axis.set_ylim(best - 15000, best + 1500)
    axis.legend(fontsize=7)
    path = context.folder / "parzen_width.png"
    save(figure, path)
    write_table(path.with_suffix(".csv"), ["run", "split", "samples", "width", "log-likelihood"], table)
    return [path]
