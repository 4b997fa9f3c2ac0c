// A network from left to right: a slider over its stages, each with its name, its size and, once it
// has been asked for, its own small picture. A press on a stage goes there.
function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "iw-overview";
  const row = document.createElement("div");
  row.className = "iw-stages";
  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = 0;
  slider.step = 1;
  slider.className = "iw-stage-slider";
  slider.setAttribute("aria-label", "Layer");
  root.append(slider, row);
  el.appendChild(root);
  let urls = [];

  function choose(place) {
    if (place === model.get("at")) return;
    model.set("at", place);
    model.save_changes();
    mark();
  }

  function lay() {
    const stages = model.get("stages"), pictures = model.get("pictures");
    urls.forEach((url) => URL.revokeObjectURL(url));
    urls = [];
    row.replaceChildren();
    root.style.setProperty("--iw-stages", Math.max(1, stages.length));
    const sides = stages.map((stage) => stage.side), most = Math.max(1, ...sides);
    stages.forEach((stage, place) => {
      const button = document.createElement("button");
      button.className = "iw-stage";
      button.type = "button";
      button.tabIndex = -1;                             // the slider is its key
      button.title = stage.tip;
      const glyph = document.createElement("span");
      glyph.className = "iw-stage-glyph";
      const bytes = pictures[place];
      if (bytes && bytes.byteLength) {
        const image = document.createElement("img");
        const url = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
        urls.push(url);
        image.src = url;
        image.alt = `what ${stage.name} knows of the photo`;
        glyph.appendChild(image);
      } else {
        const block = document.createElement("span");
        block.className = "iw-stage-block";
        block.style.height = Math.max(3, Math.round(26 * Math.sqrt(stage.side / most))) + "px";
        block.style.width = Math.max(4, Math.min(30, Math.round(3.2 * Math.log2(stage.channels + 1)))) + "px";
        glyph.appendChild(block);
      }
      const name = document.createElement("span");
      name.className = "iw-stage-name";
      stage.label.split(/(?<=[._])/).forEach((part) => {
        const half = Math.ceil(part.length / 2);        // a long word may be parted by a hyphen
        name.append(part.length > 8 ? `${part.slice(0, half)}\u00ad${part.slice(half)}` : part);
        name.append(document.createElement("wbr"));
      });
      const size = document.createElement("span");
      size.className = "iw-stage-size";
      size.textContent = stage.size;
      button.append(glyph, name, size);
      button.onclick = () => { choose(place); slider.focus(); };
      row.appendChild(button);
    });

    slider.max = Math.max(0, stages.length - 1);
    slider.disabled = stages.length < 2;
    mark();
  }

  function mark() {
    const at = model.get("at"), stages = model.get("stages"), stage = stages[at];
    slider.value = at;
    if (stage) slider.setAttribute("aria-valuetext", `${stage.name}, ${at + 1} of ${stages.length}, ${stage.tip}`);
    [...row.children].forEach((button, place) => {
      button.classList.toggle("iw-here", place === at);
      button.classList.toggle("iw-after", place > at);
      button.setAttribute("aria-current", place === at ? "true" : "false");
    });
  }
  slider.oninput = () => choose(+slider.value);
  slider.onkeydown = (event) => {                       // notebooks take some keys for themselves
    const at = model.get("at"), last = +slider.max;
    const to = { ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    choose(Math.min(last, Math.max(0, to)));
  };
  model.on("change:stages change:pictures", lay);
  model.on("change:at", mark);
  lay();
  return () => urls.forEach((url) => URL.revokeObjectURL(url));
}
export default { render };
