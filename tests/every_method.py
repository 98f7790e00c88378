"""The arguments that make each method of the suite tiny."""

from labelled_models import LABELS

from lit_faces.methods import METHODS
from lit_faces.methods.labels import LabelledMethod

_SIZES = {
    **{name: {"latent_dim": 3} for name in METHODS},
    "CGAN": {"noise_dim": 3},
    "CGANGauthier": {"noise_dim": 3},
    "VLAE": {"latent_dims": [2, 2, 2]},
    "MMDVLAE": {"latent_dims": [2, 2, 2]},
    "AttributeClassifier": {},
    "IdentityEmbedding": {"classes": 64, "embedding_dim": 8},
}
ARGUMENTS = {
    name: {"width": 0.06, **_SIZES[name], **({"labels": list(LABELS)} if issubclass(cls, LabelledMethod) else {})}
    for name, cls in METHODS.items()
}
