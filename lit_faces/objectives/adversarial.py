"""Losses of a discriminator and of the generator that it judges, from logits, in nats per image."""

import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-1/2 [log D(x, y) + log(1 - D(G(n, y), y))], mean over the batch, for logits (B,) each (CGAN of the CMMA paper)."""
    return 0.5 * (F.softplus(-real.float()).mean() + F.softplus(fake.float()).mean())


def generator_loss(fake: Tensor) -> Tensor:
    """-log D(G(n, y), y), the non-saturating loss, mean over the batch, for logits (B,)."""
    return F.softplus(-fake.float()).mean()
