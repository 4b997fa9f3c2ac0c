// Gives the handles of ipywidgets' sliders the names and the values that stand beside them, for who
// cannot see them.
function render({ el }) {
  el.style.display = "none";
  let watch = null;

  function name(root) {
    root.querySelectorAll(".noUi-handle").forEach((handle) => {
      const line = handle.closest(".widget-inline-hbox");
      const label = line?.querySelector(".widget-label")?.textContent.trim();
      if (!label) return;
      const value = line.querySelector(".widget-readout")?.textContent.trim();
      const alone = line.querySelectorAll(".noUi-handle").length < 2;
      if (alone && value && handle.getAttribute("aria-valuetext") !== value)
        handle.setAttribute("aria-valuetext", value);   // a slider of choices has only places for values
      const ends = line.querySelectorAll(".noUi-handle");
      const end = ends.length < 2 ? "" : handle === ends[0] ? " from" : " to";
      if (handle.getAttribute("aria-label") === label + end) return;
      handle.setAttribute("aria-label", label + end);     // a name may change with what is asked
    });
  }
  const timer = setTimeout(() => {                      // once it stands in the page
    const root = el.closest(".iw-panel") ?? el.closest(".iw-section") ?? el.parentElement;
    if (!root) return;
    watch = new MutationObserver(() => name(root));
    watch.observe(root, { childList: true, subtree: true, attributeFilter: ["aria-valuetext"] });
    name(root);
  }, 0);
  return () => { clearTimeout(timer); watch?.disconnect(); };
}
export default { render };
