"""The site: ``sphinx-build -W docs out/site``; it works from a folder, without the net."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

from lessons import beside

import invwidgets as iw

HERE = Path(__file__).parent
REPOSITORY = HERE.parent

project = "invwidgets"
author = "the invwidgets contributors"
release = version = iw.__version__
extensions = [
    *("myst_nb", "mathtext", "front"),
    *("sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"),
]
exclude_patterns = ["_extensions"]
html_theme = "furo"
html_show_copyright = False
html_title = "invwidgets"
html_static_path = ["_static"]
html_css_files = ["pictures.css"]
html_math_renderer = "mathtext"
templates_path: list[str] = []
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # the lessons are shown as they were stored
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # they hold no widgets, and the site no CDN
nb_merge_streams = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autosummary_generate = False  # its tables lead to the same page
napoleon_google_docstring = True
napoleon_numpy_docstring = True
napoleon_use_ivar = True
suppress_warnings = ["mystnb.unknown_mime_type"]

beside(REPOSITORY / "notebooks", HERE)
