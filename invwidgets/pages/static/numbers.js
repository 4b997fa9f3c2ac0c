// The numbers of the picture in view with their definitions, and what the network says of it.
import { el } from "./dom.js";

const ASK = "Point at a number, or tap it, for its definition.";

export function createNumbers() {
  const list = el("div", { class: "numbers", role: "group", "aria-label": "Numbers" });
  const means = el("p", { class: "means", id: "means", role: "status" });
  const root = el("section", { class: "said" }, list, means);

  function lay(told, shown) {
    const seed = shown.startsWith("s") && shown !== "spread" ? +shown.slice(1) : told?.best ?? 0;
    const numbers = told?.numbers[seed] ?? [];
    root.hidden = !numbers.length;
    means.textContent = ASK;
    list.replaceChildren(...numbers.map(({ name, value, means: definition }) => {
      const tell = () => { means.textContent = `${name[0].toUpperCase()}${name.slice(1)}: ${definition}`; };
      const rest = () => { if (!list.contains(document.activeElement)) means.textContent = ASK; };
      return el("button", { type: "button", class: "number", title: definition, "aria-describedby": "means", onfocus: tell, onclick: tell, onpointerenter: tell, onpointerleave: rest },
        el("span", { class: "number-value" }, value), el("span", { class: "number-name" }, name));
    }));
  }
  return { root, lay };
}

export function createClasses() {
  const body = el("div", { class: "class-lists" });
  const root = el("section", { class: "classes" }, el("h2", {}, "What the network says each picture is"), body);

  function list(title, rows, first) {
    return el("table", {}, el("caption", {}, title), el("tbody", {}, ...rows.map(([name, sure]) => {
      const bar = el("span", { class: "bar" });
      bar.style.setProperty("--sure", `${100 * sure}%`);
      return el("tr", { class: name === first ? "same" : "" }, el("th", { scope: "row" }, bar, el("span", {}, name)), el("td", {}, sure.toFixed(2)));
    })));
  }

  function lay(told, shown) {
    root.hidden = !told?.classes.length;
    if (root.hidden) return;
    const [photo, ...seeds] = told.classes;
    const seed = /^s\d+$/.test(shown) ? +shown.slice(1) : told.best;
    const lists = [[`seed ${told.seeds[seed]}`, seeds[seed]]];
    if (photo.length) lists.unshift(["the photo", photo]);
    body.replaceChildren(...lists.map(([title, rows]) => list(title, rows, photo[0]?.[0])));
  }
  return { root, lay };
}
