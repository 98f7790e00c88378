"""Tables of a study's report: words for readers, names in files, and what is said of a weak judge."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lit_faces.methods import METHODS
from lit_faces.studies.cells import Cells, number
from lit_faces.studies.collect import Results, Row, rows_of
from lit_faces.studies.differences import data_words, differences
from lit_faces.studies.figures.context import Context
from lit_faces.studies.judges import judges_note
from lit_faces.studies.measured import measured_tables
from lit_faces.studies.plan import plan
from lit_faces.studies.study import Options, read_study
from lit_faces.studies.tables import claims_table, for_readers, how_lines, published_tables
from lit_faces.studies.words import settings_words


def row(run: str, metric: str, value: float, settings: dict[str, Any] | None = None) -> Row:
    return Row(run, metric, value, 0.01, 50, [0], "share of faces", None, True, None, settings or {})


def judged(accuracy: float) -> Results:
    rows = [row("judge", "balanced_accuracy/Big Nose", accuracy), row("judge", "balanced_accuracy/Male", 0.5)]
    measured = ("elbo", "unedited_rate", "edit_accuracy", "unedited_rate/Big Nose", "edit_accuracy/Big Nose")
    return Results([*rows, *(row("cmma", metric, 0.3) for metric in measured)], {}, {})


def test_what_a_judge_near_chance_saw_is_said_to_mean_nothing() -> None:
    study = read_study("cmma")
    for accuracy, weak in ((0.55, True), (0.65, False)):
        results = judged(accuracy)
        tables = {table.name: table for table in [*published_tables(study, results), *measured_tables(study, results)]}
        assert tables["vlb"].note == ""
        for table in (tables["measured"], tables["edits"], claims_table(study, results, [])):
            assert bool(table.note) is weak
            assert ("0.55 on Big Nose (classifier of cmma)" in table.note) is weak
    assert judges_note(study, judged(0.55), ["cmma"], ["elbo", "unedited_mse"]) == ""


def test_readers_see_words_and_files_keep_the_names() -> None:
    study = read_study("cmma")
    kept = {table.name: table for table in measured_tables(study, judged(0.9))}
    shown = {name: for_readers(table) for name, table in kept.items()}
    assert kept["measured"].header[1:] == ["edit accuracy (share of faces)", "unedited rate (share of faces)"]
    # A metric has a line, in words, and a model a column.
    assert shown["measured"].header == ["", "cmma"]
    assert shown["measured"].rows == [
        ["edit accuracy: attribute found after the edit (share of faces)", "0.300 ± 0.010"],
        ["attribute found without the edit (share of faces)", "0.300 ± 0.010"],
    ]
    assert [line[:2] for line in kept["edits"].rows] == [["Big Nose", "unedited rate"], ["Big Nose", "edit accuracy"]]
    assert [line[:2] for line in shown["edits"].rows] == [["Big Nose", "found before"], ["", "found after"]]
    assert shown["edits"].header == ["edit", "metric", "cmma", "classifier"]
    assert set(shown["edits"].legend) == {"found before", "found after", "classifier", "test images"}
    assert shown["edits"].legend["test images"] == "50"


def test_columns_that_say_the_same_in_every_row_are_told_below_the_table() -> None:
    rows = [["a", "1", "5"], ["b", "2", "5"]]
    assert for_readers(Cells("x", "x", ["model", "n", "seeds"], rows)).header == ["model", "n"]
    shown = for_readers(Cells("x", "x", ["model", "n", "seeds"], [["kl", "1", "1"]]))
    assert (shown.header, shown.rows) == (["model"], [["kl"]])
    assert shown.legend == {"test images": "1", "number of seeds": "1"}


def test_readers_see_short_headings_and_how_the_numbers_were_made_elsewhere() -> None:
    study = read_study("cmma")
    values = [
        replace(row(run, "elbo", 0.5, {"clamp": {"z": (-8.0, 4.0)}}), published=published, comparable=False)
        for run, published in (("cmma", 17973.0), ("cvae", None))
    ]
    [table] = published_tables(study, Results(values, {}, {}))
    assert table.header == ["model", "ours ± standard error", "the paper's", "n", "seeds", "how"]
    assert table.rows[0][2] == "17,973.000 (not comparable)"
    shown = for_readers(table)
    assert shown.header == ["model", "ours", "paper"]
    assert [line[2] for line in shown.rows] == ["17,973.000 †", "-"]
    assert set(shown.legend) == {"ours", "paper", "†", "test images", "number of seeds"}
    assert how_lines([table]) == [f"{table.title}: cmma, cvae: z clamped to -8 to 4."]
    several = published_tables(read_study("ifcvaegan"), Results([row("ifcvaegan", "reconstruction_mse", 0.5)], {}, {}))
    assert for_readers(several[0]).header == ["model", "MSE", "paper", "Ĉ Not Smiling", "paper", "Ĉ Smiling", "paper"]
    assert how_lines(several) == []


def test_settings_are_told_in_words() -> None:
    said = settings_words({"mean_over": "images", "wilson_low": 0.66, "wilson_high": 0.762})
    assert said == "95 % interval 0.660 to 0.762 (Wilson), mean over the images"
    parzen = {"samples": 10, "width": 0.13974, "width_on_edge_of_grid": False}
    assert settings_words(parzen) == "samples 10, width 0.14"
    assert settings_words({**parzen, "width_on_edge_of_grid": True}).endswith("the width is at the edge of its grid")


def test_a_difference_of_some_runs_is_said_of_these_alone() -> None:
    study = read_study("csvae")
    record = {"training": {"epochs": 2300}, "arguments": {}, "data": {"manifest": {}}}
    for made, said in (("csvae", False), ("csvae_swissroll", True)):
        runs = plan(study, Options(data="CelebA", methods=(made,)))
        context = Context(study, runs, Results([], {made: {0: record}}, {}), Path())
        lines = differences(study, Options(data="CelebA"), context)
        assert any(line.startswith("Swiss roll") for line in lines) is said
        assert any(line.startswith("Prior of w") for line in lines)


@pytest.mark.parametrize(
    ("name", "start", "told"),
    [("ifcvaegan", "The laptop profile", {"laptop"}), ("csvae", "The laptop and desktop", {"laptop", "desktop"})],
)
def test_a_difference_of_some_profiles_is_said_in_their_reports_alone(name: str, start: str, told: set[str]) -> None:
    study = read_study(name)
    run = next(iter(study.runs))
    record = {"training": {"epochs": 1}, "arguments": {}, "data": {"manifest": {}}}
    for profile in study.profiles():
        options = Options(profile, data="CelebA", methods=(run,))
        context = Context(study, plan(study, options), Results([], {run: {0: record}}, {}), Path())
        said = any(line.startswith(start) for line in differences(study, options, context))
        assert said is (profile in told)


def of_ifcvaegan(records: dict[str, dict[int, dict[str, Any]]], folder: Path) -> list[str]:
    """The differences of some runs of that study, whose folders are there."""
    study, options = read_study("ifcvaegan"), Options(data="CelebA", methods=tuple(records), runs=folder)
    return differences(study, options, Context(study, plan(study, options), Results([], records, {}), folder))


def trained(name: str, epochs: int, **changed: Any) -> dict[str, Any]:
    """A record of a run with the arguments of its configs, but for those that a profile changed."""
    study = read_study("ifcvaegan")
    arguments = METHODS[study.method_of(name)](**study.arguments_of(name)).arguments | changed
    return {
        "training": {"epochs": epochs},
        "arguments": json.loads(json.dumps(arguments)),
        "data": {"manifest": {"data": "Synthetic"}},
    }


def test_every_length_is_compared_with_the_runs_own_config(tmp_path: Path) -> None:
    started = "These runs trained for other lengths than their configs, which are the paper's where it says: "
    records = {
        "dipvae": {0: trained("dipvae", 118)},
        "cvaegan": {0: trained("cvaegan", 3), 1: trained("cvaegan", 3)},
        "ifcvaegan": {0: trained("ifcvaegan", 3)},
        "icgan": {0: trained("icgan", 55), 1: trained("icgan", 5)},
    }
    said = [line for line in of_ifcvaegan(records, tmp_path) if "trained for" in line]
    assert said == [f"{started}ifcvaegan, cvaegan 3 of 10 epochs; icgan (seed 1) 5 of 55 epochs."]
    whole = {"ifcvaegan": {0: trained("ifcvaegan", 10)}, "icgan": {0: trained("icgan", 55)}}
    assert not any("trained for" in line or "settings" in line for line in of_ifcvaegan(whole, tmp_path))


def test_what_a_profile_changed_is_told_once_for_all_runs_that_share_it(tmp_path: Path) -> None:
    faster = {"learning_rate": 5e-4, "detach_y_features": False}
    records = {
        "ifcvaegan": {0: trained("ifcvaegan", 10, **faster, width=0.5)},
        "ifcvaegan_male": {0: trained("ifcvaegan_male", 10, **faster, labels=["Bald", "Male"])},
        "dipvae": {0: trained("dipvae", 118)},
    }
    for name, size in (("ifcvaegan", 64), ("dipvae", 128)):
        folder = tmp_path / "ifcvaegan/laptop-celeba" / f"{name}-seed0"
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(f"data: {{class_path: CelebA, init_args: {{batch_size: {size}}}}}")
    lines = of_ifcvaegan(records, tmp_path)
    assert (
        "These settings are not those of the runs' configs: learning_rate 0.0005 in place of 0.0002, "
        "detach_y_features False in place of True: ifcvaegan, ifcvaegan_male; labels [Bald, Male] in place of [Male]: "
        "ifcvaegan_male; batch_size 128 in place of 256: dipvae."
    ) in lines
    assert "The networks of ifcvaegan have 0.5 times the paper's channels." in lines
    alike = {name: {0: trained(name, 10, width=0.5, latent_dim=7)} for name in ("ifcvaegan", "cvaegan")}
    lines = of_ifcvaegan(alike, tmp_path)
    assert "Networks have 0.5 times the paper's channels." in lines
    assert "These settings are not those of the runs' configs: latent_dim 7 in place of 100: all." in lines


ORIENTATION = "the published numbers stand beside ours for orientation only, and none of the verdicts"


@pytest.mark.parametrize(
    ("study", "runs", "stand_ins", "title", "lines"),
    [
        ("vlae", ("vlae",), {}, "CelebA", []),
        ("vlae", ("vlae_mnist",), {"CelebA": "Synthetic"}, "MNIST", []),
        (
            "vlae",
            ("vlae_mnist", "vlae"),
            {"CelebA": "Synthetic"},
            "synthetic faces; MNIST",
            [
                f"The data of vlae are synthetic faces, not CelebA: {ORIENTATION} on these runs speaks of the paper's data.",
                "The data of vlae_mnist are MNIST.",
            ],
        ),
        (
            "vlae",
            ("vlae_mnist", "mmd_vae_mnist"),
            {"CelebA": "Synthetic", "MNIST": "Digits"},
            "Digits, not MNIST",
            [f"The data are Digits, not MNIST: {ORIENTATION} speaks of the paper's data."],
        ),
        (
            "csvae",
            ("vae", "vae_tfd", "csvae_tfd"),
            {"TFD": "Expressions"},
            "CelebA; Expressions, not TFD",
            [
                "The data of vae are CelebA.",
                f"The data of vae_tfd, csvae_tfd are Expressions, not TFD: {ORIENTATION} on these runs speaks of the paper's "
                "data.",
            ],
        ),
    ],
)
def test_every_data_set_of_the_runs_is_named(
    study: str, runs: tuple[str, ...], stand_ins: dict[str, str], title: str, lines: list[str]
) -> None:
    read, options = read_study(study), Options(data="CelebA", stand_ins=stand_ins, methods=runs)
    record = {"training": {"epochs": 1}, "arguments": {}, "data": {"manifest": {}}}
    context = Context(read, plan(read, options), Results([], {run: {0: record} for run in runs}, {}), Path())
    assert data_words(read, context) == title
    assert [line for line in differences(read, options, context) if line.startswith("The data")] == lines


@pytest.mark.parametrize(("metric", "accuracy", "weak"), [("fid", 0.52, True), ("kid", 0.65, False)])
def test_distances_on_the_features_of_a_judge_near_chance_are_said_to_mean_nothing(
    metric: str, accuracy: float, weak: bool
) -> None:
    rows = [row("judge_mnist", "balanced_accuracy", accuracy), row("judge", "balanced_accuracy", 0.5)]
    rows += [row("vlae_mnist", metric, 0.3), row("vlae", "elbo", 0.3)]
    [table] = measured_tables(read_study("vlae"), Results(rows, {}, {}))
    assert ("Balanced accuracy: 0.52 on all labels (classifier of vlae_mnist)." in table.note) is weak
    assert bool(table.note) is weak


def test_small_distances_of_features_have_digits() -> None:
    assert number(replace(row("vlae", "fid", 0.00123), unit="squared distance of features")) == "0.00123 ± 0.01000"


def test_a_published_number_that_compares_with_none_is_marked() -> None:
    study = read_study("ifcvaegan")
    rows = [
        replace(row(run, metric, 0.5), published=study.published(run, metric))
        for run in ("ifcvaegan", "icgan")
        for metric in ("reconstruction_mse", "c_hat_off")
    ]
    table = {table.name: table for table in published_tables(study, Results(rows, {}, {}))}["table1"]
    assert [line[:5] for line in table.rows] == [
        ["ifcvaegan", "0.500 ± 0.010", "0.028", "0.500 ± 0.010", "0.813"],
        ["icgan", "0.500 ± 0.010", "0.028 (not comparable)", "0.500 ± 0.010", "0.099 (not comparable)"],
    ]


def test_a_table_may_have_the_papers_runs_alone() -> None:
    rows = [row(run, "posterior_deviation", 0.3) for run in ("cmma", "cmma2_2d", "cvae_2d")]
    study, results = read_study("cmma"), Results(rows, {}, {})
    [table] = published_tables(study, results)
    assert [line[0] for line in table.rows] == ["cmma2_2d", "cvae_2d"]
    # The other run's number is told beside them.
    [measured] = measured_tables(study, results)
    assert measured.header[1].startswith("posterior deviation")
    assert ["cmma", "0.300 ± 0.010"] in measured.rows


def test_a_part_of_the_data_is_told_and_marked() -> None:
    study = read_study("csvae")
    part = "The data are 28,549 of CelebA's 202,599 images"
    for manifest, said, mark in (
        (
            {"data": "CelebA", "faces": 28549, "frame": [64, 64]},
            f"{part}, from frames of 64 x 64 pixels, not of 178 x 218.",
            1,
        ),
        ({"data": "CelebA", "faces": 28549, "frame": [178, 218]}, f"{part}.", 1),
        ({"data": "CelebA", "faces": 202599, "frame": [178, 218], "limit": 100}, None, 0),
        ({"data": "Synthetic", "faces": 300}, None, 0),
    ):
        measured = {
            "metric": "edit_accuracy",
            "value": 0.5,
            "stderr": 0.1,
            "n": 9,
            "unit": "share of faces",
            "settings": {},
        }
        record = {
            "training": {"epochs": 2300},
            "arguments": {},
            "data": {"manifest": manifest},
            "measurements": [measured],
        }
        results = Results(rows_of(study, "csvae", {0: record}, True), {"csvae": {0: record}}, {})
        options = Options(data="CelebA", stand_ins={}, methods=("csvae",))
        context = Context(study, plan(study, options), results, Path())
        lines = [line for line in differences(study, options, context) if line.startswith("The data are")]
        assert lines == [said] * (said is not None)
        [table] = published_tables(study, results)
        assert table.rows[0][2] == "0.996" + mark * " (on all of the data)"


def test_what_codes_tell_of_the_labels_is_a_table() -> None:
    def probed(metric: str, value: float, unit: str, seeds: list[int] | None = None) -> Row:
        settings = {"chance": 0.5, "linear": 0.71, "probe_images": 100}
        return Row("csvae", metric, value, 0.01, 50, seeds or [0], unit, None, True, None, settings)

    rows = [
        probed("leakage", 0.6, "balanced accuracy"),
        probed("leakage/Eyeglasses", 0.61, "balanced accuracy"),
        probed("subspace_accuracy/w_Eyeglasses/Eyeglasses", 0.97, "recall"),
    ]
    tables = {table.name: table for table in measured_tables(read_study("csvae"), Results(rows, {}, {}))}
    assert tables["codes"].title == "Labels predicted from the codes"
    assert tables["codes"].rows == [
        ["csvae", "z", "Eyeglasses", "balanced accuracy", "0.610 ± 0.010", "0.710", "0.500", "50"],
        ["csvae", "w_Eyeglasses", "Eyeglasses", "recall", "0.970 ± 0.010", "0.710", "0.500", "50"],
    ]
    assert tables["codes"].header[5] == "linear probe"
    several = Results([probed("leakage/Eyeglasses", 0.6, "recall", [0, 1])], {}, {})
    [table] = [table for table in measured_tables(read_study("csvae"), several) if table.name == "codes"]
    assert table.header[5] == "linear probe, first seed"
    assert "codes" not in {table.name for table in measured_tables(read_study("csvae"), judged(0.9))}


def test_a_caption_is_of_the_longest_beginning() -> None:
    study = replace(read_study("csvae"), captions={"styles_a": "Figure 3", "styles_a_tfd": "Figure 8"})
    names = ("styles_a", "styles_a_tfd_very_sad", "styles_abc")
    assert [study.caption(name) for name in names] == ["Figure 3", "Figure 8 (very sad)", "styles abc"]
