// Addresses: which page one names, and links that change it without leaving.

let table = [];
let arrived = () => {};
let shown = ""; // the address of the page that is shown
let leaving = null; // what that page wants to be asked before another takes its place
let asking = false;

// `routes`: pairs of a pattern and what makes the page; `listener(make, parameters)` is told where one has come to.
export function start(routes, listener) {
  table = routes;
  arrived = listener;
  addEventListener("popstate", turned);
  addEventListener("beforeunload", (event) => { if (leaving?.isUnsaved()) event.preventDefault(); });
  document.addEventListener("click", clicked);
  follow();
}

// `question()` answers whether the page may be left, or promises to; `isUnsaved()` whether the browser is to ask as well.
export function beforeLeaving(question, isUnsaved) {
  leaving = question && { question, isUnsaved };
}

// `isForced`: the page is not asked.
export function go(address, options = {}) {
  if (!leaving || options.isForced) return arriveAt(address, options);
  return mayLeave().then((may) => may && arriveAt(address, options));
}

async function mayLeave() {
  if (asking) return false;
  asking = true;
  try {
    return await leaving.question();
  } finally {
    asking = false;
  }
}

// Back or forward: the address has changed already, and is put back until the page may be left.
function turned() {
  const wanted = here();
  if (wanted === shown) return;
  if (!leaving) return follow();
  history.pushState(null, "", shown);
  return go(wanted, { replace: true });
}

function arriveAt(address, { replace = false }) {
  if (replace || address === here()) history.replaceState(null, "", address);
  else {
    history.replaceState({ ...history.state, top: scrollY }, "");
    history.pushState(null, "", address);
  }
  follow();
}

// Change what the address says of the page that is shown, without making it anew. `place` is for `noted`, when somebody
// comes back to it; which also knows `top`, where on the page one was when one left it.
export function note(query, place = null) {
  const given = Object.entries(query).filter(([, value]) => value);
  history.replaceState(place, "", location.pathname + (given.length ? `?${new URLSearchParams(given)}` : ""));
  shown = here();
}

export function noted() {
  return history.state;
}

export function here() {
  return location.pathname + location.search;
}

function follow() {
  shown = here();
  const query = Object.fromEntries(new URLSearchParams(location.search));
  for (const [pattern, make] of table) {
    const found = pattern.exec(location.pathname);
    if (found) return arrived(make, { ...found.groups, query });
  }
  return arrived(null, { query });
}

function clicked(event) {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const address = new URL(link.href, location.href);
  if (address.origin !== location.origin || link.target || !table.some(([pattern]) => pattern.test(address.pathname))) return;
  event.preventDefault();
  go(address.pathname + address.search);
}
