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
  const keep = document.createElement("button");
  keep.className = "iw-button iw-keep-photo";
  keep.textContent = "Save photo";
  keep.onclick = () => model.send({ want: "photo" });
  box.append(copy, code);
  code.tabIndex = 0;
  code.setAttribute("aria-label", "The code of this run");
  const said = document.createElement("div");
  said.className = "iw-row";
  said.append(note, keep);
  root.append(row, said, box);
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
  const hand = document.createElement("button");
  hand.className = "iw-button";
  hand.textContent = "Copy settings";
  hand.onclick = () => clip(hand, model.get("settings"));
  row.appendChild(hand);
  function update() {
    const ready = model.get("ready");
    buttons.forEach((button) => (button.disabled = !ready));
    note.textContent = ready ? model.get("note") : model.get("waits");
    hand.hidden = !model.get("settings") && !model.get("refused"); // a strip has none to hand over
    hand.disabled = !model.get("settings");
    hand.title = model.get("refused") || "As JSON, for iw.InversionPanel.from_settings";
    keep.hidden = !model.get("saves");
    box.hidden = !model.get("code");
    code.textContent = model.get("code");
  }
  copy.onclick = () => clip(copy, model.get("code"));
  async function clip(button, text) {
    const words = button.textContent;
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
    if (words === "Copied") return;
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = words), 1500);
  }
  model.on("change:ready change:code change:note change:saves change:settings change:refused", update);
  update();
}
export default { initialize, render };
