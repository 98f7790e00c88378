"""Methods that model a few binary labels out of all attributes."""

from typing import Any

import torch
from torch import Tensor

from lit_faces.data.batch import DataSpec
from lit_faces.errors import UserError
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Strength


class LabelledMethod(Method):
    """A method of K binary `labels`, by default those that the data are about.

    A subclass calls `settle_labels` in `build`.
    """

    labels: tuple[str, ...]
    exclusive: bool

    def settle_labels(self, spec: DataSpec) -> None:
        """Find the labels among the attributes, and call them what the data call them.

        Raises UserError if no labels are given and the data set is about none, or if one is given twice.
        """
        given = self.labels or spec.labels
        if not given:
            raise UserError(
                f"{type(self).__name__} models a few labels, and these data name none: name some of their attributes with "
                "--model.labels='[...]', or give --data.labels or --data.subset if the data have such an option"
            )
        self.columns = [spec.position(name) for name in given]
        self.labels = tuple(spec.attributes[column] for column in self.columns)
        if len(set(self.labels)) < len(self.labels):
            raise UserError(f"model.labels must be different attributes, got {', '.join(self.labels)}")
        self.exclusive = spec.exclusive and set(self.labels) <= set(spec.labels)

    def label_values(self, attributes: Tensor) -> Tensor:
        """The labels (B, K) in {0, 1} among standardised attributes (B, A)."""
        return self.held(attributes, self.columns)

    def switched(self, attributes: Tensor, target: Tensor, strength: Strength) -> Tensor:
        """The labels (B, K) on their way from those of attributes (B, A), at strength 0, to those of target (B, A), at 1."""
        return self.label_values(attributes).lerp(self.label_values(target), self.of_labels(strength))

    def of_labels(self, strength: Strength) -> Strength:
        """The strengths of the labels, (K,) or (B, K), if it is said attribute by attribute."""
        return strength[..., self.columns] if isinstance(strength, Tensor) else strength

    def held(self, attributes: Tensor, columns: list[int]) -> Tensor:
        """Which of N columns of standardised attributes (B, A) hold, (B, N) in {0, 1}."""
        binary = self.spec.binary(attributes)
        # Column by column: a list of columns would be copied to the device in every step.
        return torch.stack([binary[:, column] for column in columns], 1).to(attributes.dtype)

    def descend(self, optimiser: Any, loss: Tensor) -> None:
        """One step of one optimiser, for methods with several."""
        optimiser.zero_grad()
        self.manual_backward(loss)
        optimiser.step()
