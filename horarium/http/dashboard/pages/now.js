// What happens now: the hour behind and the one ahead, what runs, what has failed, and how punctual all of it is.

import { read } from "../api.js";
import { duration, lasting, moment, now } from "../clock.js";
import { h } from "../dom.js";
import { Loaded } from "../load.js";
import { countdown, empty, loaded, meter, section, since, status } from "../parts.js";
import { spark } from "../plots.js";
import { go } from "../router.js";
import { axis, density, lane, Scale } from "../timeline.js";
import { update } from "../view.js";
import { lastLine, plural } from "../words.js";

const PAUSE_MS = 1500;
const REDRAW_MS = 15_000; // the present moves on by less than a pixel in between
const LABELS = 190;
const NARROW = 640;
const FAILURES = 8;

export function nowPage() {
  const overview = new Loaded((signal) => read("/overview", {}, signal), PAUSE_MS);
  const steady = setInterval(() => overview.nudge(), REDRAW_MS);
  let width = 0;
  let drawn = { data: null, width: 0, at: 0, view: null };
  let tip = null;
  const sizes = new ResizeObserver(([entry]) => { width = Math.floor(entry.contentRect.width); update(); });

  // The drawings are made once for what was read, not once a second.
  function timeline(data) {
    if (drawn.data === data && drawn.width === width) return drawn.view;
    drawn = { data, width, view: width ? draw(data, width) : null };
    return drawn.view;
  }

  function pointed(event) {
    const told = event.target.closest?.("[data-told]")?.dataset.told;
    const box = event.currentTarget.getBoundingClientRect();
    tip = told ? { told, x: Math.min(Math.max(event.clientX - box.left, 90), box.width - 90), y: event.clientY - box.top } : null;
    update();
  }

  function chosen(event) {
    const mark = event.target.closest?.("[data-mark]");
    if (mark) {
      const [id, number] = mark.dataset.mark.split(" ");
      const config = mark.closest("[data-config]").dataset.config;
      go(number === "1" ? `/executions/${id}` : `/executions?config_id=${config}`);
    }
  }

  function view(data) {
    return [
      figures(data),
      section("Timeline",
        h("div", { class: "timeline", on: { pointermove: pointed, pointerleave: () => { tip = null; update(); }, click: chosen }, made: (node) => sizes.observe(node) },
          timeline(data),
          tip && h("div", { class: "tip", "aria-hidden": "true", style: { "--x": `${tip.x}px`, "--y": `${tip.y}px` } }, tip.told)),
        legend()),
      h("div", { class: "columns" }, section("Running now", runningList(data)), section("Failed lately", failures(data))),
    ];
  }

  return {
    title: "Now",
    view: () => loaded(overview, view, 8),
    heard: (kind) => (kind === "execution" || kind === "config" || kind === "reset") && overview.nudge(),
    close: () => { overview.close(); clearInterval(steady); sizes.disconnect(); },
  };
}

function draw(data, width) {
  const narrow = width < NARROW;
  const scale = new Scale(data, narrow ? width : width - LABELS);
  const present = Date.parse(data.at);
  const row = (name, drawing, properties = {}) => h("div", { class: "lane", ...properties }, h("div", { class: "lane-name" }, name), drawing);
  return h("div", { class: narrow ? "lanes narrow" : "lanes" },
    row(null, axis(scale, present), { key: "axis" }),
    row(h("span", { class: "quiet" }, "All configs"), density(scale, data, present), { key: "all" }),
    data.lanes.map((each) => row(h("a", { href: `/configs/${each.config_id}`, title: each.name }, each.name), lane(scale, each, present), { key: each.config_id, "data-config": each.config_id })),
    data.lanes.length ? null : h("div", { key: "none" }, empty("Nothing scheduled yet", "Create a config over the API or with `horarium config create`; its ticks show up here as they happen.")));
}

function legend() {
  return h("p", { class: "legend", "aria-hidden": "true" },
    [["success", "succeeded"], ["failed", "failed, timed out or lost"], ["running", "under way"], ["skipped", "skipped"], ["planned", "to come"], ["late", "began late"]].map(([kind, word]) =>
      h("span", { key: kind }, h("span", { class: "key", "data-status": kind }), word)));
}

