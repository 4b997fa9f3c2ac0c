"""The settings of a panel as JSON, to copy them to another panel.

>>> text = settings_text(panel.values, panel.overridden)
>>> read_settings(text)["layer"]
'blocks.2'
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from ...errors import BadSettingError, shown, unknown_name
from .options import LIVE_KNOBS, PRESET, RESTARTS, Values, title

_PHOTO_NAME = "photo_name"  # the name of a photo that is not in the settings
KNOWN = (*RESTARTS, *LIVE_KNOBS, "beside", _PHOTO_NAME)


def settings_of(
    options: Values, overridden: frozenset[str], beside: Values | None = None
) -> dict[str, Any]:
    """The options as plain values for JSON, without those that follow the preset.

    ``beside`` has the differences of a second column, if there is one. A photo that is neither
    bundled nor a file is left out, and its name is noted. Raises ``BadSettingError`` for other
    objects: a network, an objective or an optimizer of your own.
    """
    names = [*RESTARTS, *(name for name in LIVE_KNOBS if name in overridden)]
    kept = {n: _plain(options[n]) for n in names if n not in PRESET or n in overridden}
    if not isinstance(kept["photo"], str):
        kept |= {"photo": None, _PHOTO_NAME: title(options)}
    if beside:
        kept["beside"] = {name: _plain(value) for name, value in beside.items()}
    for name, value in kept.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError):
            raise BadSettingError(
                f"the panel's {name} is an object of your own, {shown(value)}, and settings hold "
                f"names only: choose a {name} by name"
            ) from None
    return kept


def settings_text(options: Values, overridden: frozenset[str], beside: Values | None = None) -> str:
    """The same as a JSON text."""
    return json.dumps(settings_of(options, overridden, beside), indent=1, ensure_ascii=False)


def read_settings(settings: str | Mapping[str, Any]) -> dict[str, Any]:
    """The options in settings, given as a JSON text or a dict.

    Raises ``BadSettingError`` for anything else, and ``UnknownNameError`` for a name that is not an
    option of the panel.
    """
    given: Any = settings
    if isinstance(settings, str):
        try:
            given = json.loads(settings)
        except ValueError as error:
            raise BadSettingError(
                f"{shown(settings)} is not JSON ({error}): give the complete text that the panel's "
                "Copy settings copies"
            ) from None
    if not isinstance(given, Mapping):
        raise BadSettingError(f"settings must be a dict or its JSON text, not {shown(given)}")
    for name in given:
        if name not in KNOWN:
            raise unknown_name("setting of the panel", name, KNOWN)
    return dict(given)


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return list(value) if isinstance(value, tuple) else value
