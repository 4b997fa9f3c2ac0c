// A panel that fills the screen with its layers and, of one gallery, the photo and one picture.
import { el } from "./dom.js";

// ``root`` is the gallery; ``ready`` says whether there is a picture, ``begins`` is called before it is shown.
export function createPresenter(root, ready, begins) {
  const cross = el("button", { type: "button", class: "iw-leave", title: "Leave (Esc)", "aria-label": "Leave the presenter view", onclick: () => leave() }, "×");
  root.append(cross);
  let panel = null, before = null;

  function enter() {
    panel = root.closest(".iw-panel");
    if (!panel || !ready()) return;
    begins();
    before = document.activeElement;
    panel.parentElement.style.minHeight = `${panel.offsetHeight}px`;   // so that the page stays where it is
    panel.classList.add("iw-presenting");
    root.classList.add("iw-presented");
    panel.setAttribute("data-lm-suppress-shortcuts", "true");
    panel.setAttribute("popover", "manual");             // over all else, whatever frames the page has
    panel.showPopover();
    (panel.querySelector(".iw-stage-slider") ?? cross).focus();
  }
  function leave() {
    if (!on()) return;
    panel.hidePopover();
    panel.removeAttribute("popover");
    panel.removeAttribute("data-lm-suppress-shortcuts");
    panel.classList.remove("iw-presenting");
    root.classList.remove("iw-presented");
    panel.parentElement.style.minHeight = "";
    before?.focus({ preventScroll: true });
  }
  const on = () => root.classList.contains("iw-presented");
  function mine(target) {                                // of a panel of two galleries, the first one's
    const near = target.closest?.(".iw-panel") ?? (target === document.body ? document : null);
    return near?.querySelector(".iw-live") === root;
  }
  const writes = (target) => target.isContentEditable || (/^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) && target.type !== "range");
  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const wanted = event.key.toLowerCase() === "p" && !writes(event.target) && (on() || mine(event.target));
    if (!wanted && !(event.key === "Escape" && on())) return;
    event.preventDefault();
    event.stopPropagation();
    if (on()) leave();
    else enter();
  }
  document.addEventListener("keydown", key, true);
  return {
    get on() { return on(); },
    toggle() { if (on()) leave(); else enter(); },
    forget() { leave(); document.removeEventListener("keydown", key, true); },
  };
}
