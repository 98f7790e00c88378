"""The Swiss roll: its points, its label and its splits."""

import json

import pytest
import torch

from lit_faces.data.base import SPLITS
from lit_faces.data.swiss_roll import SCALE, SwissRoll
from lit_faces.errors import UserError


def points(loaded):
    """All points (N, 3), their label (N,), in the order of the splits, in the roll's own units."""
    images = torch.cat([loaded.splits[name].images for name in SPLITS])
    label = torch.cat([loaded.splits[name].attributes for name in SPLITS])
    return images[:, 0, 0].double() * SCALE, label[:, 0].bool()


def test_the_points_lie_on_the_roll():
    roll, _ = points(SwissRoll().load())
    assert roll.shape == (10000, 3)
    x, along, y = roll.unbind(1)
    # An Archimedean spiral: its radius is its angle, up to whole turns.
    radius = (x.square() + y.square()).sqrt()
    turns = (radius - torch.atan2(y, x)) / (2 * torch.pi)
    assert (turns - turns.round()).abs().max() < 1e-5
    assert radius.min() >= 1.5 * torch.pi - 1e-5
    assert radius.max() <= 4.5 * torch.pi + 1e-5
    assert along.min() >= 0
    assert along.max() <= 21


@pytest.mark.parametrize(("label", "coordinate", "share"), [("paper", 0, 0.137), ("half", 1, 11 / 21)])
def test_the_label_holds_where_its_coordinate_exceeds_ten(label, coordinate, share):
    loaded = SwissRoll(label=label).load()
    roll, holds = points(loaded)
    assert torch.equal(holds, roll[:, coordinate] > 10)
    # Three standard deviations of 10,000 draws.
    assert holds.double().mean().item() == pytest.approx(share, abs=0.015)
    assert loaded.labels == loaded.attributes == ("Half",)


def test_the_splits_are_80_10_10_and_share_no_point():
    loaded = SwissRoll(samples=1005).load()
    assert [len(loaded.splits[name]) for name in SPLITS] == [804, 100, 101]
    rows = torch.cat([loaded.splits[name].index for name in SPLITS])
    assert sorted(rows.tolist()) == list(range(1005))
    assert json.loads(json.dumps(loaded.manifest)) == loaded.manifest


def test_the_data_seed_determines_the_points_and_the_label_does_not_move_them():
    first, again = (
        points(SwissRoll(samples=50, seed=5).load())[0],
        points(SwissRoll(samples=50, label="paper").load())[0],
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, points(SwissRoll(samples=50, data_seed=1).load())[0])


def test_batches_are_images_of_one_pixel_with_their_range_kept():
    data = SwissRoll(samples=100, batch_size=16, limit=40)
    data.setup()
    assert data.spec.image_shape == (3, 1, 1)
    assert [len(data.splits[name]) for name in SPLITS] == [40, 10, 10]
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert batch.images.shape == (16, 3, 1, 1)
    assert batch.images.dtype == torch.float32
    assert batch.images.min() < -0.3
    assert batch.images.max() > 1.2
    assert torch.equal(data.spec.binary(batch.attributes)[:, 0], batch.images[:, 1, 0, 0] > 1)


def test_bad_arguments_are_named():
    with pytest.raises(UserError, match=r"data\.samples must be at least 10"):
        SwissRoll(samples=9)
    with pytest.raises(UserError, match=r"data\.label must be paper or half, got 'third'"):
        SwissRoll(label="third")
