// Fields of a form: each with a label, its unit, a line of help, and what is wrong with it, for whoever sees it and
// whoever hears it. A field is called as the API calls it (`schedule_config.timezone`), so that what a 422 says of it
// finds its place.

import { h } from "./dom.js";
import { update } from "./view.js";

export class Form {
  // `values` by field; `changed` is called after each edit, once it is set.
  constructor(values) {
    this.values = values;
    this.changed = () => {};
    this.local = () => []; // faults that are seen without asking
    this.faults = []; // of the last attempt to save, as the API tells them: { loc, msg }
    this.seen = []; // of the schedule as it is typed
  }

  set(name, value) {
    this.values[name] = value;
    this.touched(name);
  }

  // What was said of a field is not true any more.
  touched(name) {
    this.faults = this.faults.filter((fault) => !isAt(fault, name));
    this.changed();
    update();
  }

  at(name) {
    return [...new Set([...this.faults, ...this.seen, ...this.local()].filter((fault) => isAt(fault, name)).map((fault) => fault.msg))];
  }
}

function isAt({ loc }, name) {
  const place = loc.join(".");
  return place === name || place.startsWith(`${name}.`);
}

// The first field that is at fault, or else the notice that says why (`.told`), once it is drawn.
export function focusOnFault() {
  requestAnimationFrame(() => requestAnimationFrame(() => (document.querySelector("main [aria-invalid=true]") ?? document.querySelector("main .told"))?.focus()));
}

const identity = (name) => `field-${name.replaceAll(/[^\w]+/g, "-")}`;

// What ties a control to its label, its help and its faults.
function tied(form, name, { help, required }) {
  const id = identity(name);
  const faults = form.at(name);
  const said = [faults.length && `${id}-fault`, help && `${id}-help`].filter(Boolean).join(" ");
  return { id, name, "aria-describedby": said || undefined, "aria-invalid": faults.length ? "true" : undefined, "aria-required": required ? "true" : undefined };
}

function framed(form, name, { label, unit, help, required, wide, beside }, control) {
  const id = identity(name);
  const faults = form.at(name);
  return h("div", { key: name, class: `entry${wide ? " wide" : ""}` },
    h("label", { for: id }, label, required && h("span", { class: "required" }, " (required)")),
    h("div", { class: "entry-line" }, control, unit && h("span", { class: "unit" }, unit), beside),
    faults.length ? h("p", { key: "fault", id: `${id}-fault`, class: "fault" }, faults.join("; ")) : null,
    help && h("p", { key: "help", id: `${id}-help`, class: "help" }, help));
}

// One line of text. `value` and `typed` where it is not the form's own value that is edited, as in all that follow.
export function entry(form, name, about, more = {}) {
  const { value = form.values[name] ?? "", typed = (text) => form.set(name, text), ...rest } = more;
  return framed(form, name, about, h("input", { type: "text", autocomplete: "off", spellcheck: "false", ...tied(form, name, about), ...rest, value, on: { input: (event) => typed(event.target.value) } }));
}

export function number(form, name, about, more = {}) {
  return entry(form, name, about, { inputmode: "decimal", class: "short", ...more });
}

export function lines(form, name, about, more = {}) {
  const { value = form.values[name] ?? "", typed = (text) => form.set(name, text), ...rest } = more;
  const rows = Math.min(14, Math.max(rest.rows ?? 2, value.split("\n").length));
  return framed(form, name, { wide: true, ...about }, h("textarea", { spellcheck: "false", ...tied(form, name, about), ...rest, rows, value, on: { input: (event) => typed(event.target.value) } }));
}

// `options`: pairs of a value, which is text, and its words.
export function pick(form, name, about, options, more = {}) {
  const { value = form.values[name] ?? "", typed = (chosen) => form.set(name, chosen) } = more;
  return framed(form, name, about, h("select", { ...tied(form, name, about), value, on: { change: (event) => typed(event.target.value) } },
    options.map(([key, word]) => h("option", { key, value: key }, word))));
}

export function tick(form, name, { label, help }, more = {}) {
  const { value = form.values[name], typed = (on) => form.set(name, on) } = more;
  const id = identity(name);
  return h("div", { key: name, class: "entry" },
    h("label", { class: "check" }, h("input", { type: "checkbox", ...tied(form, name, { help }), checked: Boolean(value), on: { change: (event) => typed(event.target.checked) } }), label),
    help && h("p", { id: `${id}-help`, class: "help" }, help));
}

// An instant on the reader's clock; the form has it with its offset, or null.
export function instant(form, name, about, more = {}) {
  const { value = form.values[name], typed = (at) => form.set(name, at) } = more;
  return entry(form, name, about, { type: "datetime-local", step: "1", value: value ? onOurClock(value) : "", typed: (text) => typed(text ? new Date(text).toISOString() : null) });
}

function onOurClock(at) {
  const date = new Date(at);
  return asInput(new Date(date - date.getTimezoneOffset() * 60_000).toISOString());
}

// A time without its offset, as a field has it: written otherwise, it would be put there anew at each drawing.
export function asInput(local) {
  return local.slice(0, 19).replace(/(T\d\d:\d\d):00$/, "$1");
}

// One of a few, side by side.
export function segments(form, name, legend, options, chosen) {
  return h("fieldset", { key: name, class: "segments" }, h("legend", {}, legend),
    options.map(([key, word]) => h("label", { key }, h("input", { type: "radio", name, value: key, checked: form.values[name] === key, on: { change: () => chosen(key) } }), h("span", {}, word))));
}

export function group(title, ...content) {
  return h("fieldset", { key: title, class: "group" }, h("legend", {}, title), content);
}
