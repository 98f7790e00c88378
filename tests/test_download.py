"""Downloads from a server on this machine: good, cut short, wrong, refused; and `lit-faces data prepare` on top."""

import argparse
import errno
import hashlib
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from lit_faces.data import download as module
from lit_faces.data import verb, verb_lfw
from lit_faces.data.download import download
from lit_faces.errors import UserError

CONTENT = bytes(range(256)) * 10_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


class Handler(BaseHTTPRequestHandler):
    pages: dict[str, bytes] = {}  # noqa: RUF012 (filled by each test's own subclass)

    def do_GET(self):
        if self.path == "/slow":
            self.server.released.wait(10)
            return
        if self.path == "/garbage":
            self.wfile.write(b"this is not HTTP\r\n\r\n")
            return
        content = CONTENT if self.path in ("/good", "/truncated", "/unsized") else self.pages.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        if self.path != "/unsized":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:-1000] if self.path == "/truncated" else content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    handler = type("Pages", (Handler,), {"pages": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        http.pages, http.released = handler.pages, threading.Event()
        http.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield http
        http.released.set()
        http.shutdown()
        thread.join()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("path", ["/good", "/unsized"])
def test_good(server, tmp_path, path):
    target = tmp_path / "new" / "file"
    assert download(server.url + path, target, DIGEST.upper()) == DIGEST
    assert target.read_bytes() == CONTENT
    assert names(target.parent) == ["file"]


@pytest.mark.parametrize(
    ("path", "digest", "message"),
    [
        ("/truncated", DIGEST, "bytes"),
        ("/truncated", None, "bytes"),
        ("/good", "0" * 64, f"gave a file with SHA-256 {DIGEST}, expected {'0' * 64}"),
        ("/absent", DIGEST, "the server answers 404 Not Found"),
        ("/garbage", DIGEST, "cannot download .*this is not HTTP"),
    ],
)
def test_failures_leave_nothing_new(server, tmp_path, path, digest, message):
    target = tmp_path / "file"
    for before in ([], ["file"]):
        with pytest.raises(UserError, match=message) as caught:
            download(server.url + path, target, digest)
        assert "\n" not in str(caught.value)
        assert names(tmp_path) == before
        target.write_bytes(b"kept")
    assert target.read_bytes() == b"kept"


def test_silent_server_times_out(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    with pytest.raises(UserError, match=r"cannot download .*timed out"):
        download(server.url + "/slow", tmp_path / "file")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:1/file", "Connection refused.*; check the network"),
        ("file:///etc/hostname", "need an address that begins with http"),
        ("http://[broken/file", "cannot download http"),
    ],
)
def test_addresses_that_lead_nowhere(tmp_path, url, message):
    with pytest.raises(UserError, match=message):
        download(url, tmp_path / "file")
    assert names(tmp_path) == []


def test_full_disk(server, tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="no space left to write"):
        download(server.url + "/good", tmp_path / "file")
    assert names(tmp_path) == []


def test_check_decides_before_the_file_takes_its_name(server, tmp_path):
    def check(path):
        assert path.read_bytes() == CONTENT
        raise UserError("not this one")

    with pytest.raises(UserError, match="not this one"):
        download(server.url + "/good", tmp_path / "file", check=check)
    assert names(tmp_path) == []


# --- lit-faces data prepare -------------------------------------------------------------------------------------------


def prepare(root, server, images="/images", attributes="/attributes"):
    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    urls = ["--images-url", server.url + images, "--attributes-url", server.url + attributes]
    verb.run(parser.parse_args(["prepare", "lfw", "--root", str(root), *urls]))


def attribute_file(rows=verb_lfw.LFW_ROWS, columns=verb_lfw.LFW_ATTRIBUTES):
    header = "\t".join(["# ", "person", "imagenum", *(f"A{column}" for column in range(columns))])
    values = "\t0" * columns
    return "\n".join(["#", header, *(f"P{row}\t1{values}" for row in range(rows))]).encode()


def test_prepare_refuses_images_other_than_the_published(server, tmp_path, capsys):
    server.pages.update({"/attributes": attribute_file(), "/images": CONTENT})
    with pytest.raises(UserError, match=r"gave a file with SHA-256 .*; or name a local copy with --from"):
        prepare(tmp_path, server)
    # The attributes are right, so they stay and need not be fetched again.
    assert names(tmp_path / "lfw") == ["lfw_attributes.txt"]
    assert hashlib.sha256(attribute_file()).hexdigest() in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>moved</html>", "gave no file of LFW's attributes"),
        (attribute_file(rows=5), "gave 5 rows of 73 attributes, expected 13,143 of 73"),
        (attribute_file(columns=72), "gave 13,143 rows of 72 attributes, expected 13,143 of 73"),
    ],
)
def test_prepare_refuses_other_attributes(server, tmp_path, content, message):
    server.pages["/attributes"] = content
    with pytest.raises(UserError, match=message):
        prepare(tmp_path, server)
    assert names(tmp_path / "lfw") == []


def test_prepare_downloads_all(server, tmp_path, monkeypatch, capsys):
    import io
    import tarfile

    from PIL import Image
    from sklearn.datasets import _lfw

    monkeypatch.setattr(verb_lfw, "LFW_ROWS", 30)
    monkeypatch.setattr(verb_lfw, "LFW_ATTRIBUTES", 2)
    monkeypatch.setenv("LIT_FACES_CACHE", str(tmp_path / "cache"))
    archive, picture = io.BytesIO(), io.BytesIO()
    Image.fromarray(np.zeros((25, 25, 3), np.uint8)).save(picture, "JPEG")
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for row in range(30):
            member = tarfile.TarInfo(f"lfw_funneled/P{row}/P{row}_0001.jpg")
            member.size = len(picture.getvalue())
            tar.addfile(member, io.BytesIO(picture.getvalue()))
    server.pages.update({"/attributes": attribute_file(30, 2), "/images": archive.getvalue()})
    checksum = hashlib.sha256(archive.getvalue()).hexdigest()
    monkeypatch.setattr(_lfw, "FUNNELED_ARCHIVE", _lfw.FUNNELED_ARCHIVE._replace(checksum=checksum))
    prepare(tmp_path / "data", server)
    out = capsys.readouterr().out
    assert "30 faces with 2 attributes" in out
    assert checksum in out
    assert names(tmp_path / "data" / "lfw") == ["lfw-funneled.tgz", "lfw_attributes.txt"]
    server.pages.clear()
    prepare(tmp_path / "data", server)  # nothing is fetched twice
