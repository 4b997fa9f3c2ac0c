"""The log of slower code paths that were taken because a fast one is not available.

>>> import logging
>>> logging.basicConfig(level=logging.INFO)    # in a script, to see them
>>> took_slower_path("convolutions run by torch's own operators", "torch was built without oneDNN")

Each pair of path and reason is logged once. The results are the same, so these are not warnings;
they explain why a run is slower than on another machine.
"""

from __future__ import annotations

import logging
from functools import lru_cache

_log = logging.getLogger(__name__)


@lru_cache(maxsize=1000)
def took_slower_path(what: str, reason: str) -> None:
    """Log ``what`` is done instead of the fast path, and the ``reason``, once, at level INFO."""
    _log.info("slower path: %s, because %s", what, reason)
