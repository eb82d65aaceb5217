// All configs: found by words, status, type or tag; what each does next, and how its last runs went.

import { read } from "../api.js";
import { h } from "../dom.js";
import { Listing } from "../lists.js";
import { at, choice, countdown, empty, place, status, strip } from "../parts.js";
import { may } from "../session.js";
import { update } from "../view.js";
import { schedule, zone } from "../words.js";
import { ZONE } from "../clock.js";

const STATUSES = [["", "Any status"], ["active", "Active"], ["paused", "Paused"], ["inactive", "Inactive"], ["error", "Error"]];
const SORTS = [["name", "Name, A to Z"], ["-name", "Name, Z to A"], ["-created_at", "Newest first"], ["created_at", "Oldest first"]];

export function configsPage({ query }) {
  let types = [];
  read("/task-types").then((all) => { types = all.map((each) => each.name ?? each); update(); }, () => {}); // a filter less
  const list = new Listing(async (asked, signal) => {
    const page = await read("/task-configs", asked, signal);
    const ids = page.items.map((each) => each.id).join(",");
    const outcomes = ids ? (await read("/executions/outcomes", { config_ids: ids }, signal)).items : [];
    return { ...page, outcomes: new Map(outcomes.map((each) => [each.config_id, each.outcomes])) };
  }, { q: "", status: "", task_type: "", tag: "", sort: "name" }, query);
  const none = () => empty("There are no configs yet", "A config says what to run and when. Make one here, over the API, or with `horarium config create`.");

  function filters() {
    const { wanted } = list;
    return h("search", { class: "filters" },
      list.search("q", "Find", "name or description"),
      choice("Status", STATUSES, wanted.status, (value) => list.change({ status: value })),
      choice("Task", [["", "Any task"], ...types.map((name) => [name, name])], wanted.task_type, (value) => list.change({ task_type: value })),
      choice("Order", SORTS, wanted.sort, (value) => list.change({ sort: value })),
      list.chip("tag", `tag: ${wanted.tag}`, "Show all tags"));
  }

  function table(page) {
    return h("div", { class: "table-frame", tabindex: "0", role: "region", "aria-label": "Configs" }, h("table", { class: "list configs" },
      h("thead", {}, h("tr", {}, ["Name", "Status", "Schedule", "Next run", "Last runs"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, page.items.map((each) => row(each, page.outcomes.get(each.id) ?? [])))));
  }

  function row(config, outcomes) {
    return h("tr", { key: config.id },
      h("th", { scope: "row" }, h("a", { href: `/configs/${config.id}` }, config.name),
        h("span", { class: "under" }, h("code", {}, config.task_type), config.tags.map((tag) => h("button", { class: "tag", on: { click: () => list.change({ tag }) }, title: `Only those tagged ${tag}` }, tag)))),
      h("td", { "data-label": "Status" }, status(config.status), config.status === "paused" && h("span", { class: "under" }, config.paused_until ? ["until ", at(config.paused_until)] : config.paused_reason)),
      h("td", { "data-label": "Schedule" }, scheduled(config)),
      h("td", { "data-label": "Next run", class: "number" }, config.next_run_at ? [countdown(config.next_run_at), h("span", { class: "under" }, at(config.next_run_at))] : h("span", { class: "quiet" }, "–")),
      h("td", { "data-label": "Last runs" }, strip(outcomes)));
  }

  return {
    title: "Configs",
    actions: () => may("operator") && h("a", { class: "button main", href: "/configs/new" }, "New config"),
    view: () => [filters(), list.view(table, { noun: "config", words: ["Back", "More"], none: none() })],
    heard: (kind) => (kind === "execution" || kind === "config" || kind === "reset") && list.nudge(true),
    close: () => list.close(),
  };
}

export function scheduled(config) {
  const { words, code, at: once } = schedule(config);
  const own = config.scheduler_type === "cron" && zone(config) !== ZONE ? h("span", { class: "zone quiet", title: zone(config) }, place(zone(config))) : null;
  return [words || h("code", {}, code), once && [" ", at(once)], (own || (words && code)) && h("span", { class: "under" }, words && code && h("code", {}, code), " ", own)];
}
