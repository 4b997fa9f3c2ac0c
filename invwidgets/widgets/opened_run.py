"""A job of a sweep in the inversion panel: its images as they were stored, and its settings."""

from __future__ import annotations

from typing import Any

from ..errors import BadSettingError, shown
from ..inversion.result import Reconstruction
from ..sweeps.models import cut
from ..sweeps.sweep import Sweep
from .history import HistoryEntry
from .inversion_panel import InversionPanel
from .panel_options import OPTIONS


def opened_run(sweep: Sweep, place: int) -> InversionPanel:
    """The panel of a job, by its place among the sweep's points.

    Raises ``InvwidgetsError`` for a job that is not stored, or damaged.
    """
    result = sweep.result(place)
    job = sweep.store.record(sweep.keys[place])["job"]
    if result.target is not None:
        raise BadSettingError(
            f"job {place} searched for the target {shown(result.photo_name)}, and a panel searches "
            f"for photos only: look at sweep.result({place}).gallery()"
        )
    changed = {n: v for n, v in sweep.points[place].settings if n in OPTIONS}
    model, weights = job["model"], job["weights"]
    options: dict[str, Any] = {
        "model": cut(model, weights, job["layer"]) if ":" in model else model,
        "weights": weights,
        "layer": job["layer"],
        "region": _tuple(job["region"]),
        "channels": _tuple(job["channels"]),
        "objective": result.settings.objective,
        "seeds": len(result.seeds),
        "steps": result.settings.steps,
        "size": result.settings.size,
        "precision": result.settings.precision,
        **changed,
    }
    panel = InversionPanel(job["photo"] or "coffee", **options)
    _show(panel, result)
    return panel


def _show(panel: InversionPanel, result: Reconstruction) -> None:
    """Put a stored result where a run's would be."""
    entry = HistoryEntry(result, panel.values, panel.overridden)
    panel.history.add(entry)
    panel.restore(entry)


def _tuple(values: list[int] | None) -> tuple[int, ...] | None:
    return None if values is None else tuple(values)
