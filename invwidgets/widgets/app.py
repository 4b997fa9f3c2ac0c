"""The panel as a web page, by Voila: what ``invwidgets app`` opens."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from ..errors import OutputError

_CELL = "import invwidgets as iw\npanel = iw.InversionPanel({photo!r})\npanel"


def serve(photo: str, port: int, browser: bool, dark: bool) -> int:
    """Serve the panel until interrupted; the exit status of Voila."""
    if importlib.util.find_spec("voila") is None:
        raise OutputError("the web page needs Voila: pip install 'invwidgets[lab]'")
    cell: dict[str, object] = {
        "cell_type": "code",
        "metadata": {},
        "execution_count": None,
        "outputs": [],
        "source": _CELL.format(photo=photo),
    }
    kernel = {"name": "python3", "display_name": "Python 3"}
    notebook = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4,
                "nbformat_minor": 5}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "invwidgets.ipynb"
        path.write_text(json.dumps(notebook))
        command = [sys.executable, "-m", "voila", str(path), f"--port={port}"]
        command += ["--theme=dark"] if dark else []
        command += [] if browser else ["--no-browser"]
        try:
            return subprocess.call(command)
        except KeyboardInterrupt:
            return 0
