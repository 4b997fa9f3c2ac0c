"""The set-up that tests of widgets share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def no_widget_stays() -> Iterator[None]:
    """Close all widgets after a test."""
    yield
    from ipywidgets import Widget

    Widget.close_all()
