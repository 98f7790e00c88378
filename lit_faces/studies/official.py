"""What the published data sets hold, to tell a part of one from the whole."""

from typing import Any

# Images, and their width and height in pixels, by the name in a manifest.
_WHOLE = {"CelebA": (202_599, (178, 218))}


def is_part(manifest: dict[str, Any]) -> bool:
    """Whether data were read from fewer images than were published, or from other frames."""
    return bool(part_words(manifest))


def part_words(manifest: dict[str, Any]) -> str:
    """What is said of data that are a part of the published ones, or made smaller; empty for the whole, drawn or unknown ones."""
    name = str(manifest.get("data", ""))
    if name not in _WHOLE:
        return ""
    images, published = _WHOLE[name]
    faces, frame = manifest.get("faces", images), tuple(manifest.get("frame") or published)
    scaled = f"{frame[0]} x {frame[1]} pixels, not of {published[0]} x {published[1]}" if frame != published else ""
    if faces < images:
        return f"The data are {faces:,} of {name}'s {images:,} images" + (
            f", from frames of {scaled}." if scaled else "."
        )
    return f"The data are {name}'s images in frames of {scaled}." if scaled else ""
