// Who changed what, when, from where; and what was before and after.

import { read } from "../api.js";
import { h } from "../dom.js";
import { Loaded } from "../load.js";
import { at, empty, field, loaded, pager } from "../parts.js";
import { note } from "../router.js";
import { update } from "../view.js";

const PAGE = 50;

export function auditPage({ query }) {
  const wanted = { actor: query.actor ?? "", action: query.action ?? "", target_kind: query.target_kind ?? "", target_id: query.target_id ?? "" };
  const cursors = [null];
  let typing = 0;
  let list = make();

  function make() {
    return new Loaded((signal) => read("/audit", { ...wanted, limit: PAGE, cursor: cursors.at(-1) }, signal), 2500);
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

  function asked(name, label, placeholder) {
    const typed = (event) => {
      wanted[name] = event.target.value.trim();
      clearTimeout(typing);
      typing = setTimeout(anew, 350);
    };
    return field(label, h("input", { type: "search", value: wanted[name], placeholder, on: { input: typed } }));
  }

  function only(kind, id) {
    Object.assign(wanted, { target_kind: kind, target_id: id });
    anew();
  }

  function view(page) {
    if (!page.items.length) return empty("No change is like that", "Names and actions are looked for as they are written.");
    return [
      h("ul", { class: "rows changes" }, page.items.map((each) => h("li", { key: each.id }, change(each, only)))),
      pager(page, "change", cursors, PAGE, anew, ["Newer", "Older"]),
    ];
  }

  return {
    title: "Audit",
    view: () => [
      h("search", { class: "filters" },
        asked("actor", "Who", "a user or a key"), asked("action", "Action", "task_config.updated"),
        wanted.target_id && h("button", { class: "chip", on: { click: () => only("", "") }, title: "Show changes of everything" }, `${wanted.target_kind.replaceAll("_", " ")} ${wanted.target_id} ✕`)),
      loaded(list, view, 10),
    ],
    heard: (kind, data) => (kind === "config" || (kind === "reset" && !data.executions)) && cursors.length === 1 && list.nudge(),
    close: () => { list.close(); clearTimeout(typing); },
  };
}

function change(each, only) {
  const head = [
    h("span", { class: "change-at number quiet" }, at(each.at)),
    h("strong", {}, each.actor_name),
    h("span", { class: "quiet" }, each.action.replaceAll(/[._]/g, " ")),
    h("span", { class: "row-name" }, each.target_name ?? each.target_id),
    each.address && h("span", { class: "quiet number change-from" }, each.address),
  ];
  const fields = [...new Set([...Object.keys(each.before ?? {}), ...Object.keys(each.after ?? {})])];
  return h("details", { class: "change" },
    h("summary", { class: "row-link" }, head),
    fields.length ? h("table", { class: "list" },
      h("thead", {}, h("tr", {}, ["Field", "Before", "After"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, fields.map((name) => h("tr", { key: name }, h("th", { scope: "row" }, h("code", {}, name)), h("td", {}, written(each.before?.[name])), h("td", {}, written(each.after?.[name])))))) : h("p", { class: "quiet" }, "No field was changed by it."),
    h("p", { class: "quiet" }, each.request_id && ["Request ", h("code", {}, each.request_id), " "], h("button", { class: "small", on: { click: () => only(each.target_kind, each.target_id) } }, "All changes of it")));
}

function written(value) {
  return value === undefined || value === null ? h("span", { class: "quiet" }, "–") : h("code", {}, typeof value === "string" ? value : JSON.stringify(value));
}
