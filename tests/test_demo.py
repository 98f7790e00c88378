"""The web page, but for the browser: what the sliders do, which faces there are, and what is refused."""

import base64
import os
import re
import socket
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from PIL import Image

from lit_faces.editing.changes import edited
from lit_faces.editing.demo.cards import Card, cards, line
from lit_faces.editing.demo.faces import draw, fitted, pictures_in, read
from lit_faces.editing.demo.panel import Panel
from lit_faces.editing.demo.server import free_port, own_folder, serve
from lit_faces.editing.demo.walks import changed, walks_of
from lit_faces.errors import UserError
from lit_faces.images import to_pil
from lit_faces.methods import CGAN, CMMA, CSVAE, MMDVLAE


def make(cls, data, **arguments):
    torch.manual_seed(0)
    method = cls(width=0.06, **arguments)
    method.prepare(data.spec)
    if isinstance(method, CSVAE):
        # As if they had been measured.
        method.class_means.normal_()
    return method.eval()


@pytest.fixture(scope="module")
def cmma(data):
    return make(CMMA, data, latent_dim=3)


@pytest.fixture(scope="module")
def csvae(data):
    return make(CSVAE, data, latent_dim=3, labels=("Eyeglasses", "Male"))


@pytest.fixture(scope="module")
def ladder(data):
    return make(MMDVLAE, data, latent_dims=(1, 0, 3))


@pytest.fixture(scope="module")
def panel(cmma, csvae, ladder):
    return Panel({"CMMA": cmma, "CSVAE": csvae, "Ladder": ladder})


def shown(panel, values, names=None):
    face = panel.drawn(0)
    return panel.made(face, panel.attributes if names is None else names, values)


def same(pictures, others):
    return [torch.equal(picture, other) for picture, other in zip(pictures, others, strict=True)]


def test_sliders_at_rest_show_the_face_as_each_model_reconstructs_it(panel, cmma, csvae, ladder):
    face = panel.drawn(0)
    picked, *_ = panel.cards(face, (), panel.rest)
    assert np.array_equal(np.asarray(picked.picture), np.asarray(to_pil(face.images[0][0])))
    made = shown(panel, panel.rest)
    with torch.inference_mode():
        expected = [
            edited(cmma, face.images[0], {}),
            edited(csvae, face.images[1], {}),
            ladder.reconstruct(*face.images[1:]),
        ]
    for picture, whole in zip(made, expected, strict=True):
        torch.testing.assert_close(picture, whole[0])


def test_an_attribute_changes_the_pictures_of_those_models_alone_that_have_it(panel):
    rest = shown(panel, panel.rest)
    for name, untouched in (("Eyeglasses", [False, False, True]), ("Smiling", [False, True, True])):
        values = panel.rest
        values[panel.attributes.index(name)] = 1.5
        assert same(shown(panel, values), rest) == untouched
        assert same(shown(panel, values, names=["Male"]), rest) == [True] * 3


def test_a_face_that_gets_a_label_gets_it_in_the_style_of_the_sliders(csvae, data):
    images = torch.rand(2, 3, 32, 32)
    on, off = (csvae.spec.vector(**{way: ["Male"]}).expand(2, -1) for way in ("on", "off"))
    styles = csvae.styles().clone()
    styles[1] = torch.tensor([5.0, -1.0])
    with torch.inference_mode():
        found = changed(csvae, images, {"Male": 2.0}, {"Male": (5.0, -1.0)})
        torch.testing.assert_close(found, csvae.switch(images, off, on, styles, 2.0))
        assert not torch.equal(found, changed(csvae, images, {"Male": 2.0}, {}))
        kept = changed(csvae, images, {"Male": 0.0}, {"Male": (5.0, -1.0)})
        torch.testing.assert_close(kept, changed(csvae, images, {}, {}))


def test_styles_at_rest_are_those_of_an_edit_without_any(csvae):
    images = torch.rand(1, 3, 32, 32)
    walks = walks_of(csvae)
    assert [*walks] == ["Eyeglasses", "Male"]
    for walk in walks.values():
        assert all(low < at < high for low, at, high in zip(walk.least, walk.start, walk.most, strict=True))
    points = {name: walk.start for name, walk in walks.items()}
    with torch.inference_mode():
        found, plain = (changed(csvae, images, {"Eyeglasses": 1.0}, at) for at in (points, {}))
    # The sliders show two decimals.
    torch.testing.assert_close(found, plain, atol=0.01, rtol=0)


def test_a_layer_is_walked_from_the_face_s_own_code(ladder):
    assert {name: len(walk.start) for name, walk in walks_of(ladder).items()} == {"z_0": 1, "z_2": 2}
    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        z = ladder.posterior(images).mean + torch.tensor([0.5, 0.0, -2.0, 0.0])
        found = changed(ladder, images, {}, {"z_0": (0.5,), "z_2": (0.0, -2.0)})
        torch.testing.assert_close(found, ladder.decode(z))


