"""The page itself: components and events of gradio."""

from collections.abc import Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from lit_faces.data.strength import STRONGEST
from lit_faces.editing.demo.cards import cards, line
from lit_faces.editing.demo.faces import Face, read
from lit_faces.editing.demo.panel import Panel
from lit_faces.editing.demo.server import UPLOADS_KEPT
from lit_faces.editing.demo.walks import Walk
from lit_faces.errors import UserError

_NOTHING = '<div class="cards">Upload a picture of a face to begin.</div>'
_NO_FACE = "No face was found in the picture: its middle is taken."
_TERMS = (
    "Pictures are enlarged smoothly; what is downloaded has the model's own size. For research on generative models only: "
    "not for judging or identifying people, nor for passing off edited pictures of real people as true. Uploaded pictures "
    "stay on this machine and are deleted within two minutes."
)
# Straight to the function and back, without waiting in gradio's queue; of many movements of a slider the last one counts.
_QUICK: dict[str, Any] = {
    "queue": False,
    "trigger_mode": "always_last",
    "show_progress": "hidden",
    "api_visibility": "private",
}


def build(panel: Panel, pictures: Sequence[Path]) -> gr.Blocks:
    """The page for some models; `pictures` are files of faces to choose from."""
    methods = [*panel.models.values()]

    def show(face: Face | None, chosen: Sequence[str], *values: float) -> str:
        return cards(panel.cards(face, chosen, values)) if face else _NOTHING

    def show_photographs(face: Face | None, chosen: Sequence[str], *values: float) -> str:
        blended = panel.photographs(face, chosen, values) if face else []
        return cards(blended) if blended else ""

    def begin(*settings: Any) -> tuple[Face | None, str]:
        face = panel.drawn(0) if panel.artist else read(pictures[0], methods) if pictures else None
        return face, show(face, *settings)

    def another(number: int, *settings: Any) -> tuple[int, Face, str, str]:
        face = panel.drawn(number + 1)
        return number + 1, face, show(face, *settings), ""

    def take(picture: Path, before: Face | None, *settings: Any) -> tuple[Face | None, str, str]:
        try:
            face = read(picture, methods)
        except UserError as error:
            return before, show(before, *settings), line(str(error).replace(str(picture), picture.name))
        return face, show(face, *settings), ""

    def pick(event: gr.SelectData, *settings: Any) -> tuple[Face | None, str, str]:
        return take(pictures[event.index], *settings)

    def upload(file: str, *settings: Any) -> tuple[Face | None, str, str]:
        face, html, wrong = take(Path(file), *settings)
        return face, html, wrong or line("" if face is None or face.found else _NO_FACE)

    def choose(*settings: Any) -> list[Any]:
        face, chosen, *values = settings
        amounts = [value if name in chosen else 0 for name, value in zip(panel.attributes, values, strict=False)]
        values[: len(amounts)] = amounts
        return [
            show(face, chosen, *values),
            *(gr.update(visible=name in chosen) for name in panel.attributes),
            *amounts,
        ]

    def restyle(position: int, *settings: Any) -> tuple[float, str]:
        # A style shows in a face that has the label only.
        face, chosen, *values = settings
        values[position] = values[position] if values[position] > 0 else 1.0
        return values[position], show(face, chosen, *values)

    def reset(face: Face | None, chosen: Sequence[str]) -> list[Any]:
        return [show(face, chosen, *panel.rest), *panel.rest]

    # One file may be there for two tabs and for the gallery: gradio deletes by age, and what the gallery shows never.
    page = gr.Blocks(title="lit_faces", analytics_enabled=False, delete_cache=(UPLOADS_KEPT, UPLOADS_KEPT))
    with page:
        face, number = gr.State(None), gr.State(0)
        gr.HTML(_head(panel), elem_classes="head")
        with gr.Column(elem_classes="pictures"):
            shown, wrong = gr.HTML(_NOTHING), gr.HTML()
        with gr.Row():
            next_face = gr.Button("Another face", variant="primary", min_width=90, visible=panel.artist is not None)
            own = gr.UploadButton("Upload a face", file_types=["image"], min_width=90)
            _fetch_nothing(own)
            back = gr.Button("Reset sliders", min_width=90)
        gallery = _gallery(pictures)
        chosen = gr.Dropdown(
            [*panel.attributes],
            value=[*panel.first],
            multiselect=True,
            label="Attributes to change: type to search",
            visible=len(panel.attributes) > len(panel.first),
        )
        with gr.Row(elem_classes="sliders", equal_height=False):
            groups, amounts, walks = _sliders(panel)
        photographs = gr.HTML()
        gr.HTML(f"<p>{escape(_TERMS)}</p>", elem_classes="foot")

        moving = [*amounts, *(slider for sliders in walks for slider in sliders)]
        settings = [face, chosen, *moving]
        page.load(begin, settings[1:], [face, shown], **_QUICK)
        gr.on([slider.input for slider in amounts], show, settings, shown, **_QUICK)
        for (_, name, _), sliders in zip(panel.walks, walks, strict=True):
            moved = [slider.input for slider in sliders]
            if name in panel.attributes:
                position = panel.attributes.index(name)
                gr.on(moved, partial(restyle, position), settings, [amounts[position], shown], **_QUICK)
            else:
                gr.on(moved, show, settings, shown, **_QUICK)
        events = [
            chosen.input(choose, settings, [shown, *groups, *amounts], **_QUICK),
            next_face.click(another, [number, *settings[1:]], [number, face, shown, wrong], **_QUICK),
            own.upload(upload, [own, *settings], [face, shown, wrong], **_QUICK),
            back.click(reset, [face, chosen], [shown, *moving], **_QUICK),
        ]
        if gallery:
            events.append(gallery.select(pick, settings, [face, shown, wrong], **_QUICK))
        # Larger pictures, which would hold up a slider that is being moved.
        for done in [event.then for event in events] + [slider.release for slider in moving]:
            done(show_photographs, settings, photographs, **_QUICK)
    return page


