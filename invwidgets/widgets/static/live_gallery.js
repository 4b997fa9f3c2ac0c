// The pictures of a run with text beneath them, swapped without a blank, and one mark at the same
// place in all; one picture is compared with the photo: a wipe, a blink key, the field magnified;
// one picture and the photo fill the screen for an audience.
import { createCompare, createMarks, frame } from "./compare.js";
import { createStore, el } from "./dom.js";
import { createPresenter } from "./presenter.js";
import { tellSize } from "./sized.js";

const AROUND = 0.09;                                    // of a picture, magnified where no field is known

function render({ model, el: host }) {
  const store = createStore({ wipe: 50, point: null, hasPhoto: false });
  const marks = createMarks(store), compare = createCompare(store, marks), zoom = createZoom();
  const select = el("select", { "aria-label": "Which picture is compared", onchange: () => choose("compared", select.value) });
  const against = el("label", { class: "iw-against" }, "The photo and", select);
  const viewer = el("div", { class: "iw-compare", hidden: true }, compare.big, el("div", { class: "iw-compare-side" }, against, compare.ends, zoom.root));
  const shots = el("div", { class: "iw-shots" });
  const button = el("button", { type: "button", class: "iw-button", onclick: toggle }, "Compare");
  const large = el("button", { type: "button", class: "iw-button", onclick: () => presenter.toggle() }, "Present");
  const row = el("div", { class: "iw-gallery-row" }, marks.words, button, large);
  const root = el("div", { class: "iw-gallery iw-live", role: "group", "data-lm-suppress-shortcuts": "true" }, viewer, shots, row);
  host.appendChild(root);
  compare.keys(root);
  const presenter = createPresenter(root, () => !large.disabled, () => lay());
  let photo = "", sources = [], alive = true, drawing = false, again = false, alone = "";

  const pictured = () => model.get("order").filter((key) => key !== "photo");
  const source = (key) => (key === "photo" ? photo : sources[pictured().indexOf(key)] ?? "");
  const url = (bytes) => (bytes && bytes.byteLength ? URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" })) : "");
  const loaded = async (address) => { const image = new Image(); image.src = address; try { await image.decode(); } catch { /* a later one follows */ } };

  function choose(name, value) {
    model.set(name, value);
    if (name === "compared" && value) model.set("enlarged", -1);
    model.save_changes();
  }
  function toggle() {
    if (model.get("compared")) { choose("compared", ""); return; }
    const at = model.get("enlarged");
    choose("compared", at >= 0 ? `s${at}` : model.get("best") || "s0");
    compare.big.focus({ preventScroll: true });
  }
  function press(key) {
    if (model.get("compared")) choose("compared", key);
    else choose("enlarged", model.get("enlarged") === +key.slice(1) ? -1 : +key.slice(1));
  }
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || (model.get("enlarged") < 0 && !model.get("compared"))) return;
    event.stopPropagation();
    choose(model.get("compared") ? "compared" : "enlarged", model.get("compared") ? "" : -1);
  });

  // ---- pictures

  async function show() {
    if (drawing) { again = true; return; }
    drawing = true;
    const bytes = model.get("pictures"), next = bytes.map(url);
    await Promise.all(next.filter(Boolean).map(loaded));
    drawing = false;
    const late = bytes !== model.get("pictures") || !alive;
    for (const old of late ? next : sources) if (old) URL.revokeObjectURL(old);
    if (!late) {
      sources = next;
      fill();
      root.dataset.shown = model.get("shown");
      root.setAttribute("aria-label", model.get("describes"));
    }
    if ((again || late) && alive) { again = false; show(); }
  }
  function showPhoto() {
    if (photo) URL.revokeObjectURL(photo);
    photo = url(model.get("photo"));
    fill();
  }
  function put(image, address) {
    image.hidden = !address;
    if (address && image.getAttribute("src") !== address) image.setAttribute("src", address);
  }
  function fill() {
    const captions = model.get("captions"), best = model.get("best");
    model.get("order").forEach((key, place) => {
      const shot = shots.children[place];
      if (!shot || shot.dataset.key !== key) return;
      put(shot.querySelector("img"), source(key));
      const [first, second] = captions[place] ?? ["", ""];
      words(shot.querySelector(".iw-first"), first);
      words(shot.querySelector(".iw-second"), second);
      shot.classList.toggle("iw-best", key === best);
    });
    const chosen = model.get("compared");
    store.set({ hasPhoto: Boolean(photo) });
    button.disabled = !photo || !sources.length;
    button.title = button.disabled ? "A photo and a picture are needed" : "Show one picture over the photo, with a line to drag; hold the key B for the photo";
    large.disabled = !sources.length;
    large.title = large.disabled ? "A picture is needed" : "Show the photo, one picture and the layers in large (key P); Esc ends it";
    if (chosen) showCompared();
  }
  function presented() {                                // chosen once: the best one changes as a run goes on
    const at = model.get("enlarged");
    return at >= 0 ? `s${at}` : model.get("compared") || model.get("best") || "s0";
  }
  function words(line, text) {                          // its parts: one without room is not shown
    if (line.textContent === text) return;
    line.title = text;
    line.replaceChildren(...text.split(" · ").map((part, place) => el("span", {}, place ? ` · ${part}` : part)));
  }

  // ---- layout

  function lay() {
    const keys = model.get("order"), names = model.get("names"), [width, height] = model.get("extent");
    if (!presenter.on) alone = presented();
    const compared = model.get("compared"), enlarged = model.get("enlarged"), [high, wide] = model.get("shape");
    const focused = [...shots.children].findIndex((shot) => shot.contains(document.activeElement));
    Object.assign(root.dataset, { theme: model.get("theme"), width });
    root.style.setProperty("--ratio", `${wide} / ${high}`);
    root.style.setProperty("--shape", wide / high);
    shots.style.aspectRatio = `${width} / ${height}`;
    shots.replaceChildren(...keys.map((key, place) => {
      const [left, top, across, , lines] = model.get("spots")[place];
      const seed = /^s\d+$/.test(key), chosen = compared ? key === compared : seed && enlarged === +key.slice(1);
      const image = el("img", { alt: "", draggable: "false", decoding: "sync" });
      let picture;
      if (seed || (compared && key === "mean")) {
        const does = compared ? "compare with the photo" : chosen ? "back to all" : "enlarge beside the photo";
        picture = el("button", { type: "button", class: "iw-pic iw-place", title: `${names[place]}: ${does}`, "aria-label": `${names[place]}: ${does}`, "aria-pressed": String(chosen), onclick: () => press(key) }, image);
        if (chosen && !compared) picture.append(el("span", { class: "iw-cross", "aria-hidden": "true" }, "×"));
      } else {
        image.alt = names[place];
        picture = el("div", { class: "iw-pic" }, image);
      }
      if (key === "photo" && model.get("field").length) {
        const region = el("span", { class: "iw-region", "aria-hidden": "true" });
        frame(region, model.get("field"));
        picture.append(region);
      }
      marks.follow(picture);
      const shot = el("figure", { class: `iw-shot${lines === 1 ? " iw-narrow" : ""}${key === "photo" || key === alone ? " iw-alone" : ""}`, "data-key": key }, picture,
        el("figcaption", {}, el("div", { class: "iw-first" }), el("div", { class: "iw-second" })));
      Object.assign(shot.style, { left: `${(100 * left) / width}%`, top: `${(100 * top) / height}%`, width: `${(100 * across) / width}%` });
      return shot;
    }));
    shots.children[focused]?.querySelector("button")?.focus({ preventScroll: true });
    root.classList.toggle("iw-comparing", Boolean(compared));
    viewer.hidden = !compared;
    button.setAttribute("aria-pressed", String(Boolean(compared)));
    select.replaceChildren(...keys.map((key, place) => [key, names[place]]).filter(([key]) => key !== "photo" && key !== "spread")
      .map(([key, name]) => el("option", { value: key, selected: key === compared }, name)));
    fill();
    point();
  }
  function point() {
    marks.lay({ fields: model.get("fields"), size: model.get("shape") });
    marks.mark(root);
    if (model.get("compared")) zoom.show(store.state.point, marks.seen());
  }
  function showCompared() {
    const key = model.get("compared"), name = model.get("names")[model.get("order").indexOf(key)] ?? "";
    const field = model.get("field"), pictures = [{ key: "photo" }, { key, name }];
    compare.lay({ pictures, region: field.length ? field : null });
    compare.show(pictures[1], pictures[0], model.get("describes"), (image, { key: which }) => put(image, source(which)));
    zoom.draw([[source("photo"), "the photo"], [source(key), name]]);
  }
  store.listen(["point"], () => { if (alive) point(); });
  store.listen(["wipe"], () => { if (model.get("compared")) showCompared(); });

  const forget = tellSize(model, root);
  model.on("change:pictures change:captions change:best", show);
  model.on("change:photo", showPhoto);
  model.on("change:order change:names change:spots change:extent change:shape change:field change:enlarged change:compared change:theme", lay);
  model.on("change:fields", point);
  photo = url(model.get("photo"));
  lay();
  show();
  return () => {
    alive = false;
    forget();
    presenter.forget();
    for (const old of [photo, ...sources]) if (old) URL.revokeObjectURL(old);
  };
}

