// Who changed what, when, from where; and what was before and after.

import { read } from "../api.js";
import { h } from "../dom.js";
import { Listing, listPage } from "../lists.js";
import { at, empty } from "../parts.js";

export function auditPage({ query }) {
  const list = new Listing((asked, signal) => read("/audit", asked, signal), { actor: "", action: "", target_kind: "", target_id: "" }, query);
  const only = (each) => list.change({ target_kind: each.target_kind, target_id: each.target_id });

  function filters() {
    const { target_kind: kind, target_id: id } = list.wanted;
    return [
      list.search("actor", "Who", "a user or a key"), list.search("action", "Action", "task_config.updated"),
      list.chip(["target_kind", "target_id"], `${kind.replaceAll("_", " ")} ${id}`, "Show changes of everything"),
    ];
  }

  return listPage(list, {
    title: "Audit", filters, noun: "change", words: ["Newer", "Older"],
    drawn: (page) => h("ul", { class: "rows changes" }, page.items.map((each) => h("li", { key: each.id }, change(each, only)))),
    heard: (kind, data) => (kind === "config" || (kind === "reset" && !data.executions)) && list.nudge(),
    none: () => empty("Nothing has been changed yet", "Whoever makes, edits or deletes something, starts or stops it, or logs in anew, is written down here."),
  });
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
    h("p", { class: "quiet" }, each.request_id && ["Request ", h("code", {}, each.request_id), " "], h("button", { class: "small", on: { click: () => only(each) } }, "All changes of it")));
}

function written(value) {
  return value === undefined || value === null ? h("span", { class: "quiet" }, "–") : h("code", {}, typeof value === "string" ? value : JSON.stringify(value));
}
