// A picture that swaps without a blank, with buttons over its parts.
import { tellSize } from "./sized.js";

function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "iw-gallery";
  const image = document.createElement("img");
  image.alt = "";
  image.draggable = false;
  const places = document.createElement("div");
  root.append(image, places);
  el.appendChild(root);
  let url = null, alive = true, drawing = false, again = false;

  async function show() {
    if (drawing) { again = true; return; }
    const bytes = model.get("picture");
    if (!bytes || !bytes.byteLength) return;
    drawing = true;
    const next = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
    const shown = model.get("shown");
    const loader = new Image();
    loader.src = next;
    try { await loader.decode(); } catch (error) { /* a later picture follows */ }
    if (alive) {
      image.src = next;
      image.alt = model.get("describes");
      root.dataset.shown = shown;
    }
    if (url) URL.revokeObjectURL(url);
    url = next;
    drawing = false;
    if (again && alive) { again = false; show(); }
  }

  function lay() {
    const [width, height] = model.get("extent");
    const focused = [...places.children].indexOf(document.activeElement);
    places.replaceChildren();
    model.get("places").forEach(({ index, label, box }) => {
      const button = document.createElement("button");
      const [left, top, w, h] = box;
      button.className = "iw-place";
      button.title = label;
      button.setAttribute("aria-label", label);
      button.setAttribute("aria-pressed", String(model.get("enlarged") === index));
      Object.assign(button.style, {
        left: (100 * left) / width + "%", top: (100 * top) / height + "%",
        width: (100 * w) / width + "%", height: (100 * h) / height + "%",
      });
      button.onclick = () => {
        model.set("enlarged", model.get("enlarged") === index ? -1 : index);
        model.save_changes();
      };
      button.onkeydown = (event) => {
        if (event.key !== "Escape" || model.get("enlarged") < 0) return;
        event.stopPropagation();
        model.set("enlarged", -1);
        model.save_changes();
      };
      places.appendChild(button);
    });
    if (focused >= 0) places.children[focused]?.focus();
  }

  const forget = tellSize(model, root);
  model.on("change:picture", show);
  model.on("change:places", lay);
  model.on("change:enlarged", lay);
  lay();
  show();
  return () => {
    alive = false;
    forget();
    if (url) URL.revokeObjectURL(url);
  };
}
export default { render };