def test_each_walk_moves_the_picture_of_its_own_model(panel):
    values = panel.rest
    values[panel.attributes.index("Eyeglasses")] = 1.0
    before, position = shown(panel, values), len(panel.attributes)
    for title, name, walk in panel.walks:
        moved = [*values]
        moved[position] = walk.most[0]
        untouched = [card != title or name == "Male" for card in panel.models]
        assert same(shown(panel, moved), before) == untouched
        position += len(walk.start)
    assert position == len(values)


def test_few_attributes_are_all_shown_and_of_many_those_that_can_be_seen(panel, csvae):
    assert len(panel.attributes) == 22
    assert set(panel.first) == {"Smiling", "Eyeglasses", "Mustache", "Bangs", "Blond Hair", "Male"}
    assert Panel({"CSVAE": csvae}).first == ("Eyeglasses", "Male")


@pytest.mark.parametrize("name", ["cmma", "csvae", "ladder"])
def test_a_seed_draws_one_face_and_another_seed_another(name, request):
    method = request.getfixturevalue(name)
    with torch.inference_mode():
        first, again, other = (draw(method, seed) for seed in (3, 3, 4))
    assert first.shape == (1, 3, 32, 32)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_attributes_are_drawn_as_often_as_they_are_in_the_data(cmma, monkeypatch):
    seen = []
    monkeypatch.setattr(cmma, "generate", lambda attributes, noise: seen.append(cmma.spec.binary(attributes)))
    for seed in range(400):
        draw(cmma, seed)
    # Both are shares of few: of 400, and of the nine training faces.
    share = torch.cat(seen).float().mean(0)
    torch.testing.assert_close(share, torch.tensor(cmma.spec.mean), atol=0.1, rtol=0)


def test_a_face_is_fitted_to_the_size_and_the_colours_of_a_model(data):
    grey = make(
        CMMA, type("Grey", (), {"spec": data.spec.__class__(**{**vars(data.spec), "image_shape": (1, 64, 64)})})
    )
    face = torch.rand(1, 3, 32, 32)
    assert fitted(face, grey).shape == (1, 1, 64, 64)
    assert abs(fitted(face, grey).mean() - face.mean()) < 0.01
    assert fitted(face[:, :1], make(CMMA, data)).shape == (1, 3, 32, 32)


