"""Attributes changed in faces of which only the picture is known."""

import pytest
import torch
from labelled_models import LABELS, MODELS

from lit_faces.editing.changes import edited, find_editable, find_name, moved_along
from lit_faces.errors import UserError
from lit_faces.methods import CGAN, CMMA, CMMA2, CVAE, CVAEGAN, CVAEGANBao, IcGAN, IFcVAEGAN
from lit_faces.methods.capabilities import Edits, Labelled

OF_LABELS = [*MODELS, CVAEGAN, CVAEGANBao, IFcVAEGAN, IcGAN]


def make(cls, data):
    torch.manual_seed(0)
    labels = {"labels": LABELS} if cls in OF_LABELS else {}
    method = cls(latent_dim=3, width=0.06, **labels)
    method.prepare(data.spec)
    if hasattr(method, "class_means"):
        # As if they had been measured.
        method.class_means.normal_()
    return method.eval()


@pytest.fixture(params=[CMMA, CMMA2, CVAE, *OF_LABELS], ids=lambda cls: cls.__name__)
def editor(request, data):
    return make(request.param, data)


@pytest.fixture
def faces(data):
    picked = data.splits["test"][torch.arange(4)]
    return picked.images.permute(0, 3, 1, 2).float() / 255, picked.attributes


def other(attributes, spec, names=LABELS):
    target = attributes.clone()
    for name in names:
        on = spec.binary(attributes)[:, spec.position(name)]
        low, high = (spec.standard_value(name, value) for value in (False, True))
        target[:, spec.position(name)] = torch.where(on, low, high)
    return target


def test_the_strength_of_an_edit_goes_from_nothing_to_all_and_beyond(editor, faces):
    assert isinstance(editor, Edits)
    images, attributes = faces
    target = other(attributes, editor.spec)
    with torch.inference_mode():
        same, whole = (editor.edit(images, attributes, to) for to in (attributes, target))
        torch.testing.assert_close(editor.edit(images, attributes, target, 0.0), same)
        assert torch.equal(editor.edit(images, attributes, target, 1.0), whole)
        half, twice = (editor.edit(images, attributes, target, strength) for strength in (0.5, 2.0))
    for some in (half, twice):
        assert not torch.equal(some, whole)
        assert not torch.equal(some, same)


def test_the_strength_can_be_said_attribute_by_attribute(editor, faces):
    images, attributes = faces
    spec = editor.spec
    strength = torch.zeros(len(spec.attributes))
    strength[spec.position("Male")] = 1
    both, one = other(attributes, spec), other(attributes, spec, ("Male",))
    with torch.inference_mode():
        torch.testing.assert_close(
            editor.edit(images, attributes, both, strength), editor.edit(images, attributes, one), atol=1e-5, rtol=1e-5
        )
        torch.testing.assert_close(
            editor.edit(images, attributes, both, strength.expand_as(attributes)),
            editor.edit(images, attributes, one),
            atol=1e-5,
            rtol=1e-5,
        )


def test_an_amount_of_nothing_changes_nothing_and_a_larger_one_more(editor, faces):
    images, _ = faces
    with torch.inference_mode():
        alone = edited(editor, images, {})
        assert torch.equal(edited(editor, images, {"Male": 0.0}), alone)
        changes = [(edited(editor, images, {"Male": a}) - edited(editor, images, {"Male": 1e-6})) for a in (0.5, 1, 2)]
    assert changes[0].abs().sum() < changes[1].abs().sum() < changes[2].abs().sum()


def test_a_face_of_which_nothing_is_known_goes_from_the_opposite_to_what_is_asked(data, faces):
    method, (images, _) = make(CVAE, data), faces
    spec = method.spec
    before, after = spec.vector(off=["Eyeglasses"]), spec.vector(on=["Eyeglasses"])
    with torch.inference_mode():
        expected = method.edit(images, before.expand(4, -1), after.expand(4, -1))
        torch.testing.assert_close(edited(method, images, {"eyeglasses ": 1}), expected)


def test_at_strength_nothing_faces_come_back_as_the_edit_takes_them_to_be(data, faces):
    method, (images, _) = make(CVAE, data), faces
    spec = method.spec
    before = spec.vector(off=["Eyeglasses"], on=["Male"]).expand(4, -1)
    with torch.inference_mode():
        expected = method.edit(images, before, before)
        torch.testing.assert_close(edited(method, images, {"Eyeglasses": 1, "Male": -2}, strength=0), expected)
        assert not torch.allclose(edited(method, images, {}), expected)


