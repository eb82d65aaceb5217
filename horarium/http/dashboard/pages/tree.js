// The supervision tree, alive: every part with its state, how often it was restarted and why, and what waits for it.

import { post, read } from "../api.js";
import { duration, running } from "../clock.js";
import { h } from "../dom.js";
import { Loaded } from "../load.js";
import { at, empty, loaded, meter, section, since, status, table } from "../parts.js";
import { may } from "../session.js";
import { ask } from "../talk.js";
import { plural } from "../words.js";

const STEADY_MS = 3000; // uptimes and mailboxes change without an event
const EVENTS = 15;

export function treePage() {
  const tree = new Loaded((signal) => read("/system/tree", {}, signal), 400);
  const events = new Loaded(async (signal) => (await read("/system/events", { limit: 200 }, signal)).items.slice(-EVENTS).reverse(), 400);
  const steady = setInterval(() => tree.nudge(), STEADY_MS);

  const restart = (node) => ask({
    title: `Restart ${node.id}?`,
    text: node.kind === "supervisor" ? "All of its children are stopped in order, and started again." : "It is stopped in order and started again. What waits in its mailbox stays.",
    confirm: "Restart",
    act: () => post(`/system/actors/${node.id}/restart`),
  }).then(() => tree.refresh());

  function rows(node, depth = 0) {
    return [row(node, depth), ...node.children.flatMap((child) => rows(child, depth + 1))];
  }

  function row(node, depth) {
    const isRoot = depth === 0;
    return h("tr", { key: node.id, class: node.kind },
      h("th", { scope: "row", style: { "--depth": String(depth) } }, h("span", { class: "node-name" }, node.id), node.handling && h("span", { class: "under" }, node.handling)),
      h("td", { "data-label": "State" }, status(node.state, node.restart_in === null ? "" : `again in ${duration(node.restart_in)}`)),
      h("td", { "data-label": "Up for", class: "number" }, node.uptime === null ? "–" : h("span", { title: `${node.uptime} s` }, running(node.uptime))),
      h("td", { "data-label": "Restarts", class: `number ${node.restarts ? "" : "quiet minor"}` }, String(node.restarts)),
      h("td", { "data-label": "Mailbox", class: node.mailbox?.depth ? "" : "minor" }, mailbox(node.mailbox)),
      h("td", { "data-label": "Last exit", class: node.last_exit ? "" : "minor" }, node.last_exit ? [h("span", { class: "one-line", title: node.last_exit.reason }, node.last_exit.reason), h("span", { class: "under decision", title: node.last_exit.decision }, decided(node.last_exit), " ", since(node.last_exit.at))] : h("span", { class: "quiet" }, "–")),
      may("admin") && h("td", { class: "act" }, !isRoot && node.state !== "stopped" && h("button", { class: "small", "aria-label": `Restart ${node.id}`, on: { click: () => restart(node) } }, "Restart …")));
  }

  function view(root) {
    return [
      table("The supervision tree", "tree", ["Part", "State", "Up for", "Restarts", "Mailbox", "Last exit"], rows(root), may("admin")),
      section("What happened in it", loaded(events, eventList, 4)),
    ];
  }

  return {
    title: "The tree",
    view: () => loaded(tree, view, 10),
    heard: (kind, data) => { if (kind === "supervision" || (kind === "reset" && !data.executions)) { tree.nudge(); events.nudge(); } },
    close: () => { tree.close(); events.close(); clearInterval(steady); },
  };
}

// The decision names the exit that it is about, which stands in the line above it.
function decided({ decision, reason }) {
  return decision.replace(`, exit ${reason}`, "");
}

function mailbox(box) {
  if (box === null) return h("span", { class: "quiet" }, "–");
  return h("span", { class: "mailbox", title: `${plural(box.accepted, "message")} accepted, ${box.taken} taken, ${box.dropped} dropped, ${box.lost} lost` },
    h("span", { class: "number" }, `${box.depth.toLocaleString("en")} of ${box.capacity.toLocaleString("en")}`),
    meter(box.capacity ? box.depth / box.capacity : 0),
    box.dropped > 0 && h("span", { class: "under" }, `${box.dropped.toLocaleString("en")} dropped`),
    box.lost > 0 && h("span", { class: "under bad" }, `${box.lost.toLocaleString("en")} lost`));
}

function eventList(list) {
  if (!list.length) return empty("Nothing has happened", "Starts, exits and restarts are told here.");
  return h("ul", { class: "rows happened" }, list.map((each) => h("li", { key: each.seq },
    h("p", { class: "row-link" }, h("span", { class: "level", "data-level": each.level }, each.event.replaceAll(/[._]/g, " ")), h("span", { class: "row-name" }, each.child ?? each.supervisor), h("span", { class: "row-name quiet decision", title: each.decision ?? each.reason }, each.decision ?? each.reason ?? ""), h("span", { class: "quiet number" }, at(each.at))))));
}
