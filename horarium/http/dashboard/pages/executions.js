// The ledger: what became of every tick and every run, newest first.

import { read } from "../api.js";
import { duration, moment, now, running } from "../clock.js";
import { h } from "../dom.js";
import { Loaded } from "../load.js";
import { at, choice, empty, loaded, pager, seconds, status } from "../parts.js";
import { note } from "../router.js";
import { update } from "../view.js";
import { reason, STATUS } from "../words.js";

const STATES = ["success", "failed", "timeout", "lost", "cancelled", "skipped", "running", "queued", "pending", "retrying"];
const STATUSES = [["", "Any outcome"], ...STATES.map((name) => [name, STATUS[name][1]])];
const TRIGGERS = [["", "Any trigger"], ["schedule", "Schedule"], ["manual", "By hand"], ["retry", "Retry"], ["backfill", "Backfill"], ["external", "External"]];
const LATE_SECONDS = 5;
const PAGE = 50;
const names = new Map(); // of configs, which hardly ever change

export function executionsPage({ query }) {
  const wanted = { status: query.status ?? "", trigger: query.trigger ?? "", config_id: query.config_id ?? "", worker: query.worker ?? "", since: query.since ?? "", until: query.until ?? "" };
  const cursors = [null];
  let list = make();

  function make() {
    return new Loaded(async (signal) => {
      const page = await read("/executions", { ...wanted, limit: PAGE, cursor: cursors.at(-1) }, signal);
      await named([...page.items.map((each) => each.config_id), Number(wanted.config_id) || null], signal);
      return page;
    }, 2500);
  }

  function anew(kept = false) {
    if (!kept) cursors.length = 1;
    list.close();
    const shown = list.data;
    list = make();
    list.data = shown;
    note(wanted);
    update();
  }

  function change(name, value) {
    wanted[name] = value;
    anew();
  }

  function view(page) {
    if (!page.items.length) return empty("No execution is like that", "Either nothing has run yet, or retention has taken it.");
    return [
      executionsTable(page.items, { named: true }),
      pager(page, "execution", cursors, PAGE, anew, ["Newer", "Older"]),
    ];
  }

  return {
    title: "Executions",
    view: () => [
      h("search", { class: "filters" },
        choice("Outcome", STATUSES, wanted.status, (value) => change("status", value)),
        choice("Trigger", TRIGGERS, wanted.trigger, (value) => change("trigger", value)),
        wanted.config_id && h("button", { class: "chip", on: { click: () => change("config_id", "") }, title: "Show those of all configs" }, `${names.get(Number(wanted.config_id)) ?? `config ${wanted.config_id}`} ✕`),
        wanted.worker && h("button", { class: "chip", on: { click: () => change("worker", "") }, title: "Show those of all workers" }, `${wanted.worker} ✕`),
        (wanted.since || wanted.until) && h("button", { class: "chip", on: { click: () => { wanted.until = ""; change("since", ""); } }, title: "Show those of any time" }, `${spanInWords(wanted)} ✕`)),
      loaded(list, view, 10),
    ],
    heard: (kind) => (kind === "execution" || kind === "reset") && cursors.length === 1 && list.nudge(),
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
