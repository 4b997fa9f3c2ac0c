"""What a panel's run was asked with: by its end the panel may ask for something else.

>>> asked = asked_now(options, (224, 224))
>>> asked.overridden_words
'Smoothness 1.0'
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .panel_options import KNOBS, PanelOptions, overridden_in_words, photo_code, upload_of


@dataclass(frozen=True)
class RunAsked:
    """``photo`` is Python that names the photo, ``upload`` the file of one that came from the page,
    ``overridden_words`` the knobs moved."""

    settings: dict[str, Any]
    overridden: frozenset[str]
    overridden_words: str
    photo: str
    upload: tuple[str, bytes] | None

    def with_knobs(self, now: RunAsked) -> RunAsked:
        """The same with the knobs of ``now``: they act on a run under way."""
        return replace(
            self,
            settings=self.settings | {name: now.settings[name] for name in KNOBS},
            overridden=(self.overridden - {*KNOBS}) | (now.overridden & {*KNOBS}),
            overridden_words=now.overridden_words,
        )


def asked_now(options: PanelOptions, size: tuple[int, int] | None) -> RunAsked:
    """What a panel asks for as it stands, for images of this (height, width)."""
    return RunAsked(
        options.values,
        options.overridden,
        overridden_in_words(options),
        photo_code(options, size),
        upload_of(options),
    )
