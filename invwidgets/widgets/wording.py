"""What the panel calls things: its goals and its models.

>>> goal_note("maximise")
'Find images that excite one channel most. No photo is needed.'
"""

from __future__ import annotations

from typing import Any

from ..energy.objectives import OBJECTIVES
from ..models.zoo import weights_here
from ..representations.descriptors.named import DESCRIPTORS
from ..representations.registry import representations

_GOALS = {
    "inversion": ("reconstruct", "Find images that the layer cannot tell from the photo."),
    "maximise": ("maximise", "Find images that excite one channel most. No photo is needed."),
    "caricature": ("caricature", "Exaggerate what the layer sees in the photo."),
}


def goals() -> list[tuple[str, str]]:
    """Every goal of the menu: what it is called, and the objective's name."""
    return [(_GOALS.get(name, (name, ""))[0], name) for name in OBJECTIVES]


def goal_note(objective: Any) -> str:
    """What a goal asks for, in a sentence; empty for an objective of somebody's own."""
    return _GOALS[objective][1] if isinstance(objective, str) and objective in _GOALS else ""


def models() -> list[tuple[str, str]]:
    """Every model of the menu: what it is called, whether it has no weights here, and its name."""
    return [
        (DESCRIPTORS[name].title if name in DESCRIPTORS else name, name)
        if weights_here(name)
        else (f"{name} (no weights)", name)
        for name in representations()
    ]
