"""What a panel says of itself: ready, refused, brought back, moved knobs, where its run stands.

>>> brought_back(2)
'Run 2 brought back. Start does it again with these settings.'
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..inversion.progress import Progress
from ..inversion.task import WARM_STEPS
from ..representations.descriptors.named import model_title
from .run_controls import in_words


def caveats(note: str, overridden: str) -> str:
    """What must be said of network and knobs, to be added to a sentence; empty without either.

    >>> caveats("random weights", "Smoothness 1.0")
    ' Note: random weights. Moved: Smoothness 1.0.'
    """
    noted = f" Note: {note}." if note else ""
    return f"{noted} Moved: {overridden}." if overridden else noted


def ready(caveats: str, kept: bool = False) -> str:
    """``kept``: images that stood there are among the runs of before."""
    before = " The images before are in History." if kept else ""
    return f"Ready. Press Start: images will sharpen, step by step.{before}{caveats}"


def brought_back(number: int) -> str:
    """Of a run with its number among those kept, or 0 without one."""
    run = f"Run {number} brought back" if number else "Brought back"
    return f"{run}. Start does it again with these settings."


def continued(knobs: str) -> str:
    """While a moved knob takes up a finished run."""
    return f"{knobs}: the search goes on from the finished images, {WARM_STEPS} steps more."


def begun_again(names: Iterable[str]) -> str:
    """Of a run under way, or its images, that gave way because of what was asked anew.

    >>> begun_again({"region"})
    'Begun again for the changed region. '
    """
    plain = {"objective": "goal", "seeds": "number of images", "crop": "cut of the photo"}
    words = sorted(plain.get(name, name) for name in names)
    return f"Begun again for the changed {' and '.join(words)}. "


def not_yet_shown(knobs: str, start: str) -> str:
    """Of a run that was stopped or brought back: its images stay as they were made.

    >>> not_yet_shown("Smoothness 1.0", "Start")
    'Smoothness 1.0: the images were made before; Start makes them anew.'
    """
    return f"{knobs}: the images were made before; {start} makes them anew."


def keep_question(overridden: str, other: Iterable[str]) -> str:
    """Whether knobs moved for one photo, model or layer stay for another."""
    return f"You moved {overridden}. Keep for this {' and '.join(sorted(other))}?"


def refused(words: str) -> str:
    """An error as a sentence of its own: no name is altered."""
    return f"T{words[1:]}" if words.startswith("the ") else words


def kept_instead(model: Any) -> str:
    """After a model that could not be had; ``model`` is the one still shown."""
    kept = f"still on {model_title(model)}" if isinstance(model, str) else "what was there is kept"
    return f"Choose something else; {kept}."


def standing(last: Progress, layer: str, photo: str, caveats: str, overridden: str) -> str:
    """Where a run of a layer and a photo stands."""
    words = in_words(last, layer, photo, last.result)
    if last.result is None:
        return f"{words}{caveats}"
    return f"{words} Moved: {overridden}." if overridden else words  # the weights it says itself
