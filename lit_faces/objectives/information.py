"""What a predictor q(y|z) knows of the labels, in nats per image (CSVAE paper, section 4.1).

K binary labels are a product of Bernoullis; `exclusive` ones are a categorical of K + 1 classes, the last of which is "none".
The paper's H(Y|Z) lacks its minus sign, and its N has q where the appendix has log q.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def with_none(labels: Tensor) -> Tensor:
    """Exclusive labels (B, K) in {0, 1} with the column "none of them" appended (B, K + 1)."""
    return torch.cat([labels, 1 - labels.sum(1, keepdim=True)], 1)


def label_log_likelihood(logits: Tensor, labels: Tensor, exclusive: bool = False) -> Tensor:
    """log q(y|z) (B,) from logits (B, K), or (B, K + 1) for exclusive labels, and labels (B, K) in {0, 1}."""
    if exclusive:
        return (F.log_softmax(logits, 1) * with_none(labels)).sum(1)
    return -F.binary_cross_entropy_with_logits(logits, labels, reduction="none").sum(1)


def label_entropy(logits: Tensor, exclusive: bool = False) -> Tensor:
    """H(q(y|z)) = -sum_y q log q (B,), at least 0, from logits as above; M_2 of the paper is its negative."""
    if exclusive:
        return -(F.log_softmax(logits, 1) * logits.softmax(1)).sum(1)
    return -(F.logsigmoid(logits) * logits.sigmoid() + F.logsigmoid(-logits) * (-logits).sigmoid()).sum(1)
