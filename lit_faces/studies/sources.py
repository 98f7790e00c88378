"""Which data a study runs on: the paper's where they are, drawn ones in their place where they are not."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lit_faces.errors import UserError
from lit_faces.studies.study import STAND_INS, Study


@dataclass(frozen=True)
class Source:
    """How a data set is found under the folder of all data, and how it is got."""

    found: Callable[[Path], bool]
    how: str


def _lfw(root: Path) -> bool:
    from lit_faces.data.lfw_files import find_attributes, find_images

    return find_images(root) is not None and find_attributes(root) is not None


def _celeba(root: Path) -> bool:
    from lit_faces.data.celeba_files import find_sources

    try:
        find_sources(root)
    except UserError:
        return False
    return True


def _tfd(root: Path) -> bool:
    from lit_faces.data.tfd import find_file

    return find_file(root) is not None


def _mnist(root: Path) -> bool:
    from lit_faces.data.mnist_files import FILES, find_file

    return all(find_file(root, name) is not None for name in FILES)


SOURCES = {
    "LFW": Source(_lfw, "`lit-faces data prepare lfw` gets it"),
    "CelebA": Source(_celeba, "`lit-faces data prepare celeba --from FILE_OR_DIR` takes it"),
    "TFD": Source(_tfd, "its authors license it"),
    "MNIST": Source(_mnist, "`lit-faces data prepare mnist` gets it"),
}


def settle(study: Study, asked: str, profile: str, runs: list[str]) -> tuple[str, dict[str, str], list[str]]:
    """DataModule of the study's main data, what stands in for what, and what to say about it.

    `asked` is `auto`, the paper's data or the stand-in; `runs` are those that will be made. Raises UserError for other names, and
    if data that are asked for, or that the paper profile needs, are not there.
    """
    from lit_faces.data.sources import data_root

    names = {name.lower(): name for name in (study.data, STAND_INS[study.data])}
    if asked.lower() not in ("auto", *names):
        raise UserError(f"--data must be {study.data} or {STAND_INS[study.data]}, got {asked!r}")
    root, main = data_root(), study.data
    how = f"no {main} under {root}; {SOURCES[main].how}, $LIT_FACES_DATA says where it is"
    wanted = names.get(asked.lower())
    others = sorted(name for name in STAND_INS if name != main and any(name == study.data_of(run) for run in runs))
    if wanted == STAND_INS[main]:
        drawn = ", ".join(f"{STAND_INS[name]} for {name}" for name in (main, *others))
        return wanted, dict(STAND_INS), [f"data are drawn here, as asked: {drawn}"]
    missing = {name: drawn for name, drawn in STAND_INS.items() if not SOURCES[name].found(root)}
    if main in missing and (wanted == main or profile == "paper"):
        raise UserError(how if wanted else f"the profile `paper` needs the paper's data: {how}")
    said = [f"data are drawn here ({how})" if main in missing else f"data are the {main} under {root}"]
    said += [
        f"no {name} under {root}, {SOURCES[name].how}: {missing[name]} stands in for it"
        if name in missing
        else f"{name} is that under {root}"
        for name in others
    ]
    return missing.get(main, main), missing, said
