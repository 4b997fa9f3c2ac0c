"""The view of a single widget in a browser page without a kernel; Python answers its messages.

>>> with browser() as page:
...     show_alone(page, gallery)
"""

from __future__ import annotations

import base64
import json
from typing import Any

from ipywidgets import DOMWidget

_PAGE = """<!DOCTYPE html><html lang="en"><head><title>A widget</title><style>{theme}{style}
body {{ margin: 8px; background: var(--iw-ground); }}</style></head>
<body><main class="iw-panel">{before}<div id="here"></div></main><script type="module">
{script}
const state = {{}}, heard = {{}};
let dirty = {{}};
function take(given) {{
  const told = (name) => JSON.stringify(given[name]);
  const names = Object.keys(given).filter((name) => told(name) !== state["json:" + name]);
  for (const name of names) {{
    state["json:" + name] = told(name);
    state[name] = bytes(given[name]);
  }}
  new Set(names.flatMap((name) => heard["change:" + name] ?? [])).forEach((handler) => handler());
}}
function bytes(value) {{
  if (Array.isArray(value)) return value.map(bytes);
  if (value === null || typeof value !== "object") return value;
  const parts = Object.entries(value).map(([name, one]) => [name, bytes(one)]);
  if (!("base64" in value)) return Object.fromEntries(parts);
  return new DataView(Uint8Array.from(atob(value.base64), (one) => one.charCodeAt(0)).buffer);
}}
const model = {{
  get: (name) => state[name],
  set(name, value) {{ dirty[name] = value; take({{ [name]: value }}); }},
  async save_changes() {{ const sent = dirty; dirty = {{}}; take(await window.tell(sent)); }},
  on: (names, handler) => names.split(" ").forEach((name) => (heard[name] ??= []).push(handler)),
  off() {{}},
  send: (message) => (window.sent ??= []).push(message),
}};
take({state});
window.take = take;
RENDER({{ model, el: document.getElementById("here") }});
</script></body></html>"""
_THEMES = {
    False: "",
    True: "body { --jp-ui-font-color1: #e0e0e0; --jp-layout-color1: #111; "
    "--jp-layout-color2: #212121; --jp-border-color2: #444; --jp-brand-color1: #64b5f6; }",
}


def state_of(widget: Any) -> dict[str, Any]:
    """The state that a widget sends to its view, as plain values for JSON."""
    names = widget.traits(sync=True).keys() - DOMWidget.class_trait_names()
    return {name: _plain(getattr(widget, name)) for name in names if not name.startswith("_")}


def show_alone(page: Any, widget: Any, dark: bool = False, before: str = "") -> None:
    """Show a widget that was made outside of the browser's loop; ``before`` is put above it."""

    def tell(sent: dict[str, Any]) -> dict[str, Any]:
        for name, value in sent.items():
            setattr(widget, name, value)
        return state_of(widget)

    page.expose_function("tell", tell)
    script = widget._esm.replace("export default { render };", "const RENDER = render;")
    page.set_content(
        _PAGE.format(
            theme=_THEMES[dark], style=widget._css, script=script, before=before,
            state=json.dumps(state_of(widget)),
        )
    )  # fmt: skip


def update_alone(page: Any, widget: Any) -> None:
    """Send the view the changes that Python has made since."""
    page.evaluate("given => window.take(given)", state_of(widget))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
