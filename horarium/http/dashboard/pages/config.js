// One config: what it runs and when, how its runs went, and what can be done to it.

import { call, post, read } from "../api.js";
import { h } from "../dom.js";
import { Loaded } from "../load.js";
import { at, code, countdown, empty, facts, inZone, loaded, place, seconds, section, since, status, strip } from "../parts.js";
import { go } from "../router.js";
import { may } from "../session.js";
import { attempt, once } from "../talk.js";
import { update } from "../view.js";
import { CATCHUP, expression, OVERLAP, plural, zone } from "../words.js";
import { historyList } from "./config_history.js";
import { pastOf } from "./config_past.js";
import { askBackfill, askDelete, askPause, askRun } from "./config_talk.js";
import { scheduled } from "./configs.js";
import { executionsTable } from "./executions.js";

const RUNS = 8;
const ROWS = 12;
const EVENTS = 100;

export function configPage({ id }) {
  const path = `/task-configs/${id}`;
  const config = new Loaded(async (signal) => {
    const { body, headers } = await call("GET", path, { query: { include_stats: true }, signal });
    return { ...body, tag: headers.get("ETag") };
  }, 2500);
  const runs = new Loaded((signal) => read(`${path}/next-runs`, { count: RUNS }, signal), 2500);
  const executions = new Loaded((signal) => read(`${path}/executions`, { limit: ROWS }, signal), 1500);
  const outcomes = new Loaded(async (signal) => (await read("/executions/outcomes", { config_ids: id, each: 50 }, signal)).items[0]?.outcomes ?? [], 2500);
  const events = new Loaded(async (signal) => (await read(`${path}/history`, { limit: EVENTS }, signal)).items, 2500);
  const past = pastOf(id);
  const told = [config, executions, outcomes, events, ...past.loads]; // what an execution changes
  const all = [...told, runs];
  let isWhole = false; // the history
  let backfilled = null;
  let isLeft = false; // for another page

  const refresh = () => all.forEach((each) => each.refresh());

  const act = once(async (name, done) => {
    await attempt(() => post(`${path}/${name}`), done);
    refresh();
  }, (name) => name);
  const runNow = once(() => attempt(async () => {
    const made = await post(`${path}/run`);
    if (!isLeft) go(`/executions/${made.task_id}`);
  }, "Started by hand"));

  async function runWith() {
    const made = await askRun(config.data);
    if (made) go(`/executions/${made}`);
  }

  async function backfill() {
    backfilled = (await askBackfill(config.data)) ?? backfilled;
    refresh();
  }

  const pause = () => askPause(config.data).then(refresh);
  const remove = () => askDelete(config.data).then((done) => done && go("/configs"));

  function actions() {
    const state = config.data?.status;
    if (!state || !may("operator")) return null;
    // By its word, each is a button of its own: one that is pressed while the state changes does not become another.
    const button = (word, click, more = {}) => h("button", { key: word, ...more, on: { click } }, word);
    return h("div", { class: "buttons" },
      button("Run now", runNow, { class: "main" }),
      button("Run with …", runWith),
      h("a", { class: "button", href: `/configs/${id}/edit` }, "Edit"),
      h("a", { class: "button", href: `/configs/new?from=${id}` }, "Duplicate"),
      state === "active" && button("Pause …", pause),
      state === "paused" && button("Resume", () => act("resume", "Resumed")),
      state === "active" || state === "paused" ? button("Stop", () => act("stop", "Stopped")) : button("Start", () => act("start", "Started")),
      config.data.scheduler_type !== "manual" && button("Backfill …", backfill),
      button("Reload", () => act("reload", "Indexed anew"), { title: "Put it into the index of what is due anew, as Postgres has it" }),
      button("Delete …", remove, { class: "danger" }));
  }

  function view(data) {
    return [
      data.description && h("p", { class: "lead" }, data.description),
      data.status === "paused" && h("p", { class: "notice" }, h("strong", {}, "Paused"), data.paused_until && [" until ", at(data.paused_until)], data.paused_reason && `: ${data.paused_reason}`),
      data.status === "error" && h("p", { class: "notice notice-bad" }, "Its schedule makes no sense any more. Mend it, then start it."),
      backfilled && h("p", { class: "notice", role: "status" }, backfillInWords(backfilled), " ", h("a", { href: `/executions?config_id=${id}&trigger=backfill` }, "Its backfilled runs")),
      past.year(),
      h("div", { class: "columns wide-first glance-first" },
        h("div", {}, section("Executions", loaded(executions, (page) => executionsTable(page.items)),
          h("p", { class: "after" }, h("a", { href: `/executions?config_id=${id}` }, "All of its executions")))),
        h("div", {}, summary(data), section("Next runs", loaded(runs, (page) => nextRuns(page, data), 3)))),
      past.durations(),
      h("div", { class: "columns" },
        section("What it runs", what(data)),
        section("History", loaded(events, (items) => historyList(items, isWhole, () => { isWhole = true; update(); }), 6))),
    ];
  }

  function summary(data) {
    return section("At a glance",
      facts([
        ["Status", status(data.status)],
        ["Schedule", inWords(data, runs.data)],
        ["Next run", data.next_run_at ? [countdown(data.next_run_at), " ", h("span", { class: "quiet" }, at(data.next_run_at))] : null],
        ["Success", rate(data.stats)],
        ["Duration", data.stats.avg_duration_seconds === null ? null : [`mean `, seconds(data.stats.avg_duration_seconds), `, 95 % within `, seconds(data.stats.p95_duration_seconds)]],
        ["Last run", data.stats.last_run_at && since(data.stats.last_run_at)],
        ["Last runs", outcomes.data ? strip(outcomes.data, 30) : null],
      ]));
  }

  return {
    get title() { return config.data?.name ?? "Config"; },
    actions,
    view: () => loaded(config, view, 8),
    heard: (kind, data) => {
      if (kind === "reset" || data?.config_id === Number(id)) for (const each of kind === "execution" ? told : all) each.nudge();
      if (kind === "execution" && data?.config_id === Number(id) && data.status === "pending") runs.nudge();
    },
    close: () => { isLeft = true; past.close(); all.forEach((each) => each.close()); },
  };
}

