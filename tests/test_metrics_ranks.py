"""Every metric gives on two ranks, with shards of different size or none at all, what it gives on one."""

from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing

from lit_faces.metrics.attributes import AttributeAccuracy, AttributeHits
from lit_faces.metrics.likelihood import EvidenceLowerBound, ImportanceWeightedBound
from lit_faces.metrics.parzen import ParzenLogLikelihood
from lit_faces.metrics.per_image import PerImage

RANKS = 2
# Batches of rows a rank: uneven with padding (rows 0 and 5 twice), and nothing at all on one of them.
SHARDS = {
    "uneven": [[[6, 0, 3], [5]], [[1, 0], [2, 4, 5]]],
    "first empty": [[], [[3, 1, 0, 2], [6, 5, 4]]],
    "last empty": [[[3, 1, 0, 2], [6, 5, 4]], []],
}
WHOLE = [list(range(7))]


def measure(batches):
    """All metrics over these rows of one fixed data set, as plain tensors."""
    generator = torch.Generator().manual_seed(0)

    def rand(*shape):
        return torch.rand(7, *shape, generator=generator)

    images, samples, weights, values = rand(3, 8, 8), rand(12, 3, 8, 8), rand(9) * 100, rand(2)
    probabilities, reference = rand(4), rand(4)
    per_image, elbo, bound = PerImage("a", "b"), EvidenceLowerBound(), ImportanceWeightedBound(9)
    parzen, hits = ParzenLogLikelihood((0.1, 0.2), (5, 12)), AttributeHits(1, True)
    for rows in batches:
        index = 100 + torch.tensor(rows)
        per_image.update(index, values[rows])
        elbo.update(index, *values[rows].unbind(1))
        bound.update(index, weights[rows].split(4, 1))
        parzen.update(index, images[rows], samples[rows].split(4, 1))
        hits.update(index, probabilities[rows], reference[rows])
    result = {}
    for metric in (per_image, elbo, bound, hits):
        name, table = type(metric).__name__, metric.compute()
        result |= {f"{name} index": table.index, f"{name} values": table.values}
        assert torch.equal(metric.compute().values, table.values)
    estimate = parzen.compute()
    result |= {"index": estimate.index, "parzen": estimate.log_likelihood, "nearest": estimate.nearest_rms}
    # One update after compute: the local state was restored.
    per_image.update(torch.tensor([3]), torch.tensor([[1.0, 2.0]]))
    return result | {"after": per_image.compute().values}


def accuracy(batches):
    """Metrics of sums, which count a repeated row twice."""
    generator = torch.Generator().manual_seed(0)
    logits, targets = torch.randn(7, 3, generator=generator), torch.randint(0, 2, (7, 3), generator=generator)
    metric = AttributeAccuracy(3)
    for rows in batches:
        metric.update(logits[rows], targets[rows])
    if not batches:  # torchmetrics warns about a compute without update
        metric.update(logits[:0], targets[:0])
    return dict(zip(("accuracy", "balanced"), metric.compute(), strict=True))


def nothing():
    """The message of a metric that no rank has updated."""
    try:
        PerImage("a").compute()
    except ValueError as error:
        return str(error)
    return ""


def work(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=RANKS, timeout=timedelta(seconds=30)
    )
    try:
        results = {name: (measure(shard[rank]), accuracy(shard[rank])) for name, shard in SHARDS.items()}
        torch.save({"results": results, "nothing": nothing()}, f"{folder}/{rank}.pt")
    finally:
        dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    multiprocessing.start_processes(work, (str(folder),), nprocs=RANKS, start_method="forkserver")
    return [torch.load(folder / f"{rank}.pt") for rank in range(RANKS)]


@pytest.mark.parametrize("shards", SHARDS)
@pytest.mark.parametrize("rank", range(RANKS))
def test_ranks_agree_with_one_process(ranks, rank, shards):
    found, rates = ranks[rank]["results"][shards]
    for name, expected in measure(WHOLE).items():
        torch.testing.assert_close(
            found[name], expected, rtol=1e-10, atol=1e-10, msg=lambda m, name=name: f"{name}: {m}"
        )
    for name, expected in accuracy([rows for shard in SHARDS[shards] for rows in shard]).items():
        torch.testing.assert_close(rates[name], expected, rtol=1e-10, atol=1e-10, equal_nan=True)


def test_no_rank_has_images(ranks):
    assert all("no image" in rank["nothing"] for rank in ranks)
