"""Labels that exclude each other: what each of the four models of the CSVAE paper decodes when one takes another's place."""

import pytest
import torch

from lit_faces.callbacks.edits import settle_edits
from lit_faces.data.base import to_unit_range
from lit_faces.data.batch import Batch
from lit_faces.data.expressions import Expressions
from lit_faces.methods import CSVAE, VAE, CondVAE, CondVAEInfo

MODELS = [VAE, CondVAE, CondVAEInfo, CSVAE]


@pytest.fixture(scope="module")
def faces():
    data = Expressions(batch_size=7, limit=28, size=32)
    data.setup()
    split = data.splits["train"][:28]
    return data.spec, to_unit_range(Batch(split.images, split.attributes, split.identity, split.index))


def make(cls, spec, **arguments):
    torch.manual_seed(0)
    method = cls(latent_dim=3, width=0.06, **arguments)
    method.prepare(spec)
    return method.eval()


def decoded(method, batch, target, styles):
    """What the decoder is given for a switch: z and the condition."""
    given = []
    method.decode = lambda z, condition: given.append((z, condition)) or batch.images
    with torch.no_grad():
        method.switch(batch.images, batch.attributes, target, styles)
    return given[0]


def wanted(spec, labels, batch, name):
    return settle_edits(None, spec, labels)[name].apply(batch.attributes, spec)


@pytest.mark.parametrize("cls", MODELS)
def test_every_face_is_in_one_class(cls, faces):
    spec, batch = faces
    method = make(cls, spec)
    member = method.membership(method.label_values(batch.attributes))
    assert method.exclusive
    assert member.shape == (28, len(method.labels) + 1)
    assert torch.equal(member.sum(1), torch.ones(28))
    assert (member.sum(0) > 0).all()


def test_a_new_expression_leaves_nothing_of_the_others_in_w(faces):
    spec, batch = faces
    method = make(CSVAE, spec)
    styles = torch.arange(1.0, 1 + 2 * len(method.labels)).view(-1, 2)
    for number, name in enumerate(method.labels):
        _, w = decoded(method, batch, wanted(spec, method.labels, batch, name), styles)
        own = method.condition(batch.images, method.label_values(batch.attributes))
        has = method.label_values(batch.attributes)[:, number] == 1
        only = torch.zeros(len(method.labels), 2)
        only[number] = styles[number]
        assert 0 < has.sum() < 28
        torch.testing.assert_close(w[~has], only.flatten().expand(int((~has).sum()), -1))
        torch.testing.assert_close(w[has], own[has])
    _, w = decoded(method, batch, wanted(spec, method.labels, batch, "Neutral"), styles)
    changed = method.label_values(batch.attributes).any(1)
    assert w[changed].abs().max() == 0


def test_the_vae_goes_from_one_class_mean_to_another(faces):
    spec, batch = faces
    method = make(VAE, spec)
    count = len(method.labels) + 1
    method.class_means.copy_(torch.randn(count, 3))
    z, _ = decoded(method, batch, wanted(spec, method.labels, batch, "Happy"), method.styles())
    was = method.membership(method.label_values(batch.attributes)).argmax(1)
    own = method.encode(batch.images, batch.attributes)["z"]
    expected = own - method.class_means[was] + method.class_means[method.labels.index("Happy")]
    torch.testing.assert_close(z, expected)


@pytest.mark.parametrize("cls", [CondVAE, CondVAEInfo])
def test_the_conditional_models_are_given_the_new_label_alone(cls, faces):
    spec, batch = faces
    method = make(cls, spec)
    _, condition = decoded(method, batch, wanted(spec, method.labels, batch, "Sad"), method.styles())
    expected = torch.tensor([float(name == "Sad") for name in method.labels])
    torch.testing.assert_close(condition, expected.expand(28, -1))


def test_some_of_the_labels_exclude_each_other_too(faces):
    spec, batch = faces
    method = make(CSVAE, spec, labels=("Sad", "Happy"))
    member = method.membership(method.label_values(batch.attributes))
    assert method.exclusive
    assert member.shape == (28, 3)
    assert torch.equal(member.sum(1), torch.ones(28))
