"""MNIST: its files gzipped and plain, what is refused of them, the splits, and `lit-faces data prepare mnist`."""

import gzip
import json
import os

import numpy as np
import pytest
import torch
import torchvision
from fake_mnist import SIDE, TEST, TRAIN, VALIDATION, arrays, idx, publish, write, zipped

from lit_faces.data import verb_mnist
from lit_faces.data.base import SPLITS
from lit_faces.data.mnist import MNIST
from lit_faces.data.mnist_files import FILES, find_files
from lit_faces.data.sources import data_root
from lit_faces.errors import UserError
from lit_faces.files import sha256

REAL_ROOT = os.environ.get("LIT_FACES_DATA")
IMAGES, LABELS = "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
pytestmark = pytest.mark.usefixtures("own_environment")


@pytest.fixture
def contents(monkeypatch):
    return publish(monkeypatch)


@pytest.fixture
def root(tmp_path, contents):
    """The gzipped files in `mnist/`."""
    write(tmp_path / "data" / "mnist", contents)
    return tmp_path / "data"


@pytest.fixture
def no_network(monkeypatch):
    def download(url, *_, **__):
        raise UserError(f"cannot download {url}: no network")

    monkeypatch.setattr(verb_mnist, "download", download)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# --- the data set -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gz", [True, False])
@pytest.mark.parametrize("folder", ["MNIST/raw", "mnist", "MNIST", "."])
def test_the_files_are_read_wherever_they_lie(tmp_path, contents, folder, gz):
    write(tmp_path / folder, contents, gz)
    loaded = MNIST(str(tmp_path)).load()
    true = arrays()
    images = torch.cat([loaded.splits[name].images for name in SPLITS])
    digits = torch.cat([loaded.splits[name].attributes for name in SPLITS])
    assert images.dtype == torch.uint8
    assert images.shape == (TRAIN + TEST, SIDE, SIDE, 1)
    assert np.array_equal(images[:TRAIN, ..., 0], true["train-images-idx3-ubyte"])
    assert np.array_equal(images[TRAIN:, ..., 0], true["t10k-images-idx3-ubyte"])
    assert np.array_equal(digits.argmax(1)[:TRAIN], true["train-labels-idx1-ubyte"])
    assert np.array_equal(digits.argmax(1)[TRAIN:], true["t10k-labels-idx1-ubyte"])


def test_the_splits_are_the_official_ones_with_the_last_training_images_for_validation(root):
    loaded = MNIST(str(root)).load()
    assert [len(loaded.splits[name]) for name in SPLITS] == [TRAIN - VALIDATION, VALIDATION, TEST]
    rows = torch.cat([loaded.splits[name].index for name in SPLITS])
    assert rows.tolist() == list(range(TRAIN + TEST))
    people = torch.cat([loaded.splits[name].identity for name in SPLITS])
    assert len(people.unique()) == TRAIN + TEST


def test_one_digit_holds_and_all_are_labels(root):
    data = MNIST(str(root), batch_size=5)
    loaded = data.load()
    assert loaded.attributes == loaded.labels == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    assert loaded.exclusive
    for faces in loaded.splits.values():
        assert faces.attributes.dtype == torch.float32
        assert (faces.attributes.sum(1) == 1).all()
    data.setup()
    assert data.spec.image_shape == (1, SIDE, SIDE)
    train = data.splits["train"]
    assert torch.equal(data.spec.binary(train.attributes), loaded.splits["train"].attributes.bool())
    batch = data.on_after_batch_transfer(next(iter(data.test_dataloader())), 0)
    assert batch.images.shape[1:] == (1, SIDE, SIDE)
    assert torch.equal(batch.images[:, 0] * 255, loaded.splits["test"].images[..., 0].float())


def test_the_root_comes_from_the_environment(root, monkeypatch):
    monkeypatch.setenv("LIT_FACES_DATA", str(root))
    assert len(MNIST(limit=3).load().splits["test"]) == TEST


