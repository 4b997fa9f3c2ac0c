"""The errors that this package raises on purpose.

Each message names the given value, the possible values, and the remedy.
"""

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

_LONGEST_NAME = 200  # characters of a name that are compared with the known names


class InvwidgetsError(ValueError):
    """The base class of all errors that this package raises on purpose.

    >>> try:
    ...     invert("cofee")
    ... except InvwidgetsError as error:
    ...     print(error)
    no photo 'cofee'; did you mean 'coffee' or 'chelsea'? There are: astronaut, ...
    """


class BadImageError(InvwidgetsError):
    """The error for a photo that cannot be read or is not an image this package accepts."""


class UnknownNameError(InvwidgetsError):
    """The error for the name of a photo, model, layer, preset or option that does not exist."""


class WeightsError(InvwidgetsError):
    """The error for weights that are missing, do not fit, or cannot be loaded safely."""


class SelectionError(InvwidgetsError):
    """The error for a region or channels that the features do not have."""


class BadSettingError(InvwidgetsError):
    """The error for a setting that is out of range or does not go with another one."""


class RepresentationError(InvwidgetsError):
    """The error for a network that cannot be run, or not be cut at the given layer."""


class OutputError(InvwidgetsError):
    """The error for a path that cannot be written to, or a file that is not a saved result."""


class CustomPartError(InvwidgetsError):
    """The error for a user's objective, prior, optimizer or parametrization that does not work."""


class NotEnoughMemoryError(InvwidgetsError):
    """The error for a run that needs more memory than the machine or the accelerator has."""


class DeviceError(InvwidgetsError):
    """The error for a device that this machine does not have."""


def shown(value: object, longest: int = 80) -> str:
    """The ``repr`` of a value on one line, cut to ``longest`` characters.

    >>> shown("x" * 5000)[-20:]
    "x… (5000 characters)"
    """
    length = f" ({len(value)} characters)" if isinstance(value, str) else ""
    try:
        text = repr(value[:longest] if isinstance(value, str | bytes) else value)
    except Exception:  # the repr of an object of another library may fail
        text = f"<{type(value).__name__}>"
    text = " ".join(text.split())
    cut = len(text) > longest or (isinstance(value, str | bytes) and len(value) > longest)
    return f"{text[: longest - 1]}…{length}" if cut else text


def shown_path(path: str | os.PathLike[str]) -> str:
    """A path for an error message, cut later than other values because its end names the file.

    >>> shown_path("a/photo.png")
    "'a/photo.png'"
    """
    return shown(os.fspath(path), 300)


def own_words(error: BaseException) -> str:
    """An error of another library in one line: its class and the start of its message.

    >>> own_words(ValueError("boom inside"))
    'ValueError: boom inside'
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    words = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return words if len(words) <= 300 else f"{words[:299]}…"


def unknown_name(
    kind: str, given: object, known: Iterable[str], where: str = ""
) -> UnknownNameError:
    """The error for a name that is not in ``known``, which suggests the closest known names.

    >>> print(unknown_name("photo", "cofee", ["coffee", "camera"]))
    no photo 'cofee'; did you mean 'coffee'? There are: coffee, camera
    """
    names = list(known)
    wanted = given[:_LONGEST_NAME] if isinstance(given, str) else ""
    close = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(repr(name) for name in close)}?" if close else "."
    listed = ", ".join(names) if len(names) <= 12 else f"{names[0]} … {names[-1]} ({len(names)})"
    place = f" in {where}" if where else ""
    return UnknownNameError(f"no {kind} {shown(given)}{place}{hint} There are: {listed}")
