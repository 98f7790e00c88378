"""Figures of what each layer of a ladder has learned: its code is varied, the others' are held."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib import pyplot as plt
from torch import Tensor

from lit_faces.methods.capabilities import Layered, layers_of
from lit_faces.studies.figures.context import Context
from lit_faces.studies.figures.drawing import save, shrink, write_table
from lit_faces.studies.figures.panels import mosaic, numbers

# A layer of two numbers on a grid over the paper's range, pictures a side; one of more in draws from the prior.
REACH, CELLS, DRAWS = 3.0, 15, 8
# Inches of a panel, which is drawn smaller than its pictures where they are many and large.
_SIDE = 6.5
_AT_ONCE = 100


@dataclass(frozen=True)
class _Panel:
    """Codes (P, D) that differ in one layer alone, row after row of a square, and their images (P, C, H, W)."""

    layer: str
    title: str
    codes: Tensor
    images: Tensor
    gridded: bool

    @property
    def side(self) -> int:
        """Pictures in a row."""
        return CELLS if self.gridded else DRAWS


def draw_manifolds(runs: list[str], context: Context) -> list[Path]:
    """Images decoded from one layer's codes, all others at one draw from the prior, a panel a layer (Figures 2 and 3)."""
    methods: dict[str, object] = {run: context.methods[run] for run in runs if run in context.methods}
    return [_manifold(run, method, context) for run, method in methods.items() if isinstance(method, Layered)]


def _manifold(run: str, method: Layered, context: Context) -> Path:
    layers = layers_of(method)
    # Of each layer's draws the first is where it is held in the other panels.
    draws = {f"z_{level}": _draws(level, size) for level, size in enumerate(method.latent_dims)}
    held = torch.cat([of_layer[0] for of_layer in draws.values()])
    panels = [_panel(method, layer, where, draws[layer][1:], held) for layer, where in layers.items()]
    path = context.folder / f"manifolds_{run}.png"
    _draw(path, run, panels)
    names = [f"{layer} {i + 1}" for layer, where in layers.items() for i in range(where.stop - where.start)]
    table: list[list[Any]] = [
        [panel.layer, number // panel.side, number % panel.side, *numbers(code)]
        for panel in panels
        for number, code in enumerate(panel.codes)
    ]
    write_table(path.with_suffix(".csv"), ["layer varied", "row", "column", *names], table)
    return path


def _draws(level: int, size: int) -> Tensor:
    """Codes (1 + DRAWS^2, size) of a layer from the prior, the same for every run."""
    return torch.randn(1 + DRAWS**2, size, generator=torch.Generator().manual_seed(level))


def _panel(method: Layered, layer: str, where: slice, varied: Tensor, held: Tensor) -> _Panel:
    gridded = varied.shape[1] == 2
    if gridded:
        line = torch.linspace(-REACH, REACH, CELLS)
        # From the top left to the bottom right, as the pictures lie.
        varied = torch.cartesian_prod(line.flip(0), line).flip(1)
    codes = held.repeat(len(varied), 1)
    codes[:, where] = varied
    images = torch.cat([method.decode(part) for part in torch.split(codes, _AT_ONCE)])
    end = {"z_0": ", bottom", f"z_{len(method.latent_dims) - 1}": ", top"}.get(layer, "")
    return _Panel(layer, layer + end, codes, images, gridded)


def _draw(path: Path, run: str, panels: list[_Panel]) -> None:
    figure, axes = plt.subplots(
        1, len(panels), figsize=(_SIDE * len(panels), _SIDE + 0.8), squeeze=False, layout="constrained"
    )
    for axis, panel in zip(axes[0], panels, strict=True):
        edge = REACH + REACH / (CELLS - 1)
        axis.imshow(mosaic(panel.images, panel.side), extent=(-edge, edge, -edge, edge))
        if panel.gridded:
            axis.set_xticks([-REACH, 0, REACH])
            axis.set_yticks([-REACH, 0, REACH])
        else:
            axis.set(xticks=[], yticks=[])
        axis.tick_params(length=0, labelsize=10)
        axis.spines[:].set_visible(False)
        axis.set_title(panel.title, fontsize=12)
    figure.suptitle(f"{run}: one layer varied, the others held", fontsize=12)
    save(figure, path)
    shrink(path)
