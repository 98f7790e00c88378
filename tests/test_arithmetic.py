"""a - b + c of faces: in codes whose pictures are known, and of photographs on the command line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from layered import Planes
from painter import Tinted
from PIL import Image

from lit_faces.arithmetic import arithmetic, read_photograph
from lit_faces.errors import UserError
from lit_faces.methods import MMDVLAE, AttributeClassifier


@pytest.fixture
def planes():
    data = Tinted(exclusive=False)
    data.setup()
    method = Planes()
    method.prepare(data.spec)
    return method


def three(seed=0):
    return torch.rand(3, 2, 3, 4, 4, generator=torch.Generator().manual_seed(seed)).unbind(0)


# The sum of the codes.


def test_codes_are_taken_away_and_added(planes):
    a, b, c = three()
    assert torch.allclose(arithmetic(planes, a, b, c), a - b + c)


def test_what_is_taken_away_and_added_again_changes_nothing(planes):
    a, b, _ = three()
    assert torch.equal(arithmetic(planes, a, b, b), planes.decode(planes.posterior(a).mean))


@pytest.mark.parametrize("layers", [["z_0"], ["z_2"], ["z_3", "z_0"], ["z_2", "z_2"], []])
def test_only_the_chosen_layers_change(planes, layers):
    a, b, c = three()
    found, sums = arithmetic(planes, a, b, c, layers), a - b + c
    for plane, layer in enumerate(("z_0", "z_2", "z_3")):
        expected = sums if layer in layers else a
        assert torch.allclose(found[:, plane], expected[:, plane])


def test_a_layer_that_is_not_there_is_named(planes):
    with pytest.raises(UserError, match="Planes has no layer 'z_1': it has z_0, z_2, z_3"):
        arithmetic(planes, *three(), layers=["z_0", "z_1"])


# Photographs.


def saved(path, picture, **arguments):
    picture.save(path, **arguments)
    return path


def four_quarters():
    """Red, green, blue and white quarters."""
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[:20, :20, 0] = pixels[:20, 20:, 1] = pixels[20:, :20, 2] = pixels[20:, 20:] = 255
    return Image.fromarray(pixels)


def corners(image):
    return [image[0, :, y, x].tolist() for y in (0, -1) for x in (0, -1)]


RED, GREEN, BLUE, WHITE, BLACK = [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0]


def test_a_photograph_is_cut_in_the_middle_and_scaled(tmp_path):
    wide = Image.new("RGB", (100, 40), "black")
    wide.paste(four_quarters(), (30, 0))
    image = read_photograph(saved(tmp_path / "a.png", wide), (3, 8, 8))
    assert (image.shape, image.dtype) == ((1, 3, 8, 8), torch.float32)
    # The scaling mixes the outermost pixels with those beyond the cut.
    assert corners(image[..., 1:-1, 1:-1]) == [RED, GREEN, BLUE, WHITE]
    # Of twelve columns that become one, four are white: none is passed over.
    stripes = np.zeros((96, 96, 3), np.uint8)
    stripes[:, ::3] = 255
    small = read_photograph(saved(tmp_path / "b.png", Image.fromarray(stripes)), (3, 8, 8))
    assert torch.allclose(small, torch.full_like(small, 1 / 3), atol=0.03)


def test_a_photograph_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees to the left
    path = saved(tmp_path / "a.jpg", four_quarters(), exif=exif, quality=100, subsampling=0)
    seen = torch.tensor(corners(read_photograph(path, (3, 4, 4))))
    assert torch.allclose(seen, torch.tensor([BLUE, RED, WHITE, GREEN]).float(), atol=0.05)


MODES = {
    "1": (lambda: Image.new("1", (9, 9), 1), WHITE),
    "L": (lambda: Image.new("L", (9, 9), 51), [0.2] * 3),
    "LA": (lambda: Image.new("LA", (9, 9), (0, 0)), WHITE),
    "P": (lambda: Image.new("RGB", (9, 9), "blue").quantize(4), BLUE),
    "RGBA": (lambda: Image.new("RGBA", (9, 9), (255, 0, 0, 51)), [1, 0.8, 0.8]),
    "16 bits": (lambda: Image.fromarray(np.full((9, 9), 257 * 51, np.uint16)), [0.2] * 3),
    "CMYK": (lambda: Image.new("CMYK", (9, 9), (0, 0, 0, 255)), BLACK),
}


@pytest.mark.parametrize("mode", MODES)
def test_every_kind_of_picture_is_read(mode, tmp_path):
    make, colour = MODES[mode]
    path = saved(tmp_path / ("a.jpg" if mode == "CMYK" else "a.png"), make())
    for channels in (1, 3):
        image = read_photograph(path, (channels, 4, 4))
        grey = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
        expected = torch.tensor(colour if channels == 3 else [grey]).float()
        assert torch.allclose(image, expected[None, :, None, None].expand_as(image), atol=0.006)


def test_a_palette_with_a_transparent_colour_is_white_there(tmp_path):
    picture = Image.new("P", (9, 9), 1)
    picture.putpalette([0, 0, 0, 0, 0, 255])
    path = saved(tmp_path / "a.png", picture, transparency=1)
    assert corners(read_photograph(path, (3, 4, 4))) == [WHITE] * 4


def test_what_is_no_picture_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    with pytest.raises(UserError, match=r"there is no picture at .*a\.png: name a PNG, JPEG or WebP file"):
        read_photograph(path, (3, 4, 4))
    whole = saved(tmp_path / "b.png", Image.effect_noise((64, 64), 90)).read_bytes()
    gif = saved(tmp_path / "c.gif", four_quarters()).read_bytes()
    for content in (b"", b"not a picture", whole[:900], whole[:20], gif):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"a\.png cannot be read as a PNG, JPEG or WebP picture") as error:
            read_photograph(path, (3, 4, 4))
        assert "\n" not in str(error.value)
    path.write_bytes(whole)
    # Pillow warns of more pixels than this and raises an error of twice as many; both are too many here.
    for most in (3000, 1000):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        with pytest.raises(UserError, match=r"a\.png has more pixels than are safe to read, [13],000: make it smaller"):
            read_photograph(path, (3, 4, 4))


# The command line.


def checkpoint_of(method, path):
    checkpoint = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(checkpoint)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint, path)
    return path


@pytest.fixture
def words(planes, tmp_path):
    """Arguments that are right: a bright plane and a dark one go, another comes."""
    checkpoint_of(planes, tmp_path / "run" / "checkpoints" / "last.ckpt")
    for name, colour in (("a", (102, 102, 0)), ("b", (51, 0, 0)), ("c", (153, 51, 255))):
        saved(tmp_path / f"{name}.png", Image.new("RGB", (7, 5), colour))
    pictures = [str(tmp_path / f"{name}.png") for name in "abc"]
    return ["arithmetic", *pictures, "--checkpoint", str(tmp_path / "run"), "-o", str(tmp_path / "out.png")]


def colours(path):
    with Image.open(path) as picture:
        return picture.size, picture.format, [colour for _, colour in sorted(picture.convert("RGB").getcolors())]


def test_three_photographs_make_one_picture(words, main, tmp_path, capsys):
    assert main(words) == 0
    assert colours(tmp_path / "out.png") == ((4, 4), "PNG", [(204, 153, 255)])
    assert main([*words, "--layers", "z_3,z_0"]) == 0
    assert colours(tmp_path / "out.png") == ((4, 4), "PNG", [(204, 102, 255)])
    assert main([*words, "--strip"]) == 0
    size, _, found = colours(tmp_path / "out.png")
    assert (size, sorted(found)) == ((16, 4), [(51, 0, 0), (102, 102, 0), (153, 51, 255), (204, 153, 255)])
    checkpoint = tmp_path / "run" / "checkpoints" / "last.ckpt"
    assert main([*words, "--checkpoint", str(checkpoint), "--output", str(tmp_path / "out.JPG")]) == 0
    assert colours(tmp_path / "out.JPG")[:2] == ((4, 4), "JPEG")
    assert capsys.readouterr() == ("", "")
    assert not list(tmp_path.glob(".*"))


@torch.no_grad()
def test_a_ladder_is_used_as_it_was_trained(data, main, tmp_path):
    torch.manual_seed(0)
    method = MMDVLAE(latent_dims=(2, 2, 2), width=0.06)
    method.prepare(data.spec)
    # Untrained, its pictures are all of one grey.
    for parameter in method.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    path, images = checkpoint_of(method, tmp_path / "last.ckpt"), data.splits["test"].images[:3]
    photographs = [saved(tmp_path / f"{i}.png", Image.fromarray(image.numpy())) for i, image in enumerate(images)]
    a, b, c = torch.split(images.permute(0, 3, 1, 2) / 255, 1)
    expected = arithmetic(method.eval(), a, b, c, ["z_1", "z_2"])
    # Else any codes would do.
    assert not torch.allclose(expected, method.decode(method.posterior(a).mean), atol=0.1)
    output = tmp_path / "out.png"
    names = [str(name) for name in photographs]
    assert main(["arithmetic", *names, "--checkpoint", str(path), "-o", str(output), "--layers", "z_1, z_2"]) == 0
    assert torch.allclose(read_photograph(output, data.spec.image_shape), expected, atol=0.6 / 255)


ERRORS = {
    "no checkpoint": (["--checkpoint", "nowhere.ckpt"], "there is no checkpoint at nowhere.ckpt"),
    "a folder without a run": (["--checkpoint", "."], "there is no checkpoint at checkpoints/last.ckpt"),
    "what is no checkpoint": (["--checkpoint", "a.png"], "a.png cannot be read as a checkpoint"),
    "ruined weights": (
        ["--checkpoint", "ruined.ckpt"],
        "ruined.ckpt does not hold finite weights of AttributeClassifier",
    ),
    "no ladder": (["--checkpoint", "flat.ckpt"], "AttributeClassifier, which has no layers: use a VLAE or MMDVLAE"),
    "an unknown layer": (["--layers", "z_9"], "Planes has no layer 'z_9': it has z_0, z_2, z_3"),
    "no layer": (["--layers", ""], "Planes has no layer '': it has z_0, z_2, z_3"),
    "no folder": (["-o", "none/out.png"], "there is no folder none"),
    "no picture's name": (["-o", "out.ckpt"], "--output out.ckpt must end in .png, .jpg or .webp"),
    "a folder to write": (["-o", "folder.png"], "--output folder.png is a folder"),
    "an input": (["-o", "link.png"], "--output link.png is one of the inputs"),
    "an unknown option": (["--layer", "z_0"], "unrecognized arguments: --layer z_0 (`lit-faces arithmetic --help`"),
}


@pytest.mark.parametrize("what", ERRORS)
def test_a_wrong_argument_is_named(what, words, error_line, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder.png").mkdir()
    Path("link.png").hardlink_to("b.png")
    classifier = AttributeClassifier(width=0.0625)
    classifier.prepare(data.spec)
    checkpoint_of(classifier, Path("flat.ckpt"))
    torch.nn.init.constant_(next(classifier.parameters()), float("nan"))
    checkpoint_of(classifier, Path("ruined.ckpt"))
    before = {path: path.read_bytes() for path in tmp_path.glob("*.*") if path.is_file()}
    arguments, message = ERRORS[what]
    assert message in error_line([*words, *arguments])
    assert {path: path.read_bytes() for path in tmp_path.glob("*.*") if path.is_file()} == before


def test_a_picture_that_cannot_be_read_leaves_the_old_result(words, error_line, tmp_path):
    (tmp_path / "out.png").write_bytes(b"old")
    (tmp_path / "c.png").write_bytes((tmp_path / "c.png").read_bytes()[:50])
    assert "c.png cannot be read as a PNG, JPEG or WebP picture" in error_line(words)
    (tmp_path / "c.png").unlink()
    assert "there is no picture at" in error_line(words)
    assert (tmp_path / "out.png").read_bytes() == b"old"