def test_a_method_that_recognises_labels_sees_those_that_are_not_asked_for(data, faces):
    method, (images, _) = make(IFcVAEGAN, data), faces
    with torch.inference_mode():
        seen = (method.label_probabilities(images) > 0.5).float()
        z = method.encode(images, images)["z"]
        for strength in (0, 0.5, 1):
            seen[:, LABELS.index("Male")] = strength
            torch.testing.assert_close(edited(method, images, {"Male": 1}, strength), method.decode(z, seen))


def test_names_are_found_whatever_their_case_and_others_are_refused_with_the_closest(data):
    method = make(CMMA, data)
    assert find_editable(method, "eyeglasses") == "Eyeglasses"
    with pytest.raises(UserError, match=r"cannot change 'Eyeglases': did you mean Eyeglasses.* it changes .*Male"):
        find_editable(method, "Eyeglases")
    labelled = make(MODELS[0], data)
    assert isinstance(labelled, Labelled)
    with pytest.raises(UserError, match=r"cannot change 'Smiling': it changes Eyeglasses, Male$"):
        find_editable(labelled, "Smiling")
    with pytest.raises(UserError, match=r"cannot change 'Malee': it changes Male$"):
        find_name(labelled, "Malee", ["Male"], "change")


def test_a_method_that_cannot_edit_says_so(data, faces):
    method = CGAN(noise_dim=3, width=0.06)
    method.prepare(data.spec)
    with pytest.raises(UserError, match="CGAN cannot edit faces"):
        edited(method, faces[0], {"Male": 1})


class Knowing(CMMA):
    """Knows the attributes of four faces, and keeps what it is asked for."""

    def infer(self, images):
        self.known = torch.linspace(-1, 1, 4 * len(self.spec.attributes)).view(4, -1)
        return self.known

    def edit(self, images, attributes, target, strength=1.0):
        self.asked = attributes, target, strength
        return images


def columns_of(spec, *names):
    return [spec.position(name) for name in names]


def test_what_is_set_takes_the_others_of_its_group_away_as_strongly(data, faces):
    method, (images, _) = make(Knowing, data), faces
    spec = method.spec
    with torch.inference_mode():
        edited(method, images, {"Eyeglasses": 1.5, "Smiling": 0.0})
        _, target, strengths = method.asked
        eyewear = columns_of(spec, "Eyeglasses", "No Eyewear", "Sunglasses")
        assert strengths.nonzero()[:, 0].tolist() == eyewear
        assert strengths[eyewear].tolist() == [1.5] * 3
        torch.testing.assert_close(target[0], spec.changed(method.known[0], ["Eyeglasses"]))
        # What is named is as it is named; of two that are set the stronger one takes the third away.
        edited(method, images, {"Eyeglasses": 1.0, "Sunglasses": 0.5})
        _, target, strengths = method.asked
        assert strengths[eyewear].tolist() == [1.0, 1.0, 0.5]
        assert target[0, eyewear[2]] == pytest.approx(spec.standard_value("Sunglasses", True))
        edited(method, images, {"Eyeglasses": -1.0})
        assert method.asked[2].nonzero()[:, 0].tolist() == eyewear[:1]


def test_the_others_are_kept_or_move_as_expected(data, faces):
    method, (images, _) = make(Knowing, data), faces
    spec, named = method.spec, ["Male", "Senior"]
    amounts = {"Male": -2.0, "Senior": 1.0}
    with torch.inference_mode():
        edited(method, images, amounts)
        before, kept, strengths = method.asked
        change = (kept - before) * strengths
        assert change.any(0).nonzero()[:, 0].tolist() == sorted(columns_of(spec, *named))
        edited(method, images, amounts, others="expected")
        before, target, strengths = method.asked
        torch.testing.assert_close((target - before) * strengths, spec.expected(change, columns_of(spec, *named)))
        # The strength is of all: at 0 nothing moves.
        edited(method, images, amounts, 0.0, others="expected")
        before, target, strengths = method.asked
        assert not ((target - before) * strengths).any()
    moves = moved_along(method, images, amounts)
    assert set(moves) == set(spec.attributes) - {*named}
    expected = spec.expected(change, columns_of(spec, *named)).mean(0)
    assert list(moves.values()) == sorted(moves.values(), key=abs, reverse=True)
    for name, move in moves.items():
        assert move == pytest.approx(expected[spec.position(name)].item(), abs=1e-5)
