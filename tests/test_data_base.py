"""What every DataModule shares: sharding, standardisation, the description of the data."""

import json
from dataclasses import replace

import pytest
import torch

from lit_faces.callbacks.edits import Edit
from lit_faces.data import batch
from lit_faces.data.base import SPLITS, FaceDataModule, Faces, LoadedData, _BatchRows
from lit_faces.data.batch import DataSpec
from lit_faces.errors import UserError

NAMES = ("Smiling", "Eyeglasses", "Constant", "Rare")


class Numbers(FaceDataModule):
    """40 training, 7 validation and 5 test images, each of one grey: its row."""

    def load(self):
        generator = torch.Generator().manual_seed(0)
        splits, first = {}, 0
        for name, count in zip(SPLITS, (40, 7, 5), strict=True):
            index = torch.arange(first, first + count)
            first += count
            images = index.to(torch.uint8)[:, None, None, None].expand(count, 8, 8, 3).contiguous()
            scores = torch.randn(count, 1, generator=generator) * 3 + (100 if name != "train" else 1)
            binary = torch.rand(count, 1, generator=generator).round()
            rare = (torch.arange(count)[:, None] == 0).float()
            splits[name] = Faces(images, torch.cat([scores, binary, torch.full_like(binary, 7), rare], 1), index, index)
        return LoadedData(splits, NAMES, {"source": "numbers"})


@pytest.fixture(scope="module")
def numbers():
    module = Numbers(batch_size=6)
    module.setup()
    return module


def rows(length, batch, ranks, seed=None, epoch=0):
    """The batches of every rank."""
    shards = []
    for rank in range(ranks):
        sampler = _BatchRows(length, batch, seed, rank, ranks)
        sampler.set_epoch(epoch)
        batches = [b.tolist() for b in sampler]
        assert len(batches) == len(sampler)
        shards.append(batches)
    return shards


def flat(shard):
    return [row for batch in shard for row in batch]


