// What has happened to a config, and by whom: the newest events, endings of the same kind in a row as one line.

import { at as timeAt, empty, status } from "../parts.js";
import { h } from "../dom.js";
import { lastLine, plural, reason } from "../words.js";

const SHOWN = 14;
const ENDINGS = new Set(["success", "failed", "timeout", "cancelled", "lost", "skipped", "retrying"]);
const WORDS = {
  task_loaded: "Created", task_scheduled: "Scheduled", task_updated: "Edited", task_deleted: "Deleted", task_started: "Started", task_stopped: "Stopped",
  task_paused: "Paused", task_resumed: "Resumed", task_reloaded: "Indexed anew", task_executed: "Run", task_execution_failed: "Could not fire",
};

export function historyList(events, isWhole, showAll) {
  if (!events.length) return empty("Nothing yet", null);
  const lines = joined(events);
  const shown = isWhole ? lines : lines.slice(0, SHOWN);
  return h("ul", { class: "rows history" },
    shown.map((line) => h("li", { key: `${line.first.timestamp} ${line.first.event} ${line.first.task_id ?? ""}` }, lineOf(line))),
    lines.length > shown.length && h("li", { key: "more" }, h("button", { class: "small", on: { click: showAll } }, `${plural(lines.length - shown.length, "line")} more`)));
}

// Newest first. What ends in the same way, again and again, is one line: what people did is seen between.
function joined(events) {
  const lines = [];
  for (const event of events) {
    const last = lines.at(-1);
    if (last && ENDINGS.has(event.event) && last.newest.event === event.event && last.newest.reason === event.reason) Object.assign(last, { first: event, number: last.number + 1 });
    else lines.push({ newest: event, first: event, number: 1 });
  }
  return lines;
}

function lineOf({ newest, first, number }) {
  const link = number === 1 && newest.task_id;
  const name = ENDINGS.has(newest.event) ? status(newest.event, number > 1 ? `${number} times` : "") : h("span", { class: "what" }, WORDS[newest.event] ?? newest.event.replaceAll("_", " "));
  return h(link ? "a" : "span", { class: "row-link", href: link ? `/executions/${newest.task_id}` : undefined },
    name, h("span", { class: "row-name quiet" }, more(newest)),
    h("span", { class: "quiet number" }, number > 1 && [timeAt(first.timestamp), " – "], timeAt(newest.timestamp)));
}

function more(event) {
  const why = event.error ? lastLine(event.error) : reason(event.reason);
  const what = event.trigger === "backfill" ? `${plural(event.created, "backfilled run")}` : event.tick_count > 1 ? plural(event.tick_count, "tick") : "";
  return [event.by && `by ${event.by}`, what, why].filter(Boolean).join(": ");
}
