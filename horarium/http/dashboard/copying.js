// Putting a text where the reader can paste it from.

import { h } from "./dom.js";
import { ask, toast } from "./talk.js";

export function copyButton(what, text) {
  return h("button", { type: "button", class: "small", "aria-label": `Copy ${what}`, on: { click: () => copy(what, text()) } }, "Copy");
}

// A secret that is told once.
export function tellSecret(title, text, secret) {
  return ask({
    title, text: `${text} It is shown now and never again.`, confirm: "I have it", isTold: true,
    body: () => h("div", { class: "with-copy" }, h("code", { class: "code secret", tabindex: "0" }, secret), copyButton("it", () => secret)),
  });
}

async function copy(what, text) {
  const done = navigator.clipboard ? await navigator.clipboard.writeText(text).then(() => true, () => false) : copiedTheOldWay(text);
  if (done) toast(`Copied ${what}`);
  else toast(`The browser does not let ${what} be copied: mark it and copy it by hand.`, "bad");
}

// Browsers keep the clipboard from pages that come by plain HTTP, as they do within many a house.
function copiedTheOldWay(text) {
  const area = document.createElement("textarea");
  const before = document.activeElement;
  area.value = text;
  area.className = "only-read";
  (document.querySelector("dialog[open]") ?? document.body).append(area); // outside of a dialog nothing can be selected
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus?.();
  return done;
}
