"""Exported models on the Hugging Face Hub."""

import re
from pathlib import Path
from typing import Any

from lit_faces.errors import UserError


def check_hub(repository: str) -> None:
    """Raise UserError unless huggingface_hub is installed, a token is there and `repository` is of the form OWNER/NAME."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository, re.ASCII):
        raise UserError(f"--push must be of the form OWNER/NAME, got {repository!r}")
    if _hub().get_token() is None:
        raise UserError("--push needs a token of the Hugging Face Hub: run `hf auth login`, or set $HF_TOKEN")


def push(folder: Path, repository: str, public: bool = False) -> str:
    """Put an export on the hub, and return its address; a new repository is private unless `public`.

    Raises UserError if the hub cannot be reached or refuses.
    """
    api = _hub().HfApi()
    try:
        address = api.create_repo(repository, private=not public, exist_ok=True)
        api.upload_folder(
            repo_id=repository, folder_path=folder, commit_message="Model exported by lit_faces", delete_patterns="*"
        )
    except Exception as error:
        # A name that the hub does not allow, or whatever the libraries below its client, others in each version, raise.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"--push {repository}: the hub did not take it ({reason}): {folder} is written; run the same command again when "
            "the hub can be reached and the token may write there"
        ) from error
    return str(address)


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise UserError("--push needs the package huggingface_hub: pip install 'lit_faces[hub]'") from error
    return huggingface_hub
