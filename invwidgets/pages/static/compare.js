// A picture over another with a wipe and a blink key, and one mark at the same place in all pictures.
import { clamp, el } from "./dom.js";

export const BLINK = "b";
let count = 0;

// The mark follows the pointer over any picture that is followed: ``store.state.point``, in parts of
// the picture. ``mark(root)`` draws it in every picture beneath ``root``, and the receptive field of
// the cell there: ``fields`` has the top and bottom of each row of cells, the sides of each column.
// If it has ``effective``, the effective fields of some rows and columns were measured. Then the field
// is that of the nearest of their cells, and ``veil`` covers the pixels of little weight.
export function createMarks(store) {
  const words = el("p", { class: "iw-place-words", id: `iw-place-${++count}`, role: "status" });
  let fields = null, size = [1, 1], pressed = null;

  const spot = (event, target) => {
    const box = target.getBoundingClientRect();
    return { x: clamp((event.clientX - box.left) / box.width, 0, 0.9999), y: clamp((event.clientY - box.top) / box.height, 0, 0.9999) };
  };
  function follow(target, wipes = false) {
    target.addEventListener("pointerdown", (event) => {
      pressed = { x: event.clientX, moved: false };
      if (wipes && event.pointerType === "mouse") target.setPointerCapture?.(event.pointerId);
    });
    target.addEventListener("pointermove", (event) => {
      const at = spot(event, target);
      if (event.buttons && wipes && pressed && store.state.hasPhoto) {
        pressed.moved ||= Math.abs(event.clientX - pressed.x) > 4;
        if (pressed.moved) store.set({ wipe: Math.round(100 * at.x), ...(fields?.effective && { point: null }) });
        return;
      }
      if (event.pointerType === "mouse") store.set({ point: at });
    });
    target.addEventListener("pointerup", (event) => {
      if (event.pointerType !== "mouse" && pressed && !pressed.moved) touch(spot(event, target));
      pressed = null;
    });
    target.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse" && !event.buttons) store.set({ point: null }); });
  }
  function touch(at) {                                   // a second touch of a cell takes its veil away
    const before = store.state.point && fields?.effective ? cell().join() : null;
    store.set({ point: at });
    if (before !== null && cell().join() === before) store.set({ point: null });
  }
  function steer(target) {                               // arrow keys: from cell to cell
    target.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (event.key === "Escape") store.set({ point: null });
      if (!move) return;
      event.preventDefault();
      const now = store.state.point ?? { x: 0.5, y: 0.5 };
      const step = (value, name, by) => {
        const most = fields?.[name].length ?? 16, cells = cellsOf(name, most);
        return (cells[clamp(nearest(cells, value * most) + by, 0, cells.length - 1)] + 0.5) / most;
      };
      store.set({ point: { x: step(now.x, "columns", move[0]), y: step(now.y, "rows", move[1]) } });
    });
  }

  const cellsOf = (name, most) => fields?.effective?.[name] ?? Array.from({ length: most }, (_, at) => at);
  const nearest = (cells, at) => cells.reduce((best, cell, place) => (Math.abs(cell + 0.5 - at) < Math.abs(cells[best] + 0.5 - at) ? place : best), 0);
  function places() {                                    // of the nearest cell among those that can be shown
    const { x, y } = store.state.point;
    return [[y, "rows"], [x, "columns"]].map(([value, name]) => nearest(cellsOf(name, fields[name].length), value * fields[name].length));
  }
  function cell() {
    const [down, across] = places();
    return [cellsOf("rows", fields.rows.length)[down], cellsOf("columns", fields.columns.length)[across]];
  }
  function seen() {                                      // top, left, bottom, right of the field, null without one
    if (!store.state.point || !fields) return null;
    const [row, column] = cell();
    return [fields.rows[row][0], fields.columns[column][0], fields.rows[row][1], fields.columns[column][1]];
  }
  function mark(root) {
    const { point } = store.state, field = seen();
    root.classList.toggle("iw-marked", point !== null);
    root.classList.toggle("iw-fielded", field !== null);
    root.classList.toggle("iw-veiled", Boolean(field && fields.effective));
    words.textContent = say(point, field);
    if (!point) return;
    root.style.setProperty("--x", `${100 * point.x}%`);
    root.style.setProperty("--y", `${100 * point.y}%`);
    if (field) frame(root, field);
    if (!field || !fields.effective) return;
    const counts = [fields.effective.rows.length, fields.effective.columns.length];
    const [down, across] = places().map((place, axis) => (counts[axis] > 1 ? (100 * place) / (counts[axis] - 1) : 0));
    root.style.setProperty("--veil-at", `${across}% ${down}%`);
  }
  function say(point, field) {
    if (!point) return `Point at a picture: the mark shows the same place in all${fields ? ", the frame what a cell of this layer sees" : ""}${fields?.effective ? "; pixels of little weight fade" : ""}.`;
    if (!field) return `Row ${Math.floor(point.y * size[0])}, column ${Math.floor(point.x * size[1])} of the picture.`;
    const [row, column] = cell(), high = field[2] - field[0], wide = field[3] - field[1];
    const tall = Math.round(high * size[0]), broad = Math.round(wide * size[1]);
    const sees = tall === size[0] && broad === size[1] ? "the whole picture" : `${tall} × ${broad} pixels, ${percent(high * wide)} of the picture`;
    const across = fields.effective?.columns.length, [line, place] = places(), side = fields.effective?.sides[line * across + place];
    const weighs = side ? `; effective area ${side} × ${side}` : "";
    return `Cell (${row}, ${column}) of ${fields.rows.length} × ${fields.columns.length} sees ${sees}${fields.assumed ? " (assumed)" : ""}${weighs}.`;
  }
  function lay(view) {
    fields = view.fields;
    size = view.size;
  }
  function veil(root) {                                  // the picture of all measured fields of the layer
    const measured = fields?.effective;
    root.style.setProperty("--veil", measured ? `url("${measured.sheet}")` : "none");
    if (measured) root.style.setProperty("--veil-size", `${100 * measured.columns.length}% ${100 * measured.rows.length}%`);
  }
  return { words, follow, steer, mark, lay, seen, veil };
}

