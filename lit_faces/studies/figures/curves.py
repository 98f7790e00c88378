"""Figures of numbers: what was logged while training, and what the width of the Parzen window does."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt

from lit_faces.studies.figures.context import Context
from lit_faces.studies.figures.drawing import save, write_table
from lit_faces.studies.plan import Run

_ADVERSARIAL = ("train/discriminator_loss", "train/generator_loss")
_TOTAL = "train/loss"


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


def _drawn(line: dict[str, str]) -> set[str]:
    """Which of its losses a line adds to the picture: the adversarial ones, and `train/loss` where there is more to it."""
    logged = {key for key, value in line.items() if key.startswith("train/") and value}
    # Beside these two alone it is their sum.
    return logged & set(_ADVERSARIAL) if logged == {*_ADVERSARIAL, _TOTAL} else logged & {*_ADVERSARIAL, _TOTAL}


def draw_training(settings: object, context: Context) -> list[Path]:
    """What was logged while training: the validation bound an epoch, or the losses of a method without one."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.4))
    table: list[list[Any]] = []
    for run in (run for run in context.runs if not run.is_judge):
        history = read_history(run)
        label = f"{run.name}, seed {run.seed}"
        for line in history:
            table += [
                [run.name, run.seed, line.get("epoch", ""), line.get("step", ""), key, value]
                for key, value in line.items()
                if key.startswith(("train/", "validation/")) and value
            ]
        bound = [
            (int(line["epoch"]) + 1, float(line["validation/elbo"])) for line in history if line.get("validation/elbo")
        ]
        if bound:
            axes[0].plot(*zip(*bound, strict=True), marker=".", label=label)
        for key in () if bound else (*_ADVERSARIAL, _TOTAL):
            losses = [(int(line["step"]), float(line[key])) for line in history if key in _drawn(line)]
            if losses:
                axes[1].plot(*zip(*losses, strict=True), label=f"{label}: {key.removeprefix('train/')}")
    axes[0].set(xlabel="epoch", ylabel="nats per image", title="bound on the validation split")
    axes[1].set(xlabel="batch", ylabel="loss, as each method weighs it", title="training losses")
    # Sums over pixels fall by orders of magnitude.
    drawn = [value for line in axes[1].get_lines() for value in np.asarray(line.get_ydata())]
    if drawn and max(drawn) > 20 * min(drawn) > 0:
        axes[1].set_yscale("log")
    bounds = [float(row[5]) for row in table if row[4] == "validation/elbo"]
    if bounds:
        # The first epochs can lie far below the rest.
        axes[0].set_ylim(bottom=max(min(bounds), 0.0))
    for axis in axes:
        axis.set_visible(axis.has_data())
        if axis.has_data():
            axis.legend(fontsize=7)
    path = context.folder / "training.png"
    save(figure, path)
    write_table(path.with_suffix(".csv"), ["run", "seed", "epoch", "batch", "quantity", "value"], table)
    return [path]


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
