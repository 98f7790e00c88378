"""`lit-faces data` for MNIST: download it or take over local files, and say what is there."""

import gzip
from pathlib import Path

from lit_faces.data.download import download
from lit_faces.data.mnist_files import FILES, decode, find_file, raw_folder, read_file, search_folders
from lit_faces.data.placing import take_over, writing_into
from lit_faces.errors import UserError
from lit_faces.files import replacing


def list_mnist(root: Path) -> None:
    """Say where MNIST's files are."""
    print(f"mnist: looked in {', '.join(str(folder) for folder in search_folders(root))}")
    for name in FILES:
        print(f"  {name}  {find_file(root, name) or 'not found: run `lit-faces data prepare mnist`'}")


def prepare_mnist(root: Path, sources: list[Path]) -> None:
    """Put MNIST in place, from `sources` and for the rest from the network, unpacked so that torchvision reads it too.

    Raises UserError for a file that is not what was published, a download that fails, and a folder that cannot be written.
    """
    folder = raw_folder(root)
    take_over(sources, folder, _parts, _verify)
    with writing_into(folder):
        for name, published in FILES.items():
            path = find_file(root, name) or _downloaded(name, folder)
            content = read_file(path)
            if path == folder / f"{name}.gz":
                with replacing(folder / name) as temporary:
                    temporary.write_bytes(gzip.decompress(path.read_bytes()))
            verdict = "compressed anew, its content is the published one" if content.recompressed else "as published"
            print(f"{name}  {path}  SHA-256 of the content {published.sha256}, {verdict}")


def _parts(given: Path) -> list[Path]:
    """The files that a path named with --from stands for."""
    if given.is_dir():
        if found := [path for name in FILES if (path := find_file(given, name)) is not None]:
            return found
    elif given.name.removesuffix(".gz") in FILES:
        return [given]
    raise UserError(
        f"--from {given} holds nothing of MNIST: name files {', '.join(FILES)} (or .gz) or a folder of these"
    )


def _verify(source: Path) -> None:
    try:
        decode(source.read_bytes(), source.name)
    except ValueError as error:
        raise UserError(f"--from {source} {error}: name a whole copy") from error


def _downloaded(name: str, folder: Path) -> Path:
    from torchvision.datasets import MNIST

    path = folder / f"{name}.gz"
    failures = []
    for mirror in MNIST.mirrors:
        url = f"{mirror}{path.name}"

        def check(temporary: Path, url: str = url) -> None:
            try:
                decode(temporary.read_bytes(), path.name)
            except ValueError as error:
                raise UserError(f"{url} gave a file that {error}") from error

        try:
            download(url, path, check=check)
        except UserError as error:
            failures.append(str(error))
        else:
            return path
    raise UserError(f"{'; '.join(failures)}; or name local copies with --from FILE_OR_DIR")
