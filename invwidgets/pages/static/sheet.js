// All pictures as a table: the main axis across, the others down; a press brings one into view.
import { el } from "./dom.js";

export function createSheet(content, stops, rows, choose) {
  const sheet = document.getElementById("sheet");
  const grid = sheet.querySelector(".entries");
  const plain = rows.length < 2;
  sheet.classList.toggle("plain", plain);
  if (plain) return { mark() {} };
  sheet.classList.add("grid");
  grid.setAttribute("role", "group");
  grid.setAttribute("aria-label", "All pictures; arrow keys move, Enter brings one into view");
  grid.style.setProperty("--columns", stops.length);
  const cells = new Map();
  const heads = stops.map((stop, column) => placed(el("div", { class: "column-head" }, stop), 1, column + 2));
  rows.forEach(({ words, places }, row) => {
    heads.push(placed(el("div", { class: "row-head" }, words), row + 2, 1));
    places.forEach((entry, column) => {
      if (entry === null) return;
      const cell = placed(document.getElementById(`e${entry}`), row + 2, column + 2);
      cell.tabIndex = -1;
      cell.setAttribute("role", "button");
      cell.setAttribute("aria-label", cell.querySelector("h3").textContent);
      cell.title = cell.querySelector("h3").textContent;
      cell.dataset.row = row;
      cell.dataset.column = column;
      cells.set(`${row},${column}`, cell);
      cell.addEventListener("click", () => choose(entry));
    });
  });
  grid.append(...heads);
  let here = null;
  grid.addEventListener("keydown", (event) => {
    const cell = event.target.closest(".entry");
    const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (cell && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); cell.click(); }
    if (!cell || !move) return;
    event.preventDefault();
    const next = cells.get(`${+cell.dataset.row + move[0]},${+cell.dataset.column + move[1]}`);
    if (!next) return;
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });

  function placed(node, row, column) {
    node.style.setProperty("--row", row);
    node.style.setProperty("--column", column);
    return node;
  }
  function mark(entry) {
    for (const cell of [here, document.getElementById(`e${entry}`)]) {
      if (!cell) continue;
      const chosen = cell.id === `e${entry}`;
      cell.classList.toggle("here", chosen);
      cell.setAttribute("aria-pressed", String(chosen));
      cell.tabIndex = chosen ? 0 : -1;
    }
    here = document.getElementById(`e${entry}`) ?? here;
  }
  return { mark };
}
