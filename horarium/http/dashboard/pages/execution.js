// One execution: how its time went from tick to end, what it says while it runs, what it gave or why it failed, and what
// else there is about the same tick.

import { post, read } from "../api.js";
import { Attempts, told, wholeStages, workerLink } from "../attempts.js";
import { duration, lasting, now } from "../clock.js";
import { copyButton } from "../copying.js";
import { h } from "../dom.js";
import { Loaded } from "../load.js";
import { at, code, facts, loaded, seconds, section, status } from "../parts.js";
import { waterfall } from "../plots.js";
import { go } from "../router.js";
import { may } from "../session.js";
import { ask } from "../talk.js";
import { errorView } from "../traceback.js";
import { update } from "../view.js";
import { FINAL, reason } from "../words.js";

const TRIGGERS = { schedule: "its schedule", manual: "somebody, by hand", retry: "somebody, as a retry", backfill: "a backfill", external: "something outside" };
const STEADY_MS = 3000; // events may be lost: what runs is read now and then all the same
const UNWRITTEN_MS = 2500;
const CANCEL = {
  running: "Its worker is told to stop it, and does so within about a second. What it has done by then stays done. It ends as cancelled and is not tried again.",
  retrying: "No further attempt is made; it ends as cancelled.",
};

export function executionPage({ id }) {
  const attempts = new Attempts(id);
  let config = null;
  let said = null; // the progress that was told last
  const execution = new Loaded(async (signal) => {
    const found = withTold(await read(`/executions/${id}`, {}, signal));
    if (config === null && found.config_id !== null) config = await configOf(found.config_id, signal);
    return found;
  }, 700);
  const steady = setInterval(() => { if (execution.data?.status === "running") for (const each of [execution, attempts]) each.nudge(); }, STEADY_MS);
  const related = new Loaded(async (signal) => (await read(`/executions/${id}/related`, {}, signal)).items, 2000);

  const cancel = () => ask({
    title: "Cancel this execution?", confirm: "Cancel it", danger: true,
    text: CANCEL[execution.data.status] ?? "It has not begun, and will not begin. Its row stays, as cancelled.",
    act: () => post(`/executions/${id}/cancel`),
  }).then(() => execution.refresh());

  async function retry() {
    let made = null;
    const isSkipped = execution.data.status === "skipped";
    const done = await ask({
      title: isSkipped ? "Run it after all?" : "Do it once more?", confirm: "Retry",
      text: `A new execution is made, with the same parameters and about the same tick, and links back to this one, which stays as it is.${isSkipped ? "" : " What this one has done already is done again."}`,
      act: async () => { made = await post(`/executions/${id}/retry`); },
    });
    if (done) go(`/executions/${made.task_id}`);
  }

  function actions() {
    const { data } = execution;
    if (!data || !may("operator")) return null;
    return h("div", { class: "buttons" },
      !FINAL.has(data.status) && h("button", { key: "cancel", class: "danger", disabled: data.cancel_requested_at !== null, on: { click: cancel } }, data.cancel_requested_at ? "Being cancelled …" : "Cancel …"),
      FINAL.has(data.status) && data.status !== "success" && h("button", { key: "retry", class: "main", on: { click: retry } }, "Retry …"));
  }

  function view(data) {
    const only = data.attempts.length === 1 ? data.attempts[0] : null;
    const error = data.attempts.length > 1 ? null : data.error ?? only?.error; // of several, each tells its own
    return [
      h("p", { class: "lead" }, status(data.status), outcome(data)),
      progress(data),
      h("div", { class: "columns wide-first" },
        h("div", {}, section("From tick to end", waterfall(wholeStages(data), told)),
          error && section("Error", errorView(error)),
          only && section("Log", attempts.log(only.attempt).view(FINAL.has(data.status))),
          data.attempts.length > 1 && section("Attempts", attempts.list(data))),
        h("div", {}, section("Facts", known(data)), others(data),
          data.result !== null && json("Result", data.result),
          Object.keys(data.parameters).length > 0 && json("Parameters", data.parameters))),
    ];
  }

  function others(data) {
    if (!related.data) return related.problem && section("Of the same tick", loaded(related, () => null));
    return related.data.length > 0 && section("Of the same tick", h("ul", { class: "rows" }, related.data.map((each) => h("li", { key: each.task_id },
      h("a", { class: "row-link", href: `/executions/${each.task_id}` }, status(each.status),
        h("span", { class: "row-name" }, each.relation === "retry" ? (each.trigger === "backfill" ? "makes up for this one" : "repeats this one") : each.task_id === data.retry_of ? "is repeated by this one" : `by ${TRIGGERS[each.trigger]}`),
        h("span", { class: "number quiet" }, at(each.created_at)))))));
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
      ["Worker", data.worker && [workerLink(data.worker), h("a", { class: "beside", href: `/executions?worker=${encodeURIComponent(data.worker)}` }, "all of its executions")]],
      ["Queue", data.queue],
      ["Id", [h("code", { class: "id" }, data.task_id), " ", copyButton("the id", () => data.task_id)]],
    ]);
  }

  function configIn(data) {
    if (!config) return data.config_id === null ? "none: an app has kicked it" : `${data.config_id}, deleted`;
    return config.is_deleted ? `${config.name}, deleted` : h("a", { href: `/configs/${data.config_id}` }, config.name);
  }

  function heard(kind, data) {
    if (kind !== "reset" && data?.task_id !== id) {
      if (kind === "execution" && data.config_id === execution.data?.config_id) related.nudge();
      return;
    }
    if (kind === "progress") moved(data);
    else if (kind === "log") attempts.logged(data);
    else for (const each of [execution, related, attempts]) each.nudge();
  }

  function moved({ attempt, progress: part, message }) {
    said = { attempt, progress: part, message, at: now() };
    if (execution.data) execution.data = withTold({ ...execution.data });
    update();
  }

  // Progress is told at once and written a moment later, so a row that is read meanwhile knows less.
  function withTold(data) {
    if (said?.attempt === data.attempt && now() - said.at < UNWRITTEN_MS) Object.assign(data, { progress: said.progress, progress_message: said.message });
    return data;
  }

  return {
    get title() { return config?.name ?? execution.data?.task_type ?? "Execution"; },
    actions,
    view: () => loaded(execution, view, 6),
    heard,
    close: () => { for (const each of [execution, related, attempts]) each.close(); clearInterval(steady); },
  };
}

