"""IcGAN, a conditional GAN and two encoders that invert it (Perarnau et al. 2016, "Invertible Conditional GANs")."""

from typing import Any

import torch
import torch.nn.functional as F
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor, nn

from lit_faces.data.batch import Batch, DataSpec
from lit_faces.data.mirroring import mirrored
from lit_faces.errors import UserError
from lit_faces.methods.capabilities import Strength
from lit_faces.methods.labels import LabelledMethod
from lit_faces.networks.icgan import Discriminator, Encoder, Generator
from lit_faces.objectives.adversarial import generator_loss

# The 18 attributes of the paper's CelebA models.
CONDITIONS = (
    "Bald",
    "Bangs",
    "Black_Hair",
    "Blond_Hair",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Eyeglasses",
    "Gray_Hair",
    "Heavy_Makeup",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "Pale_Skin",
    "Receding_Hairline",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Hat",
)


def matching_loss(right: Tensor, wrong: Tensor, fake: Tensor, differs: Tensor) -> Tensor:
    """-log D(x, y) - 1/2 log(1 - D(x, y_wrong)) - 1/2 log(1 - D(G(z, y'), y')), what D minimises, in nats per image.

    From logits (B,) each, means over the batch; the second over the pairs of which `differs` (B,) says that y_wrong is
    not y, and 0 if there is none.
    """
    mismatch = (F.softplus(wrong) * differs).sum() / differs.sum().clamp(min=1)
    return F.softplus(-right).mean() + 0.5 * (mismatch + F.softplus(fake).mean())


def stage_ends(shares: tuple[int, int, int], epochs: int) -> tuple[int, int]:
    """The epochs at which E_z and E_y begin, so that the stages are nearest to `shares` of `epochs` and none is empty.

    Raises UserError if there are fewer epochs than stages, or no limit to them.
    """
    if epochs < IcGAN.fewest_epochs:
        raise UserError(
            f"IcGAN trains in three stages: give --trainer.max_epochs of {IcGAN.fewest_epochs} or more, got {epochs}"
        )
    first = min(max(round(epochs * shares[0] / sum(shares)), 1), epochs - 2)
    second = min(max(round(epochs * (shares[0] + shares[1]) / sum(shares)), first + 1), epochs - 1)
    return first, second


