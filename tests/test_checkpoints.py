"""Checkpoints: what is loaded is what was saved, and anything else is refused in one line."""

import pickle
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from variants import TINY, VARIANTS, make

from lit_faces.editing.arguments import opened
from lit_faces.errors import UserError
from lit_faces.methods import CMMA, load_method
from lit_faces.methods.base import parameters_of


def checkpoint_of(method, path):
    checkpoint = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, path)
    return path


@torch.no_grad()
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_loaded_method_gives_identical_outputs(variant, data, batch, tmp_path):
    method = make(variant, data).eval()
    loaded = load_method(checkpoint_of(method, tmp_path / "a.ckpt"))
    assert (type(loaded), loaded.arguments, loaded.spec) == (type(method), method.arguments, data.spec)
    assert not loaded.training
    noise = torch.randn(4, 3)
    for call in (
        lambda m: m.generate(batch.attributes, noise),
        lambda m: m.edit(batch.images, batch.attributes, batch.attributes + 1),
        lambda m: m.elbo(batch.images, batch.attributes, noise)[0],
        lambda m: m.probabilities(batch.images),
    ):
        try:
            expected = call(method)
        except AttributeError:
            continue
        assert torch.equal(call(loaded), expected)


class Mine(CMMA):
    pass


def test_a_method_of_your_own_is_loaded_by_its_class(data, tmp_path):
    torch.manual_seed(0)
    method = Mine(**TINY)
    method.prepare(data.spec)
    path = checkpoint_of(method, tmp_path / "a.ckpt")
    assert isinstance(load_method(path, Mine), Mine)
    # Its module is imported.
    assert isinstance(load_method(path), Mine)
    with pytest.raises(UserError, match=r"is of test_checkpoints\.Mine, a method that is not known here: say --method"):
        load_method(path, CMMA)


FOREIGN = """
from pathlib import Path
from lit_faces.methods import CMMA
Path("imported").touch()
class Mine(CMMA):
    pass
class Other(CMMA):
    pass
"""


