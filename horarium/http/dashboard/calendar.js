// A year of days as a calendar of weeks: how each went by its colours, how much ran by their depth.
//
// Days are those of the config's own zone, as the server counts them; here a date is a date and has no zone. What failed
// and what was skipped fill a cell from below by their share, so that they are told apart without their colours; what
// there is to say of a day is said beside it and in its label.

import { h } from "./dom.js";
import { plural } from "./words.js";

const DAY_MS = 86_400_000;
const NAMES = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const LEAST_SHARE = 0.28; // one failure in a thousand runs is still seen
const FAILED = ["failed", "timeout", "lost"];

const format = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options });
const [WEEKDAY, MONTH, DAY_AND_MONTH, YEAR] = [{ weekday: "short" }, { month: "short" }, { day: "numeric", month: "short" }, { year: "numeric" }].map(format);

// The days that a calendar shows, oldest first, each with what became of it or null.
export function daysOf(calendar) {
  const known = new Map(calendar.days.map((day) => [day.date, day]));
  const first = Date.parse(calendar.first);
  const number = (Date.parse(calendar.today) - first) / DAY_MS + 1;
  return Array.from({ length: number }, (_, place) => {
    const at = first + place * DAY_MS;
    return { at, date: new Date(at).toISOString().slice(0, 10), counts: known.get(new Date(at).toISOString().slice(0, 10)) ?? null };
  });
}

const failed = (counts) => FAILED.reduce((sum, name) => sum + counts[name], 0);
const runs = (counts) => failed(counts) + counts.success + counts.cancelled + counts.in_flight;

// `Tue 3 Nov: 288 runs, 2 failed, 1 tick skipped`.
export function dayInWords({ at, counts }, today) {
  const name = [WEEKDAY, DAY_AND_MONTH].map((each) => each.format(at)).join(" ");
  const year = YEAR.format(at) === today.slice(0, 4) ? "" : ` ${YEAR.format(at)}`;
  return `${name}${year}: ${counts ? countsInWords(counts) : "nothing"}`;
}

function countsInWords(counts) {
  const words = { failed: "failed", timeout: "timed out", lost: "lost", cancelled: "cancelled", in_flight: "under way" };
  const told = Object.entries(words).filter(([name]) => counts[name]).map(([name, word]) => `${counts[name].toLocaleString("en")} ${word}`);
  const skipped = counts.skipped ? [`${plural(counts.skipped, "tick")} skipped`] : [];
  return [...(runs(counts) ? [plural(runs(counts), "run"), ...told] : []), ...skipped].join(", ");
}

export function yearInWords(days) {
  const known = days.map(({ counts }) => counts).filter(Boolean);
  if (!known.length) return "Nothing in the last 53 weeks.";
  const sum = (of) => known.reduce((total, counts) => total + of(counts), 0);
  const bad = known.filter((counts) => failed(counts));
  const ended = sum(runs) - sum((counts) => counts.in_flight);
  const rate = ended ? `, ${percent(sum((counts) => counts.success) / ended)} of them successful` : "";
  const failures = bad.length ? `; ${plural(sum(failed), "failure")} on ${plural(bad.length, "day")}` : "";
  const skipped = sum((counts) => counts.skipped);
  return `${plural(sum(runs), "run")} on ${plural(known.filter(runs).length, "day")} in 53 weeks${rate}${failures}${skipped ? `; ${plural(skipped, "tick")} skipped` : ""}.`;
}

const percent = (share) => (share === 1 ? "all" : `${Math.min(99.9, share * 100).toFixed(1)} %`);

// `href(counts)`: where the executions of a day are listed; `tabStop`: the place that the tab key leads to.
export function calendarTable(calendar, days, tabStop, href) {
  const most = Math.max(1, ...days.map(({ counts }) => (counts ? runs(counts) + counts.skipped : 0)));
  const weeks = Math.ceil(days.length / 7);
  return h("table", { class: "calendar", role: "grid", "aria-label": `Days, in ${calendar.timezone}; arrow keys lead from day to day` },
    h("thead", { "aria-hidden": "true" }, h("tr", {}, h("td", {}), months(days, weeks))),
    h("tbody", {}, NAMES.map((name, weekday) => h("tr", { key: name },
      h("th", { scope: "row" }, h("span", { class: weekday % 2 ? "only-read" : "" }, weekday % 2 ? name : name.slice(0, 3))),
      Array.from({ length: weeks }, (_, week) => week * 7 + weekday).filter((place) => place < days.length).map((place) =>
        h("td", {}, cell(days[place], { place, tabStop, most, href, today: calendar.today })))))));
}

function months(days, weeks) {
  const starts = Array.from({ length: weeks }, (_, week) => MONTH.format(days[week * 7].at));
  const groups = [];
  for (const name of starts) (groups.at(-1)?.name === name ? groups.at(-1).weeks++ : groups.push({ name, weeks: 1 }));
  return groups.map(({ name, weeks: length }) => h("th", { colspan: length }, length > 2 ? name : ""));
}

function cell(day, { place, tabStop, most, href, today }) {
  const { counts } = day;
  const common = {
    class: "day", "data-place": place, tabindex: place === tabStop ? "0" : "-1", "aria-label": dayInWords(day, today),
    "aria-current": day.date === today ? "date" : undefined,
  };
  if (!counts) return h("span", { ...common, role: "img" });
  return h("a", { ...common, href: href(counts), ...depth(counts, most) });
}

function depth(counts, most) {
  const all = runs(counts) + counts.skipped;
  const share = (number) => (number ? Math.max(LEAST_SHARE, number / all) : 0);
  const bad = share(failed(counts));
  const rest = counts.success || counts.in_flight ? 0.15 : 0; // whatever went well is seen as well
  const upTo = (part) => `${Math.round(Math.min(part, 1 - rest) * 100)}%`;
  const nothingElse = !counts.success && !counts.in_flight && !counts.cancelled;
  const gone = nothingElse && counts.skipped ? 1 : bad + share(counts.skipped);
  return {
    "data-level": Math.max(1, Math.ceil(4 * Math.sqrt(all / most))),
    "data-kind": counts.success || counts.in_flight ? "well" : "other",
    style: { "--failed": upTo(bad), "--skipped": upTo(gone) },
  };
}

export function calendarLegend() {
  const key = (kind, level, style) => h("span", { class: "day", "data-kind": kind, "data-level": level, style });
  const none = { "--failed": "0%", "--skipped": "0%" };
  return h("p", { class: "legend", "aria-hidden": "true" },
    h("span", {}, h("span", { class: "day" }), "nothing"),
    h("span", {}, [1, 2, 3, 4].map((level) => key("well", level, none)), "all well, few runs to many"),
    h("span", {}, key("well", 3, { "--failed": "40%", "--skipped": "40%" }), "some failed"),
    h("span", {}, key("well", 3, { "--failed": "0%", "--skipped": "40%" }), "ticks skipped"),
    h("span", {}, key("other", 3, none), "cancelled"));
}
