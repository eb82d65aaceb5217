// The pieces that pages are made of.

import { ago, duration, exact, moment, timeOfDay, until, ZONE } from "./clock.js";
import { h } from "./dom.js";
import { plural, reason, STATUS, UNSUCCESSFUL } from "./words.js";

export function status(name, more = "", called = null) {
  const [sign, known] = STATUS[name] ?? ["·", name.replaceAll("_", " ")];
  const word = called ?? known;
  return h("span", { class: "status", "data-status": name }, h("span", { class: "sign", "aria-hidden": "true" }, sign), more ? `${word}, ${more}` : word);
}

export function at(instant, written = moment) {
  return instant ? h("time", { datetime: instant, title: exact(instant) }, written(instant)) : h("span", { class: "quiet" }, "–");
}

export const since = (instant) => at(instant, ago);
export const countdown = (instant) => at(instant, until);

// The instant on the reader's clock, and on the config's own where that shows another time.
export function inZone(instant, zone) {
  const own = timeOfDay(instant, zone); // undefined: the reader's
  return [at(instant), own === timeOfDay(instant) ? null : h("span", { class: "quiet zone", title: zone }, ` ${moment(instant, zone)} ${place(zone)}`)];
}

export function place(zone) {
  return zone.split("/").pop().replaceAll("_", " ");
}

export function zoneNote(zone) {
  return zone === ZONE ? null : h("span", { class: "quiet" }, ` ${zone}`);
}

export function seconds(number, title) {
  return h("span", { class: "number", title: title ?? (number === null ? undefined : `${number} s`) }, duration(number));
}

// The last outcomes, oldest first: a glance. The words beside it are for those who do not see it.
export function strip(outcomes, length = 20) {
  const shown = outcomes.slice(0, length).reverse();
  const bad = shown.filter((each) => UNSUCCESSFUL.has(each.status)).length;
  if (!shown.length) return h("span", { class: "quiet" }, "none yet");
  const told = `${plural(shown.length, "recent run")}, ${bad ? `${bad} unsuccessful` : "none unsuccessful"}`;
  return h("span", { class: "strip" },
    h("span", { class: "only-read" }, told),
    h("span", { class: "cells", "aria-hidden": "true" }, shown.map((each) => h("a", {
      key: each.task_id, class: "cell", "data-status": each.status, href: `/executions/${each.task_id}`, tabindex: "-1", title: outcomeTitle(each),
    }))));
}

function outcomeTitle(outcome) {
  const what = [STATUS[outcome.status][1], reason(outcome.reason)].filter(Boolean).join(": ");
  const taken = outcome.duration_seconds === null ? "" : `, ${duration(outcome.duration_seconds)}`;
  return `${what}${taken}${outcome.tick_count > 1 ? `, ${outcome.tick_count} ticks` : ""}\n${moment(outcome.at)}`;
}

export function empty(title, text, ...more) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), text && h("p", {}, text), more);
}

export function skeleton(rows = 6) {
  return h("div", { class: "skeleton", "aria-busy": "true" }, h("span", { class: "only-read" }, "Loading"),
    Array.from({ length: rows }, (_, number) => h("div", { class: `bone bone-${number % 3}` })));
}

export function problem(error, retry) {
  return h("div", { key: "problem", class: "notice notice-bad", role: "alert" },
    h("p", {}, h("strong", {}, "This could not be loaded. "), error.message),
    fieldErrors(error), retry && h("button", { on: { click: retry } }, "Try again"));
}

export function fieldErrors(error) {
  if (!error.errors?.length) return null;
  return h("ul", { class: "faults" }, error.errors.map(({ loc, msg }) => h("li", {}, h("code", {}, loc.join(".")), ` ${msg}`)));
}

// What there is of something that is loaded: its view, or why there is none yet.
export function loaded(what, view, rows) {
  if (what.data !== undefined) return [what.problem && !what.problem.isAway ? problem(what.problem, () => what.refresh()) : null, view(what.data)];
  return what.problem ? problem(what.problem, () => what.refresh()) : skeleton(rows);
}

export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) =>
    h("div", { key: name }, h("dt", {}, name), h("dd", {}, value))));
}

export function field(label, control, note) {
  return h("label", { class: "field" }, h("span", { class: "label" }, label), control, note && h("span", { class: "quiet" }, note));
}

export function choice(label, options, value, changed) {
  return field(label, h("select", { value, on: { change: (event) => changed(event.target.value) } },
    options.map(([key, word]) => h("option", { key, value: key }, word))));
}

// How much of something is taken, from 0 to 1; the numbers stand beside it.
export function meter(share) {
  return h("span", { class: "meter", "aria-hidden": "true" }, h("span", { style: { "--to": `${(Math.min(1, Math.max(0, share)) * 100).toFixed(1)}%` } }));
}

export function code(content) {
  return h("pre", { class: "code", tabindex: "0" }, typeof content === "string" ? content : JSON.stringify(content, null, 2));
}

export function section(title, ...content) {
  const id = `part-${title.toLowerCase().replaceAll(/[^a-z]+/g, "-")}`;
  return h("section", { key: title, "aria-labelledby": id }, h("h2", { id }, title), content);
}

// `kind`: its class; `hasActions`: whether the last cell of a row has buttons.
export function table(label, kind, columns, rows, hasActions = false) {
  return h("div", { class: "table-frame", tabindex: "0", role: "region", "aria-label": label }, h("table", { class: `list ${kind}` },
    h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name)), hasActions && h("th", { scope: "col" }, h("span", { class: "only-read" }, "Actions")))),
    h("tbody", {}, rows)));
}

// What a list leaves out that is asked for once, and not page by page.
export function leftOut(page, noun) {
  const number = page.total - page.items.length;
  return number > 0 ? h("p", { class: "quiet after" }, `${plural(number, `more ${noun}`)}, which only the API lists`) : null;
}

// The line below a list: which of how many are shown, `size` to a page, and what turns the pages.
export function pager(page, noun, cursors, size, anew, words) {
  const from = (cursors.length - 1) * size;
  return h("nav", { class: "pager", "aria-label": "Pages of the list" },
    h("span", { class: "quiet number" }, `${from + 1}–${from + page.items.length} of ${plural(page.total, noun)}`),
    turning(cursors, page, anew, words));
}

// The buttons that turn the pages of a list by its cursors; none where there is one page.
function turning(cursors, page, anew, [back, on]) {
  if (cursors.length === 1 && page.next_cursor === null) return null;
  const turnOn = () => {
    if (cursors.at(-1) === page.next_cursor) return; // pressed again before the page is there that was asked for
    cursors.push(page.next_cursor);
    anew(true);
  };
  return [
    h("button", { disabled: cursors.length === 1, on: { click: () => { cursors.pop(); anew(true); } } }, back),
    h("button", { disabled: page.next_cursor === null, on: { click: turnOn } }, on),
  ];
}
