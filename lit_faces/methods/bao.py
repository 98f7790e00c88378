"""cVAE-GAN of Bao et al. (2017) with its own objective, which differs from what the IFcVAE-GAN paper takes for it."""

import torch
from torch import Tensor

from lit_faces.data.batch import Batch, DataSpec
from lit_faces.methods.capabilities import Strength
from lit_faces.methods.labels import LabelledMethod
from lit_faces.networks.bao import Encoder, Generator, Judge
from lit_faces.networks.layers import without_statistics
from lit_faces.objectives.adversarial import gan_loss
from lit_faces.objectives.gaussian import LATENT_LOG_VARIANCE, diagonal, divergence, sample, standard_normal
from lit_faces.objectives.information import label_log_likelihood


def pairwise_distance(real: Tensor, fake: Tensor) -> Tensor:
    """1/2 ||a - b||^2 between (B, ...) and (B, ...), summed over entries, mean over the batch: one term of L_G."""
    return 0.5 * (real - fake).square().flatten(1).sum(1).mean()


def mean_distance(real: Tensor, fake: Tensor) -> Tensor:
    """L_GD = 1/2 ||E f_D(x) - E f_D(G(z, y))||^2 from features (B, F), the expectations over the batch."""
    return 0.5 * (real.mean(0) - fake.mean(0)).square().sum()


def class_distance(real: Tensor, fake: Tensor, labels: Tensor) -> Tensor:
    """L_GC = 1/2 sum_c ||E_c f_C(x) - E_c f_C(G(z, c))||^2 over the classes 0 and 1 of each of K labels.

    From features (B, F) of faces and of pictures that have the same `labels` (B, K) in {0, 1}; the expectations are over
    the batch, and a class that it lacks adds nothing.
    """
    member = torch.cat([labels, 1 - labels], 1)
    share = member / member.sum(0).clamp(min=1)
    # No matrix product, which autocast would round.
    return 0.5 * (share[..., None] * (real - fake)[:, None]).sum(0).square().sum()


