"""Runs on your own pictures: every method, the configs of other data, and data that change in between."""

import csv
import re
from pathlib import Path

import pytest
import yaml
from drawn_folder import NAMES, SHARES, without, write_folder, write_table
from every_method import ARGUMENTS

from lit_faces.errors import UserError
from lit_faces.methods import METHODS, load_method
from lit_faces.run_folder import RunFolder

pytestmark = pytest.mark.usefixtures("own_environment")


@pytest.fixture
def rows(tmp_path):
    return write_folder(tmp_path)


def fit(folder, *words):
    settings = {
        "data.root": folder / "pictures",
        "data.attributes": folder / "table.csv",
        "data.size": 32,
        "data.batch_size": 8,
        "data.crop": "none",
        "trainer.default_root_dir": folder / "run",
        "trainer.precision": "32-true",
        "trainer.accelerator": "cpu",
        "trainer.enable_model_summary": "false",
        "samples.every_n_epochs": 0,
    }
    return [*words, *(f"--{name}={value}" for name, value in settings.items())]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_trained_on_a_folder_of_pictures(name, rows, tmp_path, main):
    arguments = [f"--model.{key}={value}" for key, value in ARGUMENTS[name].items()]
    epochs = f"--trainer.max_epochs={METHODS[name].fewest_epochs}"
    assert main(fit(tmp_path, "fit", "--model", name, "--data", "Folder", *arguments, epochs)) == 0
    spec = load_method(tmp_path / "run").spec
    assert (spec.name, spec.attributes, spec.image_shape) == ("Folder", NAMES, (3, 32, 32))


def test_a_method_that_needs_persons_says_so(rows, tmp_path, error_line):
    write_table(tmp_path / "table.csv", without(rows, "person"))
    words = fit(tmp_path, "fit", "--model", "IdentityEmbedding", "--data", "Folder", "--trainer.max_epochs=1")
    assert "Folder has no two training pictures of one: say in the data who is in which" in error_line(words)
    assert not (tmp_path / "run").exists()


EXPERIMENTS = Path(__file__).parents[1] / "experiments"


@pytest.mark.parametrize("name", ["csvae/csvae", "ifcvaegan/icgan"])
def test_a_shipped_config_of_other_data_leaves_nothing_but_what_a_folder_has_too(
    name, rows, tmp_path, main, monkeypatch
):
    seen = {}

    def enough(_, config):
        seen.update(config)
        raise UserError("enough")

    monkeypatch.setattr(RunFolder, "open", enough)
    words = [word for word in fit(tmp_path) if "batch_size" not in word and "crop" not in word]
    config = EXPERIMENTS / f"{name}.yaml"
    assert main(["fit", "--config", str(config), "--data", "Folder", *words]) == 2
    shipped = yaml.safe_load(config.read_text())["data"]["init_args"]
    found = seen["data"]["init_args"]
    assert (found["crop"], found["batch_size"]) == ("face", shipped["batch_size"])
    assert set(found) == {"root", "attributes", "batch_size", "limit", "size", "crop", "labels"}


def test_a_method_of_a_few_labels_asks_for_some_where_a_folder_has_none(rows, tmp_path, error_line):
    words = fit(tmp_path, "fit", "--model", "CSVAE", "--data", "Folder", "--trainer.max_epochs=1")
    line = error_line(words)
    assert line.startswith("CSVAE models a few labels, and these data name none: ")
    assert "--model.labels='[...]'" in line
    assert "--data.labels" in line


def test_an_option_that_a_folder_does_not_have_is_refused(rows, tmp_path, error_line):
    words = fit(tmp_path, "fit", "--config", str(EXPERIMENTS / "csvae/csvae.yaml"), "--data", "Folder")
    assert "'subset' is not accepted" in error_line([*words, "--data.subset=Glasses"])


TINY = [
    "--model",
    "CMMA",
    "--model.width=0.05",
    "--model.latent_dim=3",
    "--data",
    "Folder",
    "--parzen.counts=[2,3]",
    "--bounds.importance_samples=2",
]


def test_a_folder_is_tested_and_its_record_tells_where_it_comes_from(rows, tmp_path, main):
    words = fit(tmp_path, *TINY, "--trainer.max_epochs=1")
    assert main(["fit", *words]) == 0
    assert main(["test", *words]) == 0
    record = yaml.safe_load((tmp_path / "run/record.json").read_text())
    assert record["data"]["manifest"]["attributes"]["file"] == "table.csv"
    with (tmp_path / "run/per_image.csv").open() as file:
        assert len([*csv.DictReader(file)]) == SHARES["test"]


def flipped(rows):
    return [{**row, "Smiling": 1 - row["Smiling"]} if place == 0 else row for place, row in enumerate(rows)]


def swapped(rows):
    """The labels of two training pictures that differ, exchanged: no number of the split changes."""
    first, other = (next(place for place, row in enumerate(rows) if row["Smiling"] == value) for value in (0, 1))
    return [
        {**row, "Smiling": rows[{first: other, other: first}.get(place, place)]["Smiling"]}
        for place, row in enumerate(rows)
    ]


def moved(rows):
    """The last four training pictures, of one person, are test pictures."""
    return [{**row, "split": "test"} if 12 <= place < 16 else row for place, row in enumerate(rows)]


CHANGES = {
    "a flipped label": (flipped, r"values of Smiling"),
    "exchanged labels": (swapped, r"the table table\.csv"),
    "fewer rows": (lambda rows: rows[:-4], r"the table table\.csv"),
    "other splits": (moved, "12 training images, then 16"),
}


def test_a_run_is_neither_resumed_nor_tested_on_data_that_changed(rows, tmp_path, main, error_line):
    assert main(fit(tmp_path, "fit", *TINY, "--trainer.max_epochs=1")) == 0
    kept = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    for change_of, what in CHANGES.values():
        write_table(tmp_path / "table.csv", change_of(rows))
        for verb in ("fit", "test"):
            line = error_line(fit(tmp_path, verb, *TINY, "--trainer.max_epochs=2"))
            assert re.search(
                rf"last\.ckpt was trained on Folder before it changed \({what}\): .* in another folder", line
            )
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == kept
    # The table as it was.
    write_table(tmp_path / "table.csv", rows)
    assert main(fit(tmp_path, "fit", *TINY, "--trainer.max_epochs=2")) == 0
