// Choose a picture file, or drop one: scaled down here, so that a large one fits a websocket message.
function render({ model, el }) {
  const label = document.createElement("label");
  label.className = "iw-upload";
  label.tabIndex = 0;
  const words = document.createElement("span");
  const input = document.createElement("input");
  input.type = "file";
  input.accept = "image/*";
  input.tabIndex = -1;                                  // the label is its key
  input.setAttribute("aria-label", "Upload a photo");
  label.append(words, input);
  el.appendChild(label);
  const rest = "Upload or drop one";
  words.textContent = rest;
  let latest = 0;

  async function take(file) {
    if (!file) return;
    const reading = latest = Math.random();             // a large one takes seconds
    model.send({ name: file.name, reading, begun: true });
    words.textContent = "Reading " + file.name + " …";
    try {
      const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
      const most = model.get("longest_side"), longest = Math.max(picture.width, picture.height);
      const scale = Math.min(1, most / longest);
      const canvas = document.createElement("canvas");
      canvas.width = Math.max(1, Math.round(picture.width * scale));
      canvas.height = Math.max(1, Math.round(picture.height * scale));
      const pen = canvas.getContext("2d");
      pen.imageSmoothingQuality = "high";
      pen.fillStyle = "#ffffff";
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
      picture.close();
      const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
      model.send({ name: file.name, reading }, undefined, [await blob.arrayBuffer()]);
    } catch (error) {
      model.send({ name: file.name, reading, error: "this browser cannot read it as a picture" });
    }
    if (reading !== latest) return;                     // a later one is being read
    words.textContent = rest;
    input.value = "";
  }
  input.onchange = () => take(input.files[0]);
  label.onkeydown = (event) => {
    if (event.target === label && (event.key === "Enter" || event.key === " ")) { input.click(); event.preventDefault(); }
  };
  label.ondragover = (event) => { event.preventDefault(); event.stopPropagation(); label.classList.add("iw-over"); };
  label.ondragleave = () => label.classList.remove("iw-over");
  label.ondrop = (event) => {
    event.preventDefault();
    event.stopPropagation();
    label.classList.remove("iw-over");
    take(event.dataTransfer.files[0]);
  };
}
export default { render };
