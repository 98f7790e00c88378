"""What the other attributes are expected to be like, against closed forms; groups; descriptions of older versions."""

import json
from dataclasses import replace

import pytest
import torch

from lit_faces.data.base import SPLITS, FaceDataModule, Faces, LoadedData
from lit_faces.data.batch import DataSpec, known_groups
from lit_faces.data.celeba import CelebA
from lit_faces.data.changed import other_kind, what_changed
from lit_faces.data.expectation import covariance_of, regression
from lit_faces.data.expressions import EXPRESSIONS, Expressions
from lit_faces.data.lfw import LFW
from lit_faces.data.synthetic import Synthetic
from lit_faces.errors import UserError

NAMES = ("Age", "Grey", "Tall", "Old")


class Related(FaceDataModule):
    """Age is normal, Grey is .8 of it and noise, Tall is on its own, and Old is the age once more in another unit."""

    def load(self):
        generator = torch.Generator().manual_seed(0)
        age, noise, tall = torch.randn(3, 4000, generator=generator)
        values = torch.stack([age, 0.8 * age + 0.6 * noise, 3 * tall + 7, 2 * age + 1], 1)
        rows = torch.arange(4000)
        faces = Faces(torch.zeros(4000, 2, 2, 1, dtype=torch.uint8), values, rows, rows)
        return LoadedData(dict.fromkeys(SPLITS, faces), NAMES, {}, groups=(("Age", "Tall"),))


@pytest.fixture(scope="module")
def spec():
    data = Related()
    data.setup()
    return data.spec


def test_covariance_is_that_of_the_standardised_training_attributes(spec):
    covariance = torch.tensor(spec.covariance)
    assert covariance.shape == (4, 4)
    torch.testing.assert_close(covariance.diag(), torch.ones(4))
    torch.testing.assert_close(covariance, covariance.T)
    assert covariance[0, 1] == pytest.approx(0.8, abs=0.02)
    assert covariance[0, 2] == pytest.approx(0, abs=0.05)
    assert covariance[0, 3] == pytest.approx(1, abs=1e-6)


def test_expectation_of_two_attributes_is_the_correlation_times_the_value():
    weights = regression(torch.tensor([[1, 0.8], [0.8, 1]], dtype=torch.float64), [0])
    torch.testing.assert_close(weights[:, 0], torch.tensor([1, 0.8], dtype=torch.float64))


def test_expectation_given_two_of_three_attributes_is_the_closed_form():
    a, b, c = 0.5, 0.3, 0.2  # correlations of (0, 1), (0, 2), (1, 2)
    covariance = torch.tensor([[1, a, b], [a, 1, c], [b, c, 1]], dtype=torch.float64)
    expected = torch.tensor([(b - a * c) / (1 - a * a), (c - a * b) / (1 - a * a)], dtype=torch.float64)
    torch.testing.assert_close(regression(covariance, [0, 1])[2], expected)
    torch.testing.assert_close(regression(covariance, [1, 0])[2], expected.flip(0))


def test_expectation_is_that_of_least_squares_on_the_data(spec):
    data = Related()
    data.setup()
    values = data.splits["train"].attributes.double()
    fitted = torch.linalg.lstsq(values[:, [0, 2]], values[:, [1]]).solution[:, 0]
    torch.testing.assert_close(regression(covariance_of(values), [0, 2])[1], fitted)


def test_a_column_that_is_there_twice_shares_the_weight(spec):
    once = spec.expected(torch.tensor([2.0, 0, 0, 0]), [0])
    torch.testing.assert_close(once, torch.tensor([2, 2 * spec.covariance[0][1], 2 * spec.covariance[0][2], 2]))
    twice = spec.expected(torch.tensor([2.0, 0, 0, 2]), [0, 3])
    torch.testing.assert_close(twice, once)
    # What the data never have so together is taken as it is given; the others follow their mean.
    apart = spec.expected(torch.tensor([2.0, 0, 0, 0]), [0, 3])
    torch.testing.assert_close(apart, torch.tensor([2, spec.covariance[0][1], spec.covariance[0][2], 0]))


