"""The response times of the panel in a real browser.

    python -m benchmarks.panel_latency [lab|voila]

The panel inverts blocks.2 of EfficientNet-Lite0 at 224 pixels; the model is already loaded. Times
are measured from the click until the browser shows the change.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from statistics import mean, median, stdev
from time import perf_counter, process_time
from typing import Any

import invwidgets as iw
from tests.browser.servers import browser, open_in_lab, server, write_notebook

REPEATS = 5
SPELL = 160  # steps per seed, about two seconds
FOURS = 20
CELL = """import invwidgets as iw
panel = iw.InversionPanel("coffee", layer="blocks.2", seeds={seeds}, steps=1000)
panel"""
# JavaScript: click, check the condition in every frame, and return the milliseconds.
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
# JavaScript: press a key on the first knob, and wait until its reset button appears or disappears.
ECHO = """async () => {
  const knob = document.querySelector('.iw-how .iw-knob');
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
    for seeds in (4, 16):
        for part in (lambda n: _latencies(kind, n), _cost):
            for name, value, limit in part(seeds):
                print(f"{name:<58} {value:>12}   {limit}", flush=True)


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
    """The time from a key press on the smoothness slider until the next picture."""
    handle = page.locator(".iw-how .noUi-handle").first
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
    """The number of different pictures per second."""
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


def _cost(seeds: int) -> list[tuple[str, str, str]]:
    """Steps per second of a long run, with and without a panel that shows it.

    The panel is on, off, off and on, in this order, so that slow changes of the machine's speed
    affect both equally.
    """
    spent = asyncio.run(_spells(seeds))
    fours = [spent[n : n + 4] for n in range(0, len(spent), 4)]
    rows = []
    for place, what in ((0, "steps a second"), (1, "CPU time")):
        costs = []
        for four in fours:
            on, away, off, back = (spell[place] for spell in four)
            costs.append(100 * (1 - (away + off) / (on + back)))
        error = stdev(costs) / len(costs) ** 0.5
        value = f"{mean(costs):.1f} ± {error:.1f} %"
        limit = "" if place else "at most 5 %"
        rows.append((f"live view's cost in {what} ({seeds} seeds)", value, limit))
    return rows


async def _spells(seeds: int) -> list[tuple[float, float]]:
    """The seconds and CPU seconds per step of each of these periods."""
    panel = iw.InversionPanel("coffee", layer="blocks.2", seeds=seeds, steps=100_000)
    panel.start()
    session, report = panel.session, panel.session.on_progress

    async def later(step: int) -> None:
        while session.steps_done < step:
            await asyncio.sleep(0.004)

    spent = []
    await later(20)
    while len(spent) < 4 * FOURS:
        session.on_progress = report if len(spent) % 4 in (0, 3) else None
        await later(session.steps_done + 1)
        began, cpu, first = perf_counter(), process_time(), session.steps_done
        await later(first + SPELL // seeds)
        steps = session.steps_done - first
        spent.append(((perf_counter() - began) / steps, (process_time() - cpu) / steps))
    panel.close()
    return spent


if __name__ == "__main__":
    main()
