"""`lit-faces edit` and `lit-faces generate`, from a checkpoint to a picture file."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from photographed import photograph
from PIL import Image, ImageCms
from test_arithmetic import checkpoint_of

from lit_faces.data.batch import DataSpec
from lit_faces.editing.arguments import save
from lit_faces.editing.changes import edited
from lit_faces.editing.photo import edit_photograph, face_of
from lit_faces.errors import UserError
from lit_faces.methods import CGAN, CMMA, CSVAE, VAE, VLAE
from lit_faces.photographs.framing import Box, middle

FRAME = {"frame": [0.2, 0.25, 0.8, 0.85]}
TWO = ((120, 20, 250), (200, 250, 60))


@torch.no_grad()
def made(spec, cls=CMMA, **arguments):
    torch.manual_seed(0)
    method = cls(width=0.06, **(arguments or {"latent_dim": 3}))
    method.prepare(spec)
    # Untrained, its pictures are all of one grey.
    for parameter in method.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return method.eval()


@pytest.fixture
def spec(data):
    return replace(data.spec, name="Folder", manifest=FRAME)


def old(spec):
    """As older versions described the data."""
    return replace(spec, groups=(), covariance=())


@pytest.fixture
def here(tmp_path, monkeypatch, spec):
    monkeypatch.chdir(tmp_path)
    checkpoint_of(made(spec), tmp_path / "run" / "checkpoints" / "last.ckpt")
    photograph(*TWO).save(tmp_path / "two.png")
    photograph().save(tmp_path / "none.png")
    return tmp_path


EDIT = ["edit", "two.png", "--checkpoint", "run", "--set", "smiling", "--unset", "Male", "-o", "out.png"]
GENERATE = ["generate", "--checkpoint", "run", "--set", "Male", "--unset", "smiling", "-n", "5", "-o", "out.png"]


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def columns_changed(path):
    """The first and the last column in which the output differs from the photograph."""
    columns = np.flatnonzero((pixels("out.png") != pixels(path)).any((0, 2)))
    return columns[0], columns[-1]


def test_the_largest_face_is_edited_or_the_one_that_is_named(here, main, capsys):
    assert main(EDIT) == 0
    first, last = columns_changed("two.png")
    assert 211 <= first < 350 < last < 492
    assert main([*EDIT, "--face", "2"]) == 0
    first, last = columns_changed("two.png")
    assert first < 80 < last < 167
    assert capsys.readouterr() == ("", "")
    assert not list(here.glob(".*"))


def test_the_strength_is_passed_on(here, main):
    assert main([*EDIT, "--strength", "0"]) == 0
    assert np.array_equal(pixels("out.png"), pixels("two.png"))
    found = []
    for strength in ("0.5", "2", "4"):
        assert main([*EDIT, "--strength", strength]) == 0
        found.append(np.abs(pixels("out.png") - pixels("two.png")).sum())
    assert 0 < found[0] < found[1] < found[2]


def test_the_others_move_along_if_asked_and_are_named(here, main, capsys, spec):
    assert main(EDIT) == 0
    kept = pixels("out.png")
    assert capsys.readouterr().out == ""
    assert main([*EDIT, "--others", "expected"]) == 0
    assert not np.array_equal(pixels("out.png"), kept)
    out, err = capsys.readouterr()
    assert err == ""
    # Everybody who smiles and is not male in these few faces is known by more than that.
    before, after = spec.vector(on=["Male"], off=["Smiling"]), spec.vector(on=["Smiling"], off=["Male"])
    moves = spec.expected(after - before, spec.touched(["Smiling"], ["Male"]))
    rest = [name for name in spec.attributes if name not in ("Smiling", "Male")]
    furthest = max(rest, key=lambda name: abs(moves[spec.position(name)]))
    assert out.startswith(f"moved along: {furthest} {moves[spec.position(furthest)]:+.1f}, ")
    assert out.endswith(" (standard deviations)\n")
    assert out.count("\n") == 1
    assert main([*EDIT, "--others", "expected", "--strength", "0"]) == 0
    assert capsys.readouterr().out == "moved along: no other attribute\n"


def test_a_picture_that_is_the_face_already_is_edited_as_a_whole(here, main, data, spec):
    face = Image.fromarray(data.splits["test"].images[0].numpy())
    face.save("face.png")
    method = made(spec)
    with torch.inference_mode():
        amounts = {"Smiling": 1.0, "Male": -1.0}
        image = face_of(method, face, middle(face))
        assert torch.equal(image[0], torch.from_numpy(np.array(face)).permute(2, 0, 1) / 255)
        before, after = (edited(method, image, amounts, strength) for strength in (0.0, 1.0))
    assert main(["edit", "face.png", *EDIT[2:], "--align", "none"]) == 0
    change = (after - before)[0].permute(1, 2, 0).numpy()
    assert np.abs(change).max() > 0.01
    whole = np.asarray(edit_photograph(method, face, Box(0, 0, 32, 32), amounts))
    assert np.array_equal(pixels("out.png"), whole)
    assert pixels("out.png").shape == (32, 32, 3)


@pytest.mark.parametrize("name", ["out.jpg", "out.JPEG", "out.webp"])
def test_the_name_says_the_format_and_the_profile_stays(name, here, main):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph(*TWO).rotate(90, expand=True).save("turned.jpg", icc_profile=profile, exif=exif)
    assert main(["edit", "turned.jpg", *EDIT[2:-1], name]) == 0
    with Image.open(name) as picture:
        assert picture.size == (500, 400)
        assert picture.format == {"out.webp": "WEBP"}.get(name, "JPEG")
        assert picture.info["icc_profile"] == profile
        assert not picture.getexif()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (300, 2)])
def test_the_smallest_pictures_can_be_edited(size, here, main):
    Image.new("RGB", size, "red").save("small.png")
    assert main(["edit", "small.png", *EDIT[2:], "--align", "none"]) == 0
    assert pixels("out.png").shape == (size[1], size[0], 3)


EDIT_ERRORS = {
    "two of a group": (
        ["--set", "black hair", "--set", "Blond Hair"],
        "--set 'Black Hair' --set 'Blond Hair': a face has one of them alone: say which",
    ),
    "an unknown attribute": (["--set", "Smilng"], "cannot change 'Smilng': did you mean Smiling"),
    "set and unset": (["--unset", " SMILING"], "Smiling is in --set and in --unset"),
    "too strong": (["--strength", "4.1"], "--strength must be from 0 to 4, got 4.1"),
    "not a number": (["--strength", "nan"], "--strength must be from 0 to 4, got nan"),
    "a word for a strength": (["--strength", "strong"], "--strength: invalid float value: 'strong'"),
    "unknown others": (["--others", "mean"], "--others: invalid choice: 'mean' (choose from 'kept', 'expected')"),
    "no statistics": (
        ["--checkpoint", "old.ckpt", "--others", "expected"],
        "old.ckpt is of an older version and has no",
    ),
    "a face too many": (["--face", "3"], "--face 3: there are 2 faces in two.png, the largest is 1"),
    "no first face": (["--face", "0"], "--face must be at least 1"),
    "a face of none": (["--face", "1", "--align", "none"], "--face is of the faces that are found"),
    "the photograph": (["-o", "two.png"], "--output two.png is one of the inputs"),
    "no picture's name": (["-o", "out.gif"], "--output out.gif must end in .png, .jpg or .webp"),
    "no checkpoint": (["--checkpoint", "nowhere"], "there is no checkpoint at nowhere"),
    "no frame": (["--checkpoint", "drawn.ckpt"], "how Synthetic cuts a photograph around a face is not known"),
    "no editor": (["--checkpoint", "cgan.ckpt"], "CGAN cannot edit faces: use a checkpoint of a method that can"),
    "a ladder": (
        ["--checkpoint", "ladder.ckpt"],
        "VLAE cannot edit faces by their attributes: use `lit-faces arithmetic`",
    ),
    "points": (["--checkpoint", "points.ckpt", "--align", "none"], "this CSVAE is of SwissRoll, of 1 x 1 pixels"),
}


@pytest.fixture
def checkpoints(here, data, spec):
    checkpoint_of(made(data.spec), here / "drawn.ckpt")
    checkpoint_of(made(old(spec)), here / "old.ckpt")
    checkpoint_of(made(spec, CGAN, noise_dim=3), here / "cgan.ckpt")
    checkpoint_of(made(spec, VLAE, latent_dims=(1, 0, 3)), here / "ladder.ckpt")
    checkpoint_of(made(spec, VAE, latent_dim=3, labels=["Male"]), here / "vae.ckpt")
    points = DataSpec("SwissRoll", (3, 1, 1), ("Half",), *((value,) for value in (0.5, 0.5, 0.0, 1.0, 0.5)))
    checkpoint_of(made(points, CSVAE, latent_dim=3, labels=["Half"]), here / "points.ckpt")


@pytest.mark.parametrize("what", EDIT_ERRORS)
def test_a_wrong_edit_is_named(what, here, checkpoints, error_line):
    words, message = EDIT_ERRORS[what]
    assert message in error_line([*EDIT, *words])
    assert not (here / "out.png").exists()
    assert np.array_equal(pixels("two.png"), np.asarray(photograph(*TWO)))


def test_a_photograph_without_a_face_or_without_a_change_is_named(here, error_line):
    assert "none.png: no face was found" in error_line(["edit", "none.png", *EDIT[2:]])
    assert "say --align none" in error_line(["edit", "none.png", *EDIT[2:]])
    assert "there is nothing to change" in error_line([*EDIT[:4], "-o", "out.png"])
    (here / "two.png").write_bytes((here / "two.png").read_bytes()[:500])
    assert "two.png cannot be read as a PNG, JPEG or WebP picture" in error_line(EDIT)
    assert not (here / "out.png").exists()


def test_what_is_no_photograph_is_named(here, error_line):
    photograph().save("none.bmp")
    line = error_line(["edit", "none.bmp", *EDIT[2:]])
    assert line.startswith("none.bmp cannot be read as a PNG, JPEG or WebP picture: save it as PNG, JPEG or WebP")
    os.mkfifo("pipe.png")
    for path in ("run", "pipe.png"):
        line = error_line(["edit", path, *EDIT[2:]])
        assert line == f"{path} is not a file: name a PNG, JPEG or WebP file"


def test_faces_are_drawn_in_a_grid_that_the_seed_determines(here, main, capsys):
    assert main(GENERATE) == 0
    five = pixels("out.png")
    assert five.shape == (2 * 34 + 2, 3 * 34 + 2, 3)
    assert main(GENERATE) == 0
    assert np.array_equal(pixels("out.png"), five)
    assert main([*GENERATE, "--seed", "1"]) == 0
    assert not np.array_equal(pixels("out.png"), five)
    assert main([*GENERATE, "--unset", "Eyeglasses"]) == 0
    assert not np.array_equal(pixels("out.png"), five)
    assert main([*GENERATE, "-n", "1"]) == 0
    assert pixels("out.png").shape == (32, 32, 3)
    assert capsys.readouterr() == ("", "")


def test_a_face_is_drawn_from_the_named_attributes_and_what_goes_with_them(here, main, spec, capsys):
    method = made(spec)
    noise = torch.randn(1, method.noise_dim, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        vectors = {others: spec.vector(["Male"], ["Smiling"], others)[None] for others in ("expected", "mean")}
        expected = {others: method.generate(vector, noise) for others, vector in vectors.items()}
    one = [*GENERATE, "-n", "1", "--seed", "3"]
    for words, others in (([], "expected"), (["--others", "expected"], "expected"), (["--others", "mean"], "mean")):
        assert main([*one, *words]) == 0
        assert np.abs(pixels("out.png") - expected[others][0].permute(1, 2, 0).numpy() * 255).max() <= 0.51
    assert (expected["expected"] - expected["mean"]).abs().max() > 0.01
    # Checkpoints of older versions have no statistics: the line says so once.
    checkpoint_of(made(old(spec)), here / "old.ckpt")
    assert capsys.readouterr() == ("", "")
    assert main([*one, "--checkpoint", "old.ckpt"]) == 0
    assert np.abs(pixels("out.png") - expected["mean"][0].permute(1, 2, 0).numpy() * 255).max() <= 0.51
    line = "old.ckpt is of an older version and has no covariance of the attributes: those that are not named are at their mean\n"
    assert capsys.readouterr() == ("", line)
    assert main([*one, "--checkpoint", "old.ckpt", "--others", "mean"]) == 0
    assert capsys.readouterr() == ("", "")


GENERATE_ERRORS = {
    "two of a group": (
        ["--set", "black hair", "--set", "Blond Hair"],
        "--set 'Black Hair' --set 'Blond Hair': a face has one of them alone: say which",
    ),
    "an unknown attribute": (["--set", "Mal"], "this CMMA cannot draw 'Mal': did you mean Male"),
    "set and unset": (["--set", "Smiling"], "Smiling is in --set and in --unset"),
    "unknown others": (["--others", "kept"], "--others: invalid choice: 'kept' (choose from 'expected', 'mean')"),
    "no statistics": (
        ["--checkpoint", "old.ckpt", "--others", "expected"],
        "old.ckpt is of an older version and has no",
    ),
    "no face": (["-n", "0"], "--count must be from 1 to 1,024, got 0"),
    "a wrong seed": (["--seed", "-1"], "--seed must be from 0"),
    "what draws nothing": (["--checkpoint", "vae.ckpt", "--unset", "Male"], "VAE draws no faces from attributes"),
    "points": (["--checkpoint", "points.ckpt"], "points.ckpt is of SwissRoll, which are points"),
    "no folder": (["-o", "none/out.png"], "there is no folder none"),
}


@pytest.mark.parametrize("what", GENERATE_ERRORS)
def test_a_wrong_drawing_is_named(what, here, checkpoints, error_line):
    words, message = GENERATE_ERRORS[what]
    assert message in error_line([*GENERATE, *words])
    assert not (here / "out.png").exists()


def test_a_picture_too_large_for_its_format_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"16384 x 1 pixels are too many for WEBP, which has at most 16,383 a side"):
        save(Image.new("RGB", (16_384, 1)), tmp_path / "a.webp")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["edit", "--help"], ["generate", "--help"], EDIT[:4]])
def test_help_and_wrong_arguments_wait_for_nothing_heavy(words):
    code = (
        "import sys; from lit_faces.__main__ import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "sys.exit(bool({'torch', 'PIL', 'cv2', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code, *words], capture_output=True, check=False).returncode == 0