export function frame(node, [top, left, bottom, right]) {
  const values = { top, left, high: bottom - top, wide: right - left };
  for (const [name, value] of Object.entries(values)) node.style.setProperty(`--${name}`, `${100 * value}%`);
}

// The chosen picture, and the photo over its left part, as far as ``store.state.wipe`` says.
export function createCompare(store, marks) {
  const under = el("img", { class: "iw-under", alt: "", draggable: "false", decoding: "sync" });
  const over = el("img", { class: "iw-over", alt: "", draggable: "false", decoding: "sync" });
  const edge = el("span", { class: "iw-edge", "aria-hidden": "true" });
  const region = el("span", { class: "iw-region", "aria-hidden": "true" });
  const big = el("div", {
    class: "iw-pic iw-big", tabindex: 0, role: "application", "aria-roledescription": "picture", "aria-describedby": marks.words.id,
  }, under, over, edge, region);
  const wipe = el("input", { type: "range", min: 0, max: 100, step: 1, class: "iw-wipe", "aria-label": "How much of the photo lies over the reconstruction" });
  const button = el("button", { type: "button", class: "iw-blink", title: "Hold it, or the key B: the photo. Let go: the picture." }, "Blink (B)");
  const ends = el("div", { class: "iw-wipe-row" }, el("span", {}, "picture"), wipe, el("span", {}, "photo"), button);

  wipe.addEventListener("input", () => store.set({ wipe: +wipe.value }));
  marks.follow(big, true);
  marks.steer(big);
  const blink = (on) => { if (store.state.hasPhoto) store.set({ wipe: on ? 100 : 0 }); };
  button.addEventListener("pointerdown", () => blink(true));
  for (const name of ["pointerup", "pointercancel", "pointerleave"]) button.addEventListener(name, (event) => { if (event.buttons || name !== "pointerleave") blink(false); });
  const presses = (event) => event.key.toLowerCase() === BLINK || (event.target === button && (event.key === "Enter" || event.key === " "));
  function keys(root) {                                  // the blink key is heard wherever the focus is beneath ``root``
    const heard = (on) => (event) => {
      if (!presses(event) || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "range") return;
      event.preventDefault();
      if (!event.repeat) blink(on);
    };
    root.addEventListener("keydown", heard(true));
    root.addEventListener("keyup", heard(false));
  }

  function lay(view) {
    const bare = !view.pictures.length, photo = view.pictures.some((picture) => picture.key === "photo");
    under.hidden = bare;
    ends.hidden = over.hidden = edge.hidden = bare || !photo;
    region.hidden = !view.region;
    if (view.region) frame(region, view.region);
  }
  // ``draw(image, picture)`` gives an image its source.
  function show(chosen, photo, words, draw) {
    const { wipe: part } = store.state;
    draw(under, chosen);
    if (photo) draw(over, photo);
    big.style.setProperty("--wipe", `${part}%`);
    wipe.value = part;
    wipe.setAttribute("aria-valuetext", `${part} % photo`);
    ends.firstChild.textContent = chosen.name;
    big.setAttribute("aria-label", `${chosen.name}, ${words}${photo && part ? `; the photo over its left ${part} %` : ""}. Arrow keys move the mark.`);
  }
  return { big, ends, lay, show, keys };
}

export function percent(part) {
  return part >= 0.095 ? `${Math.round(100 * part)} %` : `${(100 * part).toFixed(1)} %`;
}
