// The large picture with its wipe, the small ones beside it, and one mark at the same place in all.
import { clamp, el } from "./dom.js";

export function createPictures(store, choose) {
  const under = el("img", { class: "under", alt: "", draggable: "false", decoding: "sync" });
  const over = el("img", { class: "over", alt: "", draggable: "false", decoding: "sync" });
  const edge = el("span", { class: "edge", "aria-hidden": "true" });
  const region = el("span", { class: "region", "aria-hidden": "true" });
  const big = el("div", {
    class: "pic big", tabindex: 0, role: "application", "aria-roledescription": "picture",
    "aria-describedby": "place",
  }, under, over, edge, region);
  const wipe = el("input", { type: "range", min: 0, max: 100, step: 1, class: "wipe", "aria-label": "How much of the photo lies over the reconstruction" });
  const ends = el("div", { class: "wipe-row" }, el("span", {}, "picture"), wipe, el("span", {}, "photo"));
  const hole = el("p", { class: "hole-words", role: "status" });
  const place = el("p", { class: "place", id: "place", role: "status" });
  const viewer = el("div", { class: "viewer" }, el("div", { class: "frame" }, big, hole), ends, place);
  const small = el("div", { class: "small", role: "group", "aria-label": "Pictures" });
  const legend = el("p", { class: "legend" });
  let fields = null, size = [1, 1];

  wipe.addEventListener("input", () => store.set({ wipe: +wipe.value }));
  let pressed = null;
  const spot = (event, target) => {
    const box = target.getBoundingClientRect();
    return { x: clamp((event.clientX - box.left) / box.width, 0, 0.9999), y: clamp((event.clientY - box.top) / box.height, 0, 0.9999) };
  };
  function follow(target, wipes) {
    target.addEventListener("pointerdown", (event) => {
      pressed = { x: event.clientX, moved: false };
      if (wipes && event.pointerType === "mouse") target.setPointerCapture?.(event.pointerId);
    });
    target.addEventListener("pointermove", (event) => {
      const at = spot(event, target);
      if (event.buttons && wipes && pressed && store.state.hasPhoto) {
        pressed.moved ||= Math.abs(event.clientX - pressed.x) > 4;
        if (pressed.moved) store.set({ wipe: Math.round(100 * at.x) });
        return;
      }
      if (event.pointerType === "mouse") store.set({ point: at });
    });
    target.addEventListener("pointerup", (event) => {
      if (event.pointerType !== "mouse" && pressed && !pressed.moved) store.set({ point: spot(event, target) });
      pressed = null;
    });
    target.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse" && !event.buttons) store.set({ point: null }); });
  }
  follow(big, true);
  big.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "Escape") store.set({ point: null });
    if (!move) return;
    event.preventDefault();
    const [down, across] = fields ? [fields.rows.length, fields.columns.length] : [16, 16];
    const now = store.state.point ?? { x: 0.5, y: 0.5 };
    const step = (value, count, by) => (clamp(Math.floor(value * count) + by, 0, count - 1) + 0.5) / count;
    store.set({ point: { x: step(now.x, across, move[0]), y: step(now.y, down, move[1]) } });
  });

  function box(node, names, [top, left, bottom, right]) {
    [top, left, bottom - top, right - left].forEach((value, index) => node.style.setProperty(names[index], `${100 * value}%`));
  }

  function mark(root) {
    const { point } = store.state;
    root.classList.toggle("marked", point !== null);
    root.classList.toggle("fielded", point !== null && fields !== null);
    if (!point) { place.textContent = fields ? "Point at a picture: the mark shows the same place in all, the frame what a cell of this layer sees." : "Point at a picture: the mark shows the same place in all."; return; }
    root.style.setProperty("--x", `${100 * point.x}%`);
    root.style.setProperty("--y", `${100 * point.y}%`);
    if (!fields) { place.textContent = `Row ${Math.floor(point.y * size[0])}, column ${Math.floor(point.x * size[1])} of the picture.`; return; }
    const row = Math.floor(point.y * fields.rows.length), column = Math.floor(point.x * fields.columns.length);
    const [top, bottom] = fields.rows[row], [left, right] = fields.columns[column];
    box(root, ["--top", "--left", "--high", "--wide"], [top, left, bottom, right]);
    const tall = Math.round((bottom - top) * size[0]), wide = Math.round((right - left) * size[1]);
    const whole = tall === size[0] && wide === size[1];
    const sees = whole ? "the whole picture" : `${tall} × ${wide} pixels, ${percent((bottom - top) * (right - left))} of the picture`;
    place.textContent = `Cell (${row}, ${column}) of ${fields.rows.length} × ${fields.columns.length} sees ${sees}${fields.assumed ? " (assumed)" : ""}.`;
  }

  function lay(root, view) {
    fields = view.fields;
    size = view.size;
    root.style.setProperty("--ratio", `${size[1]} / ${size[0]}`);
    root.style.setProperty("--shape", size[1] / size[0]);
    const bare = !view.pictures.length;
    hole.textContent = view.reason;
    hole.hidden = !bare;
    under.hidden = over.hidden = edge.hidden = bare;
    const photo = view.pictures.find((picture) => picture.key === "photo");
    ends.hidden = !photo || bare;
    over.hidden = over.hidden || !photo;
    edge.hidden = edge.hidden || !photo;
    region.hidden = !view.region;
    if (view.region) box(region, ["--top", "--left", "--high", "--wide"], view.region);
    const at = [...small.children].indexOf(document.activeElement);
    small.replaceChildren(...view.pictures.map((picture) => {
      const image = el("img", { src: picture.src, alt: "", draggable: "false", decoding: "sync" });
      const button = el("button", {
        type: "button", class: "tile", "data-key": picture.key, "aria-label": `${picture.name}${picture.says ? `, ${picture.says}` : ""}`,
        onclick: () => choose(picture.key),
      }, el("span", { class: "pic" }, image), el("span", { class: "tile-name" }, picture.name), el("span", { class: "tile-says" }, picture.says));
      follow(button.firstChild, false);
      return button;
    }));
    if (at >= 0) small.children[at]?.focus({ preventScroll: true });
    legend.textContent = view.legend;
    mark(root);
  }

  // Show the chosen picture; ``frames`` gives a seed's film and where it stands, null at the end.
  function show(view, shown, frames) {
    const { wipe: part } = store.state;
    const chosen = view.pictures.find((picture) => picture.key === shown) ?? view.pictures[0];
    if (!chosen) { big.setAttribute("aria-label", view.reason); return; }
    const photo = view.pictures.find((picture) => picture.key === "photo");
    draw(under, chosen, frames);
    if (photo) draw(over, photo, null);
    big.style.setProperty("--wipe", `${part}%`);
    wipe.value = part;
    wipe.setAttribute("aria-valuetext", `${part} % photo`);
    ends.firstChild.textContent = chosen.name;
    big.setAttribute("aria-label", `${chosen.name}, ${view.words}${photo && part ? `; the photo over its left ${part} %` : ""}. Arrow keys move the mark.`);
    for (const tile of small.children) {
      const picture = view.pictures.find((one) => one.key === tile.dataset.key);
      tile.setAttribute("aria-pressed", String(picture === chosen));
      const unfilmed = frames !== null && picture.key !== "photo" && !frames.films[picture.key];
      tile.classList.toggle("unfilmed", unfilmed);
      draw(tile.querySelector("img"), picture, frames);
    }
  }

  function draw(image, picture, frames) {
    const film = frames?.films[picture.key];
    const source = film ?? picture.src;
    if (image.getAttribute("src") !== source) image.setAttribute("src", source);
    const down = film && frames.count > 1 ? (100 * frames.at) / (frames.count - 1) : 50;
    image.style.setProperty("object-position", `50% ${down}%`);
  }
  return { viewer, small, legend, lay, show, mark };
}

export function percent(part) {
  return part >= 0.095 ? `${Math.round(100 * part)} %` : `${(100 * part).toFixed(1)} %`;
}
