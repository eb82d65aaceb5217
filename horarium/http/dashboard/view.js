// One view at a time is drawn, at most once a frame, and once a second while times are counted on it.

import { render } from "./dom.js";

let draw = () => [];
let container = null;
let asked = false;

export function show(root, view) {
  container = root;
  draw = view;
  update();
}

export function update() {
  if (asked || container === null) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    render(container, draw());
  });
}

setInterval(() => { if (!document.hidden) update(); }, 1000);
