"""Faces whose labels are planes of colour, a method that paints them, and a judge that sees them: all answers are known."""

import warnings
from dataclasses import replace
from unittest import mock

import torch
from pytorch_lightning import Trainer

import lit_faces.callbacks.attribute_edits as attribute_edits
from lit_faces.data.base import SPLITS, FaceDataModule, Faces, LoadedData
from lit_faces.methods.base import Method

LABELS = ("A", "B")
PAINT = 100
TONE = PAINT / 255
SIZE = 4


class Tinted(FaceDataModule):
    """The first plane is the person's with a picture's noise; the second and third are painted where A and B hold.

    Exclusive: everyone with A, with B and with neither, twice. Else with and without each, once. A test may ask for batches of
    any size.
    """

    evaluation_batch_size = 1

    def __init__(self, exclusive=True, neutral=True, people=5, train=None, labels=LABELS, batch_size=4):
        super().__init__(batch_size)
        self.exclusive, self.neutral, self.labels = exclusive, neutral, labels
        self.people = {"train": train or people, "validation": people, "test": people}

    def load(self):
        generator = torch.Generator().manual_seed(0)
        kinds = [(1, 0), (0, 1), (0, 0)] * 2 if self.exclusive else [(0, 0), (0, 1), (1, 0), (1, 1)]
        splits, first, person = {}, 0, 0
        for name in SPLITS:
            images, attributes, identity = [], [], []
            for _ in range(self.people[name]):
                plane = torch.randint(0, 200, (SIZE, SIZE), generator=generator)
                for a, b in kinds:
                    noise = torch.randint(0, 50, (SIZE, SIZE), generator=generator)
                    planes = [plane + noise, torch.full_like(plane, a * PAINT), torch.full_like(plane, b * PAINT)]
                    images.append(torch.stack(planes, -1).to(torch.uint8))
                    attributes.append([a, b] + [1 - a - b] * (self.exclusive and self.neutral))
                    identity.append(person)
                person += 1
            index = torch.arange(first, first + len(images))
            first += len(images)
            splits[name] = Faces(torch.stack(images), torch.tensor(attributes).float(), torch.tensor(identity), index)
        names = LABELS + ("Neutral",) * (self.exclusive and self.neutral)
        return LoadedData(splits, names, {}, labels=self.labels, exclusive=self.exclusive)

    def counterfactual(self, index, name, on):
        images = torch.cat([self.splits[split].images for split in SPLITS])[index].clone()
        if self.exclusive and on:
            images[..., 1:] = 0
        if name in LABELS:
            images[..., 1 + LABELS.index(name)] = PAINT * on
        return images


class Painter(Method):
    """Paints the labels as strongly as their style says: with TONE, as they truly are."""

    style_dim, noise_dim, search = 1, 1, "grid"

    def __init__(self, tone=TONE, leaky=False):
        super().__init__()
        self.labels, self.tone, self.leaky = LABELS, tone, leaky

    def build(self, spec):
        self.paint = torch.nn.Linear(1, 1)

    def reconstruct(self, images, attributes):
        return images

    def generate(self, attributes, noise):
        blank = torch.zeros(len(attributes), *self.spec.image_shape)
        return self.switch(blank, attributes, attributes, self.styles())

    def edit(self, images, attributes, target, strength=1.0):
        return self.switch(images, attributes, target, self.styles())

    def styles(self):
        return torch.full((2, 1), self.tone)

    def candidate_styles(self):
        return torch.tensor([[0.2, TONE], [TONE, 0.8], [0.8, 0.2]])[..., None]

    def switch(self, images, attributes, target, styles, strength=1.0):
        there, images = self.spec.binary(target), images.clone()
        for k, label in enumerate(LABELS):
            images[:, 1 + k] = (there[:, self.spec.position(label)] * styles[k, 0])[:, None, None]
        return images

    def encode(self, images, attributes):
        noise, marks = images[:, 0].flatten(1)[:, :3], images[:, 1:].flatten(2).mean(2)
        return {"z": torch.cat([noise, marks], 1) if self.leaky else noise, "w_A": marks[:, :1], "w_B": marks[:, 1:]}


class CannotSwitch(Painter):
    """The same without a choice of styles."""

    style_dim = 0


class Judge:
    """Sees 0.9 for what is painted as it should be; "Neutral" never more than 0.3."""

    def __init__(self, spec):
        self.spec = spec

    def probabilities(self, images):
        marks = (images[:, 1:].flatten(2).mean(2) / TONE * 0.9).clamp(0, 1)
        seen = [marks, torch.full((len(images), 1), 0.3)]
        return torch.cat(seen, 1)[:, : len(self.spec.attributes)]


def evaluate(method, data, *callbacks, devices=1):
    """Tests a method; gives every measurement by its name."""
    if not data.splits:
        data.setup()
    judge = Judge(replace(data.spec))
    trainer = Trainer(
        accelerator="cpu",
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    with (
        mock.patch.object(attribute_edits, "load_method", return_value=judge),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message=".*does not have many workers")
        trainer.test(method, datamodule=data, verbose=False)
    evaluations = [c.evaluation for c in callbacks if c.evaluation is not None]
    return {m.metric: m for evaluation in evaluations for m in evaluation.measurements}


def quiet_trainer(callback):
    return Trainer(
        accelerator="cpu",
        callbacks=[callback],
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def watched(method, data, callback, load=None):
    """What a callback logs of the validation split."""
    trainer = quiet_trainer(callback)
    load = load or (lambda *_, **__: Judge(data.spec))
    with mock.patch.object(attribute_edits, "load_method", load):
        trainer.validate(method, datamodule=data, verbose=False)
    return {name: value.item() for name, value in trainer.logged_metrics.items()}
