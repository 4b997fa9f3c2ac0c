"""A measurement of ``invwidgets app`` with many users at once: their times and the memory used.

    python -m benchmarks.app_sessions [SESSIONS]

The sessions are opened one after the other, each in its own browser context. Each uploads a photo
with a unique name and runs a search. When the last search has ended, all pages are checked again.
Memory is the proportional set size (PSS) from ``/proc/PID/smaps_rollup``, which counts a shared
page of memory in parts, so the sum is the memory that all processes need. It runs on Linux only.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from PIL import Image

from tests.browser.app import App, app
from tests.browser.servers import browser

_MINUTES = 10 * 60_000  # milliseconds


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with app("--sessions", str(count)) as running, browser(1000, 1400) as first:
        pages: list[Any] = []
        opened: list[float] = []
        for number in range(count):
            page = first.context.browser.new_context().new_page()
            began = perf_counter()
            page.goto(running.entrance, timeout=_MINUTES)
            _says(page, "Ready")
            opened.append(perf_counter() - began)
            _upload(page, f"photo-of-{number}")
            pages.append(page)
        rest = _memory(running)
        began = perf_counter()
        for page in pages:
            page.get_by_role("button", name="Start", exact=True).first.click()
        for page in pages:
            page.wait_for_function(
                "+document.querySelector('.iw-gallery').dataset.shown > 5", timeout=_MINUTES
            )
        searching = _memory(running)
        for page in pages:
            _says(page, "Done")
        through = perf_counter() - began
        after = _memory(running)
        strangers = sum(_strangers(page, number) for number, page in enumerate(pages))
        refused = first.goto(running.entrance, timeout=_MINUTES).status
    print(f"{len(pages)} of {count} sessions answered; names of others seen: {strangers}")
    print(f"one more is answered with {refused}")
    print(f"opening one: {median(opened):.1f} s, the last {opened[-1]:.1f} s (median, one by one)")
    print(f"{count} runs of four seeds at once: {through:.0f} s")
    for words, sizes in (("at rest", rest), ("searching", searching), ("afterwards", after)):
        sessions = [size for name, size in sizes.items() if name != "server"]
        print(
            f"{words}: {sum(sessions) / 1e9:.2f} GB in all, {median(sessions) / 1e6:.0f} MB a "
            f"session (most {max(sessions) / 1e6:.0f}), the server {sizes['server'] / 1e6:.0f} MB"
        )


def _says(page: Any, words: str) -> None:
    page.locator(".iw-status", has_text=words).first.wait_for(timeout=_MINUTES)


def _upload(page: Any, name: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (400, 300), (200, 90, 30)).save(file, "PNG")
    sent = {"name": f"{name}.png", "mimeType": "image/png", "buffer": file.getvalue()}
    page.locator(".iw-upload input").set_input_files(files=[sent])
    page.locator(".iw-note", has_text=f"{name}, your own photo").wait_for(timeout=_MINUTES)


def _strangers(page: Any, number: int) -> int:
    """The number of other users' photos whose names appear in a page; its own must appear."""
    names = set(re.findall(r"photo-of-\d+", page.content()))
    assert f"photo-of-{number}" in names
    return len(names) - 1


def _memory(running: App) -> dict[str, int]:
    """The bytes (PSS) of every session and of the server."""
    found = {str(one.pid): _pss(one.pid) for one in running.sessions}
    return found | {"server": _pss(running.process.pid)}


def _pss(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
