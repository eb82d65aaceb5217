// Limits of queues and task types: how many run under each, how many wait for room, and setting them.

import { call, read } from "./api.js";
import { duration } from "./clock.js";
import { h } from "./dom.js";
import { Loaded } from "./load.js";
import { choice, empty, field, leftOut, loaded, meter, section, since, table } from "./parts.js";
import { may } from "./session.js";
import { ask } from "./talk.js";

const MOST = 200;
const KINDS = [["task_type", "Task type"], ["queue", "Queue"]];
const pathOf = ({ kind, name }) => `/system/limits/${kind}/${encodeURIComponent(name)}`;
const number = (text) => (text === "" || text === null ? null : Number(text));

export function limitsPart() {
  const limits = new Loaded((signal) => read("/system/limits", { limit: MOST }, signal), 1500);
  const types = new Loaded((signal) => read("/task-types", undefined, signal));

  function fields(values, queues, isNew) {
    const typed = (name) => (event) => { values[name] = event.target.value; };
    const count = (name, label, range, told) => field(label, h("input", { type: "number", name, value: values[name] ?? "", on: { input: typed(name) }, ...range }), told);
    return [
      isNew && choice("Of", KINDS, values.kind, (kind) => { values.kind = kind; }),
      isNew && field("Name", h("input", { name: "name", required: true, list: "limit-names", value: values.name, autocomplete: "off", on: { input: typed("name") } })),
      isNew && h("datalist", { id: "limit-names" }, [...new Set([...queues, ...(types.data ?? [])].map((each) => each.name))].map((name) => h("option", { key: name, value: name }))),
      count("max_running", "Run at once, at most", { min: "1", step: "1" }, "Empty: as many as there are"),
      count("rate", "Start, at most", { min: "1", step: "1" }, "Empty: as often as they are due"),
      count("period_seconds", "In any … seconds", { min: "0.1", step: "any" }),
    ];
  }

  const put = (values, version) => call("PUT", pathOf(values), {
    body: { max_running: number(values.max_running), rate: number(values.rate), period_seconds: number(values.period_seconds) },
    headers: version === undefined ? {} : { "If-Match": `"${version}"` },
  });

  const add = (queues) => ask({
    title: "A new limit", confirm: "Set", values: { kind: "task_type", name: "", max_running: "1", rate: "", period_seconds: "" },
    text: "It holds for all workers together, from now on. What has no room waits, in order.",
    body: (values) => fields(values, queues, true), act: (values) => put(values),
  }).then(() => limits.refresh());

  const edit = (limit) => ask({
    title: `Limit of ${limit.name}`, confirm: "Set", values: { ...limit },
    text: "It holds for every start from now on; what runs goes on.",
    body: (values) => fields(values, [], false), act: (values) => put(values, limit.version),
  }).then(() => limits.refresh());

  const remove = (limit) => ask({
    title: `Take the limit of ${limit.name} away?`, confirm: "Take it away", danger: true,
    text: limit.waiting ? `${limit.waiting.toLocaleString("en")} executions that wait for room may begin then.` : "Nothing waits for room under it.",
    act: () => call("DELETE", pathOf(limit), { headers: { "If-Match": `"${limit.version}"` } }),
  }).then(() => limits.refresh());

  function row(limit) {
    return h("tr", { key: `${limit.kind} ${limit.name}` },
      h("th", { scope: "row" }, h("code", {}, limit.name), h("span", { class: "beside" }, limit.kind === "queue" ? "queue" : "task type")),
      h("td", { "data-label": "Running" }, load(limit)),
      h("td", { "data-label": "Rate", class: `number ${limit.rate === null ? "minor" : ""}` }, limit.rate === null ? h("span", { class: "quiet" }, "any") : `${limit.rate.toLocaleString("en")} in ${duration(limit.period_seconds)}`),
      h("td", { "data-label": "Wait for room", class: `number ${limit.waiting ? "late" : "quiet minor"}` }, limit.waiting ? limit.waiting.toLocaleString("en") : "nothing"),
      h("td", { "data-label": "Set" }, since(limit.updated_at), h("span", { class: "quiet" }, ` by ${limit.updated_by}`)),
      may("operator") && h("td", { class: "act" },
        h("button", { class: "small", "aria-label": `Edit the limit of ${limit.name}`, on: { click: () => edit(limit) } }, "Edit …"),
        h("button", { class: "small", "aria-label": `Take the limit of ${limit.name} away`, on: { click: () => remove(limit) } }, "Take away …")));
  }

  function list(page) {
    if (!page.items.length) return empty("Nothing is limited", "A limit keeps a queue or a task type from running too much at once, or too often, over all workers.");
    return [table("Limits", "limits", ["Of", "Running", "Rate", "Wait for room", "Set"], page.items.map(row), may("operator")), leftOut(page, "limit")];
  }

  return {
    view: (queues) => section("Limits", loaded(limits, list, 2), may("operator") && h("p", { class: "after" }, h("button", { on: { click: () => add(queues) } }, "New limit …"))),
    nudge: () => limits.nudge(),
    close: () => { limits.close(); types.close(); },
  };
}

function load(limit) {
  if (limit.max_running === null) return h("span", { class: "number" }, `${limit.running.toLocaleString("en")}`, h("span", { class: "quiet" }, " of any"));
  return h("span", { class: "mailbox" }, h("span", { class: "number" }, `${limit.running.toLocaleString("en")} of ${limit.max_running.toLocaleString("en")}`), meter(limit.running / limit.max_running));
}
