"""What a method can do. Callbacks and studies ask for a capability, never for a class."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from lit_faces.objectives.gaussian import DiagonalGaussian

# How far an edit goes: 0 leaves a face as it is, 1 makes what is asked, 2 twice as much. A tensor says it attribute by attribute,
# (A,) or (B, A).
Strength = float | Tensor


@runtime_checkable
class Generates(Protocol):
    """Draws faces from attributes."""

    noise_dim: int

    def generate(self, attributes: Tensor, noise: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] from standardised attributes (B, A) and standard normal noise (B, noise_dim)."""
        ...


@runtime_checkable
class Reconstructs(Protocol):
    """Encodes a face and decodes it again."""

    def reconstruct(self, images: Tensor, attributes: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1], without noise."""
        ...


@runtime_checkable
class Edits(Protocol):
    """Changes the attributes of a given face."""

    def edit(self, images: Tensor, attributes: Tensor, target: Tensor, strength: Strength = 1.0) -> Tensor:
        """Images (B, C, H, W) in [0, 1] of the same faces, from attributes (B, A) to target (B, A), without noise."""
        ...


@runtime_checkable
class EditsLatents(Edits, Protocol):
    """Edits a face through its latent code, which is computed once for any number of edits."""

    def latent(self, images: Tensor, attributes: Tensor) -> Tensor:
        """Latent codes (B, D) of images (B, C, H, W) with attributes (B, A), without noise."""
        ...

    def edit_latent(self, latent: Tensor, attributes: Tensor, target: Tensor, strength: Strength = 1.0) -> Tensor:
        """What `edit` makes (B, C, H, W) of the faces with these latent codes (B, D)."""
        ...


@runtime_checkable
class Infers(Protocol):
    """Tells the attributes of a face that comes without any."""

    def infer(self, images: Tensor) -> Tensor:
        """Standardised attributes (B, A) from images (B, C, H, W) in [0, 1], without noise."""
        ...


@runtime_checkable
class Encodes(Protocol):
    """Splits a face into named codes."""

    def encode(self, images: Tensor, attributes: Tensor) -> dict[str, Tensor]:
        """Codes by name, each (B, d), without noise: `z`, then what the method keeps apart from it (`w_Eyeglasses`, say)."""
        ...


@runtime_checkable
class Labelled(Protocol):
    """Models K of the data's attributes, its `labels`; these are what it is measured by."""

    labels: tuple[str, ...]


@runtime_checkable
class Recognises(Labelled, Protocol):
    """Tells which of its labels a face has."""

    def label_probabilities(self, images: Tensor) -> Tensor:
        """Probability (B, K) of each label, from images (B, C, H, W) in [0, 1], without noise."""
        ...


@runtime_checkable
class Switches(Labelled, Protocol):
    """Switches its labels and lets the style of each be chosen (CSVAE paper, section 4.3).

    The style of one label is a point of `style_dim` numbers: a point of
    its subspace W_i, 1 for the strength of a label, 0 for a method that has no choice. `search` says how `candidate_styles`
    lie: "grid" or "principal".
    """

    style_dim: int
    search: str

    def styles(self) -> Tensor:
        """The style (K, style_dim) that `edit` gives a label when it sets it."""
        ...

    def candidate_styles(self) -> Tensor:
        """Styles (P, K, style_dim) worth trying: each of the P candidates has one for every label."""
        ...

    def switch(
        self, images: Tensor, attributes: Tensor, target: Tensor, styles: Tensor, strength: Strength = 1.0
    ) -> Tensor:
        """Images (B, C, H, W) in [0, 1]: labels that differ between attributes (B, A) and target (B, A) are switched, those
        that are set with the styles (K, style_dim) or (B, K, style_dim).
        """
        ...


@runtime_checkable
class BoundsLikelihood(Protocol):
    """Bounds log p(x|y) from below, in nats per image."""

    latent_dim: int

    @property
    def pixel_log_variance(self) -> tuple[float, float]:
        """Smallest and largest log-variance of a pixel under which the bound is measured."""
        ...

    def prior(self, attributes: Tensor) -> DiagonalGaussian:
        """p(z|y) or p(z), over (B, latent_dim)."""
        ...

    def posterior(self, images: Tensor, attributes: Tensor) -> DiagonalGaussian:
        """q(z|x) or q(z|x, y), over (B, latent_dim)."""
        ...

    def likelihood(self, z: Tensor, attributes: Tensor) -> DiagonalGaussian:
        """p(x|z) or p(x|z, y), over (B, C, H, W)."""
        ...

    def elbo(self, images: Tensor, attributes: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """log p(x|z) and the divergence, each (B,), for one z an image made with noise (B, latent_dim)."""
        ...

    def log_weights(self, images: Tensor, attributes: Tensor, noise: Tensor) -> Tensor:
        """log p(x|z) + log p(z|y) - log q(z|x) (B, K) for noise (B, K, latent_dim)."""
        ...


@runtime_checkable
class Classifies(Protocol):
    """Tells which attributes a face has."""

    def probabilities(self, images: Tensor) -> Tensor:
        """Probability (B, A) of each attribute, from images (B, C, H, W) in [0, 1]."""
        ...


@runtime_checkable
class Describes(Classifies, Protocol):
    """Describes an image by what it sees in it, in which sets of images compare."""

    def features(self, images: Tensor) -> Tensor:
        """Features (B, F) in float32, from images (B, C, H, W) in [0, 1]."""
        ...


@runtime_checkable
class Identifies(Protocol):
    """Tells persons apart."""

    embedding_dim: int

    def embed(self, images: Tensor) -> Tensor:
        """Unit vectors (B, embedding_dim), near each other for one person, from images (B, C, H, W) in [0, 1]."""
        ...


@runtime_checkable
class Layered(Protocol):
    """Encodes a face in the layers of a ladder, from the bottom, next to the pixels, to the top (MMD-VLAE paper, section 2.2).

    `latent_dims` are the sizes of their codes; a layer of 0 has none. All codes lie side by side, the bottom's first.
    """

    latent_dims: tuple[int, ...]

    def posterior(self, images: Tensor) -> DiagonalGaussian:
        """q(z|x), over (B, sum of latent_dims), from images (B, C, H, W) in [0, 1]."""
        ...

    def decode(self, z: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] from codes (B, sum of latent_dims)."""
        ...


def layers_of(method: Layered) -> dict[str, slice]:
    """Where the code of each layer that has one lies, by its name: `z_0` is the bottom's."""
    ends = [sum(method.latent_dims[: level + 1]) for level in range(len(method.latent_dims))]
    return {
        f"z_{level}": slice(end - size, end)
        for level, (end, size) in enumerate(zip(ends, method.latent_dims, strict=True))
        if size
    }