def test_the_manifest_has_the_content_s_checksums(root, tmp_path, contents):
    gz = MNIST(str(root)).load().manifest
    assert json.loads(json.dumps(gz)) == gz
    assert gz["files"][f"{IMAGES}.gz"] == {"sha256 of the content": FILES[IMAGES].sha256}
    assert "note" not in gz
    plain = MNIST(str(write(tmp_path / "plain", contents, gz=False))).load().manifest
    assert plain["files"][IMAGES] == gz["files"][f"{IMAGES}.gz"]


def test_a_file_compressed_anew_is_accepted_with_a_note(root, contents):
    (root / "mnist" / f"{IMAGES}.gz").write_bytes(gzip.compress(contents[IMAGES], 1, mtime=7))
    loaded = MNIST(str(root)).load()
    assert np.array_equal(loaded.splits["train"].images[:5, ..., 0], arrays()[IMAGES][:5])
    assert loaded.manifest["note"] == (f"compressed anew, while the content is the published one: {IMAGES}.gz")
    assert "\n" not in loaded.manifest["note"]


def test_the_note_is_shown(root, contents, monkeypatch):
    said = []
    monkeypatch.setattr("lit_faces.data.mnist.rank_zero_info", said.append)
    MNIST(str(root)).load()
    assert said == []
    (root / "mnist" / f"{LABELS}.gz").write_bytes(gzip.compress(contents[LABELS], 1, mtime=7))
    MNIST(str(root)).load()
    assert said == [f"MNIST: compressed anew, while the content is the published one: {LABELS}.gz"]


# --- what is refused --------------------------------------------------------------------------------------------------


def refused(root, name, content):
    (root / "mnist" / name).write_bytes(content)
    with pytest.raises(UserError) as error:
        MNIST(str(root)).load()
    line = str(error.value)
    assert "\n" not in line
    assert line.startswith(f"{root / 'mnist' / name} ")
    assert line.endswith(": delete it and fetch it again with `lit-faces data prepare mnist`")
    return line


@pytest.mark.parametrize("keep", [1, 10, 500, -9, -1])
def test_a_truncated_gzip_file_is_refused(root, contents, keep):
    line = refused(root, f"{IMAGES}.gz", zipped(contents[IMAGES])[:keep])
    assert "bytes) is truncated or is no gzip file" in line


def test_what_is_no_gzip_file_is_refused(root):
    assert "is truncated or is no gzip file" in refused(root, f"{IMAGES}.gz", b"<html>moved</html>")
    content = bytearray((root / "mnist" / f"{LABELS}.gz").read_bytes())
    content[-6] ^= 255  # the checksum of the whole
    (root / "mnist" / f"{IMAGES}.gz").unlink()
    write(root / "mnist", {IMAGES: idx(arrays()[IMAGES])})
    assert "is truncated or is no gzip file (CRC" in refused(root, f"{LABELS}.gz", bytes(content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: b"", "begins with nothing, not with 00000803"),
        (lambda c: bytes([0, 0, 8, 1]) + c[4:], "begins with 00000801, not with 00000803"),
        (lambda c: bytes([0, 0, 13, 3]) + c[4:], "begins with 00000d03, not with 00000803"),
        (lambda c: c[:6], "says that it holds 0 x 0 x 0 values, expected 30 x 28 x 28"),
        (lambda c: c[:7] + bytes([29]) + c[8:], "says that it holds 29 x 28 x 28 values, expected 30 x 28 x 28"),
        (lambda c: c[:-1], "is 23,535 bytes long inside, expected 23,536"),
        (lambda c: c + b"\0", "is 23,537 bytes long inside, expected 23,536"),
        (lambda c: c[:-1] + bytes([c[-1] ^ 1]), "holds other values than MNIST's: SHA-256 "),
    ],
)
@pytest.mark.parametrize("gz", [True, False])
def test_wrong_content_is_refused(root, contents, change, message, gz):
    content = change(contents[IMAGES])
    line = refused(root, f"{IMAGES}.gz" if gz else IMAGES, zipped(content) if gz else content)
    assert message in line


