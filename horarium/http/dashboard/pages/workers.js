// Who does the work, and what waits for it: workers with what they run and were told, queues with their depth, limits, and
// the state of what all of them need.

import { post, read } from "../api.js";
import { ConfigNames } from "../config_names.js";
import { h } from "../dom.js";
import { limitsPart } from "../limits.js";
import { Loaded } from "../load.js";
import { empty, facts, loaded, section, since, table } from "../parts.js";
import { ask, attempt } from "../talk.js";
import { plural } from "../words.js";
import { workerCard } from "../workers.js";

const STEADY_MS = 2000; // what workers say of themselves, they say about once a second
const MOST = 200;
const LOOKED_INTO = 12; // so many workers are asked what they run

export function workersPage({ query }) {
  const names = new ConfigNames();
  const state = new Loaded((signal) => read("/system/status", {}, signal), 1500);
  const workers = new Loaded(async (signal) => {
    const { items } = await read("/system/workers", { limit: MOST }, signal);
    const busy = items.filter((each) => each.active > 0).slice(0, LOOKED_INTO);
    const details = await Promise.all(busy.map((each) => read(`/system/workers/${encodeURIComponent(each.id)}`, {}, signal).catch(gone)));
    await names.learn(details.flatMap((each) => each?.executions ?? []).map((each) => each.config_id), signal);
    return items.map((each) => details.find((detail) => detail?.id === each.id) ?? each);
  }, 1000);
  const queues = new Loaded(async (signal) => (await read("/system/queues", {}, signal)).items, 1500);
  const limits = limitsPart();
  const all = [state, workers, queues, limits];
  const steady = setInterval(() => all.forEach((each) => each.nudge()), STEADY_MS);

  // What ran when the list was read may have ended with its worker.
  function gone(problem) {
    if (problem.status === 404) return null;
    throw problem;
  }

  const tell = (worker, action) => post(`/system/workers/${encodeURIComponent(worker.id)}/${action}`);

  const orders = {
    pause: (worker) => ask({
      title: `Pause ${worker.id}?`, confirm: "Pause",
      text: `It takes no more messages, and what it runs goes on. What it had taken and not begun goes to other workers${isLast(worker) ? ", of which there is none: what is due waits until it is resumed" : ""}.`,
      act: () => tell(worker, "pause"),
    }).then(() => workers.refresh()),
    resume: (worker) => attempt(() => tell(worker, "resume"), "It takes messages again").then(() => workers.refresh()),
    drain: (worker) => ask({
      title: `Drain ${worker.id}?`, confirm: "Drain", danger: true,
      text: worker.inline
        ? "It takes no more messages, and what it runs goes on. It is part of this Horarium, so its process stays, and it can be resumed."
        : "It takes no more messages, and its process ends when nothing runs any more. What still runs at its deadline is handed back. Nobody can call this back.",
      act: () => tell(worker, "drain"),
    }).then(() => workers.refresh()),
  };

  function isLast(worker) {
    return workers.data.filter((each) => each.state === "running" && each.id !== worker.id).length === 0;
  }

  function living(list) {
    const isGone = query.worker && !list.some((each) => each.id === query.worker);
    return [
      isGone && h("p", { class: "notice" }, h("strong", {}, query.worker), " is not alive any more. ", h("a", { href: `/executions?worker=${encodeURIComponent(query.worker)}` }, "What it ran"), " is kept."),
      list.length ? h("ul", { class: "workers" }, list.map((each) => workerCard(each, { orders, names, isChosen: each.id === query.worker })))
        : empty("No worker is alive", "What is due is written down and sent, and waits. Start one with `horarium worker`."),
    ];
  }

  return {
    title: "Workers",
    view: () => [
      loaded(workers, living, 4),
      h("div", { class: "columns" },
        section("Queues", loaded(queues, queueTable, 3)),
        section("Scheduler", loaded(state, scheduler, 4))),
      limits.view(queues.data ?? []),
    ],
    heard: (kind, data) => {
      if (kind === "config") names.heard(data.config_id);
      if (kind === "execution" || kind === "reset") for (const each of all) each.nudge();
    },
    close: () => { for (const each of all) each.close(); clearInterval(steady); },
  };
}

function scheduler(data) {
  return facts([
    ["Leads", data.scheduler.leader ? "this process" : data.scheduler.leader_id ?? h("span", { class: "late" }, "nobody")],
    ["Since", data.scheduler.leader_since && since(data.scheduler.leader_since)],
    ["Take-overs", data.scheduler.epoch.toLocaleString("en")],
    ["Scheduled", `${data.scheduler.scheduled_tasks.toLocaleString("en")} of ${plural(data.total_configs, "config")}`],
    ["In flight", data.total_active_tasks.toLocaleString("en")],
    ["Broker", data.broker_connected ? "answers" : h("span", { class: "late" }, "does not answer")],
  ]);
}

function queueTable(list) {
  if (!list.length) return empty("There are no queues", "They come with the first worker, or the first run.");
  return table("Queues", "queues", ["Queue", "Waiting", "Oldest", "Messages", "Workers"], list.map((each) => h("tr", { key: each.name },
    h("th", { scope: "row" }, each.name),
    h("td", { "data-label": "Waiting", class: "number" }, each.waiting ? each.waiting.toLocaleString("en") : h("span", { class: "quiet" }, "nothing")),
    h("td", { "data-label": "Oldest", class: `number ${each.oldest_waiting_at ? "" : "minor"}` }, since(each.oldest_waiting_at)),
    h("td", { "data-label": "Messages", class: "number", title: "Messages that are not acknowledged: what waits, what runs, and what is to come later" }, each.depth === null ? h("span", { class: "late" }, "not known") : each.depth.toLocaleString("en")),
    h("td", { "data-label": "Workers", class: "number" }, each.consumers ? String(each.consumers) : h("span", { class: each.waiting ? "late" : "quiet" }, "nobody")))));
}