// False for one whose row is gone as well.
async function configOf(id, signal) {
  return (await read("/task-configs/names", { config_ids: id }, signal)).items[0] ?? false;
}

function outcome(data) {
  if (data.status === "running") return [" for ", lasting(data.started_at), data.cancel_requested_at && ", and told to stop"];
  const why = reason(data.reason);
  return [why && `: ${why}`, data.duration_seconds !== null && [" after ", duration(data.duration_seconds)], data.buffered && ", waits for the run before it"];
}

// A bar while it runs; what had been reached, where it ended before it was done.
function progress(data) {
  if (data.progress === null && !data.progress_message) return null;
  const percent = data.progress === null ? "" : `${Math.floor(data.progress * 100)} %`;
  if (FINAL.has(data.status)) return data.status === "success" ? null : h("p", { class: "quiet" }, `It had come to ${[percent, data.progress_message].filter(Boolean).join(": ")}`);
  return h("div", { key: "progress", class: "progress" },
    data.progress !== null && h("progress", { max: "1", value: data.progress, "aria-label": "Progress" }),
    h("p", {}, h("span", { class: "number progress-part" }, percent), " ", h("span", { class: "quiet" }, data.progress_message ?? "")));
}

function json(title, value) {
  return section(title, h("div", { class: "with-copy" }, code(value), copyButton(title.toLowerCase(), () => (typeof value === "string" ? value : JSON.stringify(value, null, 2)))));
}
