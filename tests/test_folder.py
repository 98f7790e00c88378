"""Your own pictures: what the table says is what is loaded, nothing is dropped, and every method can be trained on them."""

import csv
import os

import numpy as np
import pytest
import torch
from drawn_folder import NAMES, SHARES, photograph_of_face, without, write_folder, write_table
from PIL import Image

from lit_faces.data import folder_cache
from lit_faces.data.base import SPLITS
from lit_faces.data.folder import Folder
from lit_faces.data.folder_cache import FRAME
from lit_faces.data.folder_table import read_table
from lit_faces.errors import UserError
from lit_faces.photographs.detector import find_faces
from lit_faces.photographs.framing import cut, frame_of, region

pytestmark = pytest.mark.usefixtures("own_environment")


@pytest.fixture
def rows(tmp_path):
    return write_folder(tmp_path)


def loaded(folder, **options):
    options = {"size": 40, "crop": "none", **options}
    data = Folder(str(folder / "pictures"), str(folder / "table.csv"), batch_size=4, **options)
    data.prepare_data()
    return data.load()


def joined(data, field):
    return torch.cat([getattr(data.splits[name], field) for name in SPLITS])


def test_the_pictures_and_what_the_table_says_of_them_are_loaded(rows, tmp_path):
    # In another order than that of the splits.
    rows = rows[::-1]
    write_table(tmp_path / "table.csv", rows)
    data = loaded(tmp_path, labels=("Smiling",))
    assert (data.attributes, data.labels) == (NAMES, ("Smiling",))
    assert {name: len(data.splits[name]) for name in SPLITS} == SHARES
    index = joined(data, "index").tolist()
    assert sorted(index) == list(range(len(rows)))
    people = {}
    for place, row in enumerate(index):
        picture = np.asarray(Image.open(tmp_path / "pictures" / rows[row]["file"]))
        np.testing.assert_array_equal(joined(data, "images")[place].numpy(), picture)
        assert joined(data, "attributes")[place].tolist() == [rows[row][name] for name in NAMES]
        people.setdefault(rows[row]["person"], set()).add(joined(data, "identity")[place].item())
    assert all(len(numbers) == 1 for numbers in people.values())
    assert len(set.union(*people.values())) == len(people)


def test_of_a_picture_that_is_no_square_the_middle_is_taken(rows, tmp_path):
    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:, 20:60] = 200
    for row in rows:
        Image.fromarray(wide).save(tmp_path / "pictures" / row["file"])
    images = joined(loaded(tmp_path, size=20), "images")
    # At its sides the antialiasing mixes in some of what is beyond.
    assert (images[:, :, 1:-1] == 200).all()


def test_scores_and_columns_of_any_name_are_attributes(rows, tmp_path):
    for number, row in enumerate(rows):
        row["Look, Ma"] = -3.5 + number
    write_table(tmp_path / "table.csv", rows)
    table = (tmp_path / "table.csv").read_text()
    (tmp_path / "table.csv").write_text("\ufeff" + table.replace("\n", "\n\n", 1), encoding="utf-8")
    data = loaded(tmp_path)
    assert data.attributes == (*NAMES, "Look, Ma")
    assert data.splits["train"].attributes[:3, 3].tolist() == [-3.5, -2.5, -1.5]


