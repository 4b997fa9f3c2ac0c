"""Every term of the energy over the steps."""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from ..inversion.reconstruction import Reconstruction
from .canvas import COLORS, FAINT, INK, new_figure, set_title
from .gallery import note_of, title_of

_NAMES = {"data": "data", "alpha": r"$R_\alpha$", "tv": r"$R_{V^\beta}$", "total": "weighted sum"}


def curves(result: Reconstruction) -> Figure:
    """One panel a term, a line a seed, on a log scale; dashed where a knob was moved.

    >>> curves(invert("coffee", layer="blocks.2", steps=50)).savefig("curves.png")
    """
    terms = [name for name in _NAMES if name in result.energies]
    columns = min(2, len(terms))
    rows = math.ceil(len(terms) / columns)
    width, height = 3.9 * columns, 2.3 * rows + 0.7
    figure = new_figure(width, height)
    set_title(figure, title_of(result), note_of(result), width, height)
    panels = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(
        left=0.75 / width, right=1 - 0.2 / width, bottom=0.45 / height,
        top=1 - 0.95 / height, hspace=0.55, wspace=0.32,
    )  # fmt: skip
    for panel in panels.flat[len(terms) :]:
        panel.set_visible(False)
    for panel, name in zip(panels.flat, terms, strict=False):
        energy = result.energies[name]
        for index, seed in enumerate(result.seeds[: energy.shape[1]]):
            color = COLORS[index % len(COLORS)]
            panel.plot(energy[:, index].numpy(), linewidth=1.1, color=color, label=f"seed {seed}")
        panel.set_yscale("log" if bool((energy > 0).any()) else "linear")
        panel.set_title(_NAMES[name], fontsize=9, color=INK, loc="left")
        panel.set_xlabel("step", fontsize=8, color=FAINT)
        panel.tick_params(labelsize=8, colors=FAINT)
        panel.grid(True, linewidth=0.4, alpha=0.4)
        for spine in ("top", "right"):
            panel.spines[spine].set_visible(False)
        for step, _, _ in result.knob_changes:
            panel.axvline(step, color=FAINT, linewidth=0.8, linestyle="--")
    if 1 < len(result.seeds) <= 8:
        panels.flat[0].legend(fontsize=7, frameon=False)
    return figure
