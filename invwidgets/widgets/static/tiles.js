// A grid of small pictures cut from one sprite: choose one, or several; delete where that is allowed.
function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "iw-tiles";
  root.setAttribute("role", "group");
  el.appendChild(root);
  let url = null, last = null;

  function choose(index) {
    let chosen = model.get("selected").slice();
    if (!model.get("multiple")) chosen = [index];
    else if (chosen.includes(index)) chosen = chosen.filter((i) => i !== index);
    else chosen.push(index);
    if (model.get("most") && chosen.length > model.get("most")) chosen = chosen.slice(-model.get("most"));
    model.set("selected", model.get("most") ? chosen : chosen.sort((a, b) => a - b));
    model.save_changes();
  }

  function lay() {
    if (last) URL.revokeObjectURL(last);
    last = url;
    url = URL.createObjectURL(new Blob([model.get("sprite")]));
    const [width, height] = model.get("tile"), across = model.get("across") || 1;
    const labels = model.get("labels"), down = Math.ceil(labels.length / across);
    root.setAttribute("aria-label", model.get("describes"));
    const focused = [...root.querySelectorAll(".iw-tile")].indexOf(document.activeElement);
    root.replaceChildren();
    labels.forEach((label, index) => {
      const cell = document.createElement("div");
      cell.className = "iw-tile-cell";
      const button = document.createElement("button");
      button.className = "iw-tile";
      button.title = label;
      button.setAttribute("aria-label", label);
      button.setAttribute("aria-pressed", String(model.get("selected").includes(index)));
      Object.assign(button.style, {
        width: width + "px", height: height + "px",
        backgroundImage: `url(${url})`,
        backgroundSize: `${width * across}px ${height * down}px`,
        backgroundPosition: `${-(index % across) * width}px ${-Math.floor(index / across) * height}px`,
      });
      button.onclick = () => choose(index);
      button.onkeydown = (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        const others = root.querySelectorAll(".iw-tile");
        if (step && others[index + step]) { stop(index + step); others[index + step].focus(); event.preventDefault(); }
        if (event.key === "Delete" && model.get("deletable")) { model.send({ delete: index }); event.stopPropagation(); }
      };
      cell.appendChild(button);
      if (model.get("captions")[index]) {
        const caption = document.createElement("div");
        caption.className = "iw-tile-caption";
        caption.textContent = model.get("captions")[index];
        caption.style.width = width + "px";
        cell.appendChild(caption);
      }
      if (model.get("deletable")) {
        const cross = document.createElement("button");
        cross.className = "iw-tile-delete";
        cross.textContent = "×";
        cross.tabIndex = -1;                            // the key Delete does it too
        cross.title = "Delete " + label;
        cross.setAttribute("aria-label", "Delete " + label);
        cross.onclick = () => model.send({ delete: index });
        cell.appendChild(cross);
      }
      root.appendChild(cell);
    });
    stop(Math.max(0, focused, ...model.get("selected").slice(0, 1)));
    if (focused >= 0 && root.querySelectorAll(".iw-tile")[focused]) root.querySelectorAll(".iw-tile")[focused].focus();
  }
  function stop(place) {                                // Tab stops once, arrows go from tile to tile
    root.querySelectorAll(".iw-tile").forEach((button, index) => (button.tabIndex = index === place ? 0 : -1));
  }
  function press() {
    root.querySelectorAll(".iw-tile").forEach((button, index) =>
      button.setAttribute("aria-pressed", String(model.get("selected").includes(index))));
  }
  model.on("change:labels change:captions change:sprite", lay);
  model.on("change:selected", press);
  lay();
  return () => { for (const u of [url, last]) if (u) URL.revokeObjectURL(u); };
}
export default { render };
