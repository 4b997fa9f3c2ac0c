// Playback from noise to the end: a button and a slider over the steps that were kept.
import { el } from "./dom.js";

const PAUSE = 260;                                       // milliseconds between two frames

export function createFilm(store, content) {
  let films = null, timer = null, steps = [], total = 0, name = "";
  const button = el("button", { type: "button", class: "play", onclick: press }, "Play");
  const slider = el("input", { type: "range", min: 0, step: 1, "aria-label": "Step of the search" });
  const words = el("output", { class: "film-words" });
  const root = el("div", { class: "film" }, button, slider, words);
  slider.addEventListener("input", () => { stop(); go(+slider.value); });

  function read() {                                      // parsed when a film is first asked for
    films ??= JSON.parse(document.getElementById("invwidgets-films").textContent);
    return films[name] ?? [];
  }
  function go(place) { store.set({ frame: place >= steps.length ? null : place }); }
  function stop() {
    clearTimeout(timer);
    timer = null;
    button.textContent = "Play";
  }
  async function press() {
    if (timer !== null) { stop(); return; }
    const mine = name;
    timer = 0;
    button.textContent = "Pause";
    await Promise.all(read().map((source) => { const image = new Image(); image.src = source; return image.decode().catch(() => {}); }));
    if (timer !== 0 || mine !== name) return;
    let place = store.state.frame ?? 0;
    const next = () => {
      go(place);
      if (place >= steps.length) { stop(); return; }
      place += 1;
      timer = setTimeout(next, PAUSE);
    };
    next();
  }

  function lay(entry, place) {
    stop();
    name = `e${place}`;
    steps = entry?.told ? entry.films : [];
    total = entry?.told?.summary.steps ?? 0;
    root.hidden = !steps.length;
    slider.max = steps.length;
    store.set({ frame: null });
    mark();
  }
  function mark() {
    const { frame } = store.state;
    const step = frame === null ? total : steps[frame] + 1;
    slider.value = frame ?? steps.length;
    words.textContent = `step ${step} of ${total}`;
    slider.setAttribute("aria-valuetext", words.textContent);
  }
  function frames() {
    const { frame } = store.state;
    if (frame === null || !steps.length) return null;
    return { at: frame, count: steps.length, films: Object.fromEntries(read().map((source, seed) => [`s${seed}`, source])) };
  }
  return { root, lay, mark, frames };
}
