"""What a fit cannot do, or a test could not read, is refused before the fit writes anything."""

import pytest
import torch
from command import LATENT, options

from lit_faces.callbacks.attribute_edits import AttributeEdits
from lit_faces.errors import UserError
from lit_faces.methods import METHODS, AttributeClassifier, IdentityEmbedding, load_method
from lit_faces.networks.classifier import Trunk

LABELS = ["--model.labels", "[Smiling]"]


def fit(method, folder, *words):
    unlabelled = ("CMMA", "CMMA2", "CVAE", "CGAN", "CGANGauthier", "AttributeClassifier", "IdentityEmbedding")
    layers = ["--model.latent_dims", "[1,0,2]"]
    labels = [] if method in unlabelled else layers if method in ("VLAE", "MMDVLAE") else LABELS
    return [*options("fit", method, folder), *labels, "--trainer.max_epochs", "3", *words]


FITS = {
    "IcGAN in one epoch": (
        "IcGAN",
        ["--trainer.max_epochs", "1"],
        "three stages: give --trainer.max_epochs of 3 or more",
    ),
    "IcGAN in two epochs": (
        "IcGAN",
        ["--trainer.max_epochs", "2"],
        "three stages: give --trainer.max_epochs of 3 or more",
    ),
    "IcGAN without limit": ("IcGAN", ["--trainer.max_epochs", "-1"], "three stages: give --trainer.max_epochs of 3 or"),
    "no epochs": ("CMMA", ["--trainer.max_epochs", "0"], "in 0 epochs: give --trainer.max_epochs of 1 or more"),
    "no classifier": ("CMMA", ["--edits.classifier", "nope.ckpt"], "there is no checkpoint at nope.ckpt"),
    "no embedding": ("CMMA", ["--identity.embedding", "nope.ckpt"], "there is no checkpoint at nope.ckpt"),
    "an edit of what is no attribute": (
        "CMMA",
        ["--edits.classifier", "JUDGE", "--edits.edits", "{A: {set: [Nope]}}"],
        "Nope",
    ),
    "an embedding for a classifier": (
        "CMMA",
        ["--edits.classifier", "EYE"],
        "eye.ckpt is of IdentityEmbedding, which does not tell attributes: give the checkpoint of an AttributeClassifier as "
        "--edits.classifier",
    ),
    "a classifier for an embedding": (
        "CMMA",
        ["--identity.embedding", "JUDGE"],
        "judge.ckpt is of AttributeClassifier, which does not tell persons apart: give the checkpoint of an "
        "IdentityEmbedding as --identity.embedding",
    ),
    "small images": ("IdentityEmbedding", ["--data.size", "8"], "images must be at least 16x16, got 8x8"),
    "a negative decay": (
        "IdentityEmbedding",
        ["--model.weight_decay", "-1"],
        "weight_decay must be at least 0, got -1",
    ),
    "more than memory": (
        "CMMA",
        ["--model.latent_dim", str(10**15)],
        f"CMMA with latent_dim {10**15}, width 0.05 does not fit into memory: make it smaller",
    ),
    "more bytes than can be counted": ("CMMA", ["--model.latent_dim", str(10**18)], "does not fit into memory"),
    "more than a number of torch's": ("VLAE", ["--model.latent_dims", f"[{10**20},1,1]"], "does not fit into memory"),
    "sums of faces that nobody judges": (
        "VLAE",
        ["--arithmetic.images", "7"],
        "--arithmetic needs a classifier: give its checkpoint as --edits.classifier, or leave out --arithmetic",
    ),
    "probes of one image": ("VLAE", ["--probes.images", "1"], "probes.images must be at least 2, got 1"),
    "no learning rate": ("CMMA", ["--model.learning_rate", "0"], "learning_rate must be above 0, got 0"),
}


def saved(method, data, path):
    torch.manual_seed(0)
    method.prepare(data.spec)
    checkpoint = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, path)
    return path


@pytest.fixture
def judge(data, tmp_path):
    return saved(AttributeClassifier(width=0.05), data, tmp_path / "judge.ckpt")


@pytest.fixture
def eye(data, tmp_path):
    return saved(IdentityEmbedding(width=0.05, embedding_dim=3, classes=5), data, tmp_path / "eye.ckpt")


@pytest.mark.parametrize("what", FITS)
def test_what_a_fit_cannot_do_is_refused_and_leaves_nothing(what, error_line, judge, eye, tmp_path):
    method, words, message = FITS[what]
    words = [{"JUDGE": str(judge), "EYE": str(eye)}.get(word, word) for word in words]
    assert message in error_line(fit(method, tmp_path / "run", *words))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.fewest_images > 1])
def test_one_image_is_no_batch_for_methods_that_need_two(name, error_line, tmp_path):
    line = error_line(fit(name, tmp_path / "run", "--data.batch_size", "1"))
    assert line == f"{name} cannot be trained on batches of 1: give --data.batch_size of 2 or more"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.fewest_images == 1])
def test_other_methods_train_on_one_image_at_a_time(name, main, tmp_path):
    size = ["--data.size", "32" if name in LATENT else "16"]
    words = ["--data.batch_size", "1", "--data.limit", "2", *size, "--trainer.max_epochs", "1"]
    assert main(fit(name, tmp_path / "run", *words)) == 0