// What a cell sees of both pictures, magnified.
function createZoom() {
  const lenses = [0, 1].map(() => el("figure", { class: "iw-lens" }, el("div", { class: "iw-lens-glass" }, el("img", { alt: "", draggable: "false" })), el("figcaption")));
  const hint = el("p", { class: "iw-lens-hint" }, "Point at a picture: what the cell there sees is magnified here.");
  const root = el("div", { class: "iw-zoom" }, ...lenses, hint);
  root.dataset.empty = "";

  function draw(pictures) {
    pictures.forEach(([address, name], place) => {
      const image = lenses[place].querySelector("img");
      if (address && image.getAttribute("src") !== address) image.setAttribute("src", address);
      lenses[place].lastChild.textContent = name;
    });
  }
  function show(point, seen) {
    if (!point) return;                                 // the last one stays
    delete root.dataset.empty;
    const near = (value) => [Math.max(0, Math.min(1 - 2 * AROUND, value - AROUND)), Math.min(1, Math.max(2 * AROUND, value + AROUND))];
    const [top, left, bottom, right] = seen ?? [near(point.y)[0], near(point.x)[0], near(point.y)[1], near(point.x)[1]];
    root.style.setProperty("--lens", (right - left) / (bottom - top));
    for (const lens of lenses)
      Object.assign(lens.querySelector("img").style, {
        width: `${100 / (right - left)}%`, height: `${100 / (bottom - top)}%`,
        left: `${(-100 * left) / (right - left)}%`, top: `${(-100 * top) / (bottom - top)}%`,
      });
  }
  return { root, draw, show };
}
export default { render };
