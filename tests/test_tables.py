"""Tables of a study's report: words for readers, names in files, and what is said of a weak judge."""

from pathlib import Path
from typing import Any

from lit_faces.studies.collect import Results, Row
from lit_faces.studies.figures.context import Context
from lit_faces.studies.plan import plan
from lit_faces.studies.study import Options, read_study
from lit_faces.studies.tables import (
    Cells,
    claims_table,
    differences,
    for_readers,
    judges_note,
    measured_tables,
    published_tables,
)
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
            assert ("0.55 on Big Nose (judge of cmma)" in table.note) is weak
    assert judges_note(study, judged(0.55), ["cmma"], ["elbo", "unedited_mse"]) == ""


def test_readers_see_words_and_files_keep_the_names() -> None:
    study = read_study("cmma")
    kept = {table.name: table for table in measured_tables(study, judged(0.9))}
    shown = {name: for_readers(table) for name, table in kept.items()}
    assert kept["measured"].header[1:] == ["edit accuracy (share of faces)", "unedited rate (share of faces)"]
    assert shown["measured"].header[1:] == [
        "edit accuracy: attribute seen after the edit (share of faces)",
        "attribute seen without the edit (share of faces)",
    ]
    assert [line[1] for line in kept["edits"].rows] == ["unedited rate", "edit accuracy"]
    assert [line[1] for line in shown["edits"].rows] == [
        "attribute seen without the edit",
        "edit accuracy: attribute seen after the edit",
    ]
    assert for_readers(Cells("x", "x", ["model", "n"], [["kl", "1"]])).rows == [["kl", "1"]]


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
