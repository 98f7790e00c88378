"""Photographs of a drawn face that the detector finds."""

from PIL import Image, ImageDraw, ImageFilter

GREY_BLUE = (90, 110, 130)


def face(size):
    picture = Image.new("RGB", (100, 100), GREY_BLUE)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((14, 2, 86, 98), fill=(60, 45, 35))
    draw.ellipse((20, 8, 80, 98), fill=(215, 175, 150))
    for x in (36, 64):
        draw.rectangle((x - 11, 32, x + 11, 36), fill=(70, 50, 40))
        draw.ellipse((x - 10, 38, x + 10, 47), fill=(90, 65, 55))
    draw.rectangle((46, 36, 54, 64), fill=(235, 200, 175))
    draw.ellipse((42, 60, 58, 67), fill=(170, 125, 105))
    draw.ellipse((34, 74, 66, 83), fill=(140, 70, 70))
    return picture.filter(ImageFilter.GaussianBlur(2)).resize((size, size))


def photograph(*faces, size=(500, 400)):
    """Faces (size, left, top) before a plain background."""
    picture = Image.new("RGB", size, GREY_BLUE)
    for side, left, top in faces:
        picture.paste(face(side), (left, top))
    return picture
