"""VLAE, the variational ladder autoencoder, and MMD-VLAE, which regularises its codes by MMD."""

from math import expm1

import torch
from torch import Tensor

from lit_faces.data.batch import Batch, DataSpec
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import layers_of
from lit_faces.networks.ladder import Decoder, Encoder
from lit_faces.objectives.gaussian import DiagonalGaussian, divergence, gaussian, sample, standard_normal
from lit_faces.objectives.mmd import squared_mmd


class LadderAutoencoder(Method):
    """An autoencoder whose code is read off at several depths of its network; subclasses give the losses. One Adam."""

    # Of one image the normalisation of hidden units has no variance.
    fewest_images = 2

    def __init__(
        self, latent_dims: tuple[int, ...], width: float, learning_rate: float, authors_relu_top: bool
    ) -> None:
        super().__init__()
        self.latent_dims, self.width = tuple(latent_dims), width
        self.learning_rate, self.authors_relu_top = learning_rate, authors_relu_top

    def build(self, spec: DataSpec) -> None:
        """Encoder and decoder. Raises ValueError if there is no ladder of `latent_dims` for such images."""
        self.encoder = Encoder(spec.image_shape, self.latent_dims, self.width, self.authors_relu_top)
        self.decoder = Decoder(spec.image_shape, self.latent_dims, self.width)

    def coded(self, batch: Batch) -> tuple[DiagonalGaussian, Tensor, Tensor]:
        """q(z|x) of a training batch, a draw z from it (B, d), and |x - x_hat| (B, C, H, W) for it."""
        q = self.posterior(batch.images)
        z = sample(q, torch.randn_like(q.mean))
        return q, z, (self.decode(z) - batch.images).abs()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate, fused=True)

    # What a trained model can do.

    def posterior(self, images: Tensor) -> DiagonalGaussian:
        """q(z|x), over (B, sum of latent_dims), the bottom's code first."""
        return gaussian(*self.encoder(images))

    def decode(self, z: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] from codes (B, sum of latent_dims)."""
        pixels: Tensor = self.decoder(z)
        return pixels.sigmoid()

    def reconstruct(self, images: Tensor, attributes: Tensor) -> Tensor:
        """Images (B, C, H, W) at the posterior mean."""
        return self.decode(self.posterior(images).mean)


class VLAE(LadderAutoencoder):
    """The variational ladder autoencoder (Zhao et al. 2017), [3] of the MMD-VLAE paper, trained as in its authors'
    code.

    c sum |x - x_hat| + r(t) sum_l KL(q(z_l|x) || N(0, I)) in nats per image, constants dropped: a Laplace likelihood of
    scale 1 / c, c being `reconstruction_weight`, for pixels in [0, 1], and r(t) = 1 - exp(-t / warm_up) after t steps.
    The authors' c is 8 for MNIST, and for CelebA 0.5 on pixels in [-1, 1], which is 1 here.

    `latent_dims` are the sizes of the codes from the bottom up, three for images of a side up to 32, four from 48 on; a
    layer of 0 is left out. `authors_relu_top` is the ReLU that the authors' large network has on the top's mean and
    standard deviation.
    """

    def __init__(
        self,
        latent_dims: tuple[int, ...] = (10, 10, 10, 10),
        width: float = 1.0,
        reconstruction_weight: float = 1.0,
        warm_up: float = 2000,
        learning_rate: float = 2e-4,
        authors_relu_top: bool = False,
    ) -> None:
        super().__init__(latent_dims, width, learning_rate, authors_relu_top)
        self.save_hyperparameters(logger=False)
        self.reconstruction_weight, self.warm_up = reconstruction_weight, warm_up

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The loss and its terms without their weights."""
        q, _, differences = self.coded(batch)
        error = differences.sum() / len(differences)
        kl = {}
        for name, part in layers_of(self).items():
            own = gaussian(q.mean[:, part], q.stddev[:, part])
            kl[f"kl_{name}"] = divergence(own, standard_normal(q.mean, part.stop - part.start)).mean()
        total = torch.stack([*kl.values()]).sum()
        loss = self.reconstruction_weight * error - expm1(-self.global_step / self.warm_up) * total
        return {"loss": loss, **_detached({"reconstruction": error, "kl": total, **kl})}


class MMDVLAE(LadderAutoencoder):
    """VLAE with the squared MMD between the codes of a layer and N(0, I) in place of its KL (MMD-VLAE paper, section
    2.4).

    lambda_reconstruction mean |x - x_hat| + lambda_mmd sum_l MMD^2(q(z_l), N(0, I)), the mean over images and pixel
    values, from one z an image and as many fresh draws of N(0, I), by the authors' estimate or the `unbiased` one that
    the paper's formula stands for (`squared_mmd`). The paper maximises log p(x|z) less the sum, both with weights of 1;
    the weights of 100 are from the authors' code, for MNIST. Their 100 for CelebA was on pixels in [-1, 1], which is a
    `lambda_reconstruction` of 200 here. MMD is estimated from the batch of each process.

    The MMD-VAE is this with one layer: `latent_dims` of 0, .., 0, d. They and `authors_relu_top` are as in VLAE.
    """

    def __init__(
        self,
        latent_dims: tuple[int, ...] = (10, 10, 10, 10),
        width: float = 1.0,
        lambda_reconstruction: float = 100.0,
        lambda_mmd: float = 100.0,
        unbiased: bool = False,
        learning_rate: float = 2e-4,
        authors_relu_top: bool = False,
    ) -> None:
        super().__init__(latent_dims, width, learning_rate, authors_relu_top)
        self.save_hyperparameters(logger=False)
        self.lambda_reconstruction, self.lambda_mmd, self.unbiased = lambda_reconstruction, lambda_mmd, unbiased

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The loss and its terms without their weights."""
        _, z, differences = self.coded(batch)
        error, prior = differences.mean(), torch.randn_like(z)
        mmd = {
            f"mmd_{name}": squared_mmd(z[:, part], prior[:, part], unbiased=self.unbiased)
            for name, part in layers_of(self).items()
        }
        total = torch.stack([*mmd.values()]).sum()
        loss = self.lambda_reconstruction * error + self.lambda_mmd * total
        return {"loss": loss, **_detached({"reconstruction": error, "mmd": total, **mmd})}


def _detached(terms: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: term.detach() for name, term in terms.items()}
