// Says in words when the page's session has ended: its controls would be dead without a word.
(() => {
  const every = 10000;                                  // milliseconds between two questions
  const told = JSON.parse(document.getElementById("jupyter-config-data").textContent);
  const address = `${told.baseUrl}api/kernels/${told.kernelId}`;
  let bar = null;

  function show(words) {
    if (!bar) {
      bar = document.createElement("div");
      bar.className = "iw-ended";
      bar.setAttribute("role", "alert");
      bar.style.cssText =
        "position:fixed;inset:0 0 auto 0;z-index:9999;padding:.7rem 1rem;display:flex;gap:1rem;" +
        "align-items:center;font:15px/1.4 system-ui,sans-serif;background:#7a1f1f;color:#fff";
      const line = document.createElement("span"), again = document.createElement("button");
      again.textContent = "Reload";
      again.style.font = "inherit";
      again.onclick = () => location.reload();
      bar.append(line, again);
      document.body.appendChild(bar);
    }
    bar.firstChild.textContent = words;
  }

  async function ask() {
    let ended = false;
    try {
      const answer = await fetch(address, { cache: "no-store" });
      ended = answer.status === 403 || answer.status === 404;
      if (ended) show("This session has ended, and the controls do nothing any more. Reload the page to begin another.");
      else if (bar) bar = bar.remove() || null;
    } catch (error) {
      show("The server does not answer: it was stopped, or the connection is lost.");
    }
    if (!ended) setTimeout(ask, every);
  }
  setTimeout(ask, every);
})();
