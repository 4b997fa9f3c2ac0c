// The page moves by itself: a step each two seconds, until somebody touches it or presses Stop.
import { el } from "./dom.js";

const STEP = 2000;                                       // milliseconds in one place

export function createTour(step) {
  let timer = null;
  const button = el("button", { type: "button", class: "tour-button", onclick: () => (timer === null ? begin(true) : stop()) });
  const root = el("p", { class: "tour" }, button);

  function begin(asked = false) {
    if (!asked && matchMedia("(prefers-reduced-motion: reduce)").matches) { stop(); return; }
    timer = setInterval(() => { if (!document.hidden) step(); }, STEP);
    button.textContent = "Stop moving";
  }
  function stop() {
    clearInterval(timer);
    timer = null;
    button.textContent = "Move by itself";
  }
  const touched = (event) => { if (timer !== null && !button.contains(event.target)) stop(); };
  for (const name of ["pointerdown", "keydown", "input"]) document.addEventListener(name, touched, { capture: true, passive: true });
  return { root, begin };
}
