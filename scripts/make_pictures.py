"""The program that makes the pictures of the README and the docs, all or those that are named.

    python -m scripts.make_pictures [NAME …]

Each picture is made by runs of the package with its default settings, so everybody gets the same.
``gallery`` takes about a minute of processor time, all pictures about ten. The pictures of the
panel's states need a browser; ``python -m scripts.make_panel_pictures`` makes them.
"""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import invwidgets as iw
from benchmarks.judged import ours, without_shifts
from invwidgets.figures.canvas import new_figure, show_image
from invwidgets.figures.comparison import comparison
from invwidgets.figures.strip import strip
from invwidgets.inversion.metrics import relative_error

TARGET = Path(__file__).parent.parent / "docs" / "pictures"


def hero() -> None:
    """A GIF of the photo and the images of four layers, from the first step to the last."""
    names = ["blocks.0", "blocks.2", "blocks.4", "blocks.6"]
    results = [iw.invert("china", layer=name, seeds=1, frames=18, size=160) for name in names]
    assert results[0].photo is not None
    photo = results[0].photo.mul(255).byte().movedim(0, -1).numpy()
    gap = np.full((160, 6, 3), 255, np.uint8)
    pictures = []
    count = min(len(result.frames) for result in results)
    for place in range(count):
        seen = [result.frames[place, 0].movedim(0, -1).numpy() for result in results]
        row = [part for image in (photo, *seen) for part in (image, gap)][:-1]
        pictures.append(Image.fromarray(np.concatenate(row, 1)).quantize(96))
    pictures[0].save(
        TARGET / "hero.gif", save_all=True, append_images=pictures[1:],
        duration=[140] * (count - 1) + [2500], loop=0,
    )  # fmt: skip


def layers() -> None:
    names = [f"blocks.{stage}" for stage in range(7)]
    results = [iw.invert("chelsea", layer=layer, seeds=3, frames=0) for layer in names]
    strip(results).savefig(TARGET / "layers.png")


def region() -> None:
    options = {"layer": "blocks.2", "seeds": 3, "region": "11:16,11:16"}
    iw.invert("chelsea", **options).gallery().savefig(TARGET / "region.png")


def channels() -> None:
    results = [
        iw.invert("flower", layer="conv_stem", seeds=2, channels=f"color:{side}", frames=0)
        for side in ("top", "bottom")
    ]
    strip(results, names=["the more colorful half", "the less colorful half"]).savefig(
        TARGET / "channels.png"
    )


def descriptors() -> None:
    results = [iw.invert("coffee", name, seeds=1, frames=0) for name in ("hog", "hogb", "dsift")]
    comparison(results).savefig(TARGET / "descriptors.png")


def gallery() -> None:
    """The pictures of docs/gallery.md, each the ``figure`` that the code below it makes."""
    known: dict[str, Any] = {}
    for path, code in gallery_code().items():
        exec(code, known)
        target = TARGET.parent / path
        known["figure"].savefig(target, dpi=64, pil_kwargs={"quality": 80, "optimize": True})


def gallery_code() -> dict[str, str]:
    """The code below each picture of docs/gallery.md, by the picture's path in docs/."""
    text = (TARGET.parent / "gallery.md").read_text()
    found = re.findall(r"^!\[[^\]]*\]\(([^)]+)\)\n\n```python\n(.*?)^```", text, re.S | re.M)
    return dict(found)


def edits() -> None:
    """One image of each target in docs/edit-a-code.md, made by the code of this page."""
    text = (TARGET.parent / "edit-a-code.md").read_text()
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.S | re.M))
    made: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        exec(code, made)
    shown = {
        "the code": "original", "half-way to the cat's": "half", "channel 15 at zero": "pale",
        "8 bits": "eight", "2 bits": "two",
    }  # fmt: skip
    figure = new_figure(8.6, 2.05)
    for axes, (words, name) in zip(figure.subplots(1, len(shown)), shown.items(), strict=True):
        show_image(axes, made[name].images[0], f"error {100 * made[name].relative_error[0]:.0f} %")
        axes.set_title(words, fontsize=9)
    figure.subplots_adjust(0.01, 0.1, 0.99, 0.88, 0.05)
    figure.savefig(TARGET / "edits.png")


def before_and_after() -> None:
    """The bundled photos after three stages and the classifier, without and with shifts."""
    columns = {
        "blocks.2": ours, "blocks.4, before": without_shifts, "blocks.4": ours,
        "blocks.6, before": without_shifts, "blocks.6": ours, "classifier": ours,
    }  # fmt: skip
    figure = new_figure(9.8, 12.8)
    rows = figure.subplots(len(iw.photos()), 1 + len(columns))
    for name, row in zip(iw.photos(), rows, strict=True):
        photo = iw.read_photo(name, 224)
        show_image(row[0], photo, name)
        for (title, search), axes in zip(columns.items(), row[1:], strict=True):
            phi = iw.representation("efficientnet_lite0", title.split(",")[0])
            images, _ = search(phi, photo, 1)
            with torch.no_grad():
                error = relative_error(phi(images), phi.target(photo), iw.types.Selection())
            show_image(axes, images[0], f"error {100 * float(error):.0f} %")
    for title, axes in zip(("photo", *columns), rows[0], strict=True):
        axes.set_title(title, fontsize=9)
    figure.subplots_adjust(0.01, 0.02, 0.99, 0.97, 0.05, 0.26)
    figure.savefig(TARGET / "before-and-after.jpg", dpi=110, pil_kwargs={"quality": 82})


DRAWN = (hero, layers, region, channels, descriptors, edits, gallery, before_and_after)
PICTURES = {f.__name__: f for f in DRAWN}

if __name__ == "__main__":
    TARGET.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or PICTURES:
        begun = time.monotonic()
        PICTURES[name]()
        print(f"made {name} in {time.monotonic() - begun:.0f} s", flush=True)
