// Takes away the words that the panel is loading, and closes the help, once there is something to see.
(() => {
  const watch = new MutationObserver(() => {
    if (!document.querySelector("#rendered_cells :is(.iw-panel, .jp-RenderedText)")) return;
    watch.disconnect();
    document.getElementById("iw-loading")?.remove();
    document.querySelector(".iw-head details").open = false;
  });
  watch.observe(document.body, { childList: true, subtree: true });
})();
