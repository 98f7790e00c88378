"""Sanity rows that the papers lack: what needs no model at all."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from lit_faces.data.base import FaceDataModule, to_unit_range
from lit_faces.data.batch import Batch
from lit_faces.metrics.parzen import ParzenEstimate, ParzenLogLikelihood

Sampler = Callable[[Batch], Tensor]


def baseline_records(data: FaceDataModule) -> dict[str, dict[str, Any]]:
    """Records of `mean_face` and `nearest_face` (the training face with the nearest attributes), one window an image each.

    `data` must be set up. Each record has the measurements of a run's record: the Parzen log-likelihood in nats per image, its
    width chosen on the validation split.
    """
    train = data.splits["train"]
    mean = torch.zeros(train.images.shape[1:])
    for images in torch.split(train.images, 1000):
        mean += images.float().sum(0) / 255
    mean = (mean / len(train)).permute(2, 0, 1)

    def mean_face(batch: Batch) -> Tensor:
        return mean.expand_as(batch.images)

    def nearest_face(batch: Batch) -> Tensor:
        rows = torch.cdist(batch.attributes, train.attributes).argmin(1)
        return train.images[rows].permute(0, 3, 1, 2).float() / 255

    return {"mean_face": _record(data, mean_face), "nearest_face": _record(data, nearest_face)}


def _estimate(data: FaceDataModule, split: Any, sampler: Sampler) -> ParzenEstimate:
    metric = ParzenLogLikelihood(counts=(1,))
    for stored in data.loader(split):
        batch = to_unit_range(stored)

        def once(batch: Batch = batch) -> Iterator[Tensor]:
            yield sampler(batch)[:, None]

        metric.update(batch.row, batch.images, once())
    return metric.compute()


def _record(data: FaceDataModule, sampler: Sampler) -> dict[str, Any]:
    chosen, estimate = _estimate(data, "validation", sampler), _estimate(data, "test", sampler)
    width = chosen.best_width(1)
    values = estimate.at(1, width)
    mean, rms = values.mean().tolist()
    error, rms_error = values.standard_error().tolist()
    settings = {"samples": 1, "width": width, "width_on_edge_of_grid": chosen.on_edge(1)}
    parzen = {"metric": "parzen_log_likelihood", "value": mean, "stderr": error, "unit": "nats per image"}
    nearest = {"metric": "nearest_sample_rms", "value": rms, "stderr": rms_error, "unit": "pixel in [0, 1]"}
    common = {"n": len(values), "settings": settings}
    return {"measurements": [{**parzen, **common}, {**nearest, **common}]}
