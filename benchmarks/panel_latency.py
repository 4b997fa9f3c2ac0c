"""How fast the panel answers, in a real browser: prints a table.

    python -m benchmarks.panel_latency [lab|voila]

EfficientNet-Lite0, blocks.2, 224 px, the model warm. Times run from the click to the pixels.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median
from time import process_time, sleep
from typing import Any

from invwidgets.inversion.session import Session
from tests.browser.servers import browser, open_in_lab, server, write_notebook

REPEATS = 5
CELL = """import invwidgets as iw
panel = iw.InversionPanel("coffee", layer="blocks.2", seeds={seeds}, steps=1000)
panel"""
# In the page: click, then look every frame until the condition holds; milliseconds.
TIMED = """async ([label, text]) => {
  const buttons = [...document.querySelectorAll('.iw-buttons button')];
  const button = buttons.find((b) => b.textContent.trim().startsWith(label));
  const shown = () => +document.querySelector('.iw-gallery').dataset.shown;
  const before = shown(), began = performance.now();
  button.click();
  let reset = false;
  while (performance.now() - began < 30000) {
    await new Promise(requestAnimationFrame);
    if (text && document.querySelector('.iw-status').textContent.includes(text)) break;
    if (!text && shown() === 0) reset = true;
    if (!text && shown() > 0 && (reset || shown() < before)) break;
  }
  return performance.now() - began;
}"""
# In the page: a key on the first knob; the kernel answers by showing, or hiding, its reset button.
ECHO = """async () => {
  const knob = document.querySelector('.iw-knob');
  const still = () => knob.classList.contains('iw-still');
  await new Promise((done) => setTimeout(done, 300 + 400 * Math.random()));
  const before = still(), began = performance.now();
  if (before) knob.querySelector('.noUi-handle').dispatchEvent(
    new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true}));
  else knob.querySelector('button').click();
  while (still() === before && performance.now() - began < 10000)
    await new Promise(requestAnimationFrame);
  return performance.now() - began;
}"""


def main() -> None:
    kind = sys.argv[1] if len(sys.argv) > 1 else "voila"
    for part in (lambda: _latencies(kind, 4), lambda: _share(4), lambda: _latencies(kind, 16)):
        for name, value, limit in part():
            print(f"{name:<58} {value:>9}   {limit}", flush=True)


def _latencies(kind: str, seeds: int) -> list[tuple[str, str, str]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        notebook = write_notebook(folder / "panel.ipynb", CELL.format(seeds=seeds))
        root = folder if kind == "lab" else notebook
        with server(kind, root) as address, browser(1280, 1250) as page:
            if kind == "lab":
                open_in_lab(page, address, "panel.ipynb")
            else:
                page.goto(address, timeout=120_000)
            page.locator(".iw-status", has_text="Ready").first.wait_for(timeout=60_000)
            firsts, stops, knobs = [], [], []
            for _ in range(REPEATS + 1):
                firsts.append(page.evaluate(TIMED, ["Start", ""]) / 1000)
                page.wait_for_timeout(1500)
                knobs.append(_knob(page))
                page.wait_for_timeout(700)
                stops.append(page.evaluate(TIMED, ["Stop", "Stopped"]) / 1000)
                page.wait_for_timeout(2500)
            page.evaluate(TIMED, ["Start", ""])
            page.wait_for_timeout(1000)
            frames = _frames(page, 8)
            echoes = [page.evaluate(ECHO) for _ in range(2 * REPEATS)][1:]
    what = f"{kind}, {seeds} seeds"
    return [
        (f"Start → first picture ({what})", f"{median(firsts[1:]):.2f} s", "at most 0.5 s"),
        (f"knob → a picture made with it ({what})", f"{median(knobs[1:]):.2f} s", "at most 0.5 s"),
        (f"Stop → stopped ({what})", f"{median(stops[1:]):.2f} s", "at most 0.3 s"),
        (f"pictures a second ({what})", f"{frames:.2f}", "at least 1 with 16 seeds"),
        (f"control → its answer ({what})", f"{median(echoes):.0f} ms", "at most 150 ms"),
        (f"control → its answer, the slowest ({what})", f"{max(echoes):.0f} ms", ""),
    ]


def _knob(page: Any) -> float:
    """From a key on the smoothness slider to the next picture; it comes at once, not in turn."""
    handle = page.locator(".iw-knob .noUi-handle").first
    handle.focus()
    return float(
        page.evaluate(
            """async () => {
  const at = document.activeElement, gallery = document.querySelector('.iw-gallery');
  const before = gallery.dataset.shown, began = performance.now();
  at.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true}));
  while (gallery.dataset.shown === before && performance.now() - began < 10000)
    await new Promise(requestAnimationFrame);
  return (performance.now() - began) / 1000;
}"""
        )
    )


def _frames(page: Any, seconds: int) -> float:
    """Different pictures seen a second."""
    seen = page.evaluate(
        """async (seconds) => {
  const gallery = document.querySelector('.iw-gallery'), seen = new Set();
  const began = performance.now();
  while (performance.now() - began < 1000 * seconds) {
    seen.add(gallery.dataset.shown);
    await new Promise(requestAnimationFrame);
  }
  return seen.size - 1;
}""",
        seconds,
    )
    return float(seen) / seconds


def _share(seeds: int) -> list[tuple[str, str, str]]:
    """Steps a second of a run watched by the panel's drawing code, and of the same run alone.

    Also in CPU time, which other work on the machine does not disturb.
    """
    import asyncio

    import invwidgets as iw

    options: dict[str, Any] = {"layer": "blocks.2", "seeds": seeds}  # as long as it is by default

    def alone() -> tuple[float, float]:
        with Session() as session:
            cpu = process_time()
            session.start("coffee", **options)
            while session.state not in ("finished", "failed"):
                sleep(0.01)
            cpu = process_time() - cpu
            return session.wait().seconds, cpu

    async def watched() -> tuple[float, float]:
        panel = iw.InversionPanel("coffee", **options)
        while not panel.layer_slider.layers:
            await asyncio.sleep(0.05)
        cpu = process_time()
        task = panel.start()
        while panel.state not in ("finished", "failed"):
            await asyncio.sleep(0.01)
        cpu = process_time() - cpu
        result = await task
        panel.close()
        return result.seconds, cpu

    both = [(alone(), asyncio.run(watched())) for _ in range(REPEATS + 1)][1:]
    slower = 1 - median(a[0] for a, _ in both) / median(w[0] for _, w in both)
    dearer = 1 - median(a[1] for a, _ in both) / median(w[1] for _, w in both)
    return [
        ("live view's cost in steps a second", f"{100 * slower:.1f} %", "at most 5 %"),
        ("live view's cost in CPU time", f"{100 * dearer:.1f} %", ""),
    ]


if __name__ == "__main__":
    main()
