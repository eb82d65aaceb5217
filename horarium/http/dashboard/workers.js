// One worker: what it says of itself, what it was told, what it runs, and what it can be told.

import { lasting, now } from "./clock.js";
import { h } from "./dom.js";
import { at, facts, meter, since, status } from "./parts.js";
import { may } from "./session.js";
import { plural } from "./words.js";

const SHOWN = 6;
const SILENT_SECONDS = 3; // it speaks about once a second

const MEANS = { running: "takes messages", pausing: "takes none; what runs goes on", paused: "does nothing", draining: "takes none; ends when nothing runs" };

export function workerCard(worker, { orders, names, isChosen }) {
  return h("li", { key: worker.id, class: "worker-card", "aria-current": isChosen ? "true" : undefined, made: (node) => isChosen && requestAnimationFrame(() => node.scrollIntoView({ block: "nearest" })) },
    h("div", { class: "worker-head" },
      h("h2", {}, worker.id), status(worker.state), h("span", { class: "quiet" }, MEANS[worker.state]), buttons(worker, orders)),
    h("div", { class: "worker-body" },
      facts([
        ["Load", load(worker)],
        ["Queues", worker.queues.map((name) => h("span", { key: name, class: "tag" }, name))],
        ["Up for", h("span", { class: "number", title: worker.started_at }, lasting(worker.started_at))],
        ["Heard", heartbeat(worker)],
        ["Last order", worker.told_by && ["by ", h("strong", {}, worker.told_by), ", ", since(worker.told_at)]],
        ["Where", [`${worker.host}, process ${worker.pid}`, worker.inline && h("span", { class: "quiet" }, ", inside Horarium")]],
        ["Release", worker.version],
      ]),
      h("div", { class: "worker-runs" }, runs(worker, names))));
}

function load(worker) {
  return h("span", { class: "mailbox" }, h("span", { class: "number" }, `${worker.active} of ${worker.concurrency}`), meter(worker.active / worker.concurrency));
}

function heartbeat(worker) {
  if (worker.last_beat_at === null) return h("span", { class: "quiet" }, "by an older release");
  const silent = (now() - Date.parse(worker.last_beat_at)) / 1000;
  return h("span", { class: `number ${silent > SILENT_SECONDS ? "late" : ""}` }, since(worker.last_beat_at));
}

function buttons(worker, orders) {
  if (!may("operator")) return null;
  const button = (action, word, properties = {}) => h("button", { key: action, ...properties, "aria-label": `${word.replace(" …", "")} ${worker.id}`, on: { click: () => orders[action](worker) } }, word);
  return h("div", { class: "buttons" },
    worker.state === "running" && button("pause", "Pause …"),
    (["pausing", "paused"].includes(worker.state) || (worker.state === "draining" && worker.inline)) && button("resume", "Resume"),
    may("admin") && worker.state !== "draining" && button("drain", "Drain …", { class: "danger" }));
}

function runs(worker, names) {
  const all = h("a", { href: `/executions?worker=${encodeURIComponent(worker.id)}` }, "All of its executions");
  if (!worker.active) return h("p", { class: "quiet" }, "Runs nothing. ", all);
  const list = worker.executions ?? [];
  return [
    h("ul", { class: "rows" }, list.slice(0, SHOWN).map((each) => h("li", { key: each.task_id },
      h("a", { class: "row-link", href: `/executions/${each.task_id}` }, status(each.status), h("span", { class: "row-name" }, names.get(each.config_id) ?? each.task_type),
        h("span", { class: "number quiet" }, each.progress === null ? "" : `${Math.floor(each.progress * 100)} %`),
        h("span", { class: "number quiet" }, each.started_at ? lasting(each.started_at) : at(each.created_at)))))),
    h("p", { class: "quiet after" }, list.length > SHOWN && `${plural(list.length - SHOWN, "more run")}. `, all),
  ];
}
