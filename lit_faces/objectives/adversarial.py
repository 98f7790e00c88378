"""Losses of a discriminator and of the generator that it judges, from logits, in nats per image."""

import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-1/2 [log D(x, y) + log(1 - D(G(n, y), y))], mean over the batch, for logits (B,) each (CGAN of the CMMA paper)."""
    return 0.5 * (F.softplus(-real.float()).mean() + F.softplus(fake.float()).mean())


def generator_loss(fake: Tensor) -> Tensor:
    """-log D(G(n, y), y), the non-saturating loss, mean over the batch, for logits (B,)."""
    return F.softplus(-fake.float()).mean()


def gan_loss(real: Tensor, *fakes: Tensor) -> Tensor:
    """L_gan of the IFcVAE-GAN paper, with the minus that its cross-entropy lacks: the discriminator's, means over the batch.

    1/3 [-log C(x) - log(1 - C(x_hat)) - log(1 - C(D(z, y)))] for the logits (B,) of two kinds of fakes.
    """
    return (F.softplus(-real.float()).mean() + sum(F.softplus(fake.float()).mean() for fake in fakes)) / (
        1 + len(fakes)
    )
