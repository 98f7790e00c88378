"""The figure of the Swiss roll: points, their reconstruction, and how the label is spread over the codes."""

from pathlib import Path
from typing import Any

import torch
from matplotlib import pyplot as plt
from torch import Tensor

from lit_faces.studies.figures.context import Context
from lit_faces.studies.figures.drawing import save, shrink, write_table
from lit_faces.studies.figures.panels import WITH, WITHOUT, batch_of, numbers, posterior_means, scatter, styled

# The axis planes of Z and W: those within one code, then those across.
_PLANES = (("z1", "z2"), ("w1", "w2"), ("z1", "w1"), ("z2", "w1"), ("z1", "w2"), ("z2", "w2"))


def draw_swiss_roll(names: list[str], context: Context) -> list[Path]:
    """Test points, their reconstruction, and the axis planes of their posterior means (CSVAE paper, Figure 2)."""
    return [path for name in names for path in _draw_roll(name, context)]


def _draw_roll(name: str, context: Context) -> list[Path]:
    method = styled(context, name, 2)
    if method is None or method.spec.image_shape[1:] != (1, 1):
        return []
    faces = context.data(name).splits["test"]
    label, batch = method.labels[0], batch_of(faces)
    holds = method.spec.binary(faces.attributes)[:, method.spec.position(label)]
    points, again = batch.images.flatten(1), method.reconstruct(batch.images, batch.attributes).flatten(1)
    codes = posterior_means(method, faces)
    coordinates = _coordinates(codes["z"], codes[f"w_{label}"])

    figure = plt.figure(figsize=(12.5, 6))
    # The two drawings of space are larger than their places, since they have wide margins of their own.
    spaces = figure.add_gridspec(2, 1, left=-0.03, right=0.31, bottom=0.02, top=0.98, hspace=-0.05)
    planes = figure.add_gridspec(2, 3, left=0.36, right=0.99, bottom=0.09, top=0.92, hspace=0.28, wspace=0.28)
    for number, (title, shown) in enumerate((("points", points), ("reconstruction", again))):
        _draw_space(figure.add_subplot(spaces[number], projection="3d"), shown, holds, title)
    for number, (across, up) in enumerate(_PLANES):
        axis = figure.add_subplot(planes[number])
        scatter(axis, torch.stack([coordinates[across], coordinates[up]], 1), holds, "label 0", "label 1")
        axis.set_xlabel(across, fontsize=10)
        axis.set_ylabel(up, fontsize=10)
        axis.tick_params(labelsize=8)
    handles, texts = figure.axes[-1].get_legend_handles_labels()
    figure.legend(handles, texts, loc="upper center", bbox_to_anchor=(0.68, 1.0), ncols=2, fontsize=10, markerscale=4)

    path = context.folder / f"swiss_roll_{name}.png"
    save(figure, path)
    shrink(path)
    header = ["test row", label, "x", "y", "z", "reconstructed x", "reconstructed y", "reconstructed z", *coordinates]
    numbers_of = torch.cat([points, again, torch.stack(list(coordinates.values()), 1)], 1)
    rows = zip(faces.index, holds, numbers_of, strict=True)
    write_table(path.with_suffix(".csv"), header, [[int(r), int(on), *numbers(values)] for r, on, values in rows])
    return [path]


def _coordinates(z: Tensor, w: Tensor) -> dict[str, Tensor]:
    return {f"{code}{i + 1}": values[:, i] for code, values in (("z", z), ("w", w)) for i in range(2)}


def _draw_space(axis: Any, points: Tensor, holds: Tensor, title: str) -> None:
    """Points (N, 3) in space; the first and the third coordinate show the roll, the second is along its axis."""
    for on, colour in ((False, WITHOUT), (True, WITH)):
        x, y, z = points[holds == on].unbind(1)
        axis.scatter(x, y, z, s=5, c=colour, linewidths=0, depthshade=False)
    axis.set_box_aspect(None, zoom=0.95)
    axis.view_init(elev=14, azim=-80)
    axis.set(xlim=(-1.2, 1.5), ylim=(0, 2.2), zlim=(-1.3, 1.6))
    axis.set_title(title, fontsize=10, y=0.93)
    for name in "xyz":
        axis.locator_params(axis=name, nbins=3)
        getattr(axis, f"set_{name}label")(name, fontsize=10, labelpad=-5)
    axis.tick_params(labelsize=8, pad=-2)
