"""Where the faces in a photograph are."""

from pathlib import Path

import cv2
import cv2.data
import numpy as np
from PIL import Image

from lit_faces.photographs.framing import Box

# Of OpenCV's frontal cascades the one with the fewest further boxes: in 300 photographs of LFW it finds 99.7 % of the
# people in the middle, and 18 boxes besides. The eye cascades find both eyes in three quarters of such faces only, and
# sometimes wrongly, so heads are not turned upright.
_CASCADE = "haarcascade_frontalface_alt.xml"
_LONGEST = 1024
# How many overlapping boxes must agree.
_NEIGHBOURS = 4
_SMALLEST = 24


def find_faces(photograph: Image.Image) -> list[Box]:
    """The upright frontal faces in an RGB photograph, the largest first: squares from brows to chin, in its own pixels.

    A large photograph is searched on a copy of at most 1,024 pixels a side, so that a face of less than a fortieth of
    the longer side is not found.
    """
    reduced = photograph.convert("L")
    reduced.thumbnail((_LONGEST, _LONGEST), Image.Resampling.BOX)
    cascade = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / _CASCADE))
    found = cascade.detectMultiScale(
        np.asarray(reduced), scaleFactor=1.1, minNeighbors=_NEIGHBOURS, minSize=(_SMALLEST, _SMALLEST)
    )
    x_scale, y_scale = photograph.width / reduced.width, photograph.height / reduced.height
    boxes = [
        Box(float(x * x_scale), float(y * y_scale), float((x + width) * x_scale), float((y + height) * y_scale))
        for x, y, width, height in found
    ]
    return sorted(boxes, key=lambda box: (-box.width * box.height, box.left, box.top))
