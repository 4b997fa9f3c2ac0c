// A control for an axis beside the main one: a row of choices, or a menu where there are many.
import { el } from "./dom.js";

const MOST = 8;

export function createChoice(axis, place, choose) {
  const name = `axis-${place}`;
  const many = axis.values.length > MOST || axis.values.join("").length > 90;
  if (many) {
    const menu = el("select", { id: name, onchange: () => choose(menu.selectedIndex) },
      ...axis.values.map((value) => el("option", {}, value)));
    return {
      root: el("div", { class: "choice" }, el("label", { for: name }, axis.label), menu),
      mark(at) { menu.selectedIndex = at; },
    };
  }
  const inputs = axis.values.map((value, index) =>
    el("input", { type: "radio", name, value: index, onchange: () => choose(index) }));
  const labels = inputs.map((input, index) => el("label", {}, input, el("span", {}, axis.values[index])));
  return {
    root: el("fieldset", { class: "choice" }, el("legend", {}, axis.label), el("div", { class: "pills" }, ...labels)),
    mark(at) { inputs.forEach((input, index) => { input.checked = index === at; }); },
  };
}
