"""How often a linear classifier tells the labels from the codes of held-out faces."""

import numpy as np
import torch
from pytorch_lightning import Trainer

from lit_faces.callbacks.codes import FREE, CodedFaces, CodesEvaluator
from lit_faces.callbacks.label_accuracy import by_label, majority, shares
from lit_faces.callbacks.measurement import Evaluation
from lit_faces.data.batch import DataSpec
from lit_faces.errors import UserError
from lit_faces.methods.base import Method
from lit_faces.methods.capabilities import Recognises
from lit_faces.metrics.per_image import PerImageValues
from lit_faces.metrics.probe import linear_answers


class LinearAccuracy(CodesEvaluator):
    """Measures `linear_accuracy`, the share of test faces of which a linear classifier tells a label from the code z.

    Each label's and their mean (IFcVAE-GAN paper, Figure 7, for DIP-VAE). A logistic regression a label, trained on the
    standardised codes of the first `images` training faces; unlike those of Leakage it weighs every face the same, so
    that it compares with `label_accuracy`. Beside it `majority_accuracy`, as LabelAccuracy has it. For methods that
    encode, and data with labels.
    Raises UserError unless `images` is at least 1.
    """

    def __init__(self, images: int = 20000, enabled: bool = False) -> None:
        if images < 1:
            raise UserError(f"linear.images must be at least 1, got {images}")
        super().__init__(images, enabled)

    def start(self, trainer: Trainer, method: Method) -> bool:
        """Start anew, with the guesses, unless the method has a classifier of its own."""
        if isinstance(method, Recognises) or not super().start(trainer, method):
            return False
        self._guess = majority(trainer, method.spec, self._labels).cpu().numpy()
        return True

    def score(self, train: CodedFaces, test: CodedFaces, spec: DataSpec) -> Evaluation:
        """The shares, and which labels are right of which face."""
        answers = [linear_answers((train.codes[FREE], known), test.codes[FREE]) for known in train.truth.T]
        right, guessed = (
            PerImageValues(self._labels, test.index, torch.from_numpy(said == test.truth).double())
            for said in (np.stack(answers, 1), self._guess)
        )
        found = shares("linear_accuracy", right, training_images=len(train.index))
        return Evaluation(found + shares("majority_accuracy", guessed), by_label("label_right", right))
