"""The curves of a training: which of the logged losses are drawn, and where."""

import csv
from types import SimpleNamespace

import pytest
from matplotlib import pyplot as plt

from lit_faces.studies.figures import curves

GAN = {"train/loss": 3.0, "train/discriminator_loss": 1.0, "train/generator_loss": 2.0}
ENCODER = {"train/loss": 0.5, "train/z_error": 0.5}
VAEGAN = {**GAN, "train/reconstruction": 7.0, "train/loss": 9.0}


def context(folder, names, batches=1):
    """Runs of one epoch of so many batches, all with the folder's logs."""
    runs = [SimpleNamespace(name=name, seed=0, is_judge=False, folder=SimpleNamespace(path=folder)) for name in names]
    records = {name: {0: {"training": {"epochs": 1, "batches": batches}}} for name in names}
    return SimpleNamespace(runs=runs, results=SimpleNamespace(records=records), folder=folder)


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draws a run that logged these lines, one an epoch, and gives the points of each curve in its panel."""
    figures = []
    monkeypatch.setattr(curves, "save", lambda figure, path: figures.append(figure))

    def draw(*lines):
        folder = tmp_path / "logs" / "version_0"
        folder.mkdir(parents=True)
        with (folder / "metrics.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["epoch", "step", *sorted({key for line in lines for key in line})])
            writer.writeheader()
            writer.writerows({"epoch": step, "step": step, **line} for step, line in enumerate(lines))
        curves.draw_training(None, context(tmp_path, ["run"]))
        figure = figures.pop()
        plt.close(figure)
        [axis] = figure.axes
        points = {line.get_label(): line.get_xydata().tolist() for line in axis.get_lines()}
        assert len(points) == len(axis.get_lines())
        return points

    return draw


def test_a_gans_total_is_the_sum_of_two_curves_and_no_third(drawn):
    assert drawn(GAN, GAN) == {"discriminator loss": [[0, 1], [1, 1]], "generator loss": [[0, 2], [1, 2]]}


def test_stages_without_an_adversary_are_drawn_too(drawn):
    assert drawn(GAN, ENCODER, ENCODER) == {
        "discriminator loss": [[0, 1]],
        "generator loss": [[0, 2]],
        "loss": [[1, 0.5], [2, 0.5]],
    }


def test_a_total_of_more_than_the_adversarial_losses_is_drawn_beside_them(drawn):
    assert drawn(VAEGAN) == {"discriminator loss": [[0, 1]], "generator loss": [[0, 2]], "loss": [[0, 9]]}


def test_a_method_without_an_adversary_has_its_loss_alone(drawn):
    assert drawn({"train/loss": 4.0, "train/kl": 1.0}) == {"loss": [[0, 4]]}


def test_a_bound_takes_the_losses_place(drawn):
    assert drawn({"train/loss": 4.0}, {"validation/elbo": -4.0}) == {
        "bound on the validation split, nats per image": [[2, -4]]
    }


def test_every_run_has_a_panel_and_every_curve_one_colour_and_one_line_of_the_legend(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(curves, "save", lambda figure, path: figures.append(figure))
    (tmp_path / "logs/version_0").mkdir(parents=True)
    names = "epoch,step,train/kl,train/loss,train/discriminator_loss,train/generator_loss"
    lines = f"{names}\n0,50,6,9,1,2\n0,100,5,8,1,2\n"
    (tmp_path / "logs/version_0/metrics.csv").write_text(lines)
    names = [f"run_{number}" for number in range(15)]
    [picture] = curves.draw_training(None, context(tmp_path, names, batches=100))
    figure = figures.pop()
    plt.close(figure)
    panels = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title() for axis in panels] == names
    assert max(axis.get_subplotspec().colspan.stop for axis in panels) == 4
    drawn = {(line.get_label(), line.get_color()) for axis in panels for line in axis.get_lines()}
    assert len(drawn) == len({colour for _, colour in drawn}) == 3
    assert [[text.get_text() for text in legend.get_texts()] for legend in figure.legends] == [
        ["loss", "discriminator loss", "generator loss"]
    ]
    assert not any(axis.get_legend() for axis in panels)
    assert panels[14].get_lines()[0].get_xydata().tolist() == [[0.5, 9], [1, 8]]
    rows = picture.with_suffix(".csv").read_text().splitlines()
    assert len(rows) == 1 + 15 * 2 * 3
    # What is drawn, and no more.
    assert rows[:3] == ["run,seed,epochs,quantity,value", "run_0,0,0.5,train/loss,9", "run_0,0,1.0,train/loss,8"]


def test_nothing_that_was_logged_is_no_picture(tmp_path):
    assert curves.draw_training(None, context(tmp_path, ["run"])) == []


def test_runs_whose_logs_are_gone_are_named(tmp_path):
    (tmp_path / "logged" / "logs").mkdir(parents=True)
    runs = [
        SimpleNamespace(is_judge=name == "judge", folder=SimpleNamespace(path=tmp_path / name))
        for name in ("judge", "logged", "lost")
    ]
    for figures, said in (
        ({"training": None}, [f"left out of the curves of training: {tmp_path / 'lost/logs'} is missing"]),
        ({"reconstructions": None}, []),
    ):
        assert curves.unlogged(SimpleNamespace(runs=runs, study=SimpleNamespace(figures=figures))) == said


def test_bounds_below_zero_are_seen(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(curves, "save", lambda figure, path: figures.append(figure))
    (tmp_path / "logs/version_0").mkdir(parents=True)
    (tmp_path / "logs/version_0/metrics.csv").write_text("epoch,step,validation/elbo\n0,1,-9\n1,2,-4\n")
    curves.draw_training(None, context(tmp_path, ["run"]))
    [axis] = figures[0].axes
    plt.close(figures[0])
    low, high = axis.get_ylim()
    assert low < -9 < -4 < high
