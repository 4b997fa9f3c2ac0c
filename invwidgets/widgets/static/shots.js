// Pictures at their places with text beneath, swapped without a blank.
import { el } from "./dom.js";
import { tellSize } from "./sized.js";

// ``press(key)`` is called for a picture pressed; ``dress(shot, key, made)`` where one is laid out, then
// ``laid()``, and ``filled()`` where all have their pictures and words.
export function createShots(model, root, { press, dress = () => {}, laid = () => {}, filled = () => {} } = {}) {
  const heads = el("div", { class: "iw-heads" }), shots = el("div", { class: "iw-shots" }, heads);
  root.setAttribute("role", "group");
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  let places = [], held = new Map(), alive = true, drawing = false, again = false;

  const source = (key) => held.get(key)?.url ?? "";
  const pictured = () => model.get("order").filter((key) => key !== "photo" && source(key));
  const url = (bytes) => URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
  const loaded = async (address) => { const image = new Image(); image.src = address; try { await image.decode(); } catch { /* a later one follows */ } };
  const drop = (old, kept) => { for (const [key, { url }] of old) if (kept.get(key)?.url !== url) URL.revokeObjectURL(url); };

  function enlarge(key) {
    model.set("enlarged", model.get("pressed") === key ? -1 : +key.slice(1));
    model.save_changes();
  }
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || model.get("enlarged") < 0) return;
    event.stopPropagation();
    model.set("enlarged", -1);
    model.save_changes();
  });

  async function show() {
    again = true;
    if (drawing) return;
    drawing = true;
    while (again && alive) {
      again = false;
      const files = { photo: model.get("photo_file"), ...model.get("files") }, next = new Map();
      for (const key of model.get("order")) {
        const bytes = files[key], known = held.get(key);
        if (bytes?.byteLength) next.set(key, known && same(bytes, known.bytes) ? known : { bytes, url: url(bytes) });
      }
      await Promise.all([...next].filter(([key, { url }]) => source(key) !== url).map(([, { url }]) => loaded(url)));
      if (again || !alive) { drop(next, held); continue; }
      const old = held;
      held = next;
      fill();
      drop(old, next);
      root.dataset.shown = model.get("shown");
      root.setAttribute("aria-label", model.get("describes"));
    }
    drawing = false;
  }
  function fill() {
    const captions = model.get("captions"), best = model.get("best");
    model.get("order").forEach((key, place) => {
      const shot = places[place], [first, second] = captions[place] ?? ["", ""];
      if (shot?.dataset.key !== key) return;
      put(shot.querySelector("img"), source(key));
      words(shot.querySelector(".iw-first"), first);
      words(shot.querySelector(".iw-second"), second);
      shot.classList.toggle("iw-best", key === best);
    });
    filled();
  }

  function make(key, pressable) {
    const image = el("img", { alt: "", draggable: "false", decoding: "sync" });
    const picture = pressable
      ? el("button", { type: "button", class: "iw-pic iw-place", onclick: () => (press ?? enlarge)(key) }, image, el("span", { class: "iw-cross", "aria-hidden": "true" }, "×"))
      : el("div", { class: "iw-pic" }, image);
    return el("figure", { class: "iw-shot", "data-key": key }, picture, el("figcaption", {}, el("div", { class: "iw-first" }), el("div", { class: "iw-second" })));
  }
  function lay() {
    const names = model.get("names"), labels = model.get("labels"), pressed = model.get("pressed");
    const [width, height] = model.get("extent"), [high, wide] = model.get("shape");
    const at = ([left, top, across]) => ({ left: `${(100 * left) / width}%`, top: `${(100 * top) / height}%`, width: `${(100 * across) / width}%` });
    Object.assign(root.dataset, { theme: model.get("theme"), width });
    root.style.setProperty("--ratio", `${wide} / ${high}`);
    root.style.setProperty("--shape", wide / high);
    Object.assign(shots.style, { aspectRatio: `${width} / ${height}`, minWidth: width > model.get("width") ? `${width}px` : "" });
    heads.replaceChildren(...model.get("heads").map((head) => {
      const node = el("div", { class: head[4] ? "iw-axis-head iw-axis" : "iw-axis-head", title: head[3] }, head[3]);
      Object.assign(node.style, at(head));
      return node;
    }));
    const before = new Map(places.map((shot) => [shot.dataset.key, shot])), focused = document.activeElement;
    const next = model.get("order").map((key, place) => {
      const label = labels[place], known = before.get(key), lines = model.get("spots")[place][4];
      const shot = known && Boolean(known.querySelector("button")) === Boolean(label) ? known : make(key, label);
      const button = shot.querySelector("button");
      for (const [name, value] of Object.entries(button ? { title: label, "aria-label": label } : {})) button.setAttribute(name, value);
      if (button && pressed !== null) button.setAttribute("aria-pressed", String(key === pressed));
      if (!button) shot.querySelector("img").alt = names[place];
      if (!button) shot.setAttribute("aria-label", names[place]);
      shot.classList.toggle("iw-narrow", lines === 1);
      Object.assign(shot.style, at(model.get("spots")[place]));
      dress(shot, key, shot !== known);
      return shot;
    });
    if (next.length !== places.length || next.some((shot, place) => shot !== places[place])) shots.replaceChildren(heads, ...next);
    places = next;
    if (shots.contains(focused)) focused.focus({ preventScroll: true });
    laid();
    fill();
  }

  function begin() {
    const forget = tellSize(model, root);
    model.on("change:files change:photo_file change:captions change:best change:order change:shown", show);
    model.on("change:order change:names change:labels change:pressed change:spots change:heads change:extent change:shape change:theme", lay);
    lay();
    show();
    return () => {
      alive = false;
      forget();
      drop(held, new Map());
    };
  }
  return { shots, source, pictured, begin, lay };
}

export function put(image, address) {
  image.hidden = !address;
  if (address && image.getAttribute("src") !== address) image.setAttribute("src", address);
}
function words(line, text) {                            // its parts: one without room is not shown
  if (line.textContent === text) return;
  line.title = text;
  line.replaceChildren(...text.split(" · ").map((part, place) => el("span", {}, place ? ` · ${part}` : part)));
}
function same(one, two) {
  const [a, b] = [one, two].map((data) => new Uint8Array(data.buffer ?? data, data.byteOffset, data.byteLength));
  return a.length === b.length && a.every((value, place) => value === b[place]);
}
