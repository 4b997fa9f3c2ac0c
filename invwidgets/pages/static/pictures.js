// The large picture with its wipe, the small ones beside it, and one mark at the same place in all.
import { createCompare, createMarks } from "./compare.js";
import { el } from "./dom.js";

export function createPictures(store, choose) {
  const marks = createMarks(store);
  const compare = createCompare(store, marks);
  const { big, ends } = compare;
  const veil = () => el("span", { class: "iw-veil", "aria-hidden": "true" });
  big.append(veil());
  const hole = el("p", { class: "hole-words", role: "status" });
  const viewer = el("div", { class: "viewer" }, el("div", { class: "frame" }, big, hole), ends, marks.words);
  const small = el("div", { class: "small", role: "group", "aria-label": "Pictures" });
  const legend = el("p", { class: "legend" });

  function lay(root, view) {
    marks.lay(view);
    marks.veil(root);
    compare.lay(view);
    root.style.setProperty("--ratio", `${view.size[1]} / ${view.size[0]}`);
    root.style.setProperty("--shape", view.size[1] / view.size[0]);
    hole.textContent = view.reason;
    hole.hidden = view.pictures.length > 0;
    const at = [...small.children].indexOf(document.activeElement);
    small.replaceChildren(...view.pictures.map((picture) => {
      const image = el("img", { src: picture.src, alt: "", draggable: "false", decoding: "sync" });
      const button = el("button", {
        type: "button", class: "tile", "data-key": picture.key, "aria-label": `${picture.name}${picture.says ? `, ${picture.says}` : ""}`,
        onclick: () => choose(picture.key),
      }, el("span", { class: "iw-pic" }, image, veil()), el("span", { class: "tile-name" }, picture.name), el("span", { class: "tile-says" }, picture.says));
      marks.follow(button.firstChild);
      return button;
    }));
    if (at >= 0) small.children[at]?.focus({ preventScroll: true });
    legend.textContent = view.legend;
    marks.mark(root);
  }

  // Show the chosen picture; ``frames`` gives a seed's film and where it stands, null at the end.
  function show(view, shown, frames) {
    const chosen = view.pictures.find((picture) => picture.key === shown) ?? view.pictures[0];
    if (!chosen) { big.setAttribute("aria-label", view.reason); return; }
    const photo = view.pictures.find((picture) => picture.key === "photo");
    compare.show(chosen, photo, view.words, (image, picture) => draw(image, picture, frames));
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
  return { viewer, small, legend, lay, show, mark: marks.mark, keys: compare.keys };
}