def test_a_photograph_gets_the_change_and_stays_as_it_is_without_one(panel, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (90, 60, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "face.png")
    face = read(tmp_path / "face.png", [*panel.models.values()])
    untouched = panel.photographs(face, panel.attributes, panel.rest)
    assert [card.title for card in untouched] == [f"The photograph, by {title}" for title in panel.models]
    assert all(np.array_equal(np.asarray(card.picture), pixels) for card in untouched)
    values = [2.0] * len(panel.attributes) + panel.rest[len(panel.attributes) :]
    assert panel.photographs(panel.drawn(0), panel.attributes, values) == []
    changed = panel.photographs(face, panel.attributes, values)
    assert all(np.array_equal(np.asarray(card.picture)[:15], pixels[:15]) for card in changed)


def test_a_card_holds_the_picture_itself_and_what_it_says_is_no_html():
    picture = to_pil(torch.rand(3, 8, 8))
    html = cards([Card(picture, "<b>CSVAE</b>", 'of "faces"', 'a".png')])
    assert "<b>CSVAE" not in html
    assert 'download="a&quot;.png"' in html
    urls = re.findall(r"data:image/png;base64,([^\"]+)", html)
    assert len(urls) == 2
    for url in urls:
        with Image.open(BytesIO(base64.b64decode(url))) as found:
            assert np.array_equal(np.asarray(found), np.asarray(picture))
    assert line("<script>") == '<p class="wrong" role="alert">&lt;script&gt;</p>'
    assert line("") == ""


def test_pictures_of_a_folder_come_by_name_and_other_files_not_at_all(tmp_path, cmma):
    empty = tmp_path / "empty"
    empty.mkdir()
    for name in ("b.png", "a.JPG", "c.txt"):
        Image.new("RGB", (40, 30), "red").save(tmp_path / name, format="PNG" if name == "b.png" else "JPEG")
    assert [path.name for path in pictures_in(tmp_path)] == ["a.JPG", "b.png"]
    face = read(tmp_path / "b.png", [cmma])
    assert not face.found
    assert torch.equal(face.images[0], torch.tensor([1.0, 0.0, 0.0])[:, None, None].expand(1, 3, 32, 32))
    with pytest.raises(UserError, match="no PNG, JPEG or WebP pictures in"):
        pictures_in(empty)
    with pytest.raises(UserError, match="there is no folder"):
        pictures_in(tmp_path / "nowhere")


def saved(method, folder):
    checkpoint = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(checkpoint)
    path = folder / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    torch.save(checkpoint, path)
    return folder


@pytest.fixture
def refused(main, capsys):
    """As `error_line`, of a command that has said before that it loads the models."""

    def run(arguments):
        assert main(arguments) == 2
        loading, line = capsys.readouterr().err.splitlines()
        assert loading == "loading ..."
        return line.removeprefix("lit-faces: error: ")

    return run


def test_a_model_that_cannot_change_a_face_is_refused(data, tmp_path, refused):
    folder = saved(make(CGAN, data, noise_dim=3), tmp_path / "cgan")
    line = refused(["demo", "--checkpoint", str(folder)])
    assert line == f"{folder} is of CGAN, which cannot change a face: use one that edits, CMMA or CSVAE, or a VLAE"


def test_a_model_given_twice_is_refused(cmma, tmp_path, refused):
    folder = str(saved(cmma, tmp_path / "cmma"))
    line = refused(["demo", "--checkpoint", folder, "--checkpoint", folder, "--checkpoint", folder])
    assert line == f"--checkpoint {folder} is given twice: name each once"


def test_a_port_in_use_is_named_before_a_model_is_loaded(error_line):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = error_line(["demo", "--checkpoint", "nowhere", "--port", str(port)])
        assert line == f"port {port} is in use on 127.0.0.1: name another --port, or leave it away"
    assert free_port("127.0.0.1", port) == port


def test_without_a_port_the_next_free_one_is_taken(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("lit_faces.editing.demo.server._FIRST_PORT", port)
        assert port < free_port("127.0.0.1", None) < port + 100


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_an_address_that_is_none_here_is_named(host, error_line):
    line = error_line(["demo", "--checkpoint", "nowhere", "--host", host])
    assert line.startswith(f"nothing can listen at --host {host}, port 7860: ")
    assert "while attempting" not in line


@pytest.mark.parametrize("host", ["", "é" * 64])
def test_what_is_no_address_is_refused_and_none_is_not_taken_for_all(host, error_line):
    line = error_line(["demo", "--checkpoint", "nowhere", "--host", host])
    assert line == f"--host must be an address of this machine, 127.0.0.1, for instance, got {host!r}"


def test_a_port_that_is_none_is_named(error_line):
    line = error_line(["demo", "--checkpoint", "nowhere", "--port", "70000"])
    assert line == "--port must be from 1 to 65535, got 70000"


def test_without_gradio_the_error_says_what_to_install(error_line, monkeypatch):
    monkeypatch.setattr("lit_faces.editing.verb_demo.find_spec", lambda name: None)
    line = error_line(["demo", "--checkpoint", "nowhere"])
    assert line == "the page needs gradio, which is not installed: pip install 'lit_faces[demo]'"


def test_a_gradio_that_cannot_be_imported_is_named(monkeypatch):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(UserError, match=r"gradio, which is installed but cannot be imported \(import of gradio halted"):
        serve(MagicMock(), "127.0.0.1", 7860)
    assert not Path(os.environ["GRADIO_TEMP_DIR"]).exists()


def test_help_and_wrong_arguments_come_without_heavy_packages():
    code = (
        "import sys\nfrom lit_faces.__main__ import main\n"
        "main(['demo', '--checkpoint', 'x', '--port', '70000'])\n"
        "print([m for m in ('torch', 'gradio', 'numpy', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "[]\n"
    assert "got 70000" in done.stderr


def test_gradio_is_given_a_folder_of_its_own_and_no_settings_of_others(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "environ", {**os.environ, "GRADIO_SHARE": "1", "GRADIO_ALLOWED_PATHS": "/"})
    with own_folder():
        settings = {name: value for name, value in os.environ.items() if name.startswith("GRADIO_")}
        folder = Path(settings.pop("GRADIO_TEMP_DIR"))
        (folder / "upload").write_text("a face")
        assert settings == {}
    assert not folder.exists()


def test_an_interruption_ends_the_page_which_was_this_machine_s_alone(monkeypatch, capsys):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setitem(sys.modules, "gradio", MagicMock())
    page, event = MagicMock(), MagicMock()
    page.launch.return_value = (None, "http://127.0.0.1:7860/", None)
    event.return_value.wait.side_effect = KeyboardInterrupt
    monkeypatch.setattr("lit_faces.editing.demo.server.Event", event)
    serve(lambda: page, "127.0.0.1", 7860)
    page.close.assert_called_once()
    settings = page.launch.call_args.kwargs
    assert (settings["server_name"], settings["share"], settings["strict_cors"]) == ("127.0.0.1", False, True)
    assert not Path(os.environ["GRADIO_TEMP_DIR"]).exists()
    assert capsys.readouterr().out == "The page is at http://127.0.0.1:7860/ (Ctrl-C ends it)\n"
