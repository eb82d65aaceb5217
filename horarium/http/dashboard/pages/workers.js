// Who does the work, and what waits for it: workers with their load, queues with their depth, and the state of what they need.

import { read } from "../api.js";
import { running, now } from "../clock.js";
import { h } from "../dom.js";
import { Loaded } from "../load.js";
import { empty, facts, loaded, section } from "../parts.js";

const STEADY_MS = 3000; // what workers say of themselves, they say every few seconds

export function workersPage() {
  const state = new Loaded((signal) => read("/system/status", {}, signal), 1500);
  const steady = setInterval(() => state.nudge(), STEADY_MS);

  function view(data) {
    const queues = Object.entries(data.queues).sort(([a], [b]) => a.localeCompare(b));
    return [
      data.worker.workers.length ? workers(data.worker.workers) : empty("No worker is alive", "What is due is written down and sent, and waits. Start one with `horarium worker`."),
      h("div", { class: "columns" },
        section("Queues", queues.length ? h("ul", { class: "rows" }, queues.map(queue)) : empty(data.broker_connected ? "No queues" : "The broker does not answer", null)),
        section("Scheduler", facts([
          ["Leads", data.scheduler.leader ? "this process" : data.scheduler.leader_id ?? h("span", { class: "late" }, "nobody")],
          ["Take-overs", data.scheduler.epoch.toLocaleString("en")],
          ["Scheduled", `${data.scheduler.scheduled_tasks.toLocaleString("en")} of ${data.total_configs.toLocaleString("en")} configs`],
          ["In flight", data.total_active_tasks.toLocaleString("en")],
          ["Broker", data.broker_connected ? "answers" : h("span", { class: "late" }, "does not answer")],
        ]))),
    ];
  }

  return {
    title: "Workers",
    view: () => loaded(state, view, 5),
    heard: (kind) => (kind === "execution" || kind === "reset") && state.nudge(),
    close: () => { state.close(); clearInterval(steady); },
  };
}

function queue([name, { depth }]) {
  return h("li", { key: name }, h("p", { class: "row-link" }, h("span", { class: "row-name" }, name), h("span", { class: "number quiet", title: "Messages that are not acknowledged: what waits, and what runs" }, depth ? `${depth.toLocaleString("en")} under way or waiting` : "empty")));
}

function workers(list) {
  return h("div", { class: "table-frame", tabindex: "0", role: "region", "aria-label": "Workers" }, h("table", { class: "list workers" },
    h("thead", {}, h("tr", {}, ["Worker", "Load", "Queues", "Up for", "Runs"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, list.map((each) => h("tr", { key: each.id },
      h("th", { scope: "row" }, each.id),
      h("td", { "data-label": "Load" }, h("span", { class: "mailbox" }, h("span", { class: "number" }, `${each.active} of ${each.concurrency}`), h("span", { class: "meter", "aria-hidden": "true" }, h("span", { style: { "--to": `${Math.min(100, (each.active / each.concurrency) * 100)}%` } })))),
      h("td", { "data-label": "Queues" }, each.queues.join(", ")),
      h("td", { "data-label": "Up for", class: "number" }, running((now() - Date.parse(each.started_at)) / 1000)),
      h("td", { "data-label": "Runs" }, h("a", { href: `/executions?worker=${encodeURIComponent(each.id)}` }, "Its executions")))))));
}
