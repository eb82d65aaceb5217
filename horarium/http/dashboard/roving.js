// Many marks and one tab stop: arrows lead from one to the next, and whoever comes back finds the one they left. The mark
// that is pointed at, focused or touched is told of; touched once, a link is not followed yet.

import { update } from "./view.js";

export class Roving {
  // `steps`: which key leads how far, in places.
  constructor(steps) {
    this.steps = steps;
    this.length = 0;
    this.place = null; // where the tab key leads to
    this.told = null;
    this.tapped = null;
    this.on = {
      keydown: (event) => this.moved(event),
      focusin: (event) => this.pointed(event),
      focusout: () => this.tell(null),
      pointerover: (event) => this.pointed(event),
      pointerleave: (event) => event.pointerType !== "touch" && this.tell(null),
      click: (event) => this.clicked(event),
    };
  }

  // The place that the tab key leads to, among so many: the last one, unless another was focused.
  among(length) {
    this.length = length;
    return Math.min(this.place ?? length - 1, length - 1);
  }

  moved(event) {
    const from = placeOf(event.target);
    if (from === null || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { Home: -from, End: this.length - 1 - from, ...this.steps }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.currentTarget.querySelector(`[data-place="${from + step}"]`)?.focus();
  }

  pointed(event) {
    const place = placeOf(event.target);
    if (place === null) return;
    if (event.type === "focusin") this.place = place;
    this.tell(place);
  }

  clicked(event) {
    const place = placeOf(event.target);
    if (place === null || event.pointerType !== "touch" || place === this.tapped) return;
    event.preventDefault();
    this.tapped = place;
    this.tell(place);
  }

  tell(place) {
    this.told = place;
    update();
  }
}

function placeOf(node) {
  const place = node.closest?.("[data-place]")?.dataset.place;
  return place === undefined ? null : Number(place);
}
