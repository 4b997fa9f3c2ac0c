// The Python of the picture in view, ready to be copied.
import { el } from "./dom.js";

export function createCode() {
  const text = el("pre", { tabindex: 0, "aria-label": "Python" });
  const button = el("button", { type: "button", class: "copy", onclick: copy }, "Copy Python");
  const words = el("span", { class: "copied", role: "status" });
  const root = el("details", { class: "code" }, el("summary", {}, "Python for this picture"), el("div", { class: "code-row" }, button, words), text);

  async function copy() {
    let done = false;
    try {
      await navigator.clipboard.writeText(text.textContent);
      done = true;
    } catch {
      getSelection().selectAllChildren(text);
      done = document.execCommand("copy");
    }
    words.textContent = done ? "Copied." : "Press Ctrl+C: the code is selected.";
  }
  function lay(told) {
    root.hidden = !told;
    text.textContent = told?.code ?? "";
    words.textContent = "";
  }
  return { root, lay };
}