function figures(data) {
  const past = data.bins.slice(0, data.now_bin + 1);
  const whole = past.slice(0, -1); // the present minute has only begun
  const sum = (name) => past.reduce((total, bin) => total + bin[name], 0);
  const waiting = data.in_flight.pending + data.in_flight.queued + data.in_flight.retrying;
  const runs = whole.map((bin) => bin.success + bin.failed + bin.cancelled + bin.in_flight);
  const known = past.filter((bin) => bin.lateness_mean !== null);
  const mean = known.length ? known.reduce((total, bin) => total + bin.lateness_mean, 0) / known.length : null;
  const worst = known.length ? Math.max(...known.map((bin) => bin.lateness_worst)) : null;
  const perMinute = runs.slice(-10).reduce((total, number) => total + number, 0) / 10;
  const failed = sum("failed");
  return h("div", { class: "figures" },
    figure("Running", data.in_flight.running.toLocaleString("en"), waiting ? `${waiting.toLocaleString("en")} waiting` : "nothing waits"),
    figure("Failed in the last hour", failed.toLocaleString("en"), `of ${plural(sum("success") + failed + sum("cancelled") + sum("in_flight"), "run")}`, null, failed ? "bad" : null),
    figure("Lateness", duration(mean), worst === null ? "no ticks yet" : `worst ${duration(worst)}, ${sum("late")} over ${data.late_after_seconds} s`,
      spark(whole.map((bin) => bin.lateness_mean), { worst: whole.map((bin) => (bin.late ? bin.lateness_worst : null)), label: `Lateness by the minute over the last hour; mean ${duration(mean)}, worst ${duration(worst)}` }), sum("late") ? "late" : null),
    figure("Runs a minute", perMinute >= 10 ? Math.round(perMinute).toLocaleString("en") : perMinute.toFixed(1), "mean of ten minutes",
      spark(runs, { label: `Runs by the minute over the last hour; lately ${perMinute.toFixed(1)} a minute` })));
}

function figure(name, value, note, plot, tone) {
  return h("div", { class: "figure", "data-tone": tone ?? "plain" }, h("p", { class: "figure-name" }, name), h("p", { class: "figure-value number" }, value), h("p", { class: "quiet figure-note" }, note), plot);
}

function runningList(data) {
  const { running: list, in_flight: counts } = data;
  if (!list.length) return empty("Nothing runs", null, h("p", { class: "quiet" }, nextRun(data)));
  const more = counts.pending + counts.queued + counts.running + counts.retrying - list.length;
  return h("ul", { class: "rows" },
    list.map((each) => h("li", { key: each.task_id },
      h("a", { class: "row-link", href: `/executions/${each.task_id}` }, status(each.status), h("span", { class: "row-name" }, each.name ?? each.task_type), h("span", { class: "number quiet" }, clockOf(each))),
      each.started_at && each.deadline_at && meter(spent(each)))),
    more > 0 && h("li", { key: "more" }, h("a", { href: "/executions" }, `${more.toLocaleString("en")} more`)));
}

function nextRun(data) {
  const soonest = data.lanes.flatMap((each) => each.planned.filter((at) => Date.parse(at) > now()).slice(0, 1).map((at) => ({ at, name: each.name }))).sort((a, b) => a.at.localeCompare(b.at))[0];
  return soonest ? ["Next: ", soonest.name, " ", countdown(soonest.at)] : "Nothing is planned for the next hour.";
}

function clockOf(each) {
  return each.started_at ? lasting(each.started_at) : `for ${lasting(each.created_at)}`;
}

function spent(each) {
  const start = Date.parse(each.started_at);
  return (now() - start) / (Date.parse(each.deadline_at) - start);
}

// What failed again and again is one line: its newest failure, and how often.
function failures(data) {
  if (!data.failed.length) return empty("Nothing failed", "In the last seven days.");
  const groups = Map.groupBy(data.failed, (each) => each.config_id ?? each.task_id);
  return h("ul", { class: "rows" }, [...groups].slice(0, FAILURES).map(([key, [newest, ...others]]) => h("li", { key },
    h("a", { class: "row-link", href: `/executions/${newest.task_id}` }, status(newest.status), h("span", { class: "row-name" }, newest.name ?? newest.task_type), h("span", { class: "quiet number" }, since(newest.completed_at))),
    h("p", { class: "last-line" }, lastLine(newest.error)),
    others.length ? h("p", { class: "last-line" }, h("a", { href: `/executions?config_id=${newest.config_id}&status=${newest.status}` }, `${plural(others.length, "more failure")} since ${moment(others.at(-1).completed_at)}`)) : null)),
    h("li", { key: "all", class: "quiet" }, "All that ", h("a", { href: "/executions?status=failed" }, "failed"), ", ", h("a", { href: "/executions?status=timeout" }, "timed out"), " or ", h("a", { href: "/executions?status=lost" }, "were lost")));
}
