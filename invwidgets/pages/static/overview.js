// The main axis from left to right: a slider over its stops, each with its picture, name and size.
import { el } from "./dom.js";

export function createOverview(label, choose) {
  const row = el("div", { class: "stops" });
  const slider = el("input", { type: "range", class: "stop-slider", min: 0, step: 1, "aria-label": label });
  slider.addEventListener("input", () => choose(+slider.value));
  const root = el("section", { class: "overview", "aria-label": label }, row, slider);

  function lay(stops) {
    root.style.setProperty("--stops", Math.max(1, stops.length));
    row.replaceChildren(...stops.map((stop, place) => {
      const glyph = el("span", { class: "stop-glyph" });
      if (stop.picture) glyph.append(el("img", { src: stop.picture, alt: "", decoding: "async" }));
      else glyph.append(el("span", { class: "stop-hole" }, "–"));
      return el("button", {
        type: "button", class: "stop", tabindex: -1, title: stop.tip, "aria-label": stop.tip,
        onclick: () => { choose(place); slider.focus({ preventScroll: true }); },
      }, glyph, el("span", { class: "stop-name" }, ...broken(stop.name)), el("span", { class: "stop-size" }, stop.size));
    }));
    slider.max = Math.max(0, stops.length - 1);
  }

  function mark(stops, at) {
    slider.value = at;
    if (stops[at]) slider.setAttribute("aria-valuetext", `${stops[at].tip}, ${at + 1} of ${stops.length}`);
    [...row.children].forEach((button, place) => button.classList.toggle("here", place === at));
  }
  return { root, lay, mark };
}

function broken(name) {                                  // a long name breaks after its dots
  return name.split(/(?<=[._,:/])/).flatMap((part) => [part, document.createElement("wbr")]);
}
