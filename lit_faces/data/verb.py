"""`lit-faces data`: put data sets in place, and say what is there. Imports nothing heavy until it runs."""

import argparse
from pathlib import Path

from lit_faces.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-verbs of `lit-faces data` to a parser."""
    verbs = parser.add_subparsers(dest="data_verb", required=True, metavar="VERB")
    prepare = verbs.add_parser(
        "prepare", help="download or take over a data set, check it and build its cache; extend the labels of TFD"
    )
    prepare.add_argument("dataset", choices=["lfw", "celeba", "mnist", "tfd"], help="which data set")
    prepare.add_argument(
        "--from",
        dest="sources",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE_OR_DIR",
        help="local files (images, in a folder or archive, and lists) to take instead of downloading them; CelebA comes only so",
    )
    prepare.add_argument(
        "--images-url", metavar="URL", help="mirror of lfw-funneled.tgz; its SHA-256 is demanded all the same"
    )
    prepare.add_argument("--attributes-url", metavar="URL", help="mirror of lfw_attributes.txt")
    prepare.add_argument(
        "--data-seed", type=int, metavar="N", help="extend the labels of TFD for the split of this --data.data_seed (0)"
    )
    listing = verbs.add_parser("list", help="say which data sets are found, and where")
    for verb in (prepare, listing):
        verb.add_argument("--root", metavar="DIR", help="folder of all data sets (default: $LIT_FACES_DATA, else data)")


def run(arguments: argparse.Namespace) -> None:
    """Run a parsed `lit-faces data` command. Raises UserError for what the user can mend."""
    from lit_faces.data.sources import data_root
    from lit_faces.data.verb_celeba import list_celeba, prepare_celeba
    from lit_faces.data.verb_lfw import list_lfw, prepare_lfw
    from lit_faces.data.verb_mnist import list_mnist, prepare_mnist
    from lit_faces.data.verb_tfd import list_tfd, prepare_tfd

    root = data_root(arguments.root)
    if arguments.data_verb == "list":
        list_lfw(root)
        list_celeba(root)
        list_mnist(root)
        list_tfd(root)
    elif arguments.dataset == "tfd":
        if arguments.sources or arguments.images_url or arguments.attributes_url:
            raise UserError("tfd is neither downloaded nor taken over: put its file where `lit-faces data list` says")
        prepare_tfd(root, arguments.data_seed or 0)
    elif arguments.data_seed is not None:
        raise UserError("--data-seed is for tfd")
    elif arguments.dataset == "lfw":
        prepare_lfw(root, arguments.sources, arguments.images_url, arguments.attributes_url)
    elif arguments.images_url or arguments.attributes_url:
        raise UserError("--images-url and --attributes-url are for lfw: name local files with --from")
    elif arguments.dataset == "mnist":
        prepare_mnist(root, arguments.sources)
    else:
        prepare_celeba(root, arguments.sources)
