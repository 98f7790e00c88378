"""The Toronto Face Database's reader and split, on a file of the published layout."""

import json

import numpy as np
import pytest
import torch
from fake_tfd import COUNT, LABELLED, content
from scipy.io import savemat

from lit_faces.data.base import SPLITS
from lit_faces.data.tfd import TFD, read_tfd, resize, split_rows
from lit_faces.errors import UserError

pytestmark = pytest.mark.usefixtures("own_environment")


def test_the_labelled_images_are_read_with_their_expressions(tfd_root):
    loaded = TFD(str(tfd_root)).load()
    file = read_tfd(tfd_root)
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


def test_the_splits_are_80_10_10_and_share_no_identity(tfd_root):
    loaded = TFD(str(tfd_root)).load()
    counts = [len(loaded.splits[name]) for name in SPLITS]
    assert counts == [pytest.approx(share * LABELLED, abs=10) for share in (0.8, 0.1, 0.1)]
    people = [set(loaded.splits[name].identity.tolist()) for name in SPLITS]
    assert len(set.union(*people)) == sum(map(len, people))
    assert torch.equal(TFD(str(tfd_root), seed=3).load().splits["test"].index, loaded.splits["test"].index)
    assert not torch.equal(TFD(str(tfd_root), data_seed=1).load().splits["test"].index, loaded.splits["test"].index)


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


def test_the_larger_images_are_preferred_and_all_end_at_one_size(tfd_root):
    savemat(tfd_root / "TFD_96x96.mat", content(images=np.full((COUNT, 96, 96), 77, np.uint8))[0])
    data = TFD(str(tfd_root), batch_size=8, limit=20)
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