def test_a_judge_that_is_not_watched_is_let_go_before_the_training(data, judge, main, tmp_path, monkeypatch):
    held, start = [], AttributeEdits.on_train_start
    monkeypatch.setattr(
        AttributeEdits, "on_train_start", lambda one, *given: (held.append(one._classifier), start(one, *given))
    )
    words = ["--edits.classifier", str(judge), "--edits.edits", "{A: {set: [Smiling]}}", "--trainer.max_epochs", "1"]
    assert main(fit("CMMA", tmp_path / "run", *words)) == 0
    assert held == [None]


def test_points_are_no_images_for_a_classifier():
    Trunk((3, 16, 16), 0.05)
    for shape in ((3, 15, 16), (3, 16, 15), (3, 1, 1)):
        with pytest.raises(ValueError, match="at least 16x16, got"):
            Trunk(shape, 0.05)


# Checkpoints that cannot be what they say.


def change(path, edit):
    checkpoint = torch.load(path, weights_only=True)
    edit(checkpoint["state_dict"])
    torch.save(checkpoint, path)


DAMAGES = {
    "a tensor missing": lambda state: state.pop(next(iter(state))),
    "a tensor too many": lambda state: state.update(more=torch.zeros(1)),
    "a tensor of another shape": lambda state: state.update({next(iter(state)): torch.zeros(1)}),
    "no weights": lambda state: state.clear(),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_weights_of_another_network_are_refused_in_one_line(what, judge):
    change(judge, DAMAGES[what])
    with pytest.raises(UserError) as error:
        load_method(judge)
    assert str(error.value) == (
        f"{judge} does not hold the weights of AttributeClassifier: it is damaged or of another version: name another, or "
        "train it again"
    )


def test_a_damaged_checkpoint_is_refused_by_every_verb_that_reads_it(main, error_line, judge, eye, tmp_path):
    folder, edits = tmp_path / "run", ["--edits.edits", "{A: {set: [Smiling]}}"]
    assert main(fit("CMMA", folder, "--trainer.max_epochs", "1")) == 0
    test = options("test", "CMMA", folder)
    change(eye, lambda state: [value.fill_(1e38) for value in state.values() if value.is_floating_point()])
    line = error_line([*test, *edits, "--identity.embedding", str(eye)])
    assert line.startswith("what was measured as identity_kept/A is not finite, so there is no record: a checkpoint")
    assert "--identity.embedding" in line
    assert not (folder / "record.json").exists()
    change(eye, lambda state: [value.fill_(torch.nan) for value in state.values() if value.is_floating_point()])
    line = error_line([*test, *edits, "--identity.embedding", str(eye)])
    assert "does not hold finite weights of IdentityEmbedding" in line
    change(folder / "checkpoints" / "last.ckpt", DAMAGES["a tensor missing"])
    for words in (test, fit("CMMA", folder, "--trainer.max_epochs", "2")):
        assert "last.ckpt does not hold the weights of CMMA" in error_line(words)


# What stands behind an option.

RAMP = "must be a finite number or a ramp, '{start: A, end: B, epochs: [M, N]}', got"
VALUES = {
    "no number of threads": (["--threads", "x"], "--threads must be a whole number, got 'x'"),
    "null for a rate": (
        ["--model.learning_rate", "null"],
        "--model.learning_rate must not be null: give a value, or leave it out",
    ),
    "null for what a base class takes": (
        ["--model", "CSVAE", *LABELS, "--model.width", "null"],
        "--model.width must not be null: give a value, or leave it out",
    ),
    "null for layers": (
        ["--model", "VLAE", "--model.latent_dims", "null"],
        "--model.latent_dims must not be null: give a value, or leave it out",
    ),
    "null for data": (
        ["--data.batch_size", "null"],
        "--data.batch_size must not be null: give a value, or leave it out",
    ),
    "no number": (
        ["--model.learning_rate", "nan"],
        f"--model.learning_rate {RAMP} 'nan'",
    ),
    "an infinite number": (
        ["--model.learning_rate", "inf"],
        f"--model.learning_rate {RAMP} 'inf'",
    ),
    "one label": (
        ["--model", "CSVAE", *LABELS[:1], "Smiling"],
        "--model.labels must be a list, '[Smiling]', got 'Smiling'",
    ),
    "an optional weight": (
        ["--model", "DIPVAE", "--model.lambda_d", "nan"],
        "--model.lambda_d must be a finite number, got 'nan'",
    ),
    "a list for an edit": (
        ["--edits.edits", "{Foo: [Nope]}"],
        "--edits.edits must be of the form '{NAME: {set: [ATTRIBUTE], reset: [ATTRIBUTE], others: kept, strength: 1}}', "
        "got {'Foo': ['Nope']}",
    ),
    "a name for the attributes of an edit": (
        ["--edits.edits", "{Foo: {set: Smiling}}"],
        "--edits.edits must be of the form '{NAME: {set: [ATTRIBUTE], reset: [ATTRIBUTE], others: kept, strength: 1}}', "
        "got {'Foo': {'set': 'Smiling'}}",
    ),
}


@pytest.mark.parametrize("what", VALUES)
def test_a_value_of_a_wrong_kind_is_answered_with_the_right_one(what, error_line):
    words, line = VALUES[what]
    assert error_line(["fit", "--model", "CMMA", "--data", "Synthetic", *words]) == line


@pytest.mark.parametrize(("key", "known"), [("model", "CSVAE"), ("data", "CelebA")])
def test_help_on_an_unknown_class_lists_the_known_ones(key, known, error_line):
    line = error_line(["fit", f"--{key}.help", "Nope"])
    assert line.startswith(f"--{key}: there is no class 'Nope': use one of ")
    assert known in line