class CVAEGANBao(LabelledMethod):
    """An autoencoder of z given the labels, q(z|x, y) and G(z, y), whose generator matches features of D and of C.

    After arXiv 1703.10155, for 64x64 pictures and K binary labels; all losses come from one forward pass at the old weights:
      classifier C: L_C, the cross-entropy of the labels on faces, summed over the labels;
      discriminator D: L_D, its cross-entropy on faces, reconstructions x' = G(z, y) and samples G(z_p, y), z_p ~ N(0, I);
      generator G: lambda_2 L_G + lambda_3 L_GD + lambda_4 L_GC; encoder E: lambda_1 KL(q(z|x, y) || N(0, I)) + lambda_2 L_G,
    with L_G = 1/2 (||x - x'||^2 + ||f_D(x) - f_D(x')||^2 + ||f_C(x) - f_C(x')||^2). So D's cross-entropy has no gradient for
    G. The features f are the activations before the last layer; samples have the batch's own labels, and the centres of the
    classes are the batch's.

    Every term is a sum over entries and a mean over images. The pixels' part of L_G is then -log p(x|z) at a variance of 1,
    and `lambda_1` = 3 a beta-VAE's beta: from the pixels alone z would keep only directions of a variance above 3. How the
    paper scales pixels and sums is not known here. The running statistics of G are those of reconstructions.
    """

    adversarial = True
    fewest_images = 2

    def __init__(
        self,
        labels: tuple[str, ...] = (),
        latent_dim: int = 128,
        width: float = 1.0,
        learning_rate: float = 2e-4,
        lambda_1: float = 3.0,
        lambda_2: float = 1.0,
        lambda_3: float = 1e-3,
        lambda_4: float = 1e-3,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.automatic_optimization = False
        self.labels, self.latent_dim, self.width = tuple(labels), latent_dim, width
        self.noise_dim = latent_dim
        self.learning_rate = learning_rate
        self.lambda_1, self.lambda_2, self.lambda_3, self.lambda_4 = lambda_1, lambda_2, lambda_3, lambda_4

    def build(self, spec: DataSpec) -> None:
        """E, G, D and C. Raises UserError if no labels are given and the data set is about none."""
        self.settle_labels(spec)
        count = len(self.labels)
        self.encoder = Encoder(spec.image_shape, self.latent_dim, count, self.width)
        self.generator = Generator(spec.image_shape, self.latent_dim + count, self.width)
        self.discriminator = Judge(spec.image_shape, 1, self.width)
        self.classifier = Judge(spec.image_shape, count, self.width)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """One step of E and G together, one of D and one of C."""
        main, discriminating, classifying = self.optimizers()  # type: ignore[attr-defined]
        images, labels = batch.images, self.label_values(batch.attributes)
        q = diagonal(self.encoder(images, labels), LATENT_LOG_VARIANCE)
        z = sample(q, torch.randn_like(q.mean))
        reconstruction = self.generator(torch.cat([z, labels], 1))
        sampled = without_statistics(self.generator, torch.cat([torch.randn_like(z), labels], 1))
        verdict, real_d = self.discriminator(images)
        logits, real_c = self.classifier(images)

        judges = (self.discriminator, self.classifier)
        for judge in judges:
            judge.requires_grad_(False)
        losses = self.generator_losses(images, labels, (real_d.detach(), real_c.detach()), reconstruction, sampled)
        for judge in judges:
            judge.requires_grad_(True)
        losses["kl"] = divergence(q, standard_normal(z, self.latent_dim)).mean()
        # KL does not depend on G, nor L_GD and L_GC on E, so that each has the gradient of its own losses alone.
        losses["loss"] = losses["loss"] + self.lambda_1 * losses["kl"]
        self.descend(main, losses["loss"])

        fakes = [self.discriminator(fake.detach())[0] for fake in (reconstruction, sampled)]
        losses["discriminator_loss"] = gan_loss(verdict, *fakes)
        self.descend(discriminating, losses["discriminator_loss"])
        losses["classifier"] = -label_log_likelihood(logits, labels).mean()
        self.descend(classifying, losses["classifier"])
        return {name: value.detach() for name, value in losses.items()}

    def generator_losses(
        self, images: Tensor, labels: Tensor, real: tuple[Tensor, Tensor], reconstruction: Tensor, sampled: Tensor
    ) -> dict[str, Tensor]:
        """`loss`, what G minimises, and its parts, from faces, their features (f_D, f_C), reconstructions and samples."""
        (real_d, real_c), judges = real, (self.discriminator, self.classifier)
        rebuilt_d, rebuilt_c = (judge(reconstruction)[1] for judge in judges)
        sampled_d, sampled_c = (judge(sampled)[1] for judge in judges)
        pixels = pairwise_distance(images, reconstruction)
        features = pairwise_distance(real_d, rebuilt_d) + pairwise_distance(real_c, rebuilt_c)
        means, classes = mean_distance(real_d, sampled_d), class_distance(real_c, sampled_c, labels)
        loss = self.lambda_2 * (pixels + features) + self.lambda_3 * means + self.lambda_4 * classes
        return {
            "loss": loss,
            "reconstruction": pixels,
            "features": features,
            "mean_features": means,
            "class_features": classes,
        }

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam for E with G, for D and for C."""
        both = [*self.encoder.parameters(), *self.generator.parameters()]
        return [
            torch.optim.Adam(parameters, lr=self.learning_rate, betas=(0.5, 0.999), fused=True)
            for parameters in (both, self.discriminator.parameters(), self.classifier.parameters())
        ]

    # What a trained model can do.

    def encode(self, images: Tensor, attributes: Tensor) -> dict[str, Tensor]:
        """The mean of q(z|x, y)."""
        return {"z": self.encoder(images, self.label_values(attributes))[0]}

    def generate(self, attributes: Tensor, noise: Tensor) -> Tensor:
        """G(z, y) for z ~ N(0, I)."""
        return self.picture(noise, self.label_values(attributes))

    def picture(self, z: Tensor, labels: Tensor) -> Tensor:
        """G(z, y) (B, C, H, W), in [0, 1]."""
        images: Tensor = self.generator(torch.cat([z, labels], 1))
        return images

    def reconstruct(self, images: Tensor, attributes: Tensor) -> Tensor:
        """G(z, y) at the posterior mean with the true labels."""
        return self.edit(images, attributes, attributes)

    def edit(self, images: Tensor, attributes: Tensor, target: Tensor, strength: Strength = 1.0) -> Tensor:
        """G(z, y) at the posterior mean given the old labels, with the target's."""
        return self.picture(self.encode(images, attributes)["z"], self.switched(attributes, target, strength))
