// The likeliest classes of the photo and of each image, by the network and by another one, each list beneath its picture.
function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "iw-classes";
  root.tabIndex = 0;
  root.setAttribute("role", "region");
  root.setAttribute("aria-label", "The likeliest classes of each picture");
  el.appendChild(root);

  function list([what, classes, judged = []], first, firstJudged) {
    const table = document.createElement("table"), head = document.createElement("caption");
    head.textContent = what;
    table.appendChild(head);
    function add([name, sure], same) {
      const line = table.insertRow(), words = line.insertCell(), number = line.insertCell();
      if (sure !== null) line.title = `${name}, ${sure.toFixed(3)}`;
      words.className = "iw-class";
      words.textContent = name;
      number.className = "iw-sure";
      number.textContent = sure === null ? "" : sure.toFixed(2);
      if (sure !== null && name === same) line.className = "iw-same";
    }
    classes.forEach((one) => add(one, first));
    if (judged.length) {
      const says = table.insertRow().insertCell();
      says.colSpan = 2;
      says.className = "iw-judge";
      says.textContent = "another network says";
      says.title = `${model.get("judge")}, which was not used for the search`;
      judged.forEach((one) => add(one, firstJudged));
    }
    return table;
  }

  const blank = (count) => Array(count).fill(["\u00a0", null]);  // as many lines as a list will have
  function lay() {
    const known = model.get("rows"), boxes = model.get("boxes");
    const rows = known.length ? known : model.get("awaited").map((what) => [what, blank(5), blank(2)]);
    root.classList.toggle("iw-awaited", !known.length);
    root.replaceChildren();
    root.hidden = !rows.length;
    if (!rows.length) return;
    const head = document.createElement("p");
    head.textContent = "The likeliest classes of each picture, with their probabilities";
    root.appendChild(head);
    const first = rows[0][1][0][0], firstJudged = ((rows[0][2] || [])[0] || [])[0];
    const even = rows.map((_, place) => [place / rows.length, 0.92 / rows.length, 0]);
    const where = boxes.length >= rows.length ? boxes : even;
    const widest = Math.max(...where.slice(0, rows.length).map((box) => box[1]));
    let line = null, row = -1, right = 0;
    rows.map((entry, place) => [entry, where[place]])
      .filter(([, box]) => box[1] > widest / 2)         // where one is enlarged, of the large ones
      .sort(([, a], [, b]) => a[2] - b[2] || a[0] - b[0])
      .forEach(([entry, [left, width, at]]) => {
        if (at !== row) {
          line = root.appendChild(document.createElement("div"));
          [row, right] = [at, 0];
        }
        const table = line.appendChild(list(entry, first, firstJudged));
        table.style.marginLeft = 100 * (left - right) + "%";
        table.style.width = 100 * width + "%";
        right = left + width;
      });
  }
  model.on("change:rows change:boxes change:awaited", lay);
  lay();
}
export default { render };
