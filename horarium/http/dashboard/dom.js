// What a page shows, as data, and the few changes that make the document equal to it.
//
// A view is a function that gives nodes made by `h`; `render` compares them with those it drew last, and touches what
// differs, so that focus, selection and scroll positions stay where they are. Text only ever becomes text: there is no
// way in from a string to markup. A node that is the very same object as last time is not looked into.

const SVG = "http://www.w3.org/2000/svg";
// Set at each drawing, since a person changes them too; but not where the person is just now, for a browser may tell of a choice
// after the next drawing only. Nor `open`, for the same reason.
const AS_PROPERTY = new Set(["value", "checked", "disabled"]);

export function h(tag, properties, ...children) {
  const { key, ...rest } = properties ?? {};
  return { tag, key, properties: rest, children: flat(children), node: null };
}

function flat(children) {
  return children.flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false && child !== "")
    .map((child) => (typeof child === "object" ? child : { tag: null, text: String(child), node: null }));
}

export function render(container, ...nodes) {
  const wanted = flat(nodes);
  reconcile(container, container.drawn ?? [], wanted, container.namespaceURI === SVG);
  container.drawn = wanted;
}

function reconcile(parent, before, after, svg) {
  if (before === after) return;
  match(before, after, svg);
  const staying = new Set(after.map((each) => each.node));
  for (const old of before) if (!staying.has(old.node) && old.node.parentNode === parent) old.node.remove();
  let place = parent.firstChild;
  for (const { node } of after) {
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place); // which takes the focus and a selection from it: what goes has gone before
  }
}

// Each that is wanted becomes what it was before, or is made.
function match(before, after, svg) {
  const keyed = new Map();
  const others = [];
  for (const old of before) (old.key === undefined ? others.push(old) : keyed.set(old.key, old));
  let next = 0;
  for (const wanted of after) {
    let old = null;
    if (wanted.key !== undefined) {
      old = keyed.get(wanted.key) ?? null;
      if (old?.tag === wanted.tag) keyed.delete(wanted.key);
      else old = null;
    } else if (others[next]?.tag === wanted.tag) old = others[next++];
    if (old) patch(old, wanted, svg);
    else create(wanted, svg);
  }
}

function create(wanted, svg) {
  if (wanted.tag === null) {
    wanted.node = document.createTextNode(wanted.text);
    return;
  }
  const inside = svg || wanted.tag === "svg";
  wanted.node = inside ? document.createElementNS(SVG, wanted.tag) : document.createElement(wanted.tag);
  reconcile(wanted.node, [], wanted.children, inside);
  apply(wanted.node, {}, wanted.properties);
  wanted.properties.made?.(wanted.node);
}

function patch(old, wanted, svg) {
  if (old === wanted) return;
  wanted.node = old.node;
  if (wanted.tag === null) {
    if (old.text !== wanted.text) wanted.node.data = wanted.text;
    return;
  }
  reconcile(wanted.node, old.children, wanted.children, svg || wanted.tag === "svg");
  apply(wanted.node, old.properties, wanted.properties);
  if (!old.properties.made) wanted.properties.made?.(wanted.node); // it was something else until now
}

function apply(node, before, after) {
  for (const name of Object.keys(before)) if (!(name in after)) set(node, name, undefined, before[name]);
  for (const [name, value] of Object.entries(after)) {
    if (value !== before[name] || (AS_PROPERTY.has(name) && node !== document.activeElement)) set(node, name, value, before[name]);
  }
}

function set(node, name, value, before) {
  if (name === "made") return;
  if (name === "on") listen(node, value ?? {});
  else if (name === "style") restyle(node, before ?? {}, value ?? {});
  else if (AS_PROPERTY.has(name)) {
    if (node[name] !== value) node[name] = value ?? "";
  } else if (value === undefined || value === null || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? "" : value);
}

// One listener for each kind of event; which function it calls is looked up when it happens.
function listen(node, handlers) {
  const known = (node.handlers ??= {});
  for (const kind of Object.keys(handlers)) {
    if (!(kind in known)) node.addEventListener(kind, (event) => node.handlers[kind]?.(event));
  }
  for (const kind of Object.keys(known)) known[kind] = undefined;
  Object.assign(known, handlers);
}

function restyle(node, before, after) {
  for (const name of Object.keys(before)) if (!(name in after)) node.style.removeProperty(name);
  for (const [name, value] of Object.entries(after)) if (value !== before[name]) node.style.setProperty(name, value);
}
