"""The figure of the energy's terms over the steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from ..inversion.result import Reconstruction
from .canvas import COLORS, LIGHT, Theme, new_figure, set_title
from .gallery import note_of, title_of

_NAMES = {"data": "match with the photo (data)", "alpha": r"strength of colors ($R_\alpha$)",
          "tv": r"roughness ($R_{V^\beta}$)", "total": "weighted sum"}  # fmt: skip


def curves(result: Reconstruction, theme: Theme = LIGHT) -> Figure:
    """Draw one panel per term with a line per seed on a log scale, dashed at changes of knobs.

    >>> curves(invert("coffee", layer="blocks.2", steps=50)).savefig("curves.png")
    """
    heading = (title_of(result), note_of(result))
    return draw_curves(result.energies, result.seeds, result.knob_changes, theme, heading)


def draw_curves(
    energies: Mapping[str, Tensor],
    seeds: Sequence[int],
    changes: Sequence[tuple[int, str, Any]] = (),
    theme: Theme = LIGHT,
    heading: tuple[str, str] | None = None,
) -> Figure:
    """Draw the curves of a run in progress: energies (steps, S) by term, changes (step, …)."""
    known = [name for name in _NAMES if name in energies]
    own = [name for name in energies if name not in _NAMES]
    terms = [*known[:-1], *own, *known[-1:]]  # the total last
    columns = max(1, min(2, len(terms)))
    rows = max(1, math.ceil(len(terms) / columns))
    head = 0.95 if heading else 0.4
    width, height = 3.9 * columns, 2.3 * rows + head - 0.25
    figure = new_figure(width, height, theme)
    if heading is not None:
        set_title(figure, *heading, width, height, theme)
    panels = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(
        left=0.75 / width, right=1 - 0.2 / width, bottom=0.45 / height,
        top=1 - head / height, hspace=0.55, wspace=0.32,
    )  # fmt: skip
    for panel in panels.flat[len(terms) :]:
        panel.set_visible(False)
    for panel, name in zip(panels.flat, terms, strict=False):
        energy = energies[name]
        panel.set_facecolor(theme.face)
        for index, seed in enumerate(seeds[: energy.shape[1]]):
            color = COLORS[index % len(COLORS)]
            panel.plot(energy[:, index].numpy(), linewidth=1.1, color=color, label=f"seed {seed}")
        panel.set_yscale("log" if bool((energy > 0).any()) else "linear")
        panel.set_title(_NAMES.get(name, name), fontsize=9, color=theme.ink, loc="left")
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.set_xlabel("step", fontsize=8, color=theme.faint)
        panel.set_ylabel("energy, no unit", fontsize=8, color=theme.faint)
        panel.tick_params(labelsize=8, colors=theme.faint, which="both")
        panel.grid(True, linewidth=0.4, alpha=0.4)
        for spine in panel.spines.values():
            spine.set_color(theme.faint)
        for spine in ("top", "right"):
            panel.spines[spine].set_visible(False)
        for step in sorted({step for step, _, _ in changes}):
            panel.axvline(step, color=theme.faint, linewidth=0.8, linestyle="--")
    if 1 < len(seeds) <= 8 and terms:
        panels.flat[0].legend(fontsize=7, frameon=False, labelcolor=theme.ink)
    return figure