class IcGAN(LabelledMethod):
    """G(z, y) and D(x, y), trained against each other, then E_z and E_y, which find z and y of a face.

    One run of three stages, `stages` being their shares of `trainer.max_epochs`. (1) One step of D, then one of G: D is also
    shown faces with the labels of others of the batch, and y' of a fake are a permutation of the batch's labels. (2) E_z on
    pictures G(z, y), drawn anew in every step with the batch's labels, by the mean squared error of z; G is held fast, with
    the running statistics that it has at the end of (1). (3) E_y on faces by the mean squared error of the labels in {-1, 1}.
    Real faces are mirrored at random. Adam for all, with beta_1 of 0.5 for the GAN and 0.1 for the encoders.

    y are the attributes `conditions`, by default those of the paper's 18 that the data have; the `labels`, which are edited and
    measured, are always among them. Editing takes y from the face, y = sign(E_y(x)), not from the data.
    """

    adversarial = True
    # One a stage.
    fewest_epochs = 3
    fewest_images = 2

    def __init__(
        self,
        labels: tuple[str, ...] = (),
        conditions: tuple[str, ...] = (),
        stages: tuple[int, int, int] = (25, 15, 15),
        latent_dim: int = 100,
        width: float = 1.0,
        learning_rate: float = 2e-4,
        encoder_learning_rate: float = 1e-4,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.automatic_optimization = False
        self.labels, self.conditions, self.stages = tuple(labels), tuple(conditions), stages
        self.latent_dim, self.width = latent_dim, width
        self.noise_dim = latent_dim
        self.learning_rate, self.encoder_learning_rate = learning_rate, encoder_learning_rate
        # Of the whole run, once it is known.
        self.epochs: int | None = None

    def build(self, spec: DataSpec) -> None:
        """G, D, E_z and E_y.

        Raises UserError if no labels are given and the data set is about none, if a condition is given twice, or if a stage
        has no share.
        """
        if len(self.stages) != 3 or min(self.stages) < 1:
            raise UserError(f"model.stages must be three shares of at least 1, got {list(self.stages)}")
        self.settle_labels(spec)
        self.settle_conditions(spec)
        shape, count = spec.image_shape, len(self.conditions)
        self.generator = Generator(shape, self.latent_dim, count, self.width)
        self.discriminator = Discriminator(shape, count, self.width)
        self.encoder_z = Encoder(shape, 4096, self.latent_dim, self.width)
        self.encoder_y = Encoder(shape, 512, count, self.width)

    def settle_conditions(self, spec: DataSpec) -> None:
        """Find the conditions among the attributes, with every label."""
        there = {name.replace("_", " ") for name in spec.attributes}
        given = self.conditions or [name for name in CONDITIONS if name.replace("_", " ") in there]
        columns = [spec.position(name) for name in given]
        if len(set(columns)) < len(columns):
            raise UserError(f"model.conditions must be different attributes, got {', '.join(given)}")
        self.condition_columns = [*columns, *(column for column in self.columns if column not in columns)]
        self.conditions = tuple(spec.attributes[column] for column in self.condition_columns)

    def signs(self, attributes: Tensor) -> Tensor:
        """y (B, N) in {-1, 1} among standardised attributes (B, A)."""
        return _signs(self.held(attributes, self.condition_columns))

    # Training.

    def check_fit(self, epochs: int, batch_size: int) -> None:
        """Raises UserError if there are too few epochs or images a batch, or no limit to the epochs."""
        stage_ends(self.stages, epochs)
        super().check_fit(epochs, batch_size)

    def on_fit_start(self) -> None:
        """Fix the stages."""
        self.epochs = self.trainer.max_epochs

    @property
    def stage(self) -> int:
        """What the current epoch trains: 0 for the GAN, 1 for E_z, 2 for E_y."""
        assert self.epochs is not None
        return sum(self.current_epoch >= end for end in stage_ends(self.stages, self.epochs))

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """One step of D and one of G, or one of E_z, or one of E_y."""
        losses = (self.train_gan, self.train_encoder_z, self.train_encoder_y)[self.stage](batch)
        return {name: value.detach() for name, value in losses.items()}

    def train_gan(self, batch: Batch) -> dict[str, Tensor]:
        """One step of D, then one of G on the same fakes: G has not moved, so its forward pass serves both."""
        generating, discriminating, _, _ = self.optimizers()  # type: ignore[attr-defined]
        images, y = mirrored(2 * batch.images - 1), self.signs(batch.attributes)
        drawn = y[torch.randperm(len(y), device=y.device)]
        fake = self.generator(torch.randn(len(y), self.latent_dim, device=y.device), drawn)
        wrong = y.roll(1, 0)

        d_loss = matching_loss(
            self.discriminator(images, y),
            self.discriminator(images, wrong),
            self.discriminator(fake.detach(), drawn),
            (wrong != y).any(1),
        )
        self.descend(discriminating, d_loss)

        self.discriminator.requires_grad_(False)
        g_loss = generator_loss(self.discriminator(fake, drawn))
        self.descend(generating, g_loss)
        self.discriminator.requires_grad_(True)
        return {"loss": d_loss + g_loss, "discriminator_loss": d_loss, "generator_loss": g_loss}

    def train_encoder_z(self, batch: Batch) -> dict[str, Tensor]:
        """One step of E_z on as many pictures of G as the batch has faces."""
        _, _, optimiser, _ = self.optimizers()  # type: ignore[attr-defined]
        y = self.signs(batch.attributes)
        z = torch.randn(len(y), self.latent_dim, device=y.device)
        self.generator.eval()
        with torch.no_grad():
            images = self.generator(z, y)
        self.generator.train()
        error = F.mse_loss(self.encoder_z(images), z)
        self.descend(optimiser, error)
        return {"loss": error, "z_error": error}

    def train_encoder_y(self, batch: Batch) -> dict[str, Tensor]:
        """One step of E_y on real faces."""
        _, _, _, optimiser = self.optimizers()  # type: ignore[attr-defined]
        error = F.mse_loss(self.encoder_y(mirrored(2 * batch.images - 1)), self.signs(batch.attributes))
        self.descend(optimiser, error)
        return {"loss": error, "y_error": error}

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam for G, for D, for E_z and for E_y."""
        gan, encoders = (self.learning_rate, 0.5), (self.encoder_learning_rate, 0.1)
        return [
            _adam(self.generator, *gan),
            _adam(self.discriminator, *gan),
            _adam(self.encoder_z, *encoders),
            _adam(self.encoder_y, *encoders),
        ]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the number of epochs of the whole run, which decides its stages."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["lit_faces"]["max_epochs"] = self.epochs

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to train on with other stages, too."""
        super().on_load_checkpoint(checkpoint)
        theirs, trainer = checkpoint["lit_faces"]["max_epochs"], self._trainer
        if trainer is not None and trainer.state.fn == TrainerFn.FITTING and trainer.max_epochs != theirs:
            raise UserError(
                f"{trainer.ckpt_path} is of a run whose stages are parts of {theirs} epochs, not of {trainer.max_epochs}: "
                f"give --trainer.max_epochs={theirs}, or train anew in another folder"
            )

    # What a trained model can do.

    def picture(self, z: Tensor, y: Tensor) -> Tensor:
        """G(z, y) (B, C, H, W), in [0, 1]."""
        images: Tensor = (self.generator(z, y) + 1) / 2
        return images

    def invert(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """E_z(x) (B, latent_dim) and sign(E_y(x)) (B, N)."""
        scaled = 2 * images - 1
        return self.encoder_z(scaled), _signs(self.encoder_y(scaled) > 0)

    def encode(self, images: Tensor, attributes: Tensor) -> dict[str, Tensor]:
        """E_z(x)."""
        return {"z": self.encoder_z(2 * images - 1)}

    def label_probabilities(self, images: Tensor) -> Tensor:
        """(E_y(x) + 1) / 2 (B, K), the least-squares estimate of the probability, clamped to [0, 1]."""
        said = (self.encoder_y(2 * images - 1) + 1) / 2
        return torch.stack([said[:, self.conditions.index(label)] for label in self.labels], 1).clamp(0, 1)

    def generate(self, attributes: Tensor, noise: Tensor) -> Tensor:
        """G(z, y) for z ~ N(0, I)."""
        return self.picture(noise, self.signs(attributes))

    def reconstruct(self, images: Tensor, attributes: Tensor) -> Tensor:
        """G(E_z(x), sign(E_y(x))); the attributes are not looked at."""
        return self.picture(*self.invert(images))

    def edit(self, images: Tensor, attributes: Tensor, target: Tensor, strength: Strength = 1.0) -> Tensor:
        """G(E_z(x), y) with y = sign(E_y(x)), but the target's for the labels and for whatever differs from attributes."""
        z, said = self.invert(images)
        if isinstance(strength, Tensor):
            strength = strength[..., [self.spec.position(name) for name in self.conditions]]
        before, after = self.signs(attributes), self.signs(target)
        of_labels = torch.tensor([name in self.labels for name in self.conditions], device=z.device)
        old, new = (torch.where(of_labels | (before != after), y, said) for y in (before, after))
        return self.picture(z, old.lerp(new, strength))


def _signs(held: Tensor) -> Tensor:
    return 2 * held.float() - 1


def _adam(network: nn.Module, learning_rate: float, beta_1: float) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), lr=learning_rate, betas=(beta_1, 0.999), fused=True)
