// A list that is filtered and turned page by page. What is asked for stands in the address, so that a link, a reload and
// the way back find the same list, and the way back the same page of it; and what was shown stays until the new page is
// there, so that nothing jumps.

import { Loaded } from "./load.js";
import { empty, field, loaded, pager } from "./parts.js";
import { h } from "./dom.js";
import { note, noted } from "./router.js";
import { update } from "./view.js";

const PAGE = 50;
const TYPING_MS = 300;
const PAUSE_MS = 2500;

export class Listing {
  // `read(wanted, signal)` answers a page; `plain` is what is asked for when the address says nothing.
  constructor(read, plain, query) {
    this.wanted = Object.fromEntries(Object.keys(plain).map((name) => [name, query[name] ?? plain[name]]));
    this.plain = plain;
    this.read = read;
    this.cursors = noted()?.cursors ?? [null]; // one for each page up to the one that is shown
    this.typing = 0;
    this.anew = this.anew.bind(this);
    this.list = this.make();
  }

  make() {
    const asked = { ...this.asked, limit: PAGE, cursor: this.cursors.at(-1) };
    return new Loaded((signal) => this.read(asked, signal), PAUSE_MS);
  }

  // What is wanted without the blanks around what is typed, where the next word is still to come.
  get asked() {
    return Object.fromEntries(Object.entries(this.wanted).map(([name, value]) => [name, value.trim()]));
  }

  anew(turned = false) {
    if (!turned) this.cursors.length = 1;
    this.list.close();
    const shown = this.list.data;
    this.list = this.make();
    this.list.data = shown;
    note(Object.fromEntries(Object.entries(this.asked).filter(([name, value]) => value !== this.plain[name])), { cursors: this.cursors });
    update();
  }

  change(values) {
    clearTimeout(this.typing);
    Object.assign(this.wanted, values);
    this.anew();
  }

  // Whether something other than an order is asked for.
  get isFiltered() {
    return Object.entries(this.asked).some(([name, value]) => name !== "sort" && value !== this.plain[name]);
  }

  clear() {
    this.change({ ...this.plain, ...("sort" in this.plain ? { sort: this.wanted.sort } : {}) });
  }

  // A field that is obeyed when its writer pauses.
  search(name, label, placeholder) {
    const typed = (event) => {
      this.wanted[name] = event.target.value;
      clearTimeout(this.typing);
      this.typing = setTimeout(this.anew, TYPING_MS);
    };
    return field(label, h("input", { type: "search", value: this.wanted[name], placeholder, on: { input: typed } }));
  }

  // What the list is narrowed to by a link, by one field or several: said, and taken away by a press.
  chip(names, words, title) {
    const plain = Object.fromEntries(names.map((name) => [name, this.plain[name]]));
    return names.some((name) => this.wanted[name]) ? h("button", { key: names.join(), class: "chip", title, on: { click: () => this.change(plain) } }, `${words} ✕`) : null;
  }

  // The list and its pages; `none()` is what stands in its place where nothing was ever made.
  view(drawn, { noun, words, none }) {
    const { data, readAt, problem } = this.list;
    return h("div", { class: "listing", "aria-busy": data && readAt === null && problem === null ? "true" : undefined },
      loaded(this.list, (page) => (page.items.length ? [drawn(page), pager(page, noun, this.cursors, PAGE, this.anew, words)] : this.nothing(noun, none)), 10));
  }

  nothing(noun, none) {
    if (!this.isFiltered) return none();
    return empty(`No ${noun} is like that`, "Take a filter away to see more.", h("button", { class: "after", on: { click: () => this.clear() } }, "Take all filters away"));
  }

  // Something has happened. A page further back stays as it is while it is read, unless its order is one that stays.
  nudge(isSteady = false) {
    if (isSteady || this.cursors.length === 1) this.list.nudge();
  }

  // What was done here is to be seen at once.
  refresh() {
    return this.list.refresh();
  }

  close() {
    this.list.close();
    clearTimeout(this.typing);
  }
}

// A page that is one list. `filters()` stand above it; `heard` as of all pages; the rest as in `Listing.view`.
export function listPage(list, { title, actions, filters, drawn, heard, ...words }) {
  return {
    title,
    actions,
    view: () => [h("search", { class: "filters" }, filters()), list.view(drawn, words)],
    heard,
    close: () => list.close(),
  };
}
