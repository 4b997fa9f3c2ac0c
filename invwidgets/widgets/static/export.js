// Download buttons, and the code of the run with a button that copies it.
function save(message, buffers) {
  if (!message.save) return;
  const url = URL.createObjectURL(new Blob([buffers[0]], { type: message.type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = message.save;
  document.body.appendChild(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

function initialize({ model }) {                          // once, however many views a page has
  model.on("msg:custom", save);
  return () => model.off("msg:custom", save);
}

function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "iw-export";
  const row = document.createElement("div");
  row.className = "iw-row";
  const box = document.createElement("div");
  box.className = "iw-code";
  const code = document.createElement("pre");
  const note = document.createElement("div");
  note.className = "iw-export-note";
  note.setAttribute("role", "status");
  const copy = document.createElement("button");
  copy.className = "iw-button";
  copy.textContent = "Copy code";
  box.append(copy, code);
  code.tabIndex = 0;
  code.setAttribute("aria-label", "The code of this run");
  root.append(row, note, box);
  el.appendChild(root);
  const buttons = model.get("kinds").map(([kind, label, tip]) => {
    const button = document.createElement("button");
    button.className = "iw-button";
    button.textContent = label;
    button.title = tip;
    button.onclick = () => model.send({ want: kind });
    row.appendChild(button);
    return button;
  });
  function update() {
    const ready = model.get("ready");
    buttons.forEach((button) => (button.disabled = !ready));
    note.textContent = ready ? model.get("note") : model.get("waits");
    box.hidden = !model.get("code");
    code.textContent = model.get("code");
  }
  copy.onclick = async () => {
    const text = model.get("code");
    try {
      await navigator.clipboard.writeText(text);
    } catch (error) {                                   // no clipboard without a secure page
      const area = document.createElement("textarea");
      area.value = text;
      document.body.appendChild(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = "Copy code"), 1500);
  };
  model.on("change:ready change:code change:note", update);
  update();
}
export default { initialize, render };