def test_both_checksums_are_named(root, contents, tmp_path):
    content = contents[LABELS][:-1] + b"\7"
    (tmp_path / "other").write_bytes(content)
    line = refused(root, LABELS, content)
    assert f"SHA-256 {sha256(tmp_path / 'other')} (unzipped), expected {FILES[LABELS].sha256}" in line


def test_what_is_missing_is_named_with_where_it_was_looked_for(root):
    (root / "mnist" / f"{LABELS}.gz").unlink()
    with pytest.raises(UserError) as error:
        MNIST(str(root)).load()
    assert str(error.value) == (
        f"MNIST: no {LABELS} (or .gz) in {root}/MNIST/raw or {root}/mnist or {root}/MNIST or {root}: get them with "
        "`lit-faces data prepare mnist`, or point --data.root or $LIT_FACES_DATA to them"
    )


# --- the verb ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gz", [True, False])
@pytest.mark.parametrize("kind", ["files", "folder"])
def test_prepare_takes_over_local_files_and_torchvision_reads_them(tmp_path, contents, no_network, main, gz, kind):
    given = write(tmp_path / "given", contents, gz)
    sources = [given] if kind == "folder" else sorted(given.iterdir())
    root = tmp_path / "data"
    for _ in range(2):  # a second time changes nothing
        assert main(["data", "prepare", "mnist", "--root", str(root), "--from", *map(str, sources)]) == 0
        expected = sorted([*contents, *(f"{name}.gz" for name in contents if gz)])
        assert names(root / "MNIST" / "raw") == expected
    assert main(["data", "prepare", "mnist", "--root", str(root)]) == 0
    splits = MNIST(str(root)).load().splits
    for train, part in ((True, ("train", "validation")), (False, ("test",))):
        theirs = torchvision.datasets.MNIST(str(root), train=train)
        assert torch.equal(theirs.data, torch.cat([splits[name].images for name in part])[..., 0])
        assert torch.equal(theirs.targets, torch.cat([splits[name].attributes for name in part]).argmax(1))


def test_prepare_fetches_what_is_missing_from_the_first_mirror_that_has_it(
    tmp_path, contents, monkeypatch, main, capsys
):
    asked = []

    def download(url, destination, check):
        asked.append(url)
        if url.startswith("http://gone/"):
            raise UserError(f"cannot download {url}: it is gone")
        destination.parent.mkdir(parents=True, exist_ok=True)
        temporary = destination.with_name("temporary")
        temporary.write_bytes(zipped(contents[destination.name.removesuffix(".gz")]))
        check(temporary)
        temporary.rename(destination)

    monkeypatch.setattr(verb_mnist, "download", download)
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", ["http://gone/", "http://there/"])
    write(tmp_path / "MNIST" / "raw", {IMAGES: contents[IMAGES]})
    for _ in range(2):
        assert main(["data", "prepare", "mnist", "--root", str(tmp_path)]) == 0
        wanted = [name for name in FILES if name != IMAGES]
        assert asked == [f"http://{host}/{name}.gz" for name in wanted for host in ("gone", "there")]
    assert capsys.readouterr().out.count("as published") == 8
    assert set(find_files(tmp_path)) == set(FILES)
    assert names(tmp_path / "MNIST" / "raw") == sorted([*FILES, *(f"{name}.gz" for name in FILES)])


def test_a_download_of_something_else_leaves_nothing(tmp_path, contents, monkeypatch, error_line):
    from lit_faces.data import download as module

    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", ["http://here/"])
    monkeypatch.setattr(module, "_blocks", lambda *_: iter([b"<html>", b"moved</html>"]))
    line = error_line(["data", "prepare", "mnist", "--root", str(tmp_path)])
    assert line.startswith(f"http://here/{IMAGES}.gz gave a file that (18 bytes) is truncated or is no gzip file")
    assert line.endswith("; or name local copies with --from FILE_OR_DIR")
    assert names(tmp_path / "MNIST" / "raw") == []


def test_without_a_network_all_mirrors_are_named_in_one_line(tmp_path, contents, no_network, error_line):
    line = error_line(["data", "prepare", "mnist", "--root", str(tmp_path)])
    for mirror in torchvision.datasets.MNIST.mirrors:
        assert f"cannot download {mirror}{IMAGES}.gz: no network; " in line


