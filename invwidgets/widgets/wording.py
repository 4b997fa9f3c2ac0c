"""What the panel calls things: its goals and its models.

>>> goals()[0]
('reconstruct', 'inversion')
"""

from __future__ import annotations

from ..energy.objectives import OBJECTIVES
from ..models.downloads import in_bytes, offline
from ..models.zoo import ZOO, weights_here
from ..representations.descriptors.named import model_title
from ..representations.registry import representations


def goals() -> list[tuple[str, str]]:
    """Every goal of the menu: what it is called, and the objective's name."""
    return [(kind.goal or name, name) for name, kind in OBJECTIVES.items()]


def models() -> list[tuple[str, str]]:
    """Every model of the menu: what it is called, what weights not here are to be had, its name."""
    return [(_model_in_words(name), name) for name in representations()]


def _model_in_words(name: str) -> str:
    if weights_here(name):
        return model_title(name)
    megabytes = ZOO[name].megabytes
    if megabytes is None or offline():
        return f"{name} (no weights)"
    return f"{name} (↓ {in_bytes(round(megabytes * 2**20))})"


def cut_in_words(share: float, size: tuple[int, int]) -> tuple[str, str]:
    """What a photo of another shape loses: in a few words, and in a sentence.

    >>> cut_in_words(0.4, (224, 224))[0]
    'Crop: 40 % is cut off'
    """
    height, width = size
    lost = f"{100 * share:.0f} %"
    return f"Crop: {lost} is cut off", (
        f"Which part of the photo is kept; {lost} of it does not fit into {width} × {height} pixels"
    )
