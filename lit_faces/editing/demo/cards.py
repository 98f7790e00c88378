"""The pictures on the page, as HTML that holds them: no file is written and none is asked for."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from io import BytesIO
from typing import NamedTuple

from PIL import Image


class Card(NamedTuple):
    """A picture, what it is, more on that in small letters, and the name of its file, which ends in .png or .jpg."""

    picture: Image.Image
    title: str
    about: str
    file: str


def cards(shown: Sequence[Card]) -> str:
    """HTML of some pictures side by side, each with a link that downloads it in its own size."""
    return f'<div class="cards">{"".join(map(_card, shown))}</div>'


def line(text: str) -> str:
    """HTML of a line that says what went wrong; of nothing if there is nothing to say."""
    return f'<p class="wrong" role="alert">{escape(text)}</p>' if text else ""


def _card(card: Card) -> str:
    width, height = card.picture.size
    title, about, file = (escape(text, quote=True) for text in (card.title, card.about, card.file))
    url = _url(card)
    return (
        f'<figure><img src="{url}" alt="{title}" width="{width}" height="{height}"><figcaption><b>{title}</b>'
        f'<a href="{url}" download="{file}">Download</a><small>{about}</small></figcaption></figure>'
    )


def _url(card: Card) -> str:
    file = BytesIO()
    if card.file.endswith(".png"):
        card.picture.save(file, format="PNG", compress_level=1)
    else:
        card.picture.save(file, format="JPEG", quality=90)
    kind = "png" if card.file.endswith(".png") else "jpeg"
    return f"data:image/{kind};base64,{b64encode(file.getvalue()).decode()}"
