"""Closing widgets with everything they hold: children, layout and style leak otherwise."""

from __future__ import annotations

from typing import Any

from ipywidgets import Widget


def close_all(*roots: Widget) -> int:
    """Close widgets and all widgets they hold, recursively; how many were closed."""
    seen: dict[int, Widget] = {}
    todo: list[Any] = list(roots)
    while todo:
        value = todo.pop()
        if isinstance(value, Widget):
            if id(value) not in seen:
                seen[id(value)] = value
                todo += [getattr(value, name) for name in value.keys if value.has_trait(name)]
        elif isinstance(value, list | tuple):
            todo += value
        elif isinstance(value, dict):
            todo += value.values()
    for widget in seen.values():
        widget.unobserve_all()
        Widget.close(widget)
    return len(seen)