def test_evaluation_takes_large_batches_of_its_own(numbers, monkeypatch):
    sizes = {split: [len(b.row) for b in numbers.loader(split, shuffle=split == "train")] for split in SPLITS}
    assert sizes == {"train": [6] * 6, "validation": [7], "test": [5]}
    monkeypatch.setattr(numbers, "evaluation_batch_size", 1)
    assert [len(b.row) for b in numbers.test_dataloader()] == [5]
    monkeypatch.setattr(numbers, "batch_size", 4)
    assert [len(b.row) for b in numbers.test_dataloader()] == [4, 1]


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
@pytest.mark.parametrize("length", [1, 2, 7, 12])
def test_evaluation_sees_every_row_exactly_once(length, ranks):
    shards = [flat(shard) for shard in rows(length, 3, ranks)]
    assert sorted(row for shard in shards for row in shard) == list(range(length))
    assert all(shard == sorted(shard) for shard in shards)


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("length", [6, 7, 25])
def test_training_shards_are_disjoint_and_of_whole_batches_in_equal_number(length, ranks):
    shards = rows(length, 2, ranks, seed=0)
    assert {len(batch) for shard in shards for batch in shard} == {2}
    assert {len(shard) for shard in shards} == {length // (2 * ranks)}
    seen = [row for shard in shards for row in flat(shard)]
    assert len(seen) == len(set(seen))
    assert set(seen) <= set(range(length))


def test_the_training_order_is_a_function_of_seed_and_epoch_alone():
    torch.manual_seed(1)
    first = rows(50, 5, 1, seed=3, epoch=4)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert rows(50, 5, 1, seed=3, epoch=4) == first
    assert torch.equal(torch.get_rng_state(), state)
    assert rows(50, 5, 1, seed=3, epoch=5) != first
    assert rows(50, 5, 1, seed=4, epoch=4) != first


def test_ranks_train_on_the_same_images_as_one_process_does_with_larger_batches():
    two, one = rows(24, 3, 2, seed=0), rows(24, 6, 1, seed=0)
    for first, second, both in zip(*two, one[0], strict=True):
        assert {*first, *second} == set(both)


def test_loaders_yield_these_rows(numbers):
    assert [len(b.row) for b in numbers.train_dataloader()] == [6] * 6
    for loader, start, count in ((numbers.val_dataloader(), 40, 7), (numbers.test_dataloader(), 47, 5)):
        batches = [numbers.on_after_batch_transfer(b, 0) for b in loader]
        assert torch.cat([b.row for b in batches]).tolist() == list(range(start, start + count))
        for b in batches:
            assert b.images.shape[1:] == (3, 8, 8)
            assert b.images.is_contiguous(memory_format=torch.channels_last)
            assert torch.equal(b.images[:, 0, 0, 0] * 255, b.row.float())
            assert torch.equal(b.identity, b.row)


def test_attributes_are_standardised_on_the_train_split_alone(numbers):
    train = numbers.splits["train"].attributes
    spread = torch.tensor([0, 1, 3])
    torch.testing.assert_close(train.mean(0), torch.zeros(4), rtol=0, atol=1e-6)
    torch.testing.assert_close(train[:, spread].std(0, correction=0), torch.ones(3))
    # The other splits' scores lie around 100, not around 1.
    assert numbers.splits["test"].attributes[:, 0].mean() > 20
    raw = numbers.load().splits["test"].attributes
    torch.testing.assert_close(numbers.spec.standardise(raw), numbers.splits["test"].attributes)


def test_a_column_without_spread_is_zero(numbers):
    for faces in numbers.splits.values():
        assert not faces.attributes[:, 2].any()


def test_set_and_reset_are_the_outer_percentiles_of_train(numbers):
    raw = numbers.load().splits["train"].attributes[:, 0].double()
    for on, share in ((True, 0.95), (False, 0.05)):
        expected = (torch.quantile(raw, share, interpolation="nearest") - raw.mean()) / raw.std(correction=0)
        assert numbers.spec.standard_value("Smiling", on) == pytest.approx(expected.item(), rel=1e-6)
    # One image in forty has it: both percentiles are 0, and yet it can be set.
    rare = numbers.splits["train"].attributes[:, 3]
    assert numbers.spec.standard_value("Rare", True) == pytest.approx(rare.max().item(), rel=1e-6)
    assert numbers.spec.standard_value("Rare", False) == pytest.approx(rare.min().item(), rel=1e-6)


def test_a_vector_is_the_average_face_but_for_what_is_set_or_reset(numbers):
    spec = numbers.spec
    assert not spec.vector().any()
    expected = [spec.standard_value("Smiling", False), spec.standard_value("Eyeglasses", True), 0, 0]
    torch.testing.assert_close(spec.vector(["Eyeglasses"], ["Smiling"]), torch.tensor(expected))


def test_binary_splits_scores_at_zero_and_zero_one_columns_half_way(numbers):
    raw = numbers.load().splits["train"].attributes
    assert raw[:, 0].min() < 0
    expected = torch.stack([raw[:, 0] > 0, raw[:, 1] > 0.5, raw[:, 2] > 3.5, raw[:, 3] > 0.5], 1)
    assert torch.equal(numbers.spec.binary(numbers.spec.standardise(raw)), expected)


class Ages(Numbers):
    """Ages of 30 to 50 in training, of 0 in one test face, and two columns that never vary."""

    def load(self):
        loaded = super().load()
        for name, faces in loaded.splits.items():
            ages = torch.linspace(30, 50, len(faces)) if name == "train" else torch.zeros(len(faces))
            faces.attributes[:] = torch.stack([ages, ages / 50, torch.ones(len(faces)), torch.zeros(len(faces))], 1)
        return loaded


def test_values_that_are_never_near_zero_are_split_half_way_between_least_and_largest():
    data = Ages(batch_size=6)
    data.setup()
    assert data.spec.threshold == pytest.approx((40, 0.8, 0.5, 0))
    held = data.spec.binary(data.splits["train"].attributes)
    assert held.sum(0).tolist() == [20, 20, 40, 0]


def test_a_description_survives_json(numbers):
    assert DataSpec.from_dict(json.loads(json.dumps(numbers.spec.to_dict()))) == numbers.spec
    assert DataSpec.from_dict(numbers.spec.to_dict()) == numbers.spec


def test_what_follows_is_described_and_descriptions_from_before_have_none(numbers):
    spec = replace(numbers.spec, follows={"Smiling": ("Rare", "Constant")})
    assert DataSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec != numbers.spec
    old = {key: value for key, value in spec.to_dict().items() if key != "follows"}
    assert DataSpec.from_dict(old) == numbers.spec

    class Tied(Numbers):
        def load(self):
            return replace(super().load(), follows={"Smiling": ("Rare",)})

    tied = Tied(batch_size=6)
    tied.setup()
    assert tied.spec.follows == {"Smiling": ("Rare",)}
    # An edit of one touches the other.
    assert Edit(set=("Smiling",), reset=("Eyeglasses",)).tied(tied.spec) == (0, 1, 3)
    assert Edit(set=("Rare",)).tied(tied.spec) == (3,)


def test_numbers_are_copied_to_a_device_once(numbers, monkeypatch):
    values = numbers.splits["train"].attributes
    batch._copied.cache_clear()
    with torch.inference_mode():
        expected = numbers.spec.binary(values)
    # What was first asked for in inference may be part of a graph.
    numbers.spec.binary(values.clone().requires_grad_())
    monkeypatch.setattr(torch, "tensor", None)
    # A description of the same numbers shares them; another type has its own.
    assert torch.equal(replace(numbers.spec, name="Other").binary(values), expected)
    with pytest.raises(TypeError):
        numbers.spec.binary(values.half())


@pytest.mark.parametrize(
    "ask", [lambda s, n: s.position(n), lambda s, n: s.vector([n]), lambda s, n: s.vector([], [n])]
)
def test_an_unknown_attribute_is_refused_with_the_closest_names(ask, numbers):
    with pytest.raises(UserError, match="Numbers has no attribute 'Eyeglases': did you mean Eyeglasses"):
        ask(numbers.spec, "Eyeglases")
    with pytest.raises(UserError, match="no attribute 'xyz': it has Smiling, Eyeglasses, Constant, Rare"):
        ask(numbers.spec, "xyz")


def test_a_limit_keeps_the_first_images_of_every_split_and_is_in_the_manifest(numbers):
    few = Numbers(batch_size=6, limit=6)
    few.setup()
    assert {name: len(f) for name, f in few.splits.items()} == {"train": 6, "validation": 6, "test": 5}
    assert few.splits["validation"].index.tolist() == list(range(40, 46))
    assert few.spec.manifest["limit"] == 6
    assert few.spec.manifest["rows"] == {"train": 6, "validation": 6, "test": 5}
    assert few.spec != replace(numbers.spec, manifest=few.spec.manifest)


def test_setup_reads_the_data_once(numbers):
    before = numbers.splits
    numbers.setup("test")
    assert numbers.splits is before


@pytest.mark.parametrize("arguments", [{"batch_size": 41}, {"batch_size": 6, "limit": 5}])
def test_a_batch_larger_than_the_data_is_refused(arguments):
    with pytest.raises(UserError, match=r"fewer than one batch .*lower --data\.batch_size or raise --data\.limit"):
        Numbers(**arguments).setup()


@pytest.mark.parametrize("arguments", [{"batch_size": 0}, {"limit": 0}])
def test_sizes_below_one_are_refused(arguments):
    with pytest.raises(UserError, match="at least 1"):
        Numbers(**arguments)
