"""Tests of the panel in a notebook under ipykernel 6 and 7, and of the saved file."""

from __future__ import annotations

import base64
import io
import os
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from PIL import Image

pytest.importorskip("anywidget")
nbclient = pytest.importorskip("nbclient")
pytestmark = pytest.mark.slow

IPYKERNEL_6 = Path(sys.prefix) / "ipykernel6"  # where scripts/check.sh puts one
CELLS = (
    """import asyncio
import ipykernel
import invwidgets as iw
print("ipykernel", ipykernel.version_info[0])""",
    """panel = iw.InversionPanel("coffee", layer="blocks.0", seeds=2, size=64, steps=5000)
panel""",
    """task = panel.start()""",
    """while panel.state != "running":
    await asyncio.sleep(0.02)
panel.tv_weight = 0.5
while "tv_weight" not in [name for _, name, _ in panel.session.curves()[1]]:
    await asyncio.sleep(0.02)
panel.controls.stop.click()
result = await task
print(result.stopped, result.knob_changes[-1][1:], panel.controls.status.value.split(".")[0])""",
    """panel.layer = "blocks.1"
panel.steps = 5
result = await panel.start()
print(result.layer, result.steps, len(panel.history.entries))
panel.close()""",
)


def executed(kernel: int) -> Any:
    """A notebook with the panel after all its cells have run."""
    if kernel == 6 and not IPYKERNEL_6.is_dir():
        words = f"no ipykernel 6 in {IPYKERNEL_6}: scripts/check.sh puts one there"
        pytest.fail(words) if os.environ.get("CI") else pytest.skip(words)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    if kernel == 6:
        before = environment.get("PYTHONPATH", "")
        environment["PYTHONPATH"] = os.pathsep.join(p for p in (str(IPYKERNEL_6), before) if p)
    client = nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3")
    client.execute(env=environment)
    return notebook


def printed(cell: Any) -> str:
    return "".join(out["text"] for out in cell.outputs if out.output_type == "stream").strip()


@pytest.mark.parametrize("kernel", [6, 7])
def test_the_panel_runs_and_leaves_a_still_picture(kernel: int, tmp_path: Path) -> None:
    notebook = executed(kernel)
    said = [printed(cell) for cell in notebook.cells]
    assert said[0] == f"ipykernel {kernel}"
    assert said[3] == "True ('tv_weight', 0.5) Stopped early"
    assert said[4] == "blocks.1 5 2"

    path = tmp_path / "saved.ipynb"
    nbformat.write(notebook, path)
    outputs = nbformat.read(path, as_version=4).cells[1].outputs
    assert "application/vnd.jupyter.widget-view+json" in outputs[0].data
    stills = [out for out in outputs if "image/png" in out.get("data", {})]
    assert len(stills) == 1
    still = base64.b64decode(stills[0].data["image/png"])
    width, height = Image.open(io.BytesIO(still)).size
    shown = stills[0].metadata["image/png"]["width"]
    assert 480 <= shown <= 1000, "no wider than a page"
    assert width == 2 * shown, "sharp on dense screens"
    assert 0.2 * width < height < width
    assert len(still) < 1_000_000
    assert path.stat().st_size < 3_000_000
