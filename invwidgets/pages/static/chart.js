// Errors by the main axis: a point for every seed, a line through their means; a press goes to a stop.
import { el } from "./dom.js";

export function createChart(choose) {
  const head = el("p", { class: "chart-head" });
  const space = el("div", { class: "chart-space" });
  const root = el("section", { class: "chart" }, head, space);
  const namespace = "http://www.w3.org/2000/svg";

  function lay(stops, most, words) {
    root.hidden = stops.length < 2 || !stops.some((stop) => stop.errors);
    if (root.hidden) return;
    root.style.setProperty("--stops", stops.length);
    head.textContent = words;
    const line = document.createElementNS(namespace, "svg");
    line.setAttribute("viewBox", `0 0 ${stops.length} 1`);
    line.setAttribute("preserveAspectRatio", "none");
    line.setAttribute("aria-hidden", "true");
    const path = document.createElementNS(namespace, "polyline");
    const points = stops.map((stop, place) => stop.errors && [place + 0.5, 1 - mean(stop.errors) / most]).filter(Boolean);
    path.setAttribute("points", points.map((point) => point.join(",")).join(" "));
    path.setAttribute("vector-effect", "non-scaling-stroke");
    line.append(path);
    space.replaceChildren(line, ...stops.map((stop, place) => {
      const column = el("button", {
        type: "button", class: "chart-stop", tabindex: -1, title: `${stop.tip}: ${stop.said}`,
        "aria-label": `${stop.tip}: ${stop.said}`, onclick: () => choose(place),
      });
      for (const error of stop.errors ?? []) {
        const dot = el("span", { class: "dot" });
        dot.style.setProperty("--y", error / most);
        column.append(dot);
      }
      column.append(el("span", { class: "chart-value" }, stop.short));
      return column;
    }));
  }

  function mark(at) {
    space.querySelectorAll(".chart-stop").forEach((column, place) => column.classList.toggle("here", place === at));
  }
  return { root, lay, mark };
}

export function mean(values) {
  const known = values.filter((value) => value !== null);
  return known.reduce((sum, value) => sum + value, 0) / Math.max(1, known.length);
}
