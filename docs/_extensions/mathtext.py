"""Formulas drawn by matplotlib into the page: no LaTeX, no script, no font from elsewhere."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import Any

from docutils import nodes
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import math_to_image
from sphinx.application import Sphinx

_POINTS = 11.5


def _picture(formula: str, points: float) -> str:
    """An ``<img>`` of a formula, standing on the line as its letters do."""
    file = io.BytesIO()
    properties = FontProperties(size=points, family="serif", math_fontfamily="stix")
    depth = math_to_image(f"${formula}$", file, prop=properties, format="svg", dpi=72)
    code = base64.b64encode(file.getvalue()).decode()
    return (
        f'<img class="formula" alt="{escape(formula)}" src="data:image/svg+xml;base64,{code}" '
        f'style="vertical-align: {-depth:.1f}pt">'
    )


def _inline(self: Any, node: nodes.math) -> None:
    self.body.append(_picture(node.astext(), _POINTS))
    raise nodes.SkipNode


def _block(self: Any, node: nodes.math_block) -> None:
    self.body.append(f'<p class="formula">{_picture(node.astext(), 1.25 * _POINTS)}</p>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathtext", (_inline, None), (_block, None))
    return {"parallel_read_safe": True}
