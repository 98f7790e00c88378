"""Fetching a file over HTTP so that it is whole and verified, or absent."""

import hashlib
import http.client
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tqdm import tqdm

from lit_faces.errors import UserError
from lit_faces.files import replacing

if TYPE_CHECKING:
    from http.client import HTTPResponse

TIMEOUT = 60.0
"""Seconds without a byte after which a server counts as gone."""
_BLOCK = 1 << 20


def download(
    url: str,
    destination: Path,
    sha256: str | None = None,
    progress: bool = True,
    check: Callable[[Path], object] | None = None,
) -> str:
    """Fetch `url` to `destination` and return the hexadecimal SHA-256 of what came.

    The file takes its name only when it is complete, has the SHA-256 demanded, and `check`, called with its temporary path,
    did not raise. Raises UserError otherwise (no answer, an error status, a cut transfer, another checksum, a full disk), and
    leaves nothing behind; a file that was there before stays.
    """
    if not url.startswith(("http://", "https://")):
        raise UserError(f"cannot download {url!r}: need an address that begins with http:// or https://")
    digest = hashlib.sha256()
    with replacing(destination) as temporary:
        with temporary.open("wb") as file:
            for block in _blocks(url, destination.name, progress):
                file.write(block)
                digest.update(block)
        if sha256 is not None and digest.hexdigest() != sha256.lower():
            raise UserError(
                f"{url} gave a file with SHA-256 {digest.hexdigest()}, expected {sha256.lower()}: it is damaged or another "
                "file; try again or use another mirror"
            )
        if check is not None:
            check(temporary)
    return digest.hexdigest()


def _blocks(url: str, name: str, progress: bool) -> Iterator[bytes]:
    # Only what the network does is caught here: errors of the local disk are the caller's.
    received = 0
    try:
        response: HTTPResponse
        with urlopen(Request(url, headers={"User-Agent": "lit-faces"}), timeout=TIMEOUT) as response:
            total = response.length
            with tqdm(
                total=total, desc=name, unit="B", unit_scale=True, unit_divisor=1024, disable=None if progress else True
            ) as bar:
                while block := response.read(_BLOCK):
                    received += len(block)
                    bar.update(len(block))
                    yield block
    except HTTPError as error:
        error.close()
        raise UserError(
            f"cannot download {url}: the server answers {error.code} {error.reason}; try again later or use another mirror"
        ) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        # A server's words may come with line breaks.
        reason = " ".join(str(getattr(error, "reason", None) or error).split()) or type(error).__name__
        raise UserError(
            f"cannot download {url}: {reason}; check the network and the address, then run the same command again"
        ) from error
    if total is not None and received != total:
        raise UserError(
            f"cannot download {url}: the transfer ended after {received:,} of {total:,} bytes; run the same command again"
        )
