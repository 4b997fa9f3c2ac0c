"""JupyterLab or Voila in a subprocess with separate settings, and a headless Chromium."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

from tests.patience import wait_until

BIN = Path(sys.executable).parent
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
_ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage",
]  # fmt: skip


def write_notebook(path: Path, *cells: str) -> Path:
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(notebook, path)
    return path


@contextmanager
def server(kind: str, root: Path) -> Iterator[str]:
    """Start ``lab`` for a folder or ``voila`` for a notebook, and return the address."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    home = Path(tempfile.mkdtemp(prefix="iw-jupyter-"))
    environment = dict(os.environ, JUPYTER_NO_CONFIG="1", OMP_NUM_THREADS="1")
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR",
                 "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):  # fmt: skip
        environment[name] = str(home / name.lower())
    if kind == "lab":
        news = home / "jupyterlab_settings_dir/@jupyterlab/apputils-extension"
        news.mkdir(parents=True)
        quiet = '{"fetchNews": "false", "checkForUpdates": false}'
        (news / "notification.jupyterlab-settings").write_text(quiet)
        command = [
            BIN / "jupyter-lab", "--no-browser", "--allow-root", f"--port={port}",
            "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.password=",
            f"--ServerApp.root_dir={root}", "--LabApp.expose_app_in_browser=True",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.news_url=None",
        ]  # fmt: skip
    else:
        command = [BIN / "voila", "--no-browser", f"--port={port}", "--port_retries=0",
                   "--Voila.ip=127.0.0.1", "--token=", str(root)]  # fmt: skip
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            _await(process, port, f"http://127.0.0.1:{port}" if kind == "lab" else "")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
            shutil.rmtree(home, ignore_errors=True)


def _await(process: Any, port: int, address: str) -> None:
    def answers() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            if address:
                urllib.request.urlopen(f"{address}/api/status", timeout=2)
            else:
                socket.create_connection(("127.0.0.1", port), 2).close()
        except OSError:
            return False
        return True

    wait_until(answers, "the server's answer")


@contextmanager
def browser(width: int = 1280, height: int = 1000, dark: bool = False) -> Iterator[Any]:
    """A page of a new headless Chromium; ``page.troubles`` lists its errors."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, args=_ARGUMENTS
        )
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            accept_downloads=True,
        )
        page: Any = context.new_page()
        page.troubles = []
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        try:
            yield page
        finally:
            chromium.close()


def open_in_lab(page: Any, address: str, notebook: str, dark: bool = False) -> None:
    """Open a notebook in an empty workspace, and run all its cells."""
    workspace = f"lab/workspaces/t{time.time_ns()}/tree"
    page.goto(f"{address}/{workspace}/{notebook}?reset", wait_until="domcontentloaded")
    session = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session"
    page.wait_for_function(f"{session}?.kernel?.status === 'idle'", timeout=600_000)
    theme = f"'apputils:change-theme', {{theme: 'JupyterLab {'Dark' if dark else 'Light'}'}}"
    page.evaluate(f"window.jupyterapp.commands.execute({theme})")
    page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")
    page.evaluate("(() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); })()")