def table_of(folder, rows):
    for row in rows:
        path = folder / "pictures" / row["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    write_table(folder / "table.csv", rows)
    return read_table(folder / "table.csv", folder / "pictures")


def test_splits_are_drawn_by_person_and_a_further_row_moves_no_other(tmp_path):
    rows = [{"file": f"{n}.png", "person": f"p{n // 3}", "Smiling": n % 2} for n in range(600)]
    table = table_of(tmp_path, rows)
    of_person = {}
    for person, split in zip(table.persons, table.splits, strict=True):
        of_person.setdefault(person, set()).add(split)
    assert all(len(splits) == 1 for splits in of_person.values())
    share = table.splits.count("train") / 600
    # Of 200 persons, four standard errors.
    assert abs(share - 0.8) < 4 * (0.8 * 0.2 / 200) ** 0.5
    more = [{"file": "new.png", "person": "p600", "Smiling": 0}, *rows[::-1]]
    assert table_of(tmp_path, more).splits[1:] == table.splits[::-1]
    alone = table_of(tmp_path, without(rows, "person"))
    assert alone.persons is None
    assert alone.splits != table.splits
    assert {*alone.splits} == {*SPLITS}


def test_without_persons_each_picture_is_one_of_its_own(rows, tmp_path):
    write_table(tmp_path / "table.csv", without(rows, "person"))
    data = loaded(tmp_path)
    assert len(joined(data, "identity").unique()) == len(rows)
    assert "no column 'person'" in data.manifest["people"]


def test_a_second_load_reads_no_picture_and_a_changed_one_is_noticed(rows, tmp_path, monkeypatch):
    first = joined(loaded(tmp_path), "images")
    with monkeypatch.context() as patch:
        patch.setattr(folder_cache, "open_photograph", None)
        assert torch.equal(joined(loaded(tmp_path), "images"), first)
    path = tmp_path / "pictures" / rows[0]["file"]
    before = path.stat()
    Image.new("RGB", (40, 40), "red").save(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    changed = joined(loaded(tmp_path), "images")
    assert not torch.equal(changed[0], first[0])
    assert torch.equal(changed[1:], first[1:])
    rows[0]["Male"] = 7
    write_table(tmp_path / "table.csv", rows)
    assert joined(loaded(tmp_path), "attributes")[0, 0] == 7


def change(number, **cells):
    def changed(folder, rows):
        rows[number].update(cells)
        write_table(folder / "table.csv", rows)

    return changed


def rewrite(old, new):
    def rewritten(folder, rows):
        path = folder / "table.csv"
        path.write_text(path.read_text().replace(old, new, 1))

    return rewritten


def picture(number, content):
    def written(folder, rows):
        (folder / "pictures" / rows[number]["file"]).write_bytes(content)

    return written


def small(folder, rows):
    Image.new("RGB", (9, 30)).save(folder / "pictures" / rows[2]["file"])


ERRORS = {
    "no table": (lambda f, r: (f / "table.csv").unlink(), r"no table at .*table\.csv: give it with --data\.attributes"),
    "no folder": (lambda f, r: (f / "pictures").rename(f / "x"), r"no folder .*pictures: .* --data\.root"),
    "an empty table": (lambda f, r: (f / "table.csv").write_text(""), "has no column 'file', it has nothing"),
    "no rows": (lambda f, r: (f / "table.csv").write_text("file,Male\n\n"), "has no rows"),
    "no text": (lambda f, r: (f / "table.csv").write_bytes(b"\xff\xfe"), "is not a table"),
    "no file column": (rewrite("file", "path"), "has no column 'file', it has 'path', .*separated by commas"),
    "a column twice": (rewrite("Smiling", "Male"), "has the column 'Male' twice"),
    "a column written in two ways": (
        lambda f, r: write_table(f / "table.csv", [{**row, "Blond Hair": 0, "Blond_Hair": 1} for row in r]),
        "has the columns 'Blond Hair' and 'Blond_Hair', which are one name: rename",
    ),
    "a column without a name": (rewrite("Smiling", ""), "column 5 has no name"),
    "no attributes": (lambda f, r: write_table(f / "table.csv", without(r, *NAMES)), "has no attributes"),
    "too few cells": (rewrite(",person 0", ""), r"row 2: 5 cells, but 6 columns"),
    "a missing picture": (change(1, file="0/x.png"), r"row 3: there is no picture .*0/x\.png: .*remove the row"),
    "a name too long": (change(1, file="x" * 300), r"row 3: there is no picture .*x \(File name too long\)"),
    "the folder above": (change(1, file=".."), r"row 3: '\.\.' is no file below"),
    "no name of a picture": (change(1, file=""), "row 3: '' is no file below"),
    "a picture elsewhere": (change(1, file="0/../../table.csv"), r"row 3: '0/../../table\.csv' is no file below"),
    "an absolute path": (change(1, file="/etc/passwd"), "row 3: '/etc/passwd' is no file below"),
    "a picture twice": (change(1, file="./0/0.png"), r"row 3: \./0/0\.png is in row 2 already"),
    "a damaged picture": (picture(2, b"GIF89a"), r"row 4: .*2\.png cannot be read as a PNG"),
    "a picture too small": (small, r"row 4: .*2\.png would be scaled up from 9 to 40 pixels: .*--data\.size"),
    "a word": (change(1, Male="yes"), r"row 3: Male is 'yes', which is no finite number"),
    "nothing": (change(1, Male=""), "row 3: Male is '', which is no finite number"),
    "no number": (change(1, Male="nan"), "row 3: Male is 'nan'"),
    "a number beyond all": (change(1, Male="1e39"), "row 3: Male is '1e39'"),
    "an unknown split": (change(1, split="val"), r"row 3: 'val' is no split: write one of train, validation, test"),
    "a person in two splits": (
        change(16, person="person 0"),
        r"row 18: person 0 is in validation, but in train in row 2: put all pictures of a person into one",
    ),
    "no person": (change(1, person=""), "row 3: no person"),
    "an empty split": (lambda f, r: write_table(f / "table.csv", r[:24]), "no picture is in the test split, of 24"),
}


@pytest.mark.parametrize("what", ERRORS)
def test_what_is_wrong_is_said_in_one_line_by_its_row_and_leaves_no_cache(what, rows, tmp_path):
    spoil, message = ERRORS[what]
    spoil(tmp_path, rows)
    with pytest.raises(UserError, match=message) as error:
        loaded(tmp_path)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "cache").glob("folder-*"))