def test_expected_changes_of_many_faces_are_those_of_each(spec):
    change = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    many = spec.expected(change, [2, 0])
    torch.testing.assert_close(many, torch.stack([spec.expected(one, [0, 2]) for one in change]))
    torch.testing.assert_close(many[:, [0, 2]], change[:, [0, 2]])
    assert not spec.expected(change, []).any()


def test_three_kinds_of_eyewear_of_which_one_is_always_there_are_no_hindrance():
    data = Synthetic(batch_size=10, train=400, validation=10, test=10, size=8)
    data.setup()
    spec = data.spec
    vector = spec.vector(on=["Sunglasses"])
    expected = spec.expected(vector, spec.touched(["Sunglasses"]))
    assert expected.isfinite().all()
    assert expected.abs().max() < 5
    # Two of three determine the third.
    two = [spec.position(name) for name in ("Sunglasses", "Eyeglasses")]
    third = spec.expected(vector, two)[spec.position("No Eyewear")]
    assert third.item() == pytest.approx(spec.standard_value("No Eyewear", False), abs=1e-4)


def test_without_a_covariance_nothing_can_be_expected(spec):
    with pytest.raises(UserError, match="has no covariance of the attributes") as error:
        replace(spec, covariance=()).expected(torch.zeros(4), [0])
    assert "\n" not in str(error.value)


def test_descriptions_survive_json_and_those_of_older_versions_stay_resumable(spec):
    assert DataSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    old = {key: value for key, value in spec.to_dict().items() if key not in ("groups", "covariance")}
    read = DataSpec.from_dict(old)
    assert (read.groups, read.covariance) == ((), ())
    assert not other_kind(read, spec)
    assert not what_changed(read, spec)


def test_setting_one_of_a_group_resets_the_others(spec):
    low, high = ({n: spec.standard_value(n, on) for n in NAMES} for on in (False, True))
    before = torch.full((2, 4), 0.25)
    changed = spec.changed(before, on=["Age"])
    assert changed.tolist() == [pytest.approx([high["Age"], 0.25, low["Tall"], 0.25])] * 2
    assert (before == 0.25).all()
    assert spec.touched(["Age"]) == (0, 2)
    # Resetting says nothing of the others, and what is named itself is as it is named.
    assert spec.changed(before, off=["Age"])[0].tolist() == pytest.approx([low["Age"], 0.25, 0.25, 0.25])
    assert spec.vector(on=["Age", "Tall"]).tolist() == pytest.approx([high["Age"], 0, high["Tall"], 0])
    assert spec.implied(["Age"], ["Tall"]) == ()
    assert spec.implied(["Tall"]) == ("Age",)


def test_the_data_sets_declare_their_groups():
    data = Synthetic(batch_size=1, train=8, validation=4, test=4, size=8)
    data.setup()
    spec = data.spec
    assert spec.implied(["Eyeglasses"]) == ("No Eyewear", "Sunglasses")
    assert spec.implied(["Mouth Wide Open"]) == ("Mouth Closed",)
    assert set(spec.implied(["Blond Hair"])) == {"Black Hair", "Gray Hair", "Bald"}
    assert set(spec.implied(["Bald"])) == {"Blond Hair", "Black Hair", "Gray Hair", "Bangs"}
    expressions = Expressions(batch_size=1, train=14, validation=14, test=14, size=8)
    expressions.setup()
    assert set(expressions.spec.implied(["Happy"])) == set(EXPRESSIONS) - {"Happy"}


def test_groups_are_of_the_attributes_that_the_files_have():
    mouth = ("Mouth Closed", "Mouth Slightly Open", "Mouth Wide Open")
    assert known_groups(LFW.groups, (*mouth, "Sunglasses", "Male")) == (mouth,)
    assert known_groups(CelebA.groups, ("Male", "Gray Hair", "Black_Hair")) == (("Black_Hair", "Gray Hair"),)