def test_prepare_checks_before_it_takes_and_replaces_nothing(tmp_path, contents, no_network, error_line):
    given = write(tmp_path / "given", contents)
    (given / f"{LABELS}.gz").write_bytes(b"damaged")
    (tmp_path / "empty").mkdir()
    arguments = ["data", "prepare", "mnist", "--root", str(tmp_path / "data"), "--from"]
    line = error_line([*arguments, str(given)])
    assert f"--from {given / LABELS}.gz (7 bytes) is truncated" in line
    assert line.rstrip().endswith(": name a whole copy")
    assert f"--from {tmp_path / 'empty'} holds nothing of MNIST" in error_line([*arguments, str(tmp_path / "empty")])
    assert "--images-url and --attributes-url are for lfw" in error_line([*arguments[:-1], "--images-url", "http://a"])
    assert not (tmp_path / "data").exists()
    (write(tmp_path / "data" / "MNIST" / "raw", contents) / f"{LABELS}.gz").write_bytes(b"damaged")
    write(given, contents)
    line = error_line([*arguments, str(given)])
    assert "is there already and differs from" in line
    assert (tmp_path / "data" / "MNIST" / "raw" / f"{LABELS}.gz").read_bytes() == b"damaged"


def test_a_file_compressed_anew_is_named_by_prepare(tmp_path, contents, no_network, main, capsys):
    given = write(tmp_path / "given", contents)
    (given / f"{IMAGES}.gz").write_bytes(gzip.compress(contents[IMAGES], 1, mtime=7))
    assert main(["data", "prepare", "mnist", "--root", str(tmp_path), "--from", str(given)]) == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith(
        f"{IMAGES}  {tmp_path}/MNIST/raw/{IMAGES}.gz  SHA-256 of the content {FILES[IMAGES].sha256}, "
    )
    assert first.endswith(", compressed anew, its content is the published one")
    assert all(line.endswith(", as published") for line in others)
    assert len(others) == 3


def test_the_list_says_where_the_files_are(root, main, capsys):
    (root / "mnist" / f"{LABELS}.gz").unlink()
    assert main(["data", "list", "--root", str(root)]) == 0
    out = capsys.readouterr().out
    assert f"mnist: looked in {root}/MNIST/raw, {root}/mnist, {root}/MNIST, {root}\n" in out
    assert f"  {IMAGES}  {root}/mnist/{IMAGES}.gz\n" in out
    assert f"  {LABELS}  not found: run `lit-faces data prepare mnist`\n" in out


def test_a_study_finds_it_where_all_four_files_are(root):
    from lit_faces.studies.sources import SOURCES
    from lit_faces.studies.study import STAND_INS

    assert STAND_INS["MNIST"] == "Digits"
    assert SOURCES["MNIST"].found(root)
    (root / "mnist" / f"{LABELS}.gz").unlink()
    assert not SOURCES["MNIST"].found(root)


# --- the real data ----------------------------------------------------------------------------------------------------


@pytest.mark.real_data
def test_the_real_mnist_is_the_published_one():
    real = data_root(REAL_ROOT)
    try:
        find_files(real)
    except UserError:
        pytest.skip(f"no MNIST under {real}: run `lit-faces data prepare mnist` or set $LIT_FACES_DATA")
    loaded = MNIST(str(real)).load()
    assert [len(loaded.splits[name]) for name in SPLITS] == [55_000, 5_000, 10_000]
    # The first digits of each file, as the paper's authors show them, and how many there are of each in all.
    assert loaded.splits["train"].attributes[:10].argmax(1).tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert loaded.splits["test"].attributes[:10].argmax(1).tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert loaded.splits["test"].attributes.sum(0).tolist() == counts
    # The published mean and standard deviation of the training file.
    images = torch.cat([loaded.splits[name].images for name in ("train", "validation")]).double() / 255
    assert images.mean() == pytest.approx(0.1307, abs=5e-5)
    assert images.std() == pytest.approx(0.3081, abs=5e-5)
