// A search over names: a box to type in and the list of what was found, as ARIA's combobox.
let made = 0;

// places of names that have every word that was typed: first where one begins like it, then the others
export function found(names, typed) {
  const words = typed.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const places = names.map((_, place) => place);
  if (!words.length) return places;
  const rank = (place) => {
    if (words.length === 1 && words[0] === String(place)) return 0;
    const name = names[place].toLowerCase();
    if (!words.every((word) => name.includes(word))) return -1;
    const parts = name.split(/[\s-]+/);
    if (parts.includes(words[0])) return 1;
    return parts.some((part) => part.startsWith(words[0])) ? 2 : 3;
  };
  return places.map((place) => [rank(place), place]).filter(([at]) => at >= 0)
    .sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, place]) => place);
}

function render({ model, el }) {
  const id = `iw-search-${(made += 1)}`;
  const root = document.createElement("div");
  root.className = "iw-search";
  const label = document.createElement("label");
  label.htmlFor = id;
  const box = document.createElement("input");
  Object.assign(box, { id, type: "text", autocomplete: "off", spellcheck: false });
  const list = document.createElement("ul");
  list.id = `${id}-list`;
  list.setAttribute("role", "listbox");
  const said = document.createElement("div");
  said.className = "iw-heard";
  said.setAttribute("role", "status");
  box.setAttribute("role", "combobox");
  box.setAttribute("aria-autocomplete", "list");
  box.setAttribute("aria-controls", list.id);
  root.append(label, box, list, said);
  el.appendChild(root);
  el.style.overflow = "visible";                        // the list lies over what is below
  let places = [], at = -1;

  const open = () => !list.hidden;
  const named = (place) => model.get("names")[place] ?? "";
  function close() {
    list.hidden = true;
    at = -1;
    said.textContent = "";
    box.setAttribute("aria-expanded", "false");
    box.removeAttribute("aria-activedescendant");
    box.value = named(model.get("value"));
  }
  function mark(next) {
    list.children[at]?.setAttribute("aria-selected", "false");
    at = next;
    const one = list.children[at];
    if (!one) { box.removeAttribute("aria-activedescendant"); return; }
    one.setAttribute("aria-selected", "true");
    one.scrollIntoView({ block: "nearest" });
    box.setAttribute("aria-activedescendant", one.id);
  }
  function pick(place) {
    model.set("value", place);
    model.save_changes();
    close();
  }
  function look(typed) {
    places = found(model.get("names"), typed);
    list.replaceChildren(...places.map((place, index) => {
      const one = document.createElement("li"), number = document.createElement("span");
      one.id = `${id}-${index}`;
      one.setAttribute("role", "option");
      one.setAttribute("aria-selected", "false");
      number.textContent = place;
      one.append(named(place), " ", number);
      one.onpointerdown = (event) => event.preventDefault();   // the box keeps the focus
      one.onclick = () => pick(place);
      return one;
    }));
    if (!places.length) {
      const none = document.createElement("li");
      none.className = "iw-none";
      none.textContent = `No name has “${typed.trim()}”`;
      none.setAttribute("role", "option");
      none.setAttribute("aria-disabled", "true");
      list.append(none);
    }
    said.textContent = places.length === 1 ? "1 name found" : `${places.length} names found`;
    list.hidden = false;
    box.setAttribute("aria-expanded", "true");
    at = -1;
    mark(typed.trim() && places.length ? 0 : places.indexOf(model.get("value")));
  }
  box.onfocus = () => box.select();
  box.onclick = () => { if (!open()) { box.select(); look(""); } };
  box.oninput = () => look(box.value);
  box.onblur = close;
  box.onkeydown = (event) => {
    event.stopPropagation();                            // a notebook takes keys for itself
    if (event.key === "Tab") return;
    if (event.key === "Escape") { close(); box.select(); }
    if (event.key === "Enter" && open() && at >= 0 && places.length) pick(places[at]);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      if (!open()) look("");
      else if (places.length) mark((at + step + places.length) % places.length);
    }
  };
  function show() {
    label.textContent = model.get("label");
    list.setAttribute("aria-label", model.get("label"));
    if (!open() || document.activeElement !== box) close();
  }
  model.on("change:names change:value change:label", show);
  close();
  show();
}
export default { render };
