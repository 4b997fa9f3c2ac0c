// Pictures with text beneath; a press enlarges one, or opens it.
import { el } from "./dom.js";
import { createShots } from "./shots.js";

function render({ model, el: host }) {
  const root = el("div", { class: "iw-gallery iw-plain" }), shots = createShots(model, root);
  root.append(shots.shots);
  host.append(root);
  return shots.begin();
}
export default { render };
