"""An exported model is the model: the same outputs, from files that hold no code, and nothing of whoever exported it."""

import json
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from exporting import checkpoint_of, tiny
from safetensors.torch import load_file, save_file
from variants import make

from lit_faces.editing.verb_export import export
from lit_faces.errors import UserError
from lit_faces.files import sha256, sha256_of
from lit_faces.methods import CMMA, METHODS, load_method


@pytest.fixture
def exported(checkpoint, tmp_path):
    export(checkpoint, tmp_path / "export")
    return tmp_path / "export"


CALLS = {
    "reconstruct": lambda m, b: m.reconstruct(b.images, b.attributes),
    "edit": lambda m, b: m.edit(b.images, b.attributes, -b.attributes),
    "generate": lambda m, b: m.generate(b.attributes, torch.ones(len(b.row), m.noise_dim)),
    "label_probabilities": lambda m, b: m.label_probabilities(b.images),
    "probabilities": lambda m, b: m.probabilities(b.images),
    "embed": lambda m, b: m.embed(b.images),
}


@torch.no_grad()
@pytest.mark.parametrize("name", METHODS)
def test_an_export_gives_the_outputs_of_its_checkpoint(name, data, batch, tmp_path):
    path = checkpoint_of(tiny(name, data), tmp_path / "a.ckpt")
    export(path, tmp_path / "export")
    ours, theirs = load_method(path), load_method(tmp_path / "export")
    assert type(theirs) is type(ours)
    assert (theirs.spec, theirs.training) == (ours.spec, False)
    compared = 0
    for capability, call in CALLS.items():
        if hasattr(ours, capability):
            assert torch.equal(call(theirs, batch), call(ours, batch))
            compared += 1
    assert compared


class Mine(CMMA):
    pass


class Weighted(CMMA):
    def __init__(self, weights, **shared):
        super().__init__(**shared)
        self.save_hyperparameters("weights", logger=False)


def test_a_method_of_your_own_is_exported_and_loaded_by_its_class(data, batch, tmp_path):
    method = Mine(latent_dim=3, width=0.05)
    method.prepare(data.spec)
    path = checkpoint_of(method, tmp_path / "a.ckpt")
    export(path, tmp_path / "export")
    assert isinstance(load_method(tmp_path / "export"), Mine)
    text = (tmp_path / "export" / "README.md").read_text()
    assert "from test_export import Mine" in text
    assert "--checkpoint FOLDER --method test_export.Mine" in text
    # For a stranger, who has not imported it, the config of a run beside the export decides nothing.
    edit_config(tmp_path / "export", lambda about: about.update(class_path="nowhere.Mine"), honest=True)
    (tmp_path / "config.yaml").write_text("model: {class_path: nowhere.Mine}")
    with pytest.raises(UserError, match=r"export is of nowhere\.Mine, a method that is not known here: say --method"):
        load_method(tmp_path / "export")


