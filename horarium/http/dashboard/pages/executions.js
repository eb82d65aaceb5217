// The ledger: what became of every tick and every run, newest first.

import { read } from "../api.js";
import { duration, lasting, moment } from "../clock.js";
import { ConfigNames } from "../config_names.js";
import { h } from "../dom.js";
import { Listing, listPage } from "../lists.js";
import { at, choice, empty, seconds, status, table } from "../parts.js";
import { lastLine, reason, STATUS } from "../words.js";

const STATES = ["success", "failed", "timeout", "lost", "cancelled", "skipped", "running", "queued", "pending", "retrying"];
const STATUSES = [["", "Any outcome"], ...STATES.map((name) => [name, STATUS[name][1]])];
const TRIGGERS = [["", "Any trigger"], ["schedule", "Schedule"], ["manual", "By hand"], ["retry", "Retry"], ["backfill", "Backfill"], ["external", "External"]];
const LATE_SECONDS = 5;

export function executionsPage({ query }) {
  const names = new ConfigNames();
  const list = new Listing(async (asked, signal) => {
    const page = await read("/executions", asked, signal);
    await names.learn([...page.items.map((each) => each.config_id), Number(asked.config_id) || null], signal);
    return page;
  }, { status: "", trigger: "", config_id: "", worker: "", since: "", until: "" }, query);

  function filters() {
    const { wanted } = list;
    return [
      choice("Outcome", STATUSES, wanted.status, (value) => list.change({ status: value })),
      choice("Trigger", TRIGGERS, wanted.trigger, (value) => list.change({ trigger: value })),
      list.chip(["config_id"], names.get(Number(wanted.config_id)) ?? `config ${wanted.config_id}`, "Show those of all configs"),
      list.chip(["worker"], wanted.worker, "Show those of all workers"),
      list.chip(["since", "until"], spanInWords(wanted), "Show those of any time"),
    ];
  }

  function heard(kind, data) {
    if (kind === "config") names.heard(data.config_id);
    if (kind === "execution" || kind === "config" || kind === "reset") list.nudge();
  }

  return listPage(list, {
    title: "Executions", filters, drawn: (page) => executionsTable(page.items, names), heard, noun: "execution", words: ["Newer", "Older"],
    none: () => empty("Nothing has run yet", ["What becomes of each tick and each run is a row here. ", h("a", { href: "/configs" }, "Start a config"), " by hand, or wait for its schedule."]),
  });
}

function spanInWords({ since, until }) {
  return [since && `from ${moment(since)}`, until && `to ${moment(until)}`].filter(Boolean).join(" ");
}

// `names` of their configs; without them, all are of one.
export function executionsTable(items, names = null) {
  if (!items.length) return empty("Nothing has run yet", null);
  const columns = [...(names ? ["Config"] : []), "Outcome", "Tick", "Late by", "Took", "Attempt"];
  return table("Executions", "executions", columns, items.map((each) => row(each, names)));
}

function row(each, names) {
  const link = `/executions/${each.task_id}`;
  const trigger = each.trigger === "schedule" ? null : h("span", { class: "under" }, TRIGGERS.find(([name]) => name === each.trigger)[1].toLowerCase());
  return h("tr", { key: each.task_id },
    names && h("th", { scope: "row" }, h("a", { href: link }, names.get(each.config_id) ?? each.task_type), h("code", { class: "beside" }, each.task_type)),
    h("td", { "data-label": "Outcome" }, names ? status(each.status) : h("a", { class: "plain", href: link }, status(each.status)), why(each)),
    h("td", { "data-label": "Tick", class: "number" }, at(each.tick_at ?? each.for_tick ?? each.created_at), trigger, each.tick_count > 1 && h("span", { class: "under" }, `${each.tick_count.toLocaleString("en")} ticks, to `, at(each.tick_until))),
    h("td", { "data-label": "Late by", class: `number ${each.lateness_seconds > LATE_SECONDS ? "late" : "quiet minor"}` }, each.lateness_seconds === null ? "–" : duration(each.lateness_seconds)),
    h("td", { "data-label": "Took", class: "number" }, each.status === "running" ? lasting(each.started_at) : seconds(each.duration_seconds)),
    h("td", { "data-label": "Attempt", class: `number ${each.attempt > 1 ? "" : "quiet minor"}` }, String(each.attempt)));
}

function why(each) {
  const text = each.error ? lastLine(each.error) : reason(each.reason);
  return text ? h("span", { class: "under one-line", title: text }, text) : null;
}
