"""Serving the page on this machine until it is interrupted."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EADDRINUSE
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

from lit_faces.errors import UserError
from lit_faces.processes import exit_when_terminated

_FIRST_PORT, _PORTS = 7860, 100
_LARGEST_UPLOAD = "20mb"
# Seconds, at least; at most twice as long.
UPLOADS_KEPT = 60


def free_port(host: str, port: int | None) -> int:
    """The port if it is free; with None the first that is, from 7860 on.

    Errors: UserError if there is none, and for a host or a port that is none.
    """
    # To the system none means all, and other letters than ASCII's may have no form that it knows.
    if not host or not host.isascii():
        raise UserError(f"--host must be an address of this machine, 127.0.0.1, for instance, got {host!r}")
    if port is not None and not 1 <= port <= 65535:
        raise UserError(f"--port must be from 1 to 65535, got {port}")
    for candidate in range(_FIRST_PORT, _FIRST_PORT + _PORTS) if port is None else [port]:
        try:
            with socket.create_server((host, candidate)):
                return candidate
        except OSError as error:
            if error.errno != EADDRINUSE:
                reason = str(error.strerror).partition(" (while ")[0]
                raise UserError(f"nothing can listen at --host {host}, port {candidate}: {reason}") from error
    which = f"port {port} is" if port else f"ports {_FIRST_PORT} to {_FIRST_PORT + _PORTS - 1} are"
    raise UserError(f"{which} in use on {host}: name another --port, or leave it away")


@contextmanager
def own_folder() -> Iterator[None]:
    """Let gradio, which must not have been imported before, write into a temporary folder alone, removed at the end.

    Its other environment variables, which could open the page to others, are taken out.
    """
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    with TemporaryDirectory(prefix="lit_faces.") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        yield


def serve(build: Callable[[], Any], host: str, port: int) -> None:
    """Serve the page that `build` makes, and return after an interruption or a termination signal.

    Errors: UserError if gradio cannot be imported.
    """
    with suppress(KeyboardInterrupt, SystemExit), exit_when_terminated(), own_folder():
        try:
            import gradio as gr
        except Exception as error:
            # A package that it needs may be missing, or of a version that fails in a way of its own.
            reason = " ".join(str(error).split())
            raise UserError(
                f"the page needs gradio, which is installed but cannot be imported ({reason}): "
                "pip install --force-reinstall 'lit_faces[demo]'"
            ) from error

        page = build()
        try:
            _, url, _ = page.launch(
                server_name=host,
                server_port=port,
                share=False,
                quiet=True,
                prevent_thread_lock=True,
                max_file_size=_LARGEST_UPLOAD,
                footer_links=[],
                run_history=False,
                ssr_mode=False,
                mcp_server=False,
                enable_monitoring=False,
                strict_cors=True,
                state_session_capacity=50,
                # Fonts of the system: none is fetched.
                theme=gr.themes.Default(
                    primary_hue="blue", neutral_hue="slate", font=["system-ui", "sans-serif"], font_mono=["monospace"]
                ),
                css_paths=Path(__file__).with_name("page.css"),
            )
            print(f"The page is at {url} (Ctrl-C ends it)", flush=True)
            Event().wait()
        finally:
            page.close(verbose=False)
