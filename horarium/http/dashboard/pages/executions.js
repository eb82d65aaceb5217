// The ledger: what became of every tick and every run, newest first.

import { read } from "../api.js";
import { duration, moment, now, running } from "../clock.js";
import { h } from "../dom.js";
import { Listing } from "../lists.js";
import { at, choice, empty, seconds, status } from "../parts.js";
import { reason, STATUS } from "../words.js";

const STATES = ["success", "failed", "timeout", "lost", "cancelled", "skipped", "running", "queued", "pending", "retrying"];
const STATUSES = [["", "Any outcome"], ...STATES.map((name) => [name, STATUS[name][1]])];
const TRIGGERS = [["", "Any trigger"], ["schedule", "Schedule"], ["manual", "By hand"], ["retry", "Retry"], ["backfill", "Backfill"], ["external", "External"]];
const LATE_SECONDS = 5;
const names = new Map(); // of configs, which hardly ever change

export function executionsPage({ query }) {
  const list = new Listing(async (asked, signal) => {
    const page = await read("/executions", asked, signal);
    await named([...page.items.map((each) => each.config_id), Number(asked.config_id) || null], signal);
    return page;
  }, { status: "", trigger: "", config_id: "", worker: "", since: "", until: "" }, query);
  const none = () => empty("Nothing has run yet", ["What becomes of each tick and each run is a row here. ", h("a", { href: "/configs" }, "Start a config"), " by hand, or wait for its schedule."]);

  function filters() {
    const { wanted } = list;
    return h("search", { class: "filters" },
      choice("Outcome", STATUSES, wanted.status, (value) => list.change({ status: value })),
      choice("Trigger", TRIGGERS, wanted.trigger, (value) => list.change({ trigger: value })),
      list.chip("config_id", names.get(Number(wanted.config_id)) ?? `config ${wanted.config_id}`, "Show those of all configs"),
      list.chip("worker", wanted.worker, "Show those of all workers"),
      (wanted.since || wanted.until) && h("button", { key: "span", class: "chip", title: "Show those of any time", on: { click: () => list.change({ since: "", until: "" }) } }, `${spanInWords(wanted)} ✕`));
  }

  return {
    title: "Executions",
    view: () => [filters(), list.view((page) => executionsTable(page.items, { named: true }), { noun: "execution", words: ["Newer", "Older"], none: none() })],
    heard: (kind) => (kind === "execution" || kind === "reset") && list.nudge(),
    close: () => list.close(),
  };
}

function spanInWords({ since, until }) {
  return [since && `from ${moment(since)}`, until && `to ${moment(until)}`].filter(Boolean).join(" ");
}

// Learn what these configs are called.
async function named(ids, signal) {
  const unknown = [...new Set(ids)].filter((id) => id !== null && !names.has(id));
  if (!unknown.length) return;
  for (const { id, name } of (await read("/task-configs/names", { config_ids: unknown.join(",") }, signal)).items) names.set(id, name);
}

export function executionsTable(items, { named: withNames }) {
  if (!items.length) return empty("Nothing has run yet", null);
  const columns = [...(withNames ? ["Config"] : []), "Outcome", "Tick", "Late by", "Took", "Attempt"];
  return h("div", { class: "table-frame", tabindex: "0", role: "region", "aria-label": "Executions" }, h("table", { class: "list executions" },
    h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, items.map((each) => row(each, withNames)))));
}

function row(each, withNames) {
  const link = `/executions/${each.task_id}`;
  const trigger = each.trigger === "schedule" ? null : h("span", { class: "under" }, TRIGGERS.find(([name]) => name === each.trigger)[1].toLowerCase());
  return h("tr", { key: each.task_id },
    withNames && h("th", { scope: "row" }, h("a", { href: link }, names.get(each.config_id) ?? each.task_type), h("code", { class: "beside" }, each.task_type)),
    h("td", { "data-label": "Outcome" }, withNames ? status(each.status) : h("a", { class: "plain", href: link }, status(each.status)), why(each)),
    h("td", { "data-label": "Tick", class: "number" }, at(each.tick_at ?? each.for_tick ?? each.created_at), trigger, each.tick_count > 1 && h("span", { class: "under" }, `${each.tick_count.toLocaleString("en")} ticks, to `, at(each.tick_until))),
    h("td", { "data-label": "Late by", class: `number ${each.lateness_seconds > LATE_SECONDS ? "late" : "quiet minor"}` }, each.lateness_seconds === null ? "–" : duration(each.lateness_seconds)),
    h("td", { "data-label": "Took", class: "number" }, each.status === "running" ? running((now() - Date.parse(each.started_at)) / 1000) : seconds(each.duration_seconds)),
    h("td", { "data-label": "Attempt", class: `number ${each.attempt > 1 ? "" : "quiet minor"}` }, String(each.attempt)));
}

function why(each) {
  const text = each.error ? each.error.trim().split("\n").at(-1) : reason(each.reason);
  return text ? h("span", { class: "under one-line", title: text }, text) : null;
}
