// One execution: how its time went from tick to end, its attempts, what it gave or why it failed.

import { post, read } from "../api.js";
import { duration, now, running, timeOfDay } from "../clock.js";
import { h } from "../dom.js";
import { Loaded } from "../load.js";
import { at, code, facts, loaded, seconds, section, status } from "../parts.js";
import { waterfall } from "../plots.js";
import { go } from "../router.js";
import { may } from "../session.js";
import { ask, attempt } from "../talk.js";
import { FINAL, reason } from "../words.js";

const TRIGGERS = { schedule: "its schedule", manual: "somebody, by hand", retry: "somebody, as a retry", backfill: "a backfill", external: "something outside" };

export function executionPage({ id }) {
  let config = null;
  const execution = new Loaded(async (signal) => {
    const found = await read(`/executions/${id}`, {}, signal);
    if (config === null && found.config_id !== null) config = await configOf(found.config_id, signal);
    return found;
  }, 700);

  const cancel = () => ask({
    title: "Cancel this execution?",
    text: execution.data.status === "running" ? "Its worker is told to stop it, within a second." : "It will not start.",
    confirm: "Cancel it", danger: true,
    act: () => post(`/executions/${id}/cancel`),
  }).then(() => execution.refresh());

  async function retry() {
    await attempt(async () => go(`/executions/${(await post(`/executions/${id}/retry`)).task_id}`), "Started once more");
  }

  function actions() {
    const { data } = execution;
    if (!data || !may("operator")) return null;
    return h("div", { class: "buttons" },
      !FINAL.has(data.status) && h("button", { class: "danger", disabled: data.cancel_requested_at !== null, on: { click: cancel } }, data.cancel_requested_at ? "Being cancelled …" : "Cancel …"),
      FINAL.has(data.status) && data.status !== "success" && h("button", { class: "main", on: { click: retry } }, "Retry"));
  }

  function view(data) {
    return [
      h("p", { class: "lead" }, status(data.status), told(data)),
      h("div", { class: "columns wide-first" },
        h("div", {}, section("From tick to end", waterfall(stages(data), stageTold), data.attempts.length > 1 && attempts(data))),
        section("Facts", known(data))),
      data.error && section("Error", code(data.error)),
      data.result !== null && section("Result", code(data.result)),
    ];
  }

  function known(data) {
    return facts([
      ["Config", configIn(data)],
      ["Task", h("code", {}, data.task_type)],
      ["Started by", TRIGGERS[data.trigger]],
      ["Tick", data.tick_at && at(data.tick_at)],
      ["Ticks", data.tick_count > 1 ? [data.tick_count.toLocaleString("en"), " until ", at(data.tick_until)] : null],
      ["For tick", data.for_tick && at(data.for_tick)],
      ["Repeats", data.retry_of && h("a", { href: `/executions/${data.retry_of}` }, "another execution")],
      ["Late by", data.lateness_seconds === null ? null : seconds(data.lateness_seconds)],
      ["Took", data.duration_seconds === null ? null : seconds(data.duration_seconds)],
      ["Attempt", String(data.attempt)],
      ["Deadline", !FINAL.has(data.status) && data.deadline_at ? at(data.deadline_at) : null],
      ["Worker", data.worker && h("a", { href: `/executions?worker=${encodeURIComponent(data.worker)}` }, data.worker)],
      ["Queue", data.queue],
      ["Id", h("code", { class: "id" }, data.task_id)],
    ]);
  }

  function configIn(data) {
    if (!config) return data.config_id === null ? "none" : `${data.config_id}, deleted`;
    return config.is_deleted ? `${config.name}, deleted` : h("a", { href: `/configs/${data.config_id}` }, config.name);
  }

  return {
    get title() { return config?.name ?? execution.data?.task_type ?? "Execution"; },
    actions,
    view: () => loaded(execution, view, 6),
    heard: (kind, data) => (kind === "reset" || data?.task_id === id) && execution.nudge(),
    close: () => execution.close(),
  };
}

// False for one whose row is gone as well.
async function configOf(id, signal) {
  return (await read("/task-configs/names", { config_ids: id }, signal)).items[0] ?? false;
}

function told(data) {
  if (data.status === "running") return [" for ", running((now() - Date.parse(data.started_at)) / 1000)];
  const why = reason(data.reason);
  return [why && `: ${why}`, data.duration_seconds !== null && [" after ", duration(data.duration_seconds)], data.buffered && ", waits for the run before it"];
}

const instant = (text) => (text ? Date.parse(text) : null);

function stages(data) {
  const [tick, made, sent, begun, ended] = [data.tick_at, data.created_at, data.queued_at, data.started_at, data.completed_at].map(instant);
  const end = ended ?? (begun === null ? null : now());
  if (data.tick_count > 1 || (data.status === "skipped" && begun === null)) return [{ name: "Written down", from: made, to: null, kind: "wait" }];
  return [
    { name: tick === null ? "Asked for" : "Tick", from: tick ?? made, to: null, kind: "point" },
    tick !== null && { name: "Committed", from: Math.min(tick, made), to: made, kind: "wait" },
    sent !== null && { name: "Published", from: made, to: Math.max(made, sent), kind: "wait" },
    begun !== null && { name: "Claimed", from: Math.min(sent ?? made, begun), to: begun, kind: "wait" },
    end !== null && begun !== null && { name: FINAL.has(data.status) ? "Finished" : "Running", from: begun, to: end, kind: data.status },
  ].filter(Boolean);
}

function stageTold(stage) {
  const length = stage.to === null ? "" : `${stage.kind === "wait" ? "+" : ""}${duration((stage.to - stage.from) / 1000)}`;
  return [h("span", { class: "number" }, length), h("span", { class: "number quiet" }, timeOfDay(stage.to ?? stage.from))];
}

function attempts(data) {
  return [h("h3", {}, "Attempts"), h("ol", { class: "rows attempts" }, data.attempts.map((each) => h("li", { key: each.attempt },
    h("p", { class: "row-link" }, h("span", { class: "number quiet" }, `${each.attempt}.`), status(each.status), h("span", { class: "row-name quiet" }, reason(each.reason)),
      h("span", { class: "number quiet" }, each.started_at && each.completed_at ? duration((Date.parse(each.completed_at) - Date.parse(each.started_at)) / 1000) : ""), each.started_at && at(each.started_at)),
    each.error && each.attempt !== data.attempt && h("details", {}, h("summary", {}, each.error.trim().split("\n").at(-1)), code(each.error)))))];
}
