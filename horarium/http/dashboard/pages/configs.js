// All configs: found by words, status, type or tag; what each does next, and how its last runs went.

import { read } from "../api.js";
import { h } from "../dom.js";
import { Listing, listPage } from "../lists.js";
import { Loaded } from "../load.js";
import { at, choice, countdown, empty, place, status, strip, table } from "../parts.js";
import { may } from "../session.js";
import { schedule, zone } from "../words.js";
import { ZONE } from "../clock.js";

const STATUSES = [["", "Any status"], ["active", "Active"], ["paused", "Paused"], ["inactive", "Inactive"], ["error", "Error"]];
const SORTS = [["name", "Name, A to Z"], ["-name", "Name, Z to A"], ["-created_at", "Newest first"], ["created_at", "Oldest first"]];

export function configsPage({ query }) {
  const types = new Loaded((signal) => read("/task-types", undefined, signal));
  const list = new Listing(async (asked, signal) => {
    const page = await read("/task-configs", asked, signal);
    const ids = page.items.map((each) => each.id).join(",");
    const outcomes = ids ? (await read("/executions/outcomes", { config_ids: ids }, signal)).items : [];
    return { ...page, outcomes: new Map(outcomes.map((each) => [each.config_id, each.outcomes])) };
  }, { q: "", status: "", task_type: "", tag: "", sort: "name" }, query);

  function filters() {
    const { wanted } = list;
    const names = new Set([...(types.data ?? []).map((each) => each.name), ...(wanted.task_type ? [wanted.task_type] : [])]);
    return [
      list.search("q", "Find", "name or description"),
      choice("Status", STATUSES, wanted.status, (value) => list.change({ status: value })),
      choice("Task", [["", "Any task"], ...[...names].map((name) => [name, name])], wanted.task_type, (value) => list.change({ task_type: value })),
      choice("Order", SORTS, wanted.sort, (value) => list.change({ sort: value })),
      list.chip(["tag"], `tag: ${wanted.tag}`, "Show all tags"),
    ];
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

  const page = listPage(list, {
    title: "Configs", filters, noun: "config", words: ["Back", "More"],
    actions: () => may("operator") && h("a", { class: "button main", href: "/configs/new" }, "New config"),
    drawn: (found) => table("Configs", "configs", ["Name", "Status", "Schedule", "Next run", "Last runs"], found.items.map((each) => row(each, found.outcomes.get(each.id) ?? []))),
    heard: (kind) => (kind === "execution" || kind === "config" || kind === "reset") && list.nudge(true),
    none: () => empty("There are no configs yet", "A config says what to run and when. Make one here, over the API, or with `horarium config create`."),
  });
  return { ...page, close: () => { page.close(); types.close(); } };
}

export function scheduled(config) {
  const { words, code, at: once } = schedule(config);
  const own = config.scheduler_type === "cron" && zone(config) !== ZONE ? h("span", { class: "zone quiet", title: zone(config) }, place(zone(config))) : null;
  return [words || h("code", {}, code), once && [" ", at(once)], (own || (words && code)) && h("span", { class: "under" }, words && code && h("code", {}, code), " ", own)];
}