function backfillInWords({ created, skipped }) {
  if (!created) return "The backfill made nothing: all of its ticks have theirs already.";
  return `The backfill made ${plural(created, "execution")}${skipped ? `; ${plural(skipped, "tick")} had theirs already` : ""}.`;
}

function rate(stats) {
  if (stats.success_rate === null) return "no runs yet";
  const percent = stats.success_rate === 1 ? "100" : Math.min(99.9, stats.success_rate * 100).toFixed(1);
  return [`${percent} % of ${plural(stats.success + stats.failed + stats.timeout + stats.cancelled + stats.lost, "run")}`, stats.skipped ? h("span", { class: "quiet" }, `, ${plural(stats.skipped, "tick")} skipped`) : null];
}

// The server's words, once they are there.
function inWords(data, page) {
  if (!page?.words) return scheduled(data);
  return [page.words, data.scheduler_type === "cron" && h("span", { class: "under" }, h("code", {}, expression(data)))];
}

function nextRuns(page, config) {
  const own = config.scheduler_type === "interval" ? undefined : page.timezone; // an interval knows no zone
  if (!page.items.length) return empty("None to come", "Nothing fires it by itself.");
  return h("ol", { class: "rows runs" }, page.items.map((run) => h("li", { key: run.tick_at },
    h("span", {}, inZone(run.tick_at, own), run.note && h("span", { class: "under" }, run.note)), h("span", { class: "quiet number" }, run.fires_at && run.fires_at !== run.tick_at ? ["fires ", countdown(run.fires_at)] : countdown(run.tick_at)))));
}

function what(data) {
  return [
    facts([
      ["Task", h("code", {}, data.task_type)],
      ["Zone", data.scheduler_type === "cron" || data.scheduler_type === "date" ? `${place(zone(data))} (${zone(data)})` : null],
      ["Timeout", seconds(data.timeout_seconds)],
      ["Retries", data.max_retries ? [`${data.max_retries}, first after `, seconds(data.retry_backoff_seconds)] : "none"],
      ["When runs overlap", OVERLAP[data.overlap]],
      ["After an outage", [CATCHUP[data.catchup], ", back to ", seconds(data.catchup_window_seconds)]],
      ["Jitter", data.jitter_seconds ? ["up to ", seconds(data.jitter_seconds)] : null],
      ["Queue", [data.queue, h("span", { class: "quiet" }, `, priority ${data.priority}`)]],
      ["Begins", data.start_at && at(data.start_at)],
      ["Ends", data.end_at && at(data.end_at)],
      ["Tags", data.tags.length ? data.tags.map((tag) => h("a", { class: "tag", href: `/configs?tag=${encodeURIComponent(tag)}` }, tag)) : null],
      ["Declared by", data.source],
      ["Changed", [since(data.updated_at), h("span", { class: "quiet" }, `, version ${data.version}`)]],
    ]),
    Object.keys(data.parameters).length ? [h("h3", {}, "Parameters"), code(data.parameters)] : null,
  ];
}
