"""The program that makes invwidgets/photos/*.png from the photos of scikit-image and scikit-learn.

It was run once, with both packages installed: ``python scripts/make_photos.py``. Each photo is
scaled to a longer side of 384 pixels. Sources and licenses are in invwidgets/photos/README.md.
"""

from pathlib import Path

import skimage.data
import sklearn.datasets
from PIL import Image

LONG_SIDE = 384
TARGET = Path(__file__).parent.parent / "invwidgets" / "photos"
SOURCES = {
    "astronaut": skimage.data.astronaut,
    "camera": skimage.data.camera,
    "chelsea": skimage.data.chelsea,
    "china": lambda: sklearn.datasets.load_sample_image("china.jpg"),
    "coffee": skimage.data.coffee,
    "coins": skimage.data.coins,
    "flower": lambda: sklearn.datasets.load_sample_image("flower.jpg"),
    "rocket": skimage.data.rocket,
}

for name, load in SOURCES.items():
    picture = Image.fromarray(load()[..., :3] if load().ndim == 3 else load())
    picture.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
    picture.save(TARGET / f"{name}.png", optimize=True)
    print(name, picture.size, (TARGET / f"{name}.png").stat().st_size)
