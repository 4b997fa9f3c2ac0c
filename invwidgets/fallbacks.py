"""Slower ways that are taken where the fast one cannot be, each logged once.

>>> import logging
>>> logging.basicConfig(level=logging.INFO)    # in a script, to see them
>>> took_slower_path("convolutions run by torch's own operators", "torch was built without oneDNN")

The results are the same, so that they are no warnings: they say why a run is slower than elsewhere.
"""

from __future__ import annotations

import logging
from functools import lru_cache

_log = logging.getLogger(__name__)


@lru_cache(maxsize=1000)
def took_slower_path(what: str, reason: str) -> None:
    """Log at level INFO, once for each pair, that ``what`` is done instead, and the ``reason``."""
    _log.info("slower path: %s, because %s", what, reason)
