// The past of a config as two drawings: the calendar of a year, and what its newest runs have taken.

import { read } from "../api.js";
import { calendarLegend, calendarTable, dayInWords, daysOf, yearInWords } from "../calendar.js";
import { durationLegend, durationPlot, latenessPlot, runInWords } from "../durations.js";
import { h } from "../dom.js";
import { Loaded } from "../load.js";
import { empty, loaded, place, section } from "../parts.js";
import { Roving } from "../roving.js";

// What is kept for all who look may be older than what was just heard of: it is asked for again.
const STEADY_MS = 15_000;

export function pastOf(id) {
  const calendar = new Loaded(async (signal) => {
    const found = await read(`/task-configs/${id}/calendar`, {}, signal);
    return { ...found, shown: daysOf(found) };
  }, 5000);
  const durations = new Loaded((signal) => read(`/task-configs/${id}/durations`, {}, signal), 2500);
  const days = new Roving({ ArrowLeft: -7, ArrowRight: 7, ArrowUp: -1, ArrowDown: 1, PageUp: -28, PageDown: 28 });
  const points = new Roving({ ArrowLeft: -1, ArrowRight: 1 });
  const [drawnDays, drawnPoints] = [drawnOnce(), drawnOnce()];
  const list = (counts) => `/executions?${new URLSearchParams({ config_id: id, since: counts.since, until: counts.until })}`;

  function year(found) {
    const tabStop = days.among(found.shown.length);
    return [
      h("p", { class: "quiet" }, yearInWords(found.shown), found.timezone === "UTC" ? " Days in UTC." : ` Days in ${place(found.timezone)}.`),
      h("div", { class: "year-frame", on: days.on, made: toTheEnd }, drawnDays([found, tabStop], () => calendarTable(found, found.shown, tabStop, list))),
      toldLine(days, found.shown, (day) => dayInWords(day, found.today), "tap again for its executions"),
      calendarLegend(),
    ];
  }

  function taken(found) {
    if (found.items.length < 2) return empty("Too few runs to tell", null);
    const tabStop = points.among(found.items.length);
    return [
      h("div", { on: points.on }, drawnPoints([found, tabStop], () => h("div", {}, durationPlot(found, tabStop), latenessPlot(found, null)))),
      toldLine(points, found.items, runInWords, "tap again to open it"),
      durationLegend(found.items),
    ];
  }

  const steady = setInterval(() => { for (const each of [calendar, durations]) each.nudge(); }, STEADY_MS);

  return {
    loads: [calendar, durations],
    close: () => clearInterval(steady),
    year: () => section("The last year", loaded(calendar, year, 4)),
    durations: () => section("How long it takes", loaded(durations, taken, 4)),
  };
}

// A drawing is made anew when one of the things it is made of is another, and not once a second.
function drawnOnce() {
  let [known, drawing] = [[], null];
  return (things, draw) => {
    if (things.some((each, number) => each !== known[number])) [known, drawing] = [things, draw()];
    return drawing;
  };
}

function toldLine(roving, items, words, onTouch) {
  const item = roving.told === null ? null : items[roving.told];
  return h("p", { class: "told-line", "aria-hidden": "true" }, item && words(item), item && roving.tapped === roving.told && ` (${onTouch})`);
}

// The newest days are those that one looks for, where not all have room.
function toTheEnd(node) {
  requestAnimationFrame(() => { node.scrollLeft = node.scrollWidth; });
}
