// How the time of an execution went: from its tick over its attempts to its end, and of each attempt what it said.

import { duration, now, timeOfDay } from "./clock.js";
import { h } from "./dom.js";
import { Log } from "./logs.js";
import { at, status } from "./parts.js";
import { waterfall } from "./plots.js";
import { errorView } from "./traceback.js";
import { update } from "./view.js";
import { FINAL, lastLine, reason } from "./words.js";

const instant = (text) => (text ? Date.parse(text) : null);

// The whole: one bar for each attempt where there are several, and the steps of the only one otherwise.
export function wholeStages(data) {
  const [tick, made] = [data.tick_at, data.created_at].map(instant);
  if (data.tick_count > 1 || (data.status === "skipped" && data.started_at === null)) return [{ name: "Written down", from: made, to: null, kind: "wait" }];
  return [
    { name: tick === null ? "Asked for" : "Tick", from: tick ?? made, to: null, kind: "point" },
    tick !== null && { name: "Committed", from: Math.min(tick, made), to: made, kind: "wait" },
    ...(data.attempts.length > 1 ? data.attempts.map((each) => stageOf(each, `Attempt ${each.attempt}`)) : stepsOf(data, data.attempts[0])),
  ].filter(Boolean);
}

function stageOf(record, name) {
  return { name, from: instant(record.started_at), to: instant(record.completed_at) ?? now(), kind: record.status };
}

// Of one attempt: what it waited for, and how long it ran. Only of the newest is it known when it was sent.
function stepsOf(data, record) {
  const before = data.attempts[data.attempts.indexOf(record) - 1];
  const from = instant(before?.completed_at ?? data.created_at);
  const begun = instant(record?.started_at);
  const sent = !record || record.attempt === data.attempt ? instant(data.queued_at) : null;
  const isSent = sent !== null && (begun === null || sent <= begun) && sent >= from;
  return [
    isSent && { name: "Published", from, to: sent, kind: "wait" },
    begun !== null && { name: isSent || !before ? "Claimed" : "Waited", from: Math.min(isSent ? sent : from, begun), to: begun, kind: "wait" },
    record && stageOf(record, FINAL.has(record.status) ? "Finished" : "Running"),
  ].filter(Boolean);
}

export function told(stage) {
  const length = stage.to === null ? "" : `${stage.kind === "wait" ? "+" : ""}${duration((stage.to - stage.from) / 1000)}`;
  return [h("span", { class: "number" }, length), h("span", { class: "number quiet" }, timeOfDay(stage.to ?? stage.from))];
}

// What the attempts of an execution logged and raised. A log is read when it is opened first.
export class Attempts {
  constructor(taskId) {
    this.taskId = taskId;
    this.logs = new Map();
    this.told = new Map(); // how many lines an attempt has, as events say, which may come before its log is shown
    this.open = new Map(); // by number, where somebody has opened or closed one
  }

  log(attempt) {
    if (!this.logs.has(attempt)) this.logs.set(attempt, new Log(this.taskId, attempt, this.told.get(attempt)));
    return this.logs.get(attempt);
  }

  nudge() {
    for (const log of this.logs.values()) log.nudge();
  }

  logged({ attempt, total }) {
    this.told.set(attempt, total);
    this.logs.get(attempt)?.nudge(total);
  }

  close() {
    for (const log of this.logs.values()) log.close();
  }

  logView(data, record) {
    return [h("h3", {}, "Log"), this.log(record.attempt).view(record.status !== "running")];
  }

  // Newest first: it is the one that counts.
  list(data) {
    return h("ol", { class: "attempts" }, data.attempts.toReversed().map((record) => {
      const isOpen = this.open.get(record.attempt) ?? record.attempt === data.attempt;
      const toggled = (event) => { this.open.set(record.attempt, event.target.open); update(); };
      return h("li", { key: record.attempt }, h("details", { class: "attempt", made: (node) => { node.open = isOpen; }, on: { toggle: toggled } },
        h("summary", {}, this.head(record)),
        isOpen && h("div", { class: "attempt-body" }, waterfall(stepsOf(data, record), told), record.worker && h("p", { class: "quiet" }, "Ran at ", workerLink(record.worker)),
          record.error && [h("h3", {}, "Error"), errorView(record.error, `the error of attempt ${record.attempt}`)], this.logView(data, record))));
    }));
  }

  head(record) {
    const took = record.started_at && record.completed_at ? duration((Date.parse(record.completed_at) - Date.parse(record.started_at)) / 1000) : "";
    const why = reason(record.reason) || (record.error ? lastLine(record.error) : "");
    return h("span", { class: "row-link" }, h("strong", {}, `Attempt ${record.attempt}`), status(record.status), h("span", { class: "row-name quiet" }, why), h("span", { class: "number quiet" }, took), record.started_at && at(record.started_at));
  }
}

export function workerLink(worker) {
  return h("a", { href: `/workers?worker=${encodeURIComponent(worker)}` }, worker);
}
