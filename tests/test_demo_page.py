"""The web page in a process of its own: what it serves, and, in a headless Chromium, what a user does on it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
import torch
from PIL import Image

from lit_faces.methods import CMMA, CSVAE, MMDVLAE

CHROMIUM = shutil.which("chromium")
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here (apt-get install chromium)")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
LIMIT = 20 * 1024 * 1024
COMMAND = """import sys
from lit_faces.editing.demo import server
from lit_faces.__main__ import main
server.UPLOADS_KEPT = 4
sys.exit(main(sys.argv[1:]))"""


def checkpoint(method, data, path):
    method.prepare(data.spec)
    # An untrained decoder draws the same for all codes.
    for name, values in method.named_parameters():
        torch.nn.init.normal_(values, std=1.0 if name.endswith("bias") else 0.3)
    if isinstance(method, CSVAE):
        method.class_means.normal_()
    about = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(about)
    torch.save(about, path)
    return path


def start(folder, arguments):
    """The page's process, which keeps uploads for seconds, and its address; `folder` is where it works and writes."""
    environment = {**os.environ, "TMPDIR": str(folder / "tmp"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", COMMAND, "demo", *map(str, arguments)]
    with (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=folder, env=environment
        )
    assert process.stdout is not None
    said = re.fullmatch(r"The page is at (http://127\.0\.0\.1:\d+/) .*\n", process.stdout.readline())
    if said is None:
        process.communicate()
        pytest.fail((folder / "errors").read_text())
    return process, said[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def address(folder, data):
    torch.manual_seed(0)
    methods = {
        "cmma": CMMA(latent_dim=3, width=0.06),
        "csvae": CSVAE(latent_dim=3, width=0.06, labels=("Eyeglasses",)),
        "ladder": MMDVLAE(latent_dims=(1, 0, 3), width=0.06),
    }
    arguments = []
    for name, method in methods.items():
        arguments += ["--checkpoint", checkpoint(method, data, folder / f"{name}.ckpt")]
    (folder / "faces").mkdir()
    for name in ("a", "b"):
        noise(folder / "faces" / f"{name}.png", size=(40, 40), seed=ord(name))
    (folder / "tmp").mkdir()
    (folder / "tmp" / "secret.txt").write_text("hidden words")
    (folder / "errors").touch()
    before = {file.name for file in folder.iterdir()}
    process, found = start(folder, [*arguments, "--faces", folder / "faces"])
    yield found
    # The page ends in order, having written into its own folder alone, which is gone.
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert [*(folder / "tmp").iterdir()] == [folder / "tmp" / "secret.txt"]
    assert {file.name for file in folder.iterdir()} == before


def noise(path, size, seed=0):
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)).save(path)
    return path


def answer(request):
    """Status and content."""
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_no_file_is_served_but_the_page_s_own(address, folder):
    secret = folder / "tmp" / "secret.txt"
    (own,) = (folder / "tmp").glob("lit_faces.*")
    for path in ("/etc/passwd", secret, folder / "cmma.ckpt", f"{own}/../secret.txt", "errors", "../errors"):
        status, content = answer(f"{address}gradio_api/file={path}")
        assert status in (403, 404), path
        assert b"hidden words" not in content


@pytest.mark.parametrize("path", ["/etc/passwd", "http://example.org/face.png"])
def test_a_request_cannot_name_a_file_that_was_not_uploaded(path, address, folder):
    status, content = answer(f"{address}config")
    (number,) = [
        dependency["id"]
        for dependency in json.loads(content)["dependencies"]
        if any(target[1] == "upload" for target in dependency["targets"])
    ]
    inputs = next(d for d in json.loads(content)["dependencies"] if d["id"] == number)["inputs"]
    file = {"path": path, "meta": {"_type": "gradio.FileData"}, "orig_name": "face.png"}
    body = {"fn_index": number, "data": [file, *[None] * (len(inputs) - 1)], "session_hash": "forged"}
    request = urllib.request.Request(
        f"{address}gradio_api/run/predict", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    status, content = answer(request)
    assert status == 500
    assert b"root:" not in content
    assert not list((folder / "tmp").glob("lit_faces.*/**/face.png"))


def test_a_file_that_is_too_large_is_refused(address):
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="face.png"\r\n\r\n'
    for size, status in ((1000, 200), (LIMIT + 1, 413)):
        body = head + bytes(size) + b"\r\n--x--\r\n"
        request = urllib.request.Request(
            f"{address}gradio_api/upload", body, {"Content-Type": "multipart/form-data; boundary=x"}
        )
        assert answer(request)[0] == status


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def tab(browser, address):
    """A page in which the first face is shown; its `asked` are the addresses that it has requested."""
    yield from opened(browser, address)


def opened(browser, address):
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.asked, page.wrong = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.goto(address)
    page.wait_for_selector(".pictures img")
    yield page
    assert page.wrong == []
    page.close()


def pictures(tab):
    """What is shown, by title."""
    return dict(tab.eval_on_selector_all(".pictures img", "found => found.map(i => [i.alt, i.src])"))


def changed(tab, before):
    """The titles of the pictures that are others, once some are."""
    tab.wait_for_function(
        "before => [...document.querySelectorAll('.pictures img')].some(i => i.src != before[i.alt])", arg=before
    )
    return {title for title, picture in pictures(tab).items() if picture != before[title]}


def slide(tab, label, value):
    tab.get_by_label(f"number input for {label}").fill(str(value))


@in_a_browser
def test_the_page_loads_from_its_own_address_alone(tab, address):
    assert list(pictures(tab)) == ["The face", "CMMA", "CSVAE", "MMDVLAE"]
    assert len(tab.asked) > 10
    assert [url for url in tab.asked if not url.startswith((address, "data:", "blob:"))] == []
    for width in (1200, 400):
        tab.set_viewport_size({"width": width, "height": 900})
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


@in_a_browser
def test_the_whole_of_a_slider_is_in_its_box(tab):
    parts = (
        "all => all.filter(part => part.offsetParent).map(part => ["
        "part.closest('.block').getBoundingClientRect(), part.getBoundingClientRect()]"
        ".map(box => [box.left, box.right]))"
    )
    for width in (1400, 420):
        tab.set_viewport_size({"width": width, "height": 900})
        found = tab.eval_on_selector_all(".sliders .min_value, .sliders input, .sliders .max_value", parts)
        # Two ends, a track and a number each.
        assert len(found) == 4 * tab.locator(".sliders input[type=range]:visible").count()
        assert all(left <= start < end <= right for (left, right), (start, end) in found)


@in_a_browser
def test_a_slider_changes_the_pictures_and_reset_brings_them_back(tab):
    before = pictures(tab)
    slide(tab, "Smiling", 2)
    assert changed(tab, before) == {"CMMA"}
    tab.get_by_role("button", name="Reset sliders").click()
    tab.wait_for_function("src => document.querySelector('.pictures img[alt=CMMA]').src == src", arg=before["CMMA"])
    slide(tab, "MMDVLAE z_2, 1", 2)
    assert changed(tab, before) == {"MMDVLAE"}


@in_a_browser
def test_a_number_out_of_range_is_the_nearest_and_an_empty_box_is_zero(tab, folder):
    said = (folder / "errors").read_text()
    box, before = tab.get_by_label("number input for Smiling"), pictures(tab)
    shows = "src => document.querySelector('.pictures img[alt=CMMA]').src == src"
    for typed, least_or_most in (("99", "4"), ("-99", "-4")):
        box.fill(least_or_most)
        changed(tab, before)
        expected = pictures(tab)["CMMA"]
        box.fill("")
        tab.wait_for_function(shows, arg=before["CMMA"])
        box.fill(typed)
        tab.wait_for_function(shows, arg=expected)
        box.press("Tab")
        assert box.input_value() == least_or_most
        box.fill("")
        tab.wait_for_function(shows, arg=before["CMMA"])
    box.press("Tab")
    assert box.input_value() == "0"
    assert (folder / "errors").read_text() == said


@in_a_browser
def test_a_style_gives_the_face_the_label(tab):
    before = pictures(tab)
    slide(tab, "CSVAE style 1", 6)
    assert "CSVAE" in changed(tab, before)
    assert tab.get_by_label("number input for Eyeglasses").input_value() == "1"


@in_a_browser
def test_an_attribute_is_searched_for_and_gets_a_slider(tab):
    assert tab.get_by_label("number input for Gray Hair").count() == 0
    search = tab.get_by_label("Attributes to change")
    search.fill("gray")
    search.press("Enter")
    before = pictures(tab)
    slide(tab, "Gray Hair", 2)
    assert changed(tab, before) == {"CMMA"}


@in_a_browser
def test_faces_are_drawn_and_picked_in_one_tab_alone(tab, browser, address):
    other = opened(browser, address)
    second = next(other)
    before = pictures(second)
    assert before == pictures(tab)
    tab.get_by_role("button", name="Another face").click()
    assert "The face" in changed(tab, before)
    drawn = pictures(tab)
    tab.locator(".faces button:has(img)").first.click()
    assert "The face" in changed(tab, drawn)
    slide(second, "Smiling", 2)
    assert changed(second, before) == {"CMMA"}
    next(other, None)


@in_a_browser
def test_an_upload_is_shown_and_changed_and_not_kept(tab, folder, tmp_path):
    before = pictures(tab)
    tab.locator("input[type=file]").first.set_input_files(noise(tmp_path / "mine.png", size=(120, 90)))
    assert "The face" in changed(tab, before)
    assert "No face was found" in tab.get_by_role("alert").inner_text()
    tab.wait_for_selector("img[alt='The photograph, by CMMA']")
    end = time.monotonic() + 30
    while list((folder / "tmp").glob("lit_faces.*/**/mine.png")):
        assert time.monotonic() < end
        time.sleep(0.1)


@in_a_browser
def test_the_upload_of_a_picture_to_choose_from_leaves_it_there(tab, folder, tmp_path):
    before = pictures(tab)
    tab.locator("input[type=file]").first.set_input_files(folder / "faces" / "b.png")
    assert "The face" in changed(tab, before)
    # When a later upload is gone, this one would be too.
    test_an_upload_is_shown_and_changed_and_not_kept(tab, folder, tmp_path)
    uploaded = pictures(tab)
    tab.locator(".faces button:has(img)").nth(1).click()
    assert "The face" in changed(tab, uploaded)


@in_a_browser
def test_a_bad_upload_shows_its_line_and_leaves_the_face(tab, tmp_path):
    before = pictures(tab)
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    tab.locator("input[type=file]").first.set_input_files(bad)
    tab.wait_for_selector("[role=alert]")
    line = tab.get_by_role("alert").inner_text()
    assert line.startswith("bad.png cannot be read as a PNG, JPEG or WebP picture")
    assert "Traceback" not in tab.content()
    assert pictures(tab) == before
