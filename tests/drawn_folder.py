"""A folder of drawn faces with a table of some of their attributes, as anybody may have one of photographs."""

import csv

import torch
from PIL import Image

from lit_faces.data.cartoon import ATTRIBUTES, render, sample_factors
from lit_faces.images import save_png, to_pil

NAMES = ("Male", "Smiling", "Eyeglasses")
SHARES = {"train": 16, "validation": 8, "test": 8}


def write_table(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)


def write_folder(folder, size=40):
    """Pictures in `folder/pictures`, four of each person, and `folder/table.csv`; the rows of the table."""
    factors, identity = sample_factors(sum(SHARES.values()), 0, 0.5, 4)
    images = render(factors, size).permute(0, 3, 1, 2).float() / 255
    splits = [split for split, count in SHARES.items() for _ in range(count)]
    columns = [ATTRIBUTES.index(name) for name in NAMES]
    rows = []
    for number, (image, person, split) in enumerate(zip(images, identity.tolist(), splits, strict=True)):
        file = f"{person}/{number}.png"
        (folder / "pictures" / str(person)).mkdir(parents=True, exist_ok=True)
        save_png(image, folder / "pictures" / file)
        held = factors.attributes[number, columns]
        # Whatever was drawn, each attribute varies.
        held = torch.where(torch.arange(3) == number % 3, 1 - held, held)
        values = dict(zip(NAMES, held.tolist(), strict=True))
        rows.append({"file": file, "person": f"person {person}", "split": split, **values})
    write_table(folder / "table.csv", rows)
    return rows


def photograph_of_face(left, top):
    """A picture of 200 x 160 pixels with a drawn face that the detector takes for one, 100 pixels wide, at its left and top."""
    factors, _ = sample_factors(16, 0, 0.5, 4)
    face = to_pil(render(factors[slice(15, 16)], 64)[0].permute(2, 0, 1).float() / 255).resize((100, 100))
    photograph = Image.new("RGB", (200, 160), face.getpixel((1, 1)))
    photograph.paste(face, (left, top))
    return photograph


def without(rows, *columns):
    return [{name: value for name, value in row.items() if name not in columns} for row in rows]
