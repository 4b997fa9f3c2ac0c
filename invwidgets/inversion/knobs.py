"""The knobs: settings that can be changed during a run, and their checks.

>>> checked_knobs({"tv_weight": np.float32(0.5), "jitter": None})
{'tv_weight': 0.5, 'jitter': None}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..arguments import whole_number
from ..errors import BadSettingError, shown, unknown_name
from ..images import MAX_SIDE
from .settings import checked_real

KNOBS = ("data_weight", "alpha_weight", "tv_weight", "alpha", "beta", "bound", "jitter")


def checked_knobs(given: Any) -> dict[str, Any]:
    """Changed knobs and their values, checked; a jitter of None means that of the phases.

    Raises ``BadSettingError`` if ``given`` is not a mapping or a value is out of range,
    ``UnknownNameError`` for a name that is not a knob.
    """
    if not isinstance(given, Mapping):
        raise BadSettingError(
            f"knobs {shown(given)}: give a dict of the changed knobs, such as "
            f"{{'tv_weight': 0.1}}, or an empty one; the knobs are {', '.join(KNOBS)}"
        )
    return {name: _checked(name, value) for name, value in given.items()}


def _checked(name: Any, value: Any) -> Any:
    if name not in KNOBS:
        raise unknown_name("knob", name, KNOBS)
    if name == "jitter":
        return None if value is None else whole_number(value, name, 0, MAX_SIDE)
    return checked_real(name, value)