def test_an_export_is_a_card_a_config_and_weights_that_hold_no_code(exported, checkpoint, main):
    assert sorted(path.name for path in exported.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    about = json.loads((exported / "config.json").read_text())["lit_faces"]
    saved = torch.load(checkpoint, weights_only=True)["lit_faces"]
    assert about["class_path"] == "lit_faces.methods.cmma.CMMA"
    assert (about["version"], about["arguments"]) == (saved["version"], saved["arguments"])
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads((exported / "model.safetensors").read_bytes())  # noqa: S301
    assert main(["export", str(checkpoint.parents[1]), "--to", str(exported)]) == 0


def test_the_names_of_local_files_lose_their_folders(data, tmp_path):
    method = make("CMMA", data)
    local = {"source": "/home/me/faces/table.csv", "more": ["C:\\Users\\me\\a.png", {"b": "~/me/b.zip", "rows": 3}]}
    method.spec = replace(data.spec, manifest=local)
    export(checkpoint_of(method, tmp_path / "a.ckpt"), tmp_path / "export")
    assert load_method(tmp_path / "export").spec.manifest == {
        "source": "table.csv",
        "more": ["a.png", {"b": "b.zip", "rows": 3}],
    }
    for file in (tmp_path / "export").iterdir():
        for private in (b"/me/", b"Users", str(tmp_path).encode()):
            assert private not in file.read_bytes()


def test_an_argument_that_others_cannot_have_is_refused(data, tmp_path):
    for value, message in (("/home/me/x.pt", "is a path on this machine"), ([float("nan")], "JSON cannot say")):
        method = Weighted(weights=value, latent_dim=3, width=0.05)
        method.prepare(data.spec)
        path = checkpoint_of(method, tmp_path / "a.ckpt")
        with pytest.raises(UserError, match=message):
            export(path, tmp_path / "export")
        assert not (tmp_path / "export").exists()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_of_an_export_is_answered_with_its_folder(name, exported):
    with pytest.raises(UserError, match=f"{name} is one file of an export: name its folder, {exported}$"):
        load_method(exported / name)


def edit_config(folder, change, honest=False):
    """Change what the config says of the method; `honest` if the checksum is made to fit."""
    config = json.loads((folder / "config.json").read_text())
    change(config["lit_faces"])
    if honest:
        config["sha256"]["lit_faces"] = sha256_of(config["lit_faces"])
    (folder / "config.json").write_text(json.dumps(config))


def replace_weights(folder, weights):
    save_file(weights, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    config["sha256"]["model.safetensors"] = sha256(folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def pickled(folder):
    (folder / "model.safetensors").write_bytes(pickle.dumps(Touch(folder.parent / "canary")))
    edit = json.loads((folder / "config.json").read_text())
    edit["sha256"]["model.safetensors"] = sha256(folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(edit))


DAMAGES = {
    "a bit of the weights": (lambda f: flip(f / "model.safetensors"), r"model\.safetensors is damaged or not that of"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), r"has no model\.safetensors"),
    "no config": (
        lambda f: (f / "config.json").unlink(),
        r"export is an export that is not whole, it has no config\.json",
    ),
    "a pickle for weights": (pickled, r"model\.safetensors cannot be read"),
    "other weights": (lambda f: replace_weights(f, {"x": torch.zeros(1)}), "does not hold the weights of CMMA"),
    "weights that are not numbers": (
        lambda f: replace_weights(f, {n: w * torch.nan for n, w in load_file(f / "model.safetensors").items()}),
        "does not hold finite weights",
    ),
    "an argument": (lambda f: edit_config(f, lambda c: c["arguments"].update(width=1.0)), r"config\.json.* was edited"),
    "a config of something else": (
        lambda f: (f / "config.json").write_text('{"architectures": ["BertModel"]}'),
        r"config\.json is not that of a lit_faces model",
    ),
    "a config that is no JSON": (lambda f: (f / "config.json").write_text("{"), "is not that of a lit_faces model"),
    "a config of depth": (lambda f: (f / "config.json").write_text("[" * 99999), "is not that of a lit_faces model"),
    "a config that is no text": (lambda f: (f / "config.json").write_bytes(b"\xff"), "is not that of a lit_faces"),
    "an unknown argument": (
        lambda f: edit_config(f, lambda c: c["arguments"].update(code="import os"), honest=True),
        "does not describe a CMMA of lit_faces .*code",
    ),
    "a word for a number": (
        lambda f: edit_config(f, lambda c: c["arguments"].update(latent_dim="many"), honest=True),
        "does not describe a CMMA",
    ),
    "no description of the data": (
        lambda f: edit_config(f, lambda c: c["data"].pop("attributes"), honest=True),
        "does not describe a CMMA",
    ),
    "no method": (
        lambda f: edit_config(f, lambda c: c.pop("class_path"), honest=True),
        "is not a lit_faces checkpoint",
    ),
    "a method that is no class here": (
        lambda f: edit_config(f, lambda c: c.update(class_path="os.system"), honest=True),
        r"is of os\.system, a method that is not known here",
    ),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_what_is_no_export_any_more_is_refused_in_one_line_and_not_executed(what, exported):
    damage, message = DAMAGES[what]
    damage(exported)
    with pytest.raises(UserError, match=message) as error:
        load_method(exported)
    assert "\n" not in str(error.value)
    assert not (exported.parent / "canary").exists()


def test_an_export_is_replaced_whole_and_nothing_else_is(checkpoint, exported, error_line, tmp_path):
    (exported / "README.md").write_text("old")
    (tmp_path / "empty").mkdir()
    for folder in (exported, tmp_path / "empty", tmp_path / "new/folder"):
        export(checkpoint, folder)
        assert "# CMMA on Synthetic" in (folder / "README.md").read_text()
    (exported / "mine.txt").write_text("dear")
    (tmp_path / "file").touch()
    for path, message in (
        (exported, "holds something else than an export: name another folder"),
        (checkpoint.parents[1], "holds something else"),
        (tmp_path / "file", "is a file: name another folder"),
    ):
        assert message in error_line(["export", str(checkpoint), "--to", str(path)])
    assert (exported / "mine.txt").read_text() == "dear"
    assert not list(tmp_path.glob(".*"))


def test_an_export_is_not_exported_again_and_a_wrong_checkpoint_leaves_nothing(exported, error_line, tmp_path):
    new = tmp_path / "new"
    assert "is an export already" in error_line(["export", str(exported), "--to", str(new)])
    assert "there is no checkpoint" in error_line(["export", str(tmp_path / "none"), "--to", str(new)])
    assert not new.exists()


@pytest.fixture
def hub(monkeypatch):
    """A Hugging Face Hub that notes what it is told; `refuse` raises."""
    hub = SimpleNamespace(told=[], refuse=lambda: None, get_token=lambda: "token")

    class HfApi:
        def create_repo(self, repository, **options):
            hub.refuse()
            hub.told.append((repository, options))
            return f"https://hub/{repository}"

        def upload_folder(self, repo_id, folder_path, **_):
            hub.told.append((repo_id, sorted(path.name for path in folder_path.iterdir())))

    hub.HfApi = HfApi
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    return hub


def test_an_export_is_pushed_to_a_private_repository_unless_asked(hub, checkpoint, tmp_path, main, capsys):
    words = ["export", str(checkpoint), "--to", str(tmp_path / "export"), "--push", "me/faces"]
    files = ["README.md", "config.json", "model.safetensors"]
    for more, private in (([], True), (["--public"], False)):
        hub.told.clear()
        assert main([*words, *more]) == 0
        assert hub.told == [("me/faces", {"private": private, "exist_ok": True}), ("me/faces", files)]
        assert "https://hub/me/faces" in capsys.readouterr().out


def test_what_stands_in_the_way_of_a_push_is_one_line(hub, checkpoint, tmp_path, error_line, monkeypatch):
    def words(repository):
        return ["export", str(checkpoint), "--to", str(tmp_path / "export"), "--push", repository]

    for repository in ("faces", "a/b/c", "a b/c"):
        assert "must be of the form OWNER/NAME" in error_line(words(repository))
    assert "--public needs --push" in error_line([*words("me/faces")[:4], "--public"])
    hub.get_token = lambda: None
    assert "needs a token of the Hugging Face Hub" in error_line(words("me/faces"))
    hub.get_token = lambda: "token"
    assert not (tmp_path / "export").exists()

    def unreachable():
        raise ConnectionError("no route\nto the hub")

    hub.refuse = unreachable
    assert "the hub did not take it (no route)" in error_line(words("me/faces"))
    assert load_method(tmp_path / "export")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "pip install 'lit_faces[hub]'" in error_line(words("me/faces"))
