"""The paper's figures, drawn from the checkpoints, each with its data in a CSV beside it."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from torch import Tensor

from lit_faces.callbacks.attribute_edits import Edit
from lit_faces.data.base import FaceDataModule, to_unit_range
from lit_faces.data.batch import Batch, DataSpec
from lit_faces.files import replacing
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Classifies, Edits, Generates, Reconstructs
from lit_faces.studies.collect import Results
from lit_faces.studies.plan import Run
from lit_faces.studies.study import Study

mpl.use("Agg")
from matplotlib import pyplot as plt

FACES = 7


def write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a CSV, whole or not at all."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def _save(figure: Any, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=64, bbox_inches="tight", pil_kwargs={"optimize": True})
    plt.close(figure)


def grid(path: Path, rows: dict[str, Tensor], columns: Sequence[str] = (), title: str = "") -> None:
    """Draw labelled rows of images (N, 3, H, W) in [0, 1]."""
    count = max(len(images) for images in rows.values())
    # Room for the title and the columns' names, in inches, whatever the number of rows.
    head, height = 0.3 * bool(title) + 0.25 * bool(columns) + 0.05, 1.15 * len(rows)
    figure, axes = plt.subplots(len(rows), count, figsize=(1.15 * count + 1.4, height + head), squeeze=False)
    figure.subplots_adjust(wspace=0.05, hspace=0.05, bottom=0, top=height / (height + head))
    for line, (label, images) in zip(axes, rows.items(), strict=True):
        for axis in line:
            axis.set_axis_off()
        for axis, image in zip(line, images, strict=False):
            axis.imshow(image.permute(1, 2, 0).clamp(0, 1).numpy(), interpolation="nearest")
        line[0].text(-0.08, 0.5, label, transform=line[0].transAxes, ha="right", va="center", fontsize=9)
    for axis, column in zip(axes[0], columns, strict=False):
        axis.set_title(column, fontsize=9)
    if title:
        figure.suptitle(title, fontsize=10, y=1, va="top")
    _save(figure, path)


def _edits(described: dict[str, Any]) -> dict[str, Edit]:
    return {name: Edit(tuple(e.get("set", ())), tuple(e.get("reset", ()))) for name, e in described.items()}


def _known(edit: Edit, spec: DataSpec) -> bool:
    return all(name in spec.attributes for name in (*edit.set, *edit.reset))


def _judged(judge: Method, edit: Edit, images: Tensor) -> list[float | str]:
    """Probability that the judge gives the wanted value of an edit, an image; empty for the edit that changes nothing."""
    if not edit.set and not edit.reset:
        return [""] * len(images)
    target, on = edit.target(judge.spec)
    assert isinstance(judge, Classifies)
    seen = judge.probabilities(images)[:, target]
    return [round(float(p if on else 1 - p), 4) for p in seen]


def draw_generated(study: Study, name: str, method: Method, judge: Method, folder: Path) -> Path | None:
    """Faces from attributes at zero noise (Figure 4): row attributes by column attributes, all others at their mean."""
    spec = method.spec
    described = study.figures["generate"]
    rows = next((r for r in map(_edits, described["rows"]) if all(_known(e, spec) for e in r.values())), None)
    columns = {n: e for n, e in _edits(described["columns"]).items() if _known(e, spec)}
    if rows is None or not isinstance(method, Generates):
        return None
    drawn: dict[str, Tensor] = {}
    table: list[list[Any]] = []
    for row, base in rows.items():
        attributes = torch.cat([e.apply(base.apply(spec.vector()[None], spec), spec) for e in columns.values()])
        images = method.generate(attributes, torch.zeros(len(attributes), method.noise_dim))
        drawn[row] = images
        for (column, edit), image in zip(columns.items(), images, strict=True):
            table.append([row, column, *_judged(judge, base, image[None]), *_judged(judge, edit, image[None])])
    path = folder / f"generate_{name}.png"
    grid(path, drawn, list(columns), f"{name}: faces from attributes, noise 0")
    write_table(
        path.with_suffix(".csv"), ["row", "column", "judge on row attribute", "judge on column attribute"], table
    )
    return path


def faces_lacking(data: FaceDataModule, edits: Sequence[Edit], count: int = FACES) -> Batch:
    """The first test faces, of different persons, that lack what every one of the edits gives."""
    faces, spec = data.splits["test"], data.spec
    lacking = torch.ones(len(faces), dtype=torch.bool)
    truth = spec.binary(faces.attributes)
    for edit in edits:
        target, on = edit.target(spec)
        lacking &= truth[:, target] != on
    rows: dict[int, int] = {}
    for row in lacking.nonzero()[:, 0].tolist():
        rows.setdefault(int(faces.identity[row]), row)
    picked = faces[torch.tensor(list(rows.values())[:count], dtype=torch.int64)]
    return to_unit_range(Batch(picked.images, picked.attributes, picked.identity, picked.index))


def draw_edited(
    study: Study, name: str, method: Method, judge: Method, data: FaceDataModule, folder: Path
) -> Path | None:
    """Held-out faces with one attribute changed a row (Figure 6, which uses training faces)."""
    edits = {n: e for n, e in _edits(study.edits).items() if n in study.figures["edit"] and _known(e, method.spec)}
    if not isinstance(method, Edits) or not edits:
        return None
    batch = faces_lacking(data, list(edits.values()))
    if not len(batch.images):
        return None
    drawn = {"face": batch.images, "no change": method.edit(batch.images, batch.attributes, batch.attributes)}
    table = []
    for label, edit in edits.items():
        drawn[label] = method.edit(batch.images, batch.attributes, edit.apply(batch.attributes, method.spec))
        for kind, images in (("before", drawn["no change"]), ("after", drawn[label])):
            table += [[label, int(r), kind, p] for r, p in zip(batch.row, _judged(judge, edit, images), strict=True)]
    path = folder / f"edit_{name}.png"
    grid(path, drawn, title=f"{name}: attributes changed in held-out faces")
    write_table(path.with_suffix(".csv"), ["edit", "test row", "state", "judge"], table)
    return path


def draw_removed(
    study: Study, methods: dict[str, Method], judge: Method, data: FaceDataModule, folder: Path
) -> Path | None:
    """Held-out faces with spectacles, and without them by each method that edits (Figure 7)."""
    edit = _edits(study.edits)[study.figures["remove"]]
    editors = {name: method for name, method in methods.items() if isinstance(method, Edits)}
    if not editors or not _known(edit, data.spec):
        return None
    batch = faces_lacking(data, [edit])
    if not len(batch.images):
        return None
    drawn, table = {"face": batch.images}, []
    for name, method in editors.items():
        drawn[name] = method.edit(batch.images, batch.attributes, edit.apply(batch.attributes, data.spec))
        table += [[name, int(r), p] for r, p in zip(batch.row, _judged(judge, edit, drawn[name]), strict=True)]
    path = folder / "remove_spectacles.png"
    grid(path, drawn, title="spectacles removed from held-out faces")
    write_table(path.with_suffix(".csv"), ["method", "test row", "judge"], table)
    return path


def draw_reconstructed(methods: dict[str, Method], data: FaceDataModule, folder: Path) -> Path | None:
    """Held-out faces and their reconstructions at the posterior mean."""
    encoders = {name: method for name, method in methods.items() if isinstance(method, Reconstructs)}
    if not encoders:
        return None
    batch = faces_lacking(data, [])
    drawn, table = {"face": batch.images}, []
    for name, method in encoders.items():
        drawn[name] = method.reconstruct(batch.images, batch.attributes)
        errors = (drawn[name] - batch.images).square().flatten(1).mean(1).sqrt()
        table += [[name, int(row), round(float(e), 5)] for row, e in zip(batch.row, errors, strict=True)]
    path = folder / "reconstructions.png"
    grid(path, drawn, title="held-out faces and their reconstructions")
    write_table(path.with_suffix(".csv"), ["method", "test row", "RMS error"], table)
    return path


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


def draw_training(runs: Sequence[Run], folder: Path) -> Path:
    """What was logged while training: the validation bound an epoch, or the losses of an adversarial method."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.4))
    table: list[list[Any]] = []
    for run in runs:
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
        for key in ("train/discriminator_loss", "train/generator_loss"):
            losses = [(int(line["step"]), float(line[key])) for line in history if line.get(key)]
            if losses:
                axes[1].plot(*zip(*losses, strict=True), label=f"{label}: {key.removeprefix('train/')}")
    axes[0].set(xlabel="epoch", ylabel="nats per image", title="bound on the validation split")
    axes[1].set(xlabel="batch", ylabel="nats", title="adversarial losses")
    bounds = [float(row[5]) for row in table if row[4] == "validation/elbo"]
    if bounds:
        # The first epochs can lie far below the rest.
        axes[0].set_ylim(bottom=max(min(bounds), 0.0))
    for axis in axes:
        axis.set_visible(axis.has_data())
        if axis.has_data():
            axis.legend(fontsize=7)
    path = folder / "training.png"
    _save(figure, path)
    write_table(path.with_suffix(".csv"), ["run", "seed", "epoch", "batch", "quantity", "value"], table)
    return path


def draw_widths(results: Results, folder: Path) -> Path | None:
    """Parzen log-likelihood against the width of the window, on the split that chooses it and on the test split."""
    curves = {
        name: by_seed[min(by_seed)]["curves"]["parzen_width"]
        for name, by_seed in results.records.items()
        if "parzen_width" in by_seed[min(by_seed)]["curves"]
    }
    if not curves:
        return None
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
    path = folder / "parzen_width.png"
    _save(figure, path)
    write_table(path.with_suffix(".csv"), ["run", "split", "samples", "width", "log-likelihood"], table)
    return path