@pytest.mark.parametrize(
    ("labels", "message"), [(("Smilling",), "did you mean Smiling"), (("Male", "male"), "has no attribute 'male'")]
)
def test_labels_that_are_no_attributes_are_refused(labels, message, rows, tmp_path):
    with pytest.raises(UserError, match=message):
        loaded(tmp_path, labels=labels)
    with pytest.raises(UserError, match="must be different"):
        loaded(tmp_path, labels=("Male", "Male"))


def test_an_attribute_that_never_varies_in_training_is_told(rows, tmp_path, caplog):
    for row in rows[:16]:
        row["Male"] = 1.0
    write_table(tmp_path / "table.csv", rows)
    with caplog.at_level("INFO"):
        loaded(tmp_path)
    (line,) = [record.message for record in caplog.records]
    assert "Male is 1 in all training pictures, so nothing is learned of it" in line


@pytest.fixture
def photographs(rows, tmp_path):
    """A face in each picture, somewhere."""
    for number, row in enumerate(rows):
        photograph_of_face(8 * (number % 12), 5 * (11 - number % 12)).save(tmp_path / "pictures" / row["file"])
    return rows


def test_a_face_is_cut_as_it_is_cut_for_editing(photographs, tmp_path):
    data = loaded(tmp_path, crop="face")
    images = joined(data, "images")
    assert frame_of("Folder", data.manifest) == FRAME
    for number in (0, 11):
        picture = Image.open(tmp_path / "pictures" / photographs[number]["file"])
        (box,) = find_faces(picture)
        np.testing.assert_array_equal(images[number].numpy(), cut(picture, region(box, FRAME), 40))
    assert "frame" not in loaded(tmp_path).manifest


def listed(tmp_path):
    """The files that list what is wrong, and their rows."""
    files = [*(tmp_path / "cache").glob("*.csv")]
    return files, [*csv.DictReader("".join(file.read_text() for file in files).splitlines())]


def test_all_pictures_that_cannot_be_used_are_listed_after_one_pass(photographs, tmp_path, monkeypatch):
    pictures = tmp_path / "pictures"
    # The first row of the table is not that of the first split.
    photographs.insert(0, photographs.pop())
    write_table(tmp_path / "table.csv", photographs)
    good = {row["file"]: (pictures / row["file"]).read_bytes() for row in photographs}
    files = [*good]
    Image.new("RGB", (200, 200), "white").save(pictures / files[0])
    photograph_of_face(50, 30).resize((120, 96)).save(pictures / files[3])
    (pictures / files[5]).write_bytes(b"GIF89a")
    seen = []
    look = folder_cache.find_faces
    monkeypatch.setattr(folder_cache, "find_faces", lambda picture: (seen.append(picture), look(picture))[1])
    with pytest.raises(UserError) as error:
        loaded(tmp_path, crop="face", size=300)
    assert len(seen) == len(files) - 1
    [path], lines = listed(tmp_path)
    assert [(line["row"], line["file"]) for line in lines] == [(str(row + 2), files[row]) for row in (0, 3, 5)]
    for line, said in zip(lines, ("no face was found in", "would be scaled up from", "cannot be read as"), strict=True):
        assert said in line["what is wrong"]
    assert str(error.value) == (
        f"{tmp_path}/table.csv, row 2: {lines[0]['what is wrong']}; 3 of 32 pictures cannot be used, {path} lists them"
    )
    for row in (0, 3, 5):
        (pictures / files[row]).write_bytes(good[files[row]])
    loaded(tmp_path, crop="face", size=300)
    assert listed(tmp_path) == ([], [])


def test_pictures_that_are_not_there_are_listed_before_any_face_is_looked_for(rows, tmp_path, monkeypatch):
    monkeypatch.setattr(folder_cache, "find_faces", None)
    for number in (4, 9):
        (tmp_path / "pictures" / rows[number]["file"]).unlink()
    with pytest.raises(UserError, match=r"row 6: there is no picture .*/1/4\.png: .*; 2 of 32 pictures"):
        loaded(tmp_path, crop="face")
    assert [line["row"] for line in listed(tmp_path)[1]] == ["6", "11"]


def test_a_name_may_begin_with_dots(rows, tmp_path):
    (tmp_path / "pictures" / rows[1]["file"]).rename(tmp_path / "pictures/..anna.png")
    change(1, file="..anna.png")(tmp_path, rows)
    assert len(loaded(tmp_path).splits["train"]) == SHARES["train"]


@pytest.mark.parametrize("content", ["{}", "[1]", '{"splits": 3, "attributes": {}}'])
def test_a_cache_with_the_manifest_of_something_else_is_made_again(content, rows, tmp_path):
    first = loaded(tmp_path)
    [manifest] = (tmp_path / "cache").glob("*/manifest.json")
    manifest.write_text(content)
    again = loaded(tmp_path)
    assert again.manifest == first.manifest
    assert torch.equal(joined(again, "images"), joined(first, "images"))
