"""The tables of what was measured beyond a paper's own."""

from dataclasses import replace
from typing import Any

from lit_faces.studies.cells import Cells
from lit_faces.studies.collect import Results, Row, rows_of
from lit_faces.studies.measured import measured_tables
from lit_faces.studies.study import read_study
from lit_faces.studies.tables import for_readers
from lit_faces.studies.words import metric_words


def row(run: str, metric: str, value: float, n: int = 50, unit: str = "share of faces") -> Row:
    return Row(run, metric, value, 0.01, n, [0], unit, None, True, None, {})


def tables(*rows: Row) -> dict[str, Cells]:
    return {table.name: table for table in measured_tables(read_study("ifcvaegan"), Results([*rows], {}, {}))}


def test_c_hat_stands_beside_its_judge() -> None:
    made = tables(
        row("judge", "balanced_accuracy/Smiling", 0.9, unit="mean over present and absent"),
        row("ifcvaegan", "c_hat_off/Smiling", 0.8, 100),
        row("ifcvaegan", "c_hat_on/Smiling", 1.0, 100),
        row("ifcvaegan", "first_16_c_hat_off/Smiling", 0.8125, 16),
        row("ifcvaegan", "first_16_c_hat_on/Smiling", 1.0, 16),
        row("ifcvaegan_male", "c_hat_off/Male", 0.5, 10),
        row("ifcvaegan_male", "c_hat_on/Male", 0.5, 10),
    )
    assert set(made) == {"c_hat"}
    first, second = made["c_hat"].rows
    assert first == [
        "ifcvaegan",
        "Smiling",
        "0.800 [0.711, 0.867]",
        "1.000 [0.963, 1.000]",
        "0.812 [0.570, 0.934]",
        "1.000 [0.806, 1.000]",
        "100",
        "0.900 ± 0.010",
    ]
    assert second[4:] == ["-", "-", "10", "-"]
    assert len(made["c_hat"].header) == len(first)


def test_attributes_stand_beside_the_majority() -> None:
    made = tables(
        row("ifcvaegan_ten", "label_accuracy", 0.85),
        row("ifcvaegan_ten", "label_accuracy/Blond Hair", 0.8),
        row("ifcvaegan_ten", "label_accuracy/Male", 1.0),
        row("ifcvaegan_ten", "majority_accuracy/Blond Hair", 0.7),
        row("dipvae", "linear_accuracy/Blond Hair", 0.72),
        row("dipvae", "majority_accuracy/Blond Hair", 0.6),
        row("dipvae", "linear_accuracy/Male", 0.6, 40),
    )
    assert [line[:3] + line[4:] for line in made["attributes"].rows] == [
        ["Blond Hair", "ifcvaegan_ten", "E_y", "0.700", "50"],
        ["Blond Hair", "dipvae", "linear classifier on z", "0.600", "50"],
        ["Male", "ifcvaegan_ten", "E_y", "-", "50"],
        ["Male", "dipvae", "linear classifier on z", "-", "40"],
    ]
    assert made["attributes"].rows[0][3] == "0.800 [0.670, 0.888]"
    assert made["measured"].header == ["model", "label accuracy (share of faces)"]


def test_persons_are_told_by_who_is_no_model() -> None:
    made = tables(
        row("identity", "verification_accuracy", 0.93, unit="balanced accuracy"),
        row("judge", "balanced_accuracy/Smiling", 0.9, unit="mean over present and absent"),
        *(row("ifcvaegan", metric, 0.4) for metric in ("identity_kept", "unedited_identity_kept")),
        *(
            row("ifcvaegan", f"{metric}/Smiling", 0.4)
            for metric in ("unedited_rate", "identity_kept", "identity_accuracy")
        ),
    )
    assert [line[0] for line in made["measured"].rows] == ["ifcvaegan"]
    assert "0.930 ± 0.010" in made["measured"].note
    own = {line[1]: line[-2] for line in made["edits"].rows}
    assert own == {
        "unedited rate": "0.900 ± 0.010",
        "identity kept": "0.930 ± 0.010",
        "identity accuracy": "0.930 ± 0.010",
    }
    assert made["edits"].rows[1][2] == "0.400 ± 0.010"
    assert "person recognised after the edit (share of faces)" in [
        line[0] for line in for_readers(made["measured"]).rows
    ]


def test_edits_of_other_runs_are_a_table_of_their_own() -> None:
    made = tables(
        row("ifcvaegan_male", "unedited_rate/Male", 0.1),
        *(
            row(run, f"unedited_rate/{edit}", 0.1)
            for run in ("ifcvaegan", "icgan")
            for edit in ("No Smiling", "Smiling")
        ),
    )
    assert made["edits"].header[2:4] == ["ifcvaegan", "icgan"]
    assert {line[0] for line in made["edits"].rows} == {"No Smiling", "Smiling"}
    assert made["edits"].title.endswith("(Smiling)")
    assert made["edits_male"].header[2:3] == ["ifcvaegan_male"]
    assert {line[0] for line in made["edits_male"].rows} == {"Male"}


def test_the_strength_of_an_edit_stands_with_its_rates() -> None:
    strong = replace(row("ifcvaegan", "edit_accuracy/Smiling", 0.9), settings={"strength": 1.5})
    weak = row("icgan", "edit_accuracy/Smiling", 0.3)
    rates = [row(run, "unedited_rate/Smiling", 0.1) for run in ("ifcvaegan", "icgan")]
    rows = tables(*rates, strong, weak)["edits"].rows
    assert [line[:4] for line in rows] == [
        ["Smiling", "strength", "1.5", "-"],
        ["Smiling", "unedited rate", "0.100 ± 0.010", "0.100 ± 0.010"],
        ["Smiling", "edit accuracy", "0.900 ± 0.010", "0.300 ± 0.010"],
    ]
    assert "strength" in for_readers(tables(*rates, strong, weak)["edits"]).legend
    assert tables(*rates, weak)["edits"].rows[0][1] == "unedited rate"


def test_seeds_of_different_strengths_are_both_named() -> None:
    def record(strength: float) -> dict[str, Any]:
        settings = {"value": 0.9, "stderr": 0.01, "n": 50, "unit": "share of faces", "settings": {"strength": strength}}
        return {"measurements": [{"metric": "edit_accuracy/Smiling", **settings}]}

    study = read_study("ifcvaegan")
    same, other = (rows_of(study, "ifcvaegan", {0: record(2), 1: record(s)}, True) for s in (2, 1.5))
    unedited = row("ifcvaegan", "unedited_rate/Smiling", 0.1)
    assert tables(unedited, *same)["edits"].rows[0][:3] == ["Smiling", "strength", "2"]
    assert tables(unedited, *other)["edits"].rows[0][:3] == ["Smiling", "strength", "2, 1.5"]


def test_a_metric_is_told_beyond_the_papers_tables_if_they_lack_a_run() -> None:
    shown, left = (row(run, "reconstruction_mse", 0.02) for run in ("ifcvaegan", "cvaegan_bao"))
    assert "measured" not in tables(shown)
    assert [line[0] for line in tables(shown, left)["measured"].rows] == ["ifcvaegan", "cvaegan_bao"]


def test_metrics_of_a_label_have_words() -> None:
    assert metric_words("c_hat_off/Blond_Hair") == "Ĉ no longer finds the label after y = 0 (Blond Hair)"
    assert metric_words("identity_kept") == "person recognised after the edit"
    assert metric_words("not_known/Smiling") == "not known (Smiling)"
