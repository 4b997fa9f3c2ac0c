// The pictures of a run with text beneath them, swapped without a blank, and one mark at the same
// place in all; one picture is compared with the photo: a wipe, a blink key, the field magnified;
// one picture and the photo fill the screen for an audience.
import { createCompare, createMarks, frame } from "./compare.js";
import { createStore, el } from "./dom.js";
import { createPresenter } from "./presenter.js";
import { createShots, put } from "./shots.js";

const AROUND = 0.09;                                    // of a picture, magnified where no field is known

function render({ model, el: host }) {
  const store = createStore({ wipe: 50, point: null, hasPhoto: false });
  const marks = createMarks(store), compare = createCompare(store, marks), zoom = createZoom();
  const select = el("select", { "aria-label": "Which picture is compared", onchange: () => choose("compared", select.value) });
  const against = el("label", { class: "iw-against" }, "The photo and", select);
  const viewer = el("div", { class: "iw-compare", hidden: true }, compare.big, el("div", { class: "iw-compare-side" }, against, compare.ends, zoom.root));
  const button = el("button", { type: "button", class: "iw-button", onclick: toggle }, "Compare");
  const large = el("button", { type: "button", class: "iw-button", onclick: () => presenter.toggle() }, "Present");
  const row = el("div", { class: "iw-gallery-row" }, marks.words, button, large);
  const root = el("div", { class: "iw-gallery iw-live" });
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !model.get("compared")) return;
    event.stopImmediatePropagation();
    choose("compared", "");
  });
  const pictures = createShots(model, root, { press, dress, laid, filled }), { source } = pictures;
  root.append(viewer, pictures.shots, row);
  host.appendChild(root);
  compare.keys(root);
  const presenter = createPresenter(root, () => !large.disabled, () => pictures.lay());
  let alive = true, alone = "";

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
  function presented() {                                // chosen once: the best one changes as a run goes on
    const at = model.get("enlarged");
    return at >= 0 ? `s${at}` : model.get("compared") || model.get("best") || "s0";
  }

  function dress(shot, key, made) {
    const picture = shot.querySelector(".iw-pic"), field = model.get("field");
    if (!presenter.on) alone = presented();
    shot.classList.toggle("iw-alone", key === "photo" || key === alone);
    if (made) marks.follow(picture);
    picture.querySelector(".iw-region")?.remove();
    if (key !== "photo" || !field.length) return;
    const region = el("span", { class: "iw-region", "aria-hidden": "true" });
    frame(region, field);
    picture.append(region);
  }
  function laid() {
    const keys = model.get("order"), names = model.get("names"), compared = model.get("compared");
    root.classList.toggle("iw-comparing", Boolean(compared));
    viewer.hidden = !compared;
    button.setAttribute("aria-pressed", String(Boolean(compared)));
    select.replaceChildren(...keys.map((key, place) => [key, names[place]]).filter(([key]) => key !== "photo" && key !== "spread")
      .map(([key, name]) => el("option", { value: key, selected: key === compared }, name)));
    point();
  }
  function filled() {
    const photo = Boolean(source("photo")), any = pictures.pictured().length;
    store.set({ hasPhoto: photo });
    button.disabled = !photo || !any;
    button.title = button.disabled ? "A photo and a picture are needed" : "Show one picture over the photo, with a line to drag; hold the key B for the photo";
    large.disabled = !any;
    large.title = large.disabled ? "A picture is needed" : "Show the photo, one picture and the layers in large (key P); Esc ends it";
    if (model.get("compared")) showCompared();
  }
  function point() {
    marks.lay({ fields: model.get("fields"), size: model.get("shape") });
    marks.mark(root);
    if (model.get("compared")) zoom.show(store.state.point, marks.seen());
  }
  function showCompared() {
    const key = model.get("compared"), name = model.get("names")[model.get("order").indexOf(key)] ?? "";
    const field = model.get("field"), shown = [{ key: "photo" }, { key, name }];
    compare.lay({ pictures: shown, region: field.length ? field : null });
    compare.show(shown[1], shown[0], model.get("describes"), (image, { key: which }) => put(image, source(which)));
    zoom.draw([[source("photo"), "the photo"], [source(key), name]]);
  }
  store.listen(["point"], () => { if (alive) point(); });
  store.listen(["wipe"], () => { if (model.get("compared")) showCompared(); });

  model.on("change:field change:compared", pictures.lay);
  model.on("change:fields", point);
  const forget = pictures.begin();
  return () => {
    alive = false;
    forget();
    presenter.forget();
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
