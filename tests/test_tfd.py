"""The Toronto Face Database's reader, split and label extension, on a file of the published layout that is written here."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import torch
from scipy.io import savemat

from lit_faces.callbacks.identity_pairs import identity_pairs
from lit_faces.data.base import SPLITS
from lit_faces.data.tfd import TFD, find_labels, read_labels, read_tfd, resize, split_rows
from lit_faces.data.tfd_labels import extend_labels, keep_confident, prepare_labels
from lit_faces.errors import UserError
from lit_faces.files import sha256

pytestmark = pytest.mark.usefixtures("own_environment")

LABELLED, COUNT = 420, 600


def pictures(labels, generator, side=48):
    """Noise, but for a bright patch whose place gives the label 1 to 7."""
    images = generator.integers(0, 80, (len(labels), side, side), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 6 * (label - 1) : 6 * label] += 120
    return images


def content(**changes):
    """The variables of the file: the first rows labelled, ten pictures a person, the others unlabelled and unknown."""
    generator = np.random.default_rng(0)
    true = generator.integers(1, 8, COUNT)
    labels = np.where(np.arange(COUNT) < LABELLED, true, -1)
    identity = np.where(np.arange(COUNT) < LABELLED, np.arange(COUNT) // 10 + 1, -1)
    # Some unlabelled pictures are of people known from labelled ones.
    identity[-20:] = np.arange(20) + 1
    folds = np.zeros((COUNT, 5), np.int64)
    for fold in range(5):
        folds[:LABELLED, fold] = (np.arange(LABELLED) // 10 + fold) % 5
    folds[:LABELLED] = np.select([folds[:LABELLED] == 0, folds[:LABELLED] == 1], [3, 2], 1)
    # MATLAB has no vectors: they are columns.
    file = {"images": pictures(true, generator), "labs_ex": labels[:, None].astype(np.int16)}
    return file | {"labs_id": identity[:, None], "folds": folds.astype(np.uint8)} | changes, true


@pytest.fixture
def root(tmp_path):
    (tmp_path / "tfd").mkdir()
    savemat(tmp_path / "tfd/TFD_48x48.mat", content()[0])
    return tmp_path


def write_table(path, rows):
    path.write_text("\n".join(["row,label", *(f"{row},{label}" for row, label in rows)]) + "\n")
    return path


def test_the_labelled_images_are_read_with_their_expressions(root):
    loaded = TFD(str(root)).load()
    file = read_tfd(root)
    assert loaded.attributes == ("Anger", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
    assert loaded.labels == loaded.attributes[:6]
    assert loaded.exclusive
    assert sum(len(faces) for faces in loaded.splits.values()) == LABELLED
    for faces in loaded.splits.values():
        assert faces.images.shape == (len(faces), 64, 64, 1)
        assert faces.images.dtype == torch.uint8
        assert torch.equal(faces.images, resize(file.images[faces.index.numpy()], 64))
        assert (faces.attributes.sum(1) == 1).all()
        assert torch.equal(faces.attributes.argmax(1), torch.from_numpy(file.labels)[faces.index] - 1)
        assert torch.equal(faces.identity, torch.from_numpy(file.identity)[faces.index])
    assert json.loads(json.dumps(loaded.manifest)) == loaded.manifest
    assert loaded.manifest["source"] == "TFD_48x48.mat"
    assert loaded.manifest["extended"] is None


def test_the_splits_are_80_10_10_and_share_no_identity(root):
    loaded = TFD(str(root)).load()
    counts = [len(loaded.splits[name]) for name in SPLITS]
    assert counts == [pytest.approx(share * LABELLED, abs=10) for share in (0.8, 0.1, 0.1)]
    people = [set(loaded.splits[name].identity.tolist()) for name in SPLITS]
    assert len(set.union(*people)) == sum(map(len, people))
    assert torch.equal(TFD(str(root), seed=3).load().splits["test"].index, loaded.splits["test"].index)
    assert not torch.equal(TFD(str(root), data_seed=1).load().splits["test"].index, loaded.splits["test"].index)


def test_extended_labels_join_the_split_of_their_person_in_the_same_shares(root, tmp_path):
    table = write_table(tmp_path / "more.csv", [(row, row % 7 + 1) for row in range(LABELLED, COUNT)])
    without, loaded = TFD(str(root)).load(), TFD(str(root), extended=str(table)).load()
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
    known = read_tfd(root).identity
    people = [{*known[loaded.splits[name].index]} - {-1} for name in SPLITS]
    assert sum(map(len, people)) == len(set.union(*people)) == LABELLED // 10


def test_no_guessed_expression_is_compared_with_another_photograph_of_the_person(root, tmp_path):
    table = write_table(tmp_path / "more.csv", [(row, row % 7 + 1) for row in range(LABELLED, COUNT)])
    compared = []
    for extended in (str(table), None):
        faces = TFD(str(root), extended=extended).load().splits["train"]
        assert torch.equal(faces.identity[faces.index >= LABELLED], -1 - faces.index[faces.index >= LABELLED])
        assert (faces.identity[faces.index < LABELLED] > 0).all()
        pairs = identity_pairs(faces.identity, faces.attributes.argmax(1), 100_000, 0)
        compared.append(
            sorted(zip(*(faces.index[rows].tolist() for rows in (pairs.original, pairs.target)), strict=True))
        )
    assert compared[0] == compared[1] != []


def test_a_person_of_many_pictures_still_is_in_one_split():
    people = np.repeat(np.arange(30), np.arange(30) ** 2 % 17 + 1)
    labelled = np.random.default_rng(0).random(len(people)) < 0.4
    split = split_rows(people, labelled, 0)
    assert all(len(set(split[people == person])) == 1 for person in range(30))
    assert [(split == number).mean() for number in range(3)] == [pytest.approx(s, abs=0.08) for s in (0.8, 0.1, 0.1)]
    alone = split_rows(np.arange(1000), np.arange(1000) < 300, 0)
    assert [np.bincount(alone[part]).tolist() for part in (slice(300), slice(300, None))] == [
        [240, 30, 30],
        [560, 70, 70],
    ]


def test_the_larger_images_are_preferred_and_all_end_at_one_size(root):
    savemat(root / "TFD_96x96.mat", content(images=np.full((COUNT, 96, 96), 77, np.uint8))[0])
    data = TFD(str(root), batch_size=8, limit=20)
    data.setup()
    assert data.spec.manifest["source"] == "TFD_96x96.mat"
    assert data.spec.image_shape == (1, 64, 64)
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert batch.images.shape == (8, 1, 64, 64)
    assert torch.allclose(batch.images, torch.tensor(77 / 255))


def test_resizing_is_bilinear_and_antialiased_in_one_channel():
    ramp = np.tile(np.arange(96, dtype=np.uint8) * 2, (2, 96, 1))
    small = resize(ramp, 48)
    assert small.shape == (2, 48, 48, 1)
    # The mean of two neighbours, but at the edges.
    assert (small[0, 20, 1:-1, 0].float() - (torch.arange(48) * 4 + 1)[1:-1]).abs().max() <= 1
    checks = np.indices((96, 96)).sum(0)[None] % 2 * 200
    assert (resize(checks.astype(np.uint8), 48)[0, 2:-2, 2:-2].int() - 100).abs().max() <= 1


def test_no_file_is_one_line_about_the_licence(tmp_path):
    with pytest.raises(UserError) as error:
        TFD(str(tmp_path)).load()
    line = str(error.value)
    assert "\n" not in line
    for part in (
        "TFD_48x48.mat",
        f"{tmp_path}/tfd or {tmp_path}:",
        "needs a licence from its authors",
        "LIT_FACES_DATA",
    ):
        assert part in line


@pytest.mark.parametrize(
    "change",
    [
        {"images": np.zeros((COUNT, 48, 47), np.uint8)},
        {"images": np.zeros((COUNT, 48, 48))},
        {"labs_ex": np.ones((COUNT - 1, 1))},
        {"labs_ex": np.full((COUNT, 1), 8)},
        {"folds": np.zeros((COUNT, 4))},
    ],
)
def test_another_layout_is_refused(tmp_path, change):
    savemat(tmp_path / "TFD_48x48.mat", content(**change)[0])
    with pytest.raises(UserError, match=r"TFD_48x48\.mat: images .* are not N square uint8 images"):
        read_tfd(tmp_path)


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "TFD_48x48.mat").write_bytes(b"no MATLAB file" * 40)
    with pytest.raises(UserError, match=r"TFD_48x48\.mat is no MATLAB file with images, labs_ex, labs_id, folds"):
        read_tfd(tmp_path)


def test_too_few_people_for_three_splits_are_named(tmp_path):
    savemat(tmp_path / "TFD_48x48.mat", content(labs_id=np.ones((COUNT, 1)))[0])
    with pytest.raises(UserError, match="420 labelled images of 1 people leave no"):
        TFD(str(tmp_path)).load()


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


def test_an_ensemble_labels_what_it_knows(root):
    extension = extend_labels(read_tfd(root), 0)
    true = content()[1]
    assert len(extension.rows) > 0.8 * (COUNT - LABELLED)
    assert (extension.rows >= LABELLED).all()
    assert (extension.labels == true[extension.rows]).all()
    assert extension.accuracy == extension.precision == 1
    assert extension.kept > 0.8


def test_an_ensemble_learns_from_the_train_split_alone(root):
    file = read_tfd(root)
    splits = TFD(str(root)).load().splits
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


def test_prepare_writes_labels_that_the_data_set_takes_by_itself(root, tmp_path, main, capsys):
    extension = extend_labels(read_tfd(root), 0)
    assert main(["data", "prepare", "tfd", "--root", str(root)]) == 0
    said = capsys.readouterr().out
    [folder] = (tmp_path / "cache").iterdir()
    with (folder / "labels.csv").open() as table:
        header, *lines = csv.reader(table)
    assert header == ["row", "label"]
    assert [[int(cell) for cell in line] for line in lines] == np.stack([extension.rows, extension.labels], 1).tolist()
    manifest = json.loads((folder / "manifest.json").read_text())
    digest = sha256(root / "tfd/TFD_48x48.mat")
    assert (manifest["source_sha256"], manifest["threshold"], manifest["data_seed"]) == (digest, 0.9, 0)
    assert [*manifest["labels_by_expression"].values()] == np.bincount(extension.labels, minlength=8)[1:].tolist()
    assert manifest["labels"] == len(lines)
    assert f"{len(lines)} images labelled with a probability of at least 0.9, for data_seed 0: " in said
    assert f"{manifest['labels_by_expression']['Fear']} Fear" in said

    loaded = TFD(str(root)).load()
    assert sum(len(faces) for faces in loaded.splits.values()) == LABELLED + len(lines)
    assert sum(count["extended"] for count in loaded.manifest["counts"].values()) == len(lines)
    assert loaded.manifest["extended"] == manifest | {"file": "labels.csv"}
    # They are for one split, and can be left.
    assert TFD(str(root), data_seed=1).load().manifest["extended"] is None
    assert TFD(str(root), extended=None).load().manifest["extended"] is None

    assert main(["data", "list", "--root", str(root)]) == 0
    assert f"  labels      {folder}/labels.csv\n{len(lines)} images labelled" in capsys.readouterr().out
    assert main(["data", "prepare", "tfd", "--root", str(root), "--data-seed", "1"]) == 0
    assert TFD(str(root), data_seed=1).load().manifest["extended"]["data_seed"] == 1


def test_labels_of_another_file_or_not_whole_are_left_alone(root, tmp_path):
    table = prepare_labels(root, 0)
    path = root / "tfd/TFD_48x48.mat"
    assert find_labels(path, sha256(path), 0) == table
    assert find_labels(path, "0" * 64, 0) is None
    written = table.path.read_text()
    table.path.write_text(written.replace("\n", "\r\n"))
    assert find_labels(path, sha256(path), 0) is None
    assert TFD(str(root)).load().manifest["extended"] is None
    # What is not whole is made again.
    assert prepare_labels(root, 0) == table
    assert table.path.read_text() == written
    (table.path.parent / "manifest.json").unlink()
    assert find_labels(path, sha256(path), 0) is None
    savemat(path, content(images=np.full((COUNT, 48, 48), 7, np.uint8))[0])
    assert TFD(str(root)).load().manifest["extended"] is None


def test_labels_that_cannot_be_written_are_one_line(root, tmp_path):
    (tmp_path / "cache").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*cache/tfd-labels-.*: set \$LIT_FACES_CACHE"):
        prepare_labels(root, 0)


def test_what_prepare_cannot_do_is_one_line(root, tmp_path, error_line):
    prepare = ["data", "prepare", "tfd", "--root"]
    assert "the Toronto Face Database needs a licence" in error_line([*prepare, str(tmp_path / "none")])
    assert "tfd is neither downloaded nor taken over" in error_line([*prepare, str(root), "--from", str(root)])
    assert "data_seed must be at least 0, got -1" in error_line([*prepare, str(root), "--data-seed", "-1"])
    assert error_line(["data", "prepare", "lfw", "--data-seed", "1"]) == "--data-seed is for tfd"
    assert not (tmp_path / "cache").exists()


def test_a_bad_size_is_named():
    with pytest.raises(UserError, match=r"data\.size must be at least 8, got 4"):
        TFD(size=4)


def test_the_list_says_where_the_file_is_and_who_licenses_it(tmp_path, capsys):
    from lit_faces.__main__ import main

    assert main(["data", "list", "--root", str(tmp_path)]) == 0
    said = capsys.readouterr().out.partition("tfd: ")[2]
    assert said.startswith(f"looked in {tmp_path / 'tfd'} and {tmp_path}\n  file        not found")
    assert "licence     from its authors (University of Toronto)" in said
    (tmp_path / "TFD_48x48.mat").touch()
    assert main(["data", "list", "--root", str(tmp_path)]) == 0
    assert f"  file        {tmp_path / 'TFD_48x48.mat'}\n" in capsys.readouterr().out
