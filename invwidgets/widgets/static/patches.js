// The photos' patches that excite a channel most, in a row, each with its photo and its activation.
const COARSE = 40;                                       // pixels: a patch this small shows its pixels
function render({ model, el }) {
  const root = document.createElement("section");
  root.className = "iw-patches";
  el.appendChild(root);
  let urls = [];

  function lay() {
    urls.forEach((url) => URL.revokeObjectURL(url));
    const words = model.get("words"), names = model.get("names"), says = model.get("says");
    root.hidden = !words;
    root.setAttribute("aria-label", words);
    const head = document.createElement("p"), row = document.createElement("div");
    head.textContent = words;
    head.setAttribute("role", "status");
    urls = model.get("pictures").map((bytes) => URL.createObjectURL(new Blob([bytes], { type: "image/png" })));
    row.replaceChildren(...urls.map((url, place) => {
      const figure = document.createElement("figure"), image = document.createElement("img");
      const name = document.createElement("figcaption"), said = document.createElement("span");
      image.src = url;
      image.alt = `a patch of ${names[place]}`;
      image.onload = () => image.classList.toggle("iw-coarse", image.naturalWidth < COARSE);
      name.textContent = names[place];
      said.textContent = `activation ${says[place]}`;
      name.append(said);
      figure.append(image, name);
      return figure;
    }));
    root.replaceChildren(head, row);
  }
  model.on("change:words change:pictures", lay);
  lay();
  return () => urls.forEach((url) => URL.revokeObjectURL(url));
}
export default { render };
