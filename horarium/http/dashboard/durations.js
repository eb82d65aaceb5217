// What the newest runs of a config have taken, and how late they began: a point for each, coloured by how it ended. They
// stand side by side in their order, or those of a busy minute would be one point.
//
// Points are links at shares of the plot's width and height, so that nothing is drawn anew when it changes its size.

import { duration, moment, timeOfDay } from "./clock.js";
import { h } from "./dom.js";
import { plural, STATUS, UNSUCCESSFUL } from "./words.js";

const ROOM = 1.08; // above the highest point
const NEAR = 2; // a timeout of twice what was seen is still worth the room
const TIMES = 4;

export function durationPlot(data, tabStop) {
  const most = Math.max(0.001, ...data.items.map((run) => run.duration_seconds));
  const isNear = data.timeout_seconds <= most * NEAR;
  const top = Math.max(most, isNear ? data.timeout_seconds : 0) * ROOM;
  const levels = [
    ["median", data.median_seconds, "median"],
    ["p95", data.p95_seconds, "95 %"],
    ["timeout", isNear ? data.timeout_seconds : null, "timeout"],
  ];
  return scatter(data.items, {
    name: "Took", height: "9.5rem", top, levels, tabStop, label: durationsInWords(data), value: (run) => run.duration_seconds,
  });
}

// Only what a schedule has started can be late; null where none of the runs is.
export function latenessPlot(data, tabStop) {
  const late = data.items.map((run) => run.lateness_seconds).filter((seconds) => seconds !== null);
  if (late.length < 2) return null;
  const worst = Math.max(...late);
  return scatter(data.items, {
    name: "Late by", height: "4.5rem", top: Math.max(worst, 0.001) * ROOM, levels: [], tabStop,
    label: `Lateness of ${plural(late.length, "run")}, ${duration(worst)} at worst`, value: (run) => run.lateness_seconds,
  });
}

function scatter(items, { name, height, top, levels, tabStop, label, value }) {
  const x = (number) => share(number / (items.length - 1));
  const y = (seconds) => share(Math.max(0, seconds) / top);
  return [
    h("p", { class: "scatter-name" }, name),
    h("div", { class: "scatter", role: "group", "aria-label": `${label}; arrow keys lead from run to run`, style: { "--height": height } },
      h("span", { class: "scatter-scale", "aria-hidden": "true", style: { "--y": "0%" } }, "0"),
      h("span", { class: "scatter-scale", "aria-hidden": "true", style: { "--y": y(top / ROOM) } }, duration(top / ROOM)),
      apart(levels.filter(([, at]) => at !== null), top).map(([of, at, word]) => h("div", { key: of, class: "scatter-level", "data-of": of, "aria-hidden": "true", style: { "--y": y(at) } }, word && h("span", { title: duration(at) }, word))),
      dated(items).map(([place, time]) => h("span", { class: "scatter-time", "aria-hidden": "true", style: { "--x": x(place) } }, time)),
      items.map((run, place) => value(run) !== null && h("a", {
        key: run.task_id, class: "point", href: `/executions/${run.task_id}`, "data-status": run.status, "data-place": place, "aria-label": runInWords(run),
        tabindex: place === tabStop ? "0" : "-1", style: { "--x": x(place), "--y": y(value(run)) },
      }))),
  ];
}

const share = (part) => `${Math.round(part * 10_000) / 100}%`;

// The lines from below; one that is too near to the one before says nothing beside it.
function apart(levels, top) {
  let last = -1;
  return levels.sort((a, b) => a[1] - b[1]).map(([of, at, word]) => {
    const fits = at / top - last > 0.09;
    if (fits) last = at / top;
    return [of, at, fits ? word : null];
  });
}

// The runs that are dated: the first, the last, and some between.
function marked(length) {
  return length < TIMES ? [0] : Array.from({ length: TIMES }, (_, number) => Math.round((number * (length - 1)) / (TIMES - 1)));
}

// Which runs are dated, and how: as shortly as tells them apart, and not twice the same.
export function dated(items) {
  const places = marked(items.length);
  const times = (told) => places.map((place) => told(items[place].started_at));
  const short = times(shortly);
  const labels = new Set(short).size < places.length ? times(moment) : short;
  return places.map((place, number) => [place, labels[number]]).filter(([, label], number) => label !== labels[number - 1]);
}

// The time of today's runs, the day of older ones.
function shortly(at) {
  const told = moment(at);
  return told === timeOfDay(at) ? told.slice(0, 5) : told.slice(0, told.lastIndexOf(" "));
}

export function runInWords(run) {
  const late = run.lateness_seconds !== null && run.lateness_seconds >= 0.0005 ? `, ${duration(run.lateness_seconds)} late` : "";
  return `${moment(run.started_at)}: ${STATUS[run.status][1].toLowerCase()} after ${duration(run.duration_seconds)}${late}`;
}

export function durationsInWords(data) {
  const bad = data.items.filter((run) => UNSUCCESSFUL.has(run.status)).length;
  const taken = data.median_seconds === null ? "" : `, half of the successful within ${duration(data.median_seconds)}, 95 % within ${duration(data.p95_seconds)}`;
  return `${plural(data.items.length, "newest run", "newest runs")}: ${bad ? `${bad} unsuccessful` : "none unsuccessful"}${taken}; the timeout is ${duration(data.timeout_seconds)}`;
}

export function durationLegend(items) {
  const seen = ["success", "failed", "timeout", "lost", "cancelled"].filter((name) => items.some((run) => run.status === name));
  return h("p", { class: "legend", "aria-hidden": "true" }, seen.map((name) => h("span", { key: name }, h("span", { class: "point", "data-status": name }), STATUS[name][1].toLowerCase())));
}
