// What the network says of the photo and of each image: its likeliest classes, in a small table.
function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "iw-classes";
  root.tabIndex = 0;
  root.setAttribute("role", "region");
  root.setAttribute("aria-label", "What the network says each picture is");
  el.appendChild(root);

  function lay() {
    const rows = model.get("rows");
    root.replaceChildren();
    root.hidden = !rows.length;
    if (!rows.length) return;
    root.style.setProperty("--iw-pictures", rows.length);
    const table = document.createElement("table"), head = document.createElement("caption");
    head.textContent = "What the network says each picture is, and how sure it is";
    table.appendChild(head);
    const top = table.insertRow();
    rows.forEach(([what]) => {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = what;
      top.appendChild(cell);
    });
    for (let rank = 0; rank < rows[0][1].length; rank++) {
      const line = table.insertRow();
      rows.forEach(([, classes]) => {
        const cell = line.insertCell(), [name, sure] = classes[rank];
        cell.title = `${name}, ${sure.toFixed(3)}`;
        const words = document.createElement("span"), number = document.createElement("span");
        words.className = "iw-class";
        words.textContent = name;
        number.className = "iw-sure";
        number.textContent = sure.toFixed(2);
        cell.append(words, number);
        if (name === rows[0][1][0][0]) cell.classList.add("iw-same");
      });
    }
    root.appendChild(table);
  }
  model.on("change:rows", lay);
  lay();
}
export default { render };
