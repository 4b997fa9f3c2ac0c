// The live picture: an image that swaps without a blank, buttons over the seeds, its own width told.
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

  function dark() {
    const color = getComputedStyle(root).color.match(/[\d.]+/g) || [0, 0, 0];
    return 0.3 * color[0] + 0.6 * color[1] + 0.1 * color[2] > 128;
  }
  function ground() {                                   // the page's own, so that the picture has no edge
    for (let at = root; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor.match(/[\d.]+/g) || [];
      if (color.length === 3 || (color.length === 4 && +color[3] === 1))
        return "#" + color.slice(0, 3).map((v) => Math.round(+v).toString(16).padStart(2, "0")).join("");
    }
    return "";
  }
  let timer = null;
  function tell() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const width = Math.floor(root.clientWidth);
      if (!alive || !width) return;
      model.set("width", width);
      model.set("pixel_ratio", Math.min(2, window.devicePixelRatio || 1));
      model.set("page_ground", ground());
      model.set("page_theme", dark() ? "dark" : "light");
      model.save_changes();
    }, 120);
  }
  const resized = new ResizeObserver(tell);
  resized.observe(root);
  const themed = new MutationObserver(tell);
  themed.observe(document.body, { attributes: true });
  themed.observe(document.documentElement, { attributes: true });
  model.on("change:picture", show);
  model.on("change:places", lay);
  model.on("change:enlarged", lay);
  lay();
  show();
  return () => {
    alive = false;
    clearTimeout(timer);
    resized.disconnect();
    themed.disconnect();
    if (url) URL.revokeObjectURL(url);
  };
}
export default { render };
