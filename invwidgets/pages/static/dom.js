// Elements, and a state that tells its listeners what changed.
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

export function createStore(state) {
  const listeners = [];
  return {
    state,
    set(changes) {
      const changed = Object.keys(changes).filter((name) => state[name] !== changes[name]);
      if (!changed.length) return;
      Object.assign(state, changes);
      listeners.forEach((listener) => listener(new Set(changed)));
    },
    listen(names, listener) {
      listeners.push((changed) => { if (names.some((name) => changed.has(name))) listener(); });
      listener();
    },
  };
}

export const still = (id) => document.getElementById(id)?.src ?? "";
export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