@pytest.fixture
def foreign(data, tmp_path, monkeypatch):
    """The folder of a run whose checkpoint is of a class that can be imported and is not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "foreign_methods", raising=False)
    Path("foreign_methods.py").write_text(FOREIGN)
    checkpoint = torch.load(checkpoint_of(make("CMMA", data), tmp_path / "a.ckpt"), weights_only=True)
    checkpoint["lit_faces"]["class_path"] = "foreign_methods.Mine"
    path = tmp_path / "run" / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    torch.save(checkpoint, path)
    yield path.parent.parent
    sys.modules.pop("foreign_methods", None)


@pytest.mark.parametrize("config", [None, "model: {class_path: foreign_methods.Other}", "model: 3", "[", "\0"])
def test_a_checkpoint_does_not_decide_what_is_imported(config, foreign):
    if config is not None:
        (foreign / "config.yaml").write_text(config)
    with pytest.raises(UserError, match=r"is of foreign_methods\.Mine, a method that is not known here"):
        load_method(foreign)
    assert not Path("imported").exists()


def test_the_config_of_a_run_names_a_method_of_your_own(foreign):
    (foreign / "config.yaml").write_text("model: {class_path: foreign_methods.Mine}")
    assert type(load_method(foreign)).__name__ == "Mine"


@pytest.mark.parametrize("own", ["foreign_methods.Mine", "foreign_methods.Nothing", "nowhere.Mine", "os.path", "Mine"])
def test_a_verb_imports_the_method_that_it_is_given(own, foreign):
    if own == "foreign_methods.Mine":
        assert type(opened(foreign, own)).__name__ == "Mine"
    else:
        with pytest.raises(UserError, match=f"--method {own} is not the class of a method: give its import path"):
            opened(foreign, own)


def test_a_checkpoint_of_version_0_1_0_names_its_class_alone(data, tmp_path):
    path = checkpoint_of(make("CMMA", data), tmp_path / "a.ckpt")
    checkpoint = torch.load(path, weights_only=True)
    about = checkpoint["lit_faces"]
    assert about.pop("class_path") == "lit_faces.methods.cmma.CMMA"
    del about["epochs"]
    about["method"] = "CMMA"
    torch.save(checkpoint, path)
    assert type(load_method(path)) is CMMA


REFUSED = {
    "method": (lambda data: make("CVAE", data), "is of CVAE, not of CMMA"),
    "arguments": (lambda data: make("CMMA", data, learning_rate=0.5), r"other arguments .learning_rate: 0\.5 -> 0\.01"),
    "data set": (lambda data: on(data, name="Other"), "trained on Other, the data is Synthetic: "),
    "order": (
        lambda data: on(data, attributes=data.spec.attributes[::-1]),
        r"trained on Synthetic with its attributes in another order, \S.* where the data has Male: ",
    ),
    "an attribute": (
        lambda data: on(data, attributes=("Man", *data.spec.attributes[1:])),
        "trained on Synthetic with Man, which the data lacks, and without Male, which the data has: ",
    ),
    "image size": (
        lambda data: on(data, image_shape=(3, 64, 64)),
        r"with images \(3, 64, 64\), the data has \(3, 32, 32\)",
    ),
    "a value": (
        lambda data: on(data, mean=(data.spec.mean[0] + 1e-6, *data.spec.mean[1:])),
        r"trained on Synthetic before it changed \(values of Male\): .* in another folder",
    ),
}


def on(data, **changes):
    method = CMMA(**TINY, learning_rate=0.01)
    method.prepare(replace(data.spec, **changes))
    return method


@pytest.mark.parametrize("what", REFUSED)
def test_the_checkpoint_of_something_else_is_refused_in_one_line(what, data):
    other, message = REFUSED[what]
    checkpoint = {}
    other(data).on_save_checkpoint(checkpoint)
    method = make("CMMA", data)
    with pytest.raises(UserError, match=message) as error:
        method.on_load_checkpoint(checkpoint)
    assert "\n" not in str(error.value)


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


BAD = {
    "a pickle with code": lambda path, canary: path.write_bytes(pickle.dumps(Touch(canary))),
    "a checkpoint with code": lambda path, canary: torch.save({"lit_faces": Touch(canary)}, path),
    "random bytes": lambda path, canary: path.write_bytes(bytes(range(256)) * 10),
    "an empty file": lambda path, canary: path.touch(),
    "half a checkpoint": lambda path, canary: half(path),
    "a folder": lambda path, canary: path.mkdir(),
    "a tensor": lambda path, canary: torch.save(torch.zeros(2), path),
    "another suite's checkpoint": lambda path, canary: torch.save({"state_dict": {}}, path),
    "nothing": lambda path, canary: None,
}


def half(path):
    torch.save({"lit_faces": {}, "x": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:2000])


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_checkpoint_is_refused_in_one_line_and_not_executed(what, tmp_path):
    path, canary = tmp_path / "bad.ckpt", tmp_path / "canary"
    BAD[what](path, canary)
    with (
        warnings.catch_warnings(record=True, action="always") as said,
        pytest.raises(UserError, match=r"bad\.ckpt") as error,
    ):
        load_method(path)
    assert "\n" not in str(error.value)
    # torch has a word of its own on a pickle of the usual protocol.
    assert said == []
    assert not canary.exists()


def test_an_argument_that_came_after_the_checkpoint_has_its_default(data):
    checkpoint = {}
    method = make("AttributeClassifier", data)
    checkpoint["state_dict"] = method.state_dict()
    method.on_save_checkpoint(checkpoint)
    del checkpoint["lit_faces"]["arguments"]["mirror"]
    method.on_load_checkpoint(checkpoint)
    with pytest.raises(UserError, match=r"with other arguments \(mirror: True -> False\): give those"):
        make("AttributeClassifier", data, mirror=False).on_load_checkpoint(checkpoint)
    checkpoint["lit_faces"]["arguments"]["gone"] = 3
    with pytest.raises(UserError, match=r"with other arguments \(gone: 3 -> None\): give those"):
        method.on_load_checkpoint(checkpoint)


class Above:
    def __init__(self, a, b=1):
        pass


class Handing(Above):
    def __init__(self, b=2, **shared):
        pass


class Alone(Above):
    def __init__(self, c=3):
        pass


def test_what_a_constructor_hands_on_is_taken_too():
    for cls, defaults in ((Above, {"b": 1}), (Handing, {"b": 2}), (Alone, {"c": 3})):
        found = {name: p.default for name, p in parameters_of(cls).items() if p.default is not p.empty}
        assert found == defaults
    assert "a" in parameters_of(Handing)
    assert "a" not in parameters_of(Alone)
