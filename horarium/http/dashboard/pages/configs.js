// All configs: found by words, status, type or tag; what each does next, and how its last runs went.

import { read } from "../api.js";
import { h } from "../dom.js";
import { Loaded } from "../load.js";
import { at, choice, countdown, empty, field, loaded, pager, place, status, strip } from "../parts.js";
import { note } from "../router.js";
import { may } from "../session.js";
import { update } from "../view.js";
import { schedule, zone } from "../words.js";
import { ZONE } from "../clock.js";

const STATUSES = [["", "Any status"], ["active", "Active"], ["paused", "Paused"], ["inactive", "Inactive"], ["error", "Error"]];
const SORTS = [["name", "Name, A to Z"], ["-name", "Name, Z to A"], ["-created_at", "Newest first"], ["created_at", "Oldest first"]];
const KEPT = ["q", "status", "task_type", "tag", "sort"];
const PAGE = 50;

export function configsPage({ query }) {
  const wanted = { q: "", status: "", task_type: "", tag: "", sort: "name", ...Object.fromEntries(KEPT.filter((name) => query[name]).map((name) => [name, query[name]])) };
  const cursors = [null]; // one for each page up to the one that is shown
  let types = [];
  let typing = 0;
  let list = make();
  read("/task-types").then((all) => { types = all.map((each) => each.name ?? each); update(); }, () => {}); // a filter less

  function make() {
    return new Loaded(async (signal) => {
      const page = await read("/task-configs", { ...wanted, limit: PAGE, cursor: cursors.at(-1) }, signal);
      const ids = page.items.map((each) => each.id).join(",");
      const outcomes = ids ? (await read("/executions/outcomes", { config_ids: ids }, signal)).items : [];
      return { ...page, outcomes: new Map(outcomes.map((each) => [each.config_id, each.outcomes])) };
    }, 2500);
  }

  function anew(kept = false) {
    if (!kept) cursors.length = 1;
    list.close();
    const shown = list.data;
    list = make();
    list.data = shown; // until the new one is there: no flash
    note(Object.fromEntries(Object.entries(wanted).filter(([name, value]) => !(name === "sort" && value === "name"))));
    update();
  }

  function change(name, value) {
    wanted[name] = value;
    anew();
  }

  function typed(event) {
    wanted.q = event.target.value;
    clearTimeout(typing);
    typing = setTimeout(anew, 250);
  }

  function filters() {
    return h("search", { class: "filters" },
      field("Find", h("input", { type: "search", value: wanted.q, placeholder: "name or description", on: { input: typed } })),
      choice("Status", STATUSES, wanted.status, (value) => change("status", value)),
      choice("Task", [["", "Any task"], ...types.map((name) => [name, name])], wanted.task_type, (value) => change("task_type", value)),
      choice("Order", SORTS, wanted.sort, (value) => change("sort", value)),
      wanted.tag && h("button", { class: "chip", on: { click: () => change("tag", "") }, title: "Show all tags" }, `tag: ${wanted.tag} ✕`));
  }

  function view(page) {
    if (!page.items.length) {
      return Object.entries(wanted).some(([name, value]) => value && name !== "sort")
        ? empty("No config is like that", "Take a filter away to see more.")
        : empty("There are no configs yet", "A config says what to run and when. Make one here, over the API, or with `horarium config create`.");
    }
    return [
      h("div", { class: "table-frame", tabindex: "0", role: "region", "aria-label": "Configs" }, h("table", { class: "list configs" },
        h("thead", {}, h("tr", {}, ["Name", "Status", "Schedule", "Next run", "Last runs"].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, page.items.map((each) => row(each, page.outcomes.get(each.id) ?? []))))),
      pager(page, "config", cursors, PAGE, anew, ["Back", "More"]),
    ];
  }

  function row(config, outcomes) {
    return h("tr", { key: config.id },
      h("th", { scope: "row" }, h("a", { href: `/configs/${config.id}` }, config.name),
        h("span", { class: "under" }, h("code", {}, config.task_type), config.tags.map((tag) => h("button", { class: "tag", on: { click: () => change("tag", tag) }, title: `Only those tagged ${tag}` }, tag)))),
      h("td", { "data-label": "Status" }, status(config.status), config.status === "paused" && h("span", { class: "under" }, config.paused_until ? ["until ", at(config.paused_until)] : config.paused_reason)),
      h("td", { "data-label": "Schedule" }, scheduled(config)),
      h("td", { "data-label": "Next run", class: "number" }, config.next_run_at ? [countdown(config.next_run_at), h("span", { class: "under" }, at(config.next_run_at))] : h("span", { class: "quiet" }, "–")),
      h("td", { "data-label": "Last runs" }, strip(outcomes)));
  }

  return {
    title: "Configs",
    actions: () => may("operator") && h("a", { class: "button main", href: "/configs/new" }, "New config"),
    view: () => [filters(), loaded(list, view, 10)],
    heard: (kind) => (kind === "execution" || kind === "config" || kind === "reset") && list.nudge(),
    close: () => { list.close(); clearTimeout(typing); },
  };
}

export function scheduled(config) {
  const { words, code, at: once } = schedule(config);
  const own = config.scheduler_type === "cron" && zone(config) !== ZONE ? h("span", { class: "zone quiet", title: zone(config) }, place(zone(config))) : null;
  return [words || h("code", {}, code), once && [" ", at(once)], (own || (words && code)) && h("span", { class: "under" }, words && code && h("code", {}, code), " ", own)];
}
