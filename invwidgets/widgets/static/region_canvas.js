// A photo with a layer's grid of cells: drag, or use the arrow keys, to choose a region of cells.
function render({ model, el }) {
  const canvas = document.createElement("canvas");
  canvas.className = "iw-region-canvas";
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  el.appendChild(canvas);
  const image = new Image();
  let url = null, anchor = null, draft = null, wide = 0, last = 0;

  const rows = () => model.get("rows"), columns = () => model.get("columns");
  const size = () => model.get("image_size");           // height, width in pixels
  const field = ([r0, r1, c0, c1]) => {
    const down = model.get("row_fields"), across = model.get("column_fields");
    if (!down.length || !across.length) return [0, 0, size()[0], size()[1]];
    return [down[r0][0], across[c0][0], down[r1 - 1][1], across[c1 - 1][1]];
  };

  const room = () => Math.min(204, Math.max(120, el.clientWidth || 200));
  function fit() {
    const ratio = window.devicePixelRatio || 1;
    last = room();
    wide = Math.min(room(), (room() * size()[1]) / size()[0]);      // a tall photo is no taller than wide
    const high = (wide * size()[0]) / size()[1];
    canvas.width = Math.round(wide * ratio);
    canvas.height = Math.round(high * ratio);
    canvas.style.width = wide + "px";
    canvas.style.height = high + "px";
    draw();
  }

  function draw() {
    const pen = canvas.getContext("2d"), w = canvas.width, h = canvas.height;
    const unit = w / size()[1];                         // canvas pixels to an image pixel
    pen.clearRect(0, 0, w, h);
    if (model.get("picture").byteLength && image.naturalWidth) pen.drawImage(image, 0, 0, w, h);
    else { pen.fillStyle = "#6e7681"; pen.fillRect(0, 0, w, h); }  // no photo: the grid alone
    if (!rows()) return;
    const cw = w / columns(), ch = h / rows(), ratio = window.devicePixelRatio || 1;
    const box = draft || model.get("box");
    if (box.length === 4) {
      const [top, left, bottom, right] = field(box).map((v) => v * unit);
      pen.fillStyle = "rgba(15, 18, 22, 0.62)";
      pen.fillRect(0, 0, w, top);
      pen.fillRect(0, bottom, w, h - bottom);
      pen.fillRect(0, top, left, bottom - top);
      pen.fillRect(right, top, w - right, bottom - top);
    }
    if (Math.min(cw, ch) >= 5 * ratio) {
      pen.strokeStyle = "rgba(255, 255, 255, 0.28)";
      pen.lineWidth = ratio;
      pen.beginPath();
      for (let c = 1; c < columns(); c++) { pen.moveTo(c * cw, 0); pen.lineTo(c * cw, h); }
      for (let r = 1; r < rows(); r++) { pen.moveTo(0, r * ch); pen.lineTo(w, r * ch); }
      pen.stroke();
    }
    if (box.length === 4) {
      const [top, left, bottom, right] = field(box).map((v) => v * unit);
      pen.setLineDash([5 * ratio, 4 * ratio]);
      pen.lineWidth = 2 * ratio;
      pen.strokeStyle = "#f2c94c";                      // what they see: the gallery's frame too
      pen.strokeRect(left + 1, top + 1, right - left - 2, bottom - top - 2);
      pen.setLineDash([]);
      const [r0, r1, c0, c1] = box;
      pen.fillStyle = "rgba(88, 166, 255, 0.22)";
      pen.fillRect(c0 * cw, r0 * ch, (c1 - c0) * cw, (r1 - r0) * ch);
      pen.lineWidth = 2.5 * ratio;
      pen.strokeStyle = "#58a6ff";
      pen.strokeRect(c0 * cw, r0 * ch, (c1 - c0) * cw, (r1 - r0) * ch);
    }
    canvas.setAttribute("aria-label", model.get("describes"));
  }

  const clamp = (v, low, high) => Math.min(high, Math.max(low, v));
  function place(event) {                               // in cells, fractional
    const b = canvas.getBoundingClientRect();
    return [((event.clientY - b.top) / b.height) * rows(), ((event.clientX - b.left) / b.width) * columns()];
  }
  function snap(a, b) {
    const span = (p, q, n) => {
      const low = clamp(Math.floor(Math.min(p, q)), 0, n - 1);
      return [low, clamp(Math.ceil(Math.max(p, q)), low + 1, n)];
    };
    return [...span(a[0], b[0], rows()), ...span(a[1], b[1], columns())];
  }
  function choose(box) {
    model.set("box", box);
    model.save_changes();
    draw();
  }

  canvas.onpointerdown = (event) => {
    if (!rows()) return;
    anchor = place(event);
    canvas.setPointerCapture(event.pointerId);
    canvas.focus();
    event.preventDefault();
  };
  canvas.onpointermove = (event) => {
    if (!anchor) return;
    draft = snap(anchor, place(event));
    draw();
  };
  canvas.onpointerup = (event) => {
    if (!anchor) return;
    const box = snap(anchor, place(event));
    anchor = draft = null;
    choose(box);
  };
  canvas.onpointercancel = () => { anchor = draft = null; draw(); };
  canvas.onkeydown = (event) => {
    if (!rows()) return;
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    let box = model.get("box");
    if (event.key === "Escape") { choose([]); event.stopPropagation(); return; }
    if (!(event.key in moves) && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    if (box.length !== 4) {
      const middle = (n) => { const s = Math.min(n, 5), low = Math.floor((n - s) / 2); return [low, low + s]; };
      choose([...middle(rows()), ...middle(columns())]);
      return;
    }
    if (!(event.key in moves)) return;
    const [down, right] = moves[event.key];
    let [r0, r1, c0, c1] = box;
    if (event.shiftKey) {
      r1 = clamp(r1 + down, r0 + 1, rows());
      c1 = clamp(c1 + right, c0 + 1, columns());
    } else {
      const dr = clamp(down, -r0, rows() - r1), dc = clamp(right, -c0, columns() - c1);
      [r0, r1, c0, c1] = [r0 + dr, r1 + dr, c0 + dc, c1 + dc];
    }
    choose([r0, r1, c0, c1]);
  };

  function load() {
    if (url) URL.revokeObjectURL(url);
    url = URL.createObjectURL(new Blob([model.get("picture")]));
    image.src = url;
    if (!model.get("picture").byteLength) fit();
  }
  image.onload = fit;
  model.on("change:picture", load);
  model.on("change:image_size", fit);
  for (const name of ["box", "rows", "columns", "row_fields", "describes"]) model.on("change:" + name, draw);
  const watch = new ResizeObserver(() => { if (Math.abs(room() - last) > 1) fit(); });
  watch.observe(el);
  load();
  return () => { watch.disconnect(); if (url) URL.revokeObjectURL(url); };
}
export default { render };