def _fetch_nothing(upload: gr.UploadButton) -> None:
    """Refuse the address that a forged request may name for its file, and that gradio would download."""
    move = upload.async_move_resource_to_block_cache

    async def move_file(url_or_file_path: str | Path | None) -> str | None:
        if "://" in str(url_or_file_path):
            raise gr.Error("A file is to be uploaded, not an address", print_exception=False)
        return await move(url_or_file_path)

    # gradio writes files beside the module of a subclass of its components.
    upload.async_move_resource_to_block_cache = move_file  # type: ignore[method-assign]


def _head(panel: Panel) -> str:
    titles = ", ".join(panel.models)
    return f"<h1>lit_faces</h1><p>{escape(titles)}: move the sliders, and see what becomes of the face.</p>"


def _gallery(pictures: Sequence[Path]) -> gr.Gallery | None:
    if not pictures:
        return None
    return gr.Gallery(
        [str(path) for path in pictures],
        label="Faces to choose from",
        show_label=False,
        height=120,
        elem_classes="faces",
        allow_preview=False,
        object_fit="cover",
        buttons=[],
        interactive=False,
    )


def _sliders(panel: Panel) -> tuple[list[gr.Group], list[gr.Slider], list[list[gr.Slider]]]:
    """For each attribute a group, its amount and, where it has them, its styles; then the layers of ladders."""
    groups: list[gr.Group] = []
    amounts: list[gr.Slider] = []
    walks: dict[tuple[str, str], list[gr.Slider]] = {}
    several = len(panel.models) > 1
    for name in panel.attributes:
        only = [title for title in panel.models if panel.has(title, name)]
        info = f"{' and '.join(only)} only" if len(only) < len(panel.models) else None
        with gr.Group(visible=name in panel.first) as group:
            amounts.append(_slider(-STRONGEST, STRONGEST, 0, name, info))
            for title, of, walk in panel.walks:
                if of == name:
                    walks[title, of] = _walk(f"{title} style" if several else "Style", walk)
        groups.append(group)
    for title, name, walk in panel.walks:
        if (title, name) not in walks:
            with gr.Group():
                walks[title, name] = _walk(f"{title} {name}," if several else f"Layer {name},", walk)
    return groups, amounts, [walks[title, name] for title, name, _ in panel.walks]


def _walk(label: str, walk: Walk) -> list[gr.Slider]:
    axes = zip(walk.least, walk.most, walk.start, strict=True)
    return [_slider(*ends_and_start, f"{label} {axis}") for axis, ends_and_start in enumerate(axes, 1)]


def _slider(least: float, most: float, start: float, label: str, info: str | None = None) -> gr.Slider:
    slider = gr.Slider(least, most, start, step=0.05, label=label, info=info, buttons=[])

    def bounded(payload: float) -> float:
        return max(least, min(most, payload or 0.0))

    # What is half typed is None or out of range, which gradio refuses; once the box is left, it shows the same number.
    slider.preprocess = bounded  # type: ignore[method-assign]
    return slider
