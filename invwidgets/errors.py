"""Every error a user can meet. Each message names what was asked, what there is, and the remedy."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable

__all__ = [
    "BadImageError",
    "BadSettingError",
    "CustomPartError",
    "DeviceError",
    "InvwidgetsError",
    "NotEnoughMemoryError",
    "OutputError",
    "RepresentationError",
    "SelectionError",
    "UnknownNameError",
    "WeightsError",
]

_LONGEST_NAME = 200  # characters that are compared with the names there are


class InvwidgetsError(ValueError):
    """The base class: catches all that this package raises on purpose.

    >>> try:
    ...     invert("cofee")
    ... except InvwidgetsError as error:
    ...     print(error)
    no photo 'cofee'; did you mean 'coffee' or 'chelsea'? There are: astronaut, ...
    """


class BadImageError(InvwidgetsError):
    """A photo that cannot be read, or is not an image this package can take."""


class UnknownNameError(InvwidgetsError):
    """A photo, model, layer, preset or other name that does not exist."""


class WeightsError(InvwidgetsError):
    """Weights that are not there, do not fit, or may not be loaded."""


class SelectionError(InvwidgetsError):
    """A region or a channel subset that the features do not have."""


class BadSettingError(InvwidgetsError):
    """A setting outside its range."""


class RepresentationError(InvwidgetsError):
    """A network that cannot be run or cut as asked."""


class OutputError(InvwidgetsError):
    """A place that cannot be written to, or a file that is not a saved result."""


class CustomPartError(InvwidgetsError):
    """An objective, prior, optimizer or parametrization made by a user that does not work."""


class NotEnoughMemoryError(InvwidgetsError):
    """More memory than the machine, the container or the accelerator has."""


class DeviceError(InvwidgetsError):
    """A device that is not there."""


def shown(value: object, longest: int = 80) -> str:
    """What was given, as Python writes it, on one line and no longer than ``longest``.

    >>> shown("x" * 5000)[-20:]
    "x… (5000 characters)"
    """
    length = f" ({len(value)} characters)" if isinstance(value, str) else ""
    try:
        text = repr(value[:longest] if isinstance(value, str | bytes) else value)
    except Exception:  # a foreign object may not know how to say what it is
        text = f"<{type(value).__name__}>"
    text = " ".join(text.split())
    cut = len(text) > longest or (isinstance(value, str | bytes) and len(value) > longest)
    return f"{text[: longest - 1]}…{length}" if cut else text


def shown_path(path: str | os.PathLike[str]) -> str:
    """A path in an error: longer than other things, for its end tells which file it is.

    >>> shown_path("a/photo.png")
    "'a/photo.png'"
    """
    return shown(os.fspath(path), 300)


def own_words(error: BaseException) -> str:
    """What another's error says, in one line: its kind and its first words.

    >>> own_words(ValueError("boom inside"))
    'ValueError: boom inside'
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    words = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return words if len(words) <= 300 else f"{words[:299]}…"


def unknown_name(
    kind: str, given: object, known: Iterable[str], where: str = ""
) -> UnknownNameError:
    """The error for a name that is not in ``known``, with the closest names offered.

    >>> print(unknown_name("photo", "cofee", ["coffee", "camera"]))
    no photo 'cofee'; did you mean 'coffee'? There are: coffee, camera
    """
    names = list(known)
    asked = given[:_LONGEST_NAME] if isinstance(given, str) else ""
    close = difflib.get_close_matches(asked, names, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(repr(name) for name in close)}?" if close else "."
    listed = ", ".join(names) if len(names) <= 12 else f"{names[0]} … {names[-1]} ({len(names)})"
    place = f" in {where}" if where else ""
    return UnknownNameError(f"no {kind} {shown(given)}{place}{hint} There are: {listed}")
