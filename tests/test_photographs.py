"""Photographs: read whatever they are, faces found, pictures cut out as training cuts them and put back."""

import io
import tarfile
from itertools import islice

import numpy as np
import pytest
from photographed import photograph
from PIL import Image, ImageCms

from lit_faces.data.cache import Crop
from lit_faces.data.celeba_cache import LARSEN
from lit_faces.data.lfw_cache import LFWCROP
from lit_faces.data.sources import data_root
from lit_faces.errors import UserError
from lit_faces.photographs.blending import blend
from lit_faces.photographs.detector import find_faces
from lit_faces.photographs.framing import Box, Frame, cut, frame_of, middle, region
from lit_faces.photographs.reading import open_photograph


def noise(width, height, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def stream(picture, **arguments):
    file = io.BytesIO()
    picture.save(file, **{"format": "PNG", **arguments})
    file.seek(0)
    return file


# Reading.


@pytest.mark.parametrize("lossless", [{"format": "PNG"}, {"format": "WEBP", "lossless": True}])
def test_what_is_lossless_is_read_as_it_was(lossless):
    picture = noise(7, 5)
    read = open_photograph(stream(picture, **lossless))
    assert read.mode == "RGB"
    assert np.array_equal(np.asarray(read), np.asarray(picture))


def test_only_a_colour_profile_that_fits_comes_along(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    path = tmp_path / "a.jpg"
    noise(9, 9).save(path, icc_profile=profile, exif=exif)
    assert open_photograph(path).info == {"icc_profile": profile}
    transparent = noise(9, 9).convert("RGBA")
    transparent.putalpha(100)
    assert open_photograph(stream(transparent, icc_profile=profile)).info == {"icc_profile": profile}
    grey = profile[:16] + b"GRAY" + profile[20:]
    assert open_photograph(stream(noise(9, 9).convert("L"), icc_profile=grey)).info == {}
    assert open_photograph(stream(noise(9, 9))).info == {}


def test_damaged_metadata_does_not_stop_a_whole_picture(tmp_path):
    path = tmp_path / "a.jpg"
    noise(9, 9).save(path, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01", icc_profile=b"no profile")
    assert open_photograph(path).size == (9, 9)


def test_an_upload_that_is_no_picture_is_refused_without_a_name():
    for content in (b"", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n"):
        with pytest.raises(UserError, match=r"^the picture cannot be read as a PNG, JPEG or WebP picture"):
            open_photograph(io.BytesIO(content))


# Faces.


def test_faces_are_found_the_largest_first_in_the_photographs_own_pixels():
    small, large = (120, 20, 250), (200, 250, 60)
    picture = photograph(small, large)
    for scale in (1, 6):  # of which the second is searched on a reduced copy
        boxes = find_faces(picture.resize((500 * scale, 400 * scale)))
        assert len(boxes) == 2
        for box, (side, left, top) in zip(boxes, (large, small), strict=True):
            assert left * scale < box.left < (left + side / 2) * scale < box.right < (left + side) * scale
            assert top * scale < box.top < (top + side / 2) * scale < box.bottom < (top + side) * scale
            assert box.width > side * scale / 2


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (400, 300)])
def test_where_no_face_is_none_is_found(size):
    assert find_faces(photograph(size=size)) == []


@pytest.mark.real_data
def test_the_faces_of_lfw_are_found_where_its_frame_says():
    archive = data_root() / "lfw" / "lfw-deepfunneled.tgz"
    if not archive.is_file():
        pytest.skip(f"there is no {archive}")
    found = []
    with tarfile.open(archive) as tar:
        for member in islice((member for member in tar if member.name.endswith(".jpg")), 60):
            faces = find_faces(open_photograph(io.BytesIO(tar.extractfile(member).read())))
            found += [box for box in faces if box.left < 125 < box.right and box.top < 125 < box.bottom][:1]
    assert len(found) >= 57
    whole = frame_of("LFW", {"crop": {"left": 0, "top": 0, "right": 1, "bottom": 1}})
    assert np.allclose(np.median(found, 0) / 250, whole, atol=0.015)


# Frames.


def test_a_frame_within_a_crop_points_at_the_same_pixels():
    crop = {"left": 0.1, "top": 0.2, "right": 0.9, "bottom": 0.7}
    for data in ("LFW", "CelebA"):
        whole = frame_of(data, {"crop": {"left": 0, "top": 0, "right": 1, "bottom": 1}})
        part = frame_of(data, {"crop": crop, "frame": [178, 218]})
        assert part.left * 0.8 + 0.1 == pytest.approx(whole.left)
        assert part.right * 0.8 + 0.1 == pytest.approx(whole.right)
        assert part.top * 0.5 + 0.2 == pytest.approx(whole.top)
        assert part.bottom * 0.5 + 0.2 == pytest.approx(whole.bottom)


@pytest.mark.parametrize(("data", "crop", "shape"), [("CelebA", LARSEN, (178, 218)), ("LFW", LFWCROP, (250, 250))])
def test_the_region_of_a_training_picture_is_its_crop(data, crop, shape):
    width, height = shape
    whole = frame_of(data, {"crop": {"left": 0, "top": 0, "right": 1, "bottom": 1}})
    box = Box(whole.left * width, whole.top * height, whole.right * width, whole.bottom * height)
    found = region(box, frame_of(data, {"crop": vars(crop)}))
    assert found == pytest.approx((crop.left * width, crop.top * height, crop.right * width, crop.bottom * height))
    # The box is square and so is the picture.
    assert found.width == pytest.approx(found.height, rel=0.02)


def test_a_manifest_may_say_the_frame_and_unknown_data_are_refused():
    assert frame_of("Folder", {"frame": [0.2, 0.3, 0.8, 0.9]}) == Frame(0.2, 0.3, 0.8, 0.9)
    for manifest in ({}, {"frame": None}, {"crop": {}}):
        with pytest.raises(UserError, match=r"how Synthetic cuts .* is not known: .* say --align none"):
            frame_of("Synthetic", manifest)


# Cutting.


@pytest.mark.parametrize("size", [8, 64, 200])
def test_a_picture_is_cut_as_training_cuts_it(size):
    picture, crop = noise(178, 218), Crop(0.11, 0.23, 0.87, 0.91)
    part = Box(0.11 * 178, 0.23 * 218, 0.87 * 178, 0.91 * 218)
    # The sides of a box are rounded differently after they were moved.
    assert np.abs(cut(picture, part, size).astype(int) - crop.cut(picture, size)).max() <= 1


def test_beyond_the_photograph_its_edge_is_repeated():
    picture = noise(20, 10)
    padded = np.pad(np.asarray(picture), ((10, 10), (10, 10), (0, 0)), "edge")
    assert np.array_equal(cut(picture, Box(-5, -10, 25, 20), 30), padded[:30, 5:35])
    far = cut(picture, Box(100, 100, 130, 130), 30)
    assert np.array_equal(far, np.broadcast_to(np.asarray(picture)[-1, -1], (30, 30, 3)))


def test_the_middle_of_a_photograph_is_its_largest_square():
    assert middle(noise(30, 10)) == (10, 0, 20, 10)
    assert middle(noise(3, 6)) == (0, 1.5, 3, 4.5)


# Blending.

PART = Box(40.5, 20.25, 104.5, 84.25)


def flat(value):
    return np.full((32, 32, 3), value, np.float32)


def changed(picture, part, before, after):
    blended = blend(picture, part, before, after)
    assert (blended.size, blended.mode) == (picture.size, "RGB")
    return np.asarray(blended).astype(int) - np.asarray(picture)


def test_no_pixel_outside_the_part_changes():
    difference = changed(noise(160, 120), PART, flat(0.2), np.random.default_rng(0).random((32, 32, 3), np.float32))
    inside = np.zeros(difference.shape[:2], bool)
    inside[21:84, 41:104] = True
    assert not difference[~inside].any()
    assert difference[inside].any()


def test_an_edit_that_changes_nothing_leaves_every_pixel():
    same = np.random.default_rng(0).random((32, 32, 3), np.float32)
    for part in (PART, Box(-30, -20, 50, 60), Box(0, 0, 160, 120), Box(200, 200, 264, 264), Box(3.2, 4.1, 3.9, 4.8)):
        assert not changed(noise(160, 120), part, same, same).any()


def test_a_small_change_is_added_to_the_details_and_a_large_one_replaces_them():
    grey = Image.fromarray((100 + np.asarray(noise(160, 120)) % 32).astype(np.uint8))
    # In the middle of the part; 0.08 * 255 is 20.4.
    little = changed(grey, PART, flat(0.4), flat(0.48))[45:60, 65:80]
    assert set(np.unique(little)) == {20}
    much = np.asarray(blend(grey, PART, flat(0.4), flat(0.8)))[45:60, 65:80]
    assert set(np.unique(much)) == {204}


def test_the_change_sets_in_gradually_but_at_the_photographs_own_sides():
    grey = Image.new("RGB", (160, 120), (100, 100, 100))
    row = changed(grey, PART, flat(0.4), flat(0.48))[50, 41:104, 0]
    assert max(row[0], row[-1]) <= 1
    assert np.abs(np.diff(row)).max() < 5
    assert row.max() == 20
    assert (changed(grey, Box(0, 0, 160, 120), flat(0.4), flat(0.48)) == 20).all()
    assert (changed(grey, Box(-10, -10, 170, 130), flat(0.4), flat(0.48)) == 20).all()


def test_a_change_lands_where_the_model_made_it():
    after = flat(0.4)
    after[8:12, 20:24] = 0.48
    difference = changed(Image.new("RGB", (160, 120), (100, 100, 100)), Box(0, 0, 96, 96), flat(0.4), after)[..., 0]
    rows, columns = np.nonzero(difference > 10)
    assert (rows.mean(), columns.mean()) == pytest.approx((29.5, 65.5), abs=0.6)
