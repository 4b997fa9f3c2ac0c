// Download buttons, and the code of the run with a button that copies it.
function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "iw-export";
  const row = document.createElement("div");
  row.className = "iw-row";
  const box = document.createElement("div");
  box.className = "iw-code";
  const code = document.createElement("pre");
  const copy = document.createElement("button");
  copy.className = "iw-button";
  copy.textContent = "Copy code";
  box.append(copy, code);
  root.append(row, box);
  el.appendChild(root);
  const kinds = [
    ["png", "Picture (PNG)"], ["pdf", "Picture (PDF)"], ["gif", "Animation (GIF)"], ["safetensors", "Result file"],
  ];
  const buttons = kinds.map(([kind, label]) => {
    const button = document.createElement("button");
    button.className = "iw-button";
    button.textContent = label;
    button.onclick = () => model.send({ want: kind });
    row.appendChild(button);
    return button;
  });
  function update() {
    const ready = model.get("ready");
    buttons.forEach((button) => (button.disabled = !ready));
    copy.disabled = !ready;
    code.textContent = model.get("code") || "The code that does a run again appears here when it has ended.";
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
  model.on("msg:custom", save);
  model.on("change:ready change:code", update);
  update();
  return () => model.off("msg:custom", save);
}
export default { render };
