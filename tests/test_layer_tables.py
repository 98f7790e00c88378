"""The table of what was measured of the layers of ladders."""

from dataclasses import replace

from lit_faces.studies.cells import Cells
from lit_faces.studies.collect import Results, Row
from lit_faces.studies.measured import measured_tables
from lit_faces.studies.study import read_study
from lit_faces.studies.tables import for_readers
from lit_faces.studies.words import metric_words

STUDY = replace(read_study("ifcvaegan"), edits={"Smile": {"set": ["Smiling"]}, "Bare": {"reset": ["Wearing_Hat"]}})
DIGITS = {"class": 0.9}
MANY = {**{f"Attribute {i}": 0.5 for i in range(11)}, "Smiling": 0.7, "Wearing Hat": 0.8}


def row(run: str, metric: str, value: float, unit: str = "share of faces") -> Row:
    return Row(run, metric, value, None, 50, [0], unit, None, True, None, {})


def ladder(run: str, probes: dict[str, float], layers: tuple[str, ...] = ("z_0", "z_2")) -> list[Row]:
    """What is measured of a ladder, in the order of the callbacks: all codes first."""
    rows = []
    for number, layer in enumerate(("all", *layers)):
        of = "" if layer == "all" else f"/{layer}"
        rows.append(row(run, f"probe_accuracy{of}", 0.6))
        rows += [row(run, f"probe_accuracy/{layer}/{name}", value) for name, value in probes.items()]
        rows += [row(run, f"probe_r2/{layer}/slant", number / 10), row(run, f"probe_r2/{layer}/stroke width", 0.25)]
    for number, of in enumerate(("", *(f"/{layer}" for layer in layers))):
        rows.append(row(run, f"mmd{of}", number + 1, "squared MMD"))
        rows += [row(run, f"{metric}{of}", number + 1) for metric in ("code_mean", "code_covariance")]
    return rows


def tables(*rows: Row, sizes: dict[str, list[int]] | None = None) -> dict[str, Cells]:
    records = {run: {0: {"arguments": {"latent_dims": dims}}} for run, dims in (sizes or {}).items()}
    return {table.name: table for table in measured_tables(STUDY, Results([*rows], records, {}))}


def test_layers_have_a_line_each_and_all_codes_the_last() -> None:
    made = tables(*ladder("ifcvaegan", DIGITS), sizes={"ifcvaegan": [2, 0, 10]})["layers"]
    assert made.header == [
        "model",
        "layer",
        "dimensions",
        "mmd",
        "code mean",
        "code covariance",
        "probe accuracy (class)",
        "probe r2 (slant)",
        "probe r2 (stroke width)",
    ]
    assert made.rows == [
        ["ifcvaegan", "z_0", "2", "2.00000", "2.000", "2.000", "0.900", "0.100", "0.250"],
        ["ifcvaegan", "z_2", "10", "3.00000", "3.000", "3.000", "0.900", "0.200", "0.250"],
        ["ifcvaegan", "all", "12", "1.00000", "1.000", "1.000", "0.900", "0.000", "0.250"],
    ]
    shown = for_readers(made)
    assert shown.header[2:] == [
        "dim",
        "MMD",
        "mean",
        "covariance",
        "accuracy (class)",
        "R² (slant)",
        "R² (stroke width)",
    ]
    assert set(shown.legend) == {"dim", "MMD", "mean", "covariance", "accuracy", "R²"}
    assert shown.rows == made.rows


def test_of_many_attributes_the_mean_and_those_that_are_edited_are_told() -> None:
    made = tables(*ladder("ifcvaegan", MANY))["layers"]
    assert made.header[6:9] == ["probe accuracy", "probe accuracy (Smiling)", "probe accuracy (Wearing Hat)"]
    assert [line[6:9] for line in made.rows] == [["0.600", "0.700", "0.800"]] * 3
    assert {line[2] for line in made.rows} == {"-"}
    # Twelve are not many.
    few = {name: value for name, value in MANY.items() if name != "Attribute 0"}
    header = tables(*ladder("ifcvaegan", few))["layers"].header
    assert sum(name.startswith("probe accuracy (") for name in header) == 12
    assert "probe accuracy" not in header


def test_runs_of_other_columns_have_a_table_of_their_own() -> None:
    made = tables(*ladder("ifcvaegan", DIGITS), *ladder("icgan", MANY), *ladder("dipvae", DIGITS, ("z_3",)))
    assert [line[:2] for line in made["layers"].rows] == [
        ["ifcvaegan", "z_0"],
        ["ifcvaegan", "z_2"],
        ["ifcvaegan", "all"],
        ["dipvae", "z_3"],
        ["dipvae", "all"],
    ]
    assert {line[0] for line in made["layers_icgan"].rows} == {"icgan"}
    assert made["layers"].title.endswith(" (ifcvaegan, dipvae)")
    assert made["layers_icgan"].title.endswith(" (icgan)")
    assert all(len(line) == len(table.header) for table in made.values() for line in table.rows)


def test_what_a_run_lacks_is_left_open() -> None:
    rows = [r for r in ladder("ifcvaegan", DIGITS) if r.metric != "probe_accuracy/z_0/class"]
    assert tables(*rows)["layers"].rows[0][6] == "-"
    assert "layers" not in tables(row("ifcvaegan", "reconstruction_mse", 0.1))


def test_what_is_measured_of_samples_and_codes_is_told_of_each_run() -> None:
    rows = [row("ifcvaegan", metric, 0.5) for metric in ("kid", "fid", "fid_of_photographs", "arithmetic_accuracy")]
    made = tables(*rows, *ladder("icgan", DIGITS))["measured"]
    names = [cell.partition(" (")[0] for cell in made.header]
    assert names == [
        "model",
        "kid",
        "fid",
        "fid of photographs",
        "mmd",
        "code mean",
        "code covariance",
        "probe accuracy",
        "arithmetic accuracy",
    ]
    assert [line[0] for line in made.rows] == ["ifcvaegan", "icgan"]


def test_layers_keep_their_names_in_words() -> None:
    assert metric_words("probe_accuracy/z_0/Blond_Hair") == "accuracy of a linear probe on the codes (z_0, Blond Hair)"
    assert metric_words("mmd/z_3") == "MMD of the codes from the prior (z_3)"
