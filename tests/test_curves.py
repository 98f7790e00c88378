"""The curves of a training: which of the logged losses are drawn."""

import csv
from types import SimpleNamespace

import pytest
from matplotlib import pyplot as plt

from lit_faces.studies.figures import curves

GAN = {"train/loss": 3.0, "train/discriminator_loss": 1.0, "train/generator_loss": 2.0}
ENCODER = {"train/loss": 0.5, "train/z_error": 0.5}
VAEGAN = {**GAN, "train/reconstruction": 7.0, "train/loss": 9.0}


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draws a run that logged these lines, and gives the points of each curve in the picture of losses."""
    figures = []
    monkeypatch.setattr(curves, "save", lambda figure, path: figures.append(figure))

    def draw(*lines):
        folder = tmp_path / "logs" / "version_0"
        folder.mkdir(parents=True)
        with (folder / "metrics.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["epoch", "step", *sorted({key for line in lines for key in line})])
            writer.writeheader()
            writer.writerows({"epoch": step, "step": step, **line} for step, line in enumerate(lines))
        run = SimpleNamespace(name="run", seed=0, is_judge=False, folder=SimpleNamespace(path=tmp_path))
        curves.draw_training(None, SimpleNamespace(runs=[run], folder=tmp_path))
        figure = figures.pop()
        plt.close(figure)
        points = {
            line.get_label().partition(": ")[2]: line.get_xydata().tolist() for line in figure.axes[1].get_lines()
        }
        assert len(points) == len(figure.axes[1].get_lines())
        return points

    return draw


def test_a_gans_total_is_the_sum_of_two_curves_and_no_third(drawn):
    assert drawn(GAN, GAN) == {"discriminator_loss": [[0, 1], [1, 1]], "generator_loss": [[0, 2], [1, 2]]}


def test_stages_without_an_adversary_are_drawn_too(drawn):
    assert drawn(GAN, ENCODER, ENCODER) == {
        "discriminator_loss": [[0, 1]],
        "generator_loss": [[0, 2]],
        "loss": [[1, 0.5], [2, 0.5]],
    }


def test_a_total_of_more_than_the_adversarial_losses_is_drawn_beside_them(drawn):
    assert drawn(VAEGAN) == {"discriminator_loss": [[0, 1]], "generator_loss": [[0, 2]], "loss": [[0, 9]]}


def test_a_method_without_an_adversary_has_its_loss_alone(drawn):
    assert drawn({"train/loss": 4.0, "train/kl": 1.0}) == {"loss": [[0, 4]]}


def test_a_bound_takes_the_losses_place(drawn):
    assert drawn({"train/loss": 4.0}, {"validation/elbo": -4.0}) == {}
