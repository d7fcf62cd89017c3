/** Make `old` look like `fresh` and keep what is equal: style and layout are then computed for the changes alone, which
 *  is what makes a knob feel immediate. Listeners of `fresh` are lost. */
export function morph(old, fresh) {
  if (old.nodeName !== fresh.nodeName) { old.replaceWith(fresh); return; }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const name of old.getAttributeNames()) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const name of fresh.getAttributeNames()) {
    const value = fresh.getAttribute(name);
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  morphChildren(old, [...fresh.childNodes]);
}

/** The same for the children of `parent`. */
export function morphChildren(parent, fresh) {
  const old = [...parent.childNodes];
  fresh.forEach((node, i) => (i < old.length ? morph(old[i], node) : parent.append(node)));
  old.slice(fresh.length).forEach((node) => node.remove());
}
