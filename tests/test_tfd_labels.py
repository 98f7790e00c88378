"""TFD's label extension: the table that is read, the ensemble that writes one, and `lit-faces data prepare tfd`."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import torch
from fake_tfd import COUNT, LABELLED, content, write_table
from scipy.io import savemat

from lit_faces.callbacks.identity_pairs import identity_pairs
from lit_faces.data.base import SPLITS
from lit_faces.data.tfd import TFD, find_labels, read_labels, read_tfd
from lit_faces.data.tfd_labels import extend_labels, keep_confident, prepare_labels
from lit_faces.errors import UserError
from lit_faces.files import sha256

pytestmark = pytest.mark.usefixtures("own_environment")


def test_extended_labels_join_the_split_of_their_person_in_the_same_shares(tfd_root, tmp_path):
    table = write_table(tmp_path / "more.csv", [(row, row % 7 + 1) for row in range(LABELLED, COUNT)])
    without, loaded = TFD(str(tfd_root)).load(), TFD(str(tfd_root), extended=str(table)).load()
    added = []
    for name in SPLITS:
        index = loaded.splits[name].index
        # The labelled ones stay where they were.
        assert torch.equal(index[index < LABELLED], without.splits[name].index)
        more = index >= LABELLED
        assert torch.equal(loaded.splits[name].attributes[more].argmax(1), index[more] % 7)
        added.append(int(more.sum()))
        assert loaded.manifest["counts"][name] == {"labelled by people": len(index) - added[-1], "extended": added[-1]}
    assert added == [pytest.approx(share * (COUNT - LABELLED), abs=3) for share in (0.8, 0.1, 0.1)]
    assert loaded.manifest["extended"] == {"file": "more.csv", "sha256": sha256(table), "labels": COUNT - LABELLED}
    # People known from labelled pictures have all theirs in one split.
    known = read_tfd(tfd_root).identity
    people = [{*known[loaded.splits[name].index]} - {-1} for name in SPLITS]
    assert sum(map(len, people)) == len(set.union(*people)) == LABELLED // 10


def test_no_guessed_expression_is_compared_with_another_photograph_of_the_person(tfd_root, tmp_path):
    table = write_table(tmp_path / "more.csv", [(row, row % 7 + 1) for row in range(LABELLED, COUNT)])
    compared = []
    for extended in (str(table), None):
        faces = TFD(str(tfd_root), extended=extended).load().splits["train"]
        assert torch.equal(faces.identity[faces.index >= LABELLED], -1 - faces.index[faces.index >= LABELLED])
        assert (faces.identity[faces.index < LABELLED] > 0).all()
        pairs = identity_pairs(faces.identity, faces.attributes.argmax(1), 100_000, 0)
        compared.append(
            sorted(zip(*(faces.index[rows].tolist() for rows in (pairs.original, pairs.target)), strict=True))
        )
    assert compared[0] == compared[1] != []


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("label,row\n1,2\n", "first line must be row,label, got label,row"),
        ("", "first line must be row,label"),
        ("row,label\n1,x\n", "line 2: '1,x' is not two whole numbers"),
        ("row,label\n1,2,3\n", "line 2: '1,2,3' is not two whole numbers"),
        ("row,label\n2,1\n4,1\n", "line 3: row 4 is not below 4"),
        ("row,label\n2,8\n", "label 8 not 1 to 7"),
        ("row,label\n2,1\n2,1\n", "line 3: row 2 has a label already"),
        ("row,label\n1,1\n", "line 2: row 1 has a label already"),
    ],
)
def test_bad_tables_name_their_line(tmp_path, lines, message):
    path = tmp_path / "table.csv"
    path.write_text(lines)
    with pytest.raises(UserError, match=message):
        read_labels(path, np.array([-1, 5, -1, -1]))


def test_a_missing_table_says_what_writes_it(tmp_path):
    with pytest.raises(UserError, match=r"no extended labels .*none\.csv: `lit-faces data prepare tfd` makes some"):
        read_labels(tmp_path / "none.csv", np.array([-1]))


def test_images_are_kept_by_the_largest_mean_probability():
    sure, torn = np.eye(7)[2], np.full(7, 1 / 7)
    probabilities = np.stack([[sure, sure, torn], [sure, np.eye(7)[3], torn]])
    assert [part.tolist() for part in keep_confident(probabilities)] == [[0], [3]]
    assert [part.tolist() for part in keep_confident(probabilities, 0.5)] == [[0, 1], [3, 3]]
    edge = np.array([[[0.9, 0.1, 0, 0, 0, 0, 0]]])
    assert [part.tolist() for part in keep_confident(edge)] == [[0], [1]]
    with pytest.raises(ValueError, match=r"must be \(M, N, 7\)"):
        keep_confident(np.zeros((3, 7)))


def test_an_ensemble_labels_what_it_knows(tfd_root):
    extension = extend_labels(read_tfd(tfd_root), 0)
    true = content()[1]
    assert len(extension.rows) > 0.8 * (COUNT - LABELLED)
    assert (extension.rows >= LABELLED).all()
    assert (extension.labels == true[extension.rows]).all()
    assert extension.accuracy == extension.precision == 1
    assert extension.kept > 0.8


def test_an_ensemble_learns_from_the_train_split_alone(tfd_root):
    file = read_tfd(tfd_root)
    splits = TFD(str(tfd_root)).load().splits
    first = extend_labels(file, 0)

    def with_labels_turned(name):
        labels = file.labels.copy()
        rows = splits[name].index.numpy()
        labels[rows] = labels[rows] % 7 + 1
        return extend_labels(dataclasses.replace(file, labels=labels), 0)

    for name in ("validation", "test"):
        turned = with_labels_turned(name)
        assert (turned.rows.tolist(), turned.labels.tolist()) == (first.rows.tolist(), first.labels.tolist())
        assert (turned.accuracy, turned.kept, turned.precision) == (first.accuracy, first.kept, first.precision)
    turned = with_labels_turned("train")
    here = np.isin(turned.rows, first.rows)
    assert here.sum() > 50
    assert (turned.labels[here] == content()[1][turned.rows[here]] % 7 + 1).all()


def test_an_ensemble_is_not_confident_of_noise(tmp_path):
    noise = np.random.default_rng(1).integers(0, 255, (COUNT, 48, 48), np.uint8)
    savemat(tmp_path / "TFD_48x48.mat", content(images=noise)[0])
    extension = extend_labels(read_tfd(tmp_path), 0)
    assert len(extension.rows) < 0.05 * (COUNT - LABELLED)
    assert extension.accuracy < 0.3


def test_bad_folds_are_named_and_leave_nothing(tmp_path):
    savemat(tmp_path / "TFD_48x48.mat", content(folds=np.zeros((COUNT, 5)))[0])
    with pytest.raises(UserError, match="fold 1 has no training images of two expressions in the train split"):
        prepare_labels(tmp_path, 0)
    assert not (tmp_path / "cache").exists()


def test_prepare_writes_labels_that_the_data_set_takes_by_itself(tfd_root, tmp_path, main, capsys):
    extension = extend_labels(read_tfd(tfd_root), 0)
    assert main(["data", "prepare", "tfd", "--root", str(tfd_root)]) == 0
    said = capsys.readouterr().out
    [folder] = (tmp_path / "cache").iterdir()
    with (folder / "labels.csv").open() as table:
        header, *lines = csv.reader(table)
    assert header == ["row", "label"]
    assert [[int(cell) for cell in line] for line in lines] == np.stack([extension.rows, extension.labels], 1).tolist()
    manifest = json.loads((folder / "manifest.json").read_text())
    digest = sha256(tfd_root / "tfd/TFD_48x48.mat")
    assert (manifest["source_sha256"], manifest["threshold"], manifest["data_seed"]) == (digest, 0.9, 0)
    assert [*manifest["labels_by_expression"].values()] == np.bincount(extension.labels, minlength=8)[1:].tolist()
    assert manifest["labels"] == len(lines)
    assert f"{len(lines)} images labelled with a probability of at least 0.9, for data_seed 0: " in said
    assert f"{manifest['labels_by_expression']['Fear']} Fear" in said

    loaded = TFD(str(tfd_root)).load()
    assert sum(len(faces) for faces in loaded.splits.values()) == LABELLED + len(lines)
    assert sum(count["extended"] for count in loaded.manifest["counts"].values()) == len(lines)
    assert loaded.manifest["extended"] == manifest | {"file": "labels.csv"}
    # They are for one split, and can be left.
    assert TFD(str(tfd_root), data_seed=1).load().manifest["extended"] is None
    assert TFD(str(tfd_root), extended=None).load().manifest["extended"] is None

    assert main(["data", "list", "--root", str(tfd_root)]) == 0
    assert f"  labels      {folder}/labels.csv\n{len(lines)} images labelled" in capsys.readouterr().out
    assert main(["data", "prepare", "tfd", "--root", str(tfd_root), "--data-seed", "1"]) == 0
    assert TFD(str(tfd_root), data_seed=1).load().manifest["extended"]["data_seed"] == 1


def test_labels_of_another_file_or_not_whole_are_left_alone(tfd_root, tmp_path):
    table = prepare_labels(tfd_root, 0)
    path = tfd_root / "tfd/TFD_48x48.mat"
    assert find_labels(path, sha256(path), 0) == table
    assert find_labels(path, "0" * 64, 0) is None
    written = table.path.read_text()
    table.path.write_text(written.replace("\n", "\r\n"))
    assert find_labels(path, sha256(path), 0) is None
    assert TFD(str(tfd_root)).load().manifest["extended"] is None
    # What is not whole is made again.
    assert prepare_labels(tfd_root, 0) == table
    assert table.path.read_text() == written
    (table.path.parent / "manifest.json").unlink()
    assert find_labels(path, sha256(path), 0) is None
    savemat(path, content(images=np.full((COUNT, 48, 48), 7, np.uint8))[0])
    assert TFD(str(tfd_root)).load().manifest["extended"] is None


def test_labels_that_cannot_be_written_are_one_line(tfd_root, tmp_path):
    (tmp_path / "cache").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*cache/tfd-labels-.*: set \$LIT_FACES_CACHE"):
        prepare_labels(tfd_root, 0)


def test_what_prepare_cannot_do_is_one_line(tfd_root, tmp_path, error_line):
    prepare = ["data", "prepare", "tfd", "--root"]
    assert "the Toronto Face Database needs a licence" in error_line([*prepare, str(tmp_path / "none")])
    assert "tfd is neither downloaded nor taken over" in error_line([*prepare, str(tfd_root), "--from", str(tfd_root)])
    assert "data_seed must be at least 0, got -1" in error_line([*prepare, str(tfd_root), "--data-seed", "-1"])
    assert error_line(["data", "prepare", "lfw", "--data-seed", "1"]) == "--data-seed is for tfd"
    assert not (tmp_path / "cache").exists()
