// Tells a view's model its width, the page's ground and whether it is dark, whenever one changes.
export function tellSize(model, root) {
  let timer = null, alive = true;
  function dark() {
    const color = getComputedStyle(root).color.match(/[\d.]+/g) || [0, 0, 0];
    return 0.3 * color[0] + 0.6 * color[1] + 0.1 * color[2] > 128;
  }
  function ground() {                                   // the page's own, so that a picture has no edge
    for (let at = root; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor.match(/[\d.]+/g) || [];
      if (color.length === 3 || (color.length === 4 && +color[3] === 1))
        return "#" + color.slice(0, 3).map((v) => Math.round(+v).toString(16).padStart(2, "0")).join("");
    }
    return "";
  }
  function tell() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const width = Math.floor(root.clientWidth);
      if (!alive || !width) return;
      model.set("width", width);
      model.set("page_ground", ground());
      model.set("page_theme", dark() ? "dark" : "light");
      model.save_changes();
    }, 120);
  }
  const resized = new ResizeObserver(tell);
  resized.observe(root);
  const themed = new MutationObserver(tell);
  themed.observe(document.body, { attributes: true });
  themed.observe(document.documentElement, { attributes: true });
  return () => {
    alive = false;
    clearTimeout(timer);
    resized.disconnect();
    themed.disconnect();
  };
}
