// What the schedule that is being typed would do: in words, its next runs on its own clocks, and when those are set.
//
// It is asked for once typing pauses, and only the latest answer counts.

import { call } from "./api.js";
import { duration, now, onItsClock, until } from "./clock.js";
import { h } from "./dom.js";
import { update } from "./view.js";
import { capital } from "./words.js";

const PAUSE_MS = 250;
const ANEW_MS = 5000; // a list whose first run has passed is read again, and not more often than this
const LONGEST_WAIT_MS = 600_000;

export class Foreseen {
  // `told` is called with the faults of each answer.
  constructor(told) {
    this.told = told;
    this.answer = null;
    this.trouble = "";
    this.asked = null;
    this.busy = false;
    this.timer = 0;
    this.reading = null;
  }

  // Look at this schedule; null: there is none yet.
  look(schedule) {
    const asked = schedule && JSON.stringify(schedule);
    if (asked === this.asked) return;
    this.asked = asked;
    this.reading?.abort();
    clearTimeout(this.timer);
    this.busy = asked !== null;
    if (asked === null) this.settle(null, []);
    else this.timer = setTimeout(() => this.read(schedule), PAUSE_MS);
  }

  async read(schedule) {
    const mine = this.reading = new AbortController();
    try {
      const { body } = await call("POST", "/schedules/preview", { body: schedule, signal: mine.signal });
      if (mine.signal.aborted) return;
      this.settle(body, []);
      const first = body.items.length ? Date.parse(body.items[0].tick_at) - now() : LONGEST_WAIT_MS;
      this.timer = setTimeout(() => this.read(schedule), Math.min(LONGEST_WAIT_MS, Math.max(ANEW_MS, first + 500)));
    } catch (error) {
      if (mine.signal.aborted) return;
      const isUnderstood = !error.errors?.length;
      this.settle(null, error.errors ?? [], isUnderstood ? error.message : "");
      if (isUnderstood) this.timer = setTimeout(() => this.read(schedule), ANEW_MS); // the server is away
    }
  }

  settle(answer, faults, trouble = "") {
    this.busy = false;
    this.answer = answer;
    this.trouble = trouble;
    this.told(faults);
    update();
  }

  close() {
    clearTimeout(this.timer);
    this.reading?.abort();
  }
}

export function foreseenView(foreseen, kind) {
  const { answer } = foreseen;
  return h("section", { key: "foreseen", class: `foreseen${foreseen.busy ? " waiting" : ""}`, "aria-labelledby": "foreseen-title" },
    h("h2", { id: "foreseen-title" }, "What it will do"),
    h("p", { class: "in-words", role: "status" }, answer?.words ?? said(foreseen)),
    answer && [
      answer.warnings.filter((warning) => !warning.code.startsWith("daylight_saving")).map((warning) => h("p", { key: warning.code, class: "notice" }, sentence(warning.message))),
      kind === "manual" ? null : answer.items.length ? runs(answer) : null,
      later(answer),
    ]);
}

function said(foreseen) {
  if (foreseen.trouble) return foreseen.trouble;
  if (foreseen.busy) return "…";
  if (foreseen.answer) return "It never fires.";
  return foreseen.asked === null ? "Say when it runs, and its next runs are shown here." : "This is not understood yet; the field says why.";
}

const sentence = (text) => `${capital(text)}.`;

// The runs, and between them the changes of clocks that they come to.
function runs({ items, clock_changes: changes, timezone }) {
  const rows = [...items.map((run) => [run.tick_at, () => runRow(run)]), ...changes.filter((each) => each.changes_at <= items.at(-1).tick_at).map((each) => [each.changes_at, () => changeRow(each)])];
  rows.sort(([a], [b]) => Date.parse(a) - Date.parse(b));
  return h("div", {}, h("h3", {}, `Next ${items.length === 1 ? "run" : `${items.length} runs`}, ${timezone}`), h("ol", { class: "rows runs foreseen-runs" }, rows.map(([, row]) => row())));
}

function runRow(run) {
  return h("li", { key: run.tick_at },
    h("span", {}, h("time", { datetime: run.tick_at, class: "number" }, onItsClock(run.local)), run.note && h("span", { class: "under mark-note" }, run.note)),
    h("span", { class: "quiet number" }, until(run.tick_at)));
}

function changeRow(change) {
  return h("li", { key: `change ${change.changes_at}`, class: "clock-change", "data-effect": change.effect }, h("span", {}, h("strong", {}, turned(change)), " ", sentence(change.message)));
}

// Changes that come after the runs that are shown.
function later({ items, clock_changes: changes }) {
  const after = changes.filter((each) => !items.length || Date.parse(each.changes_at) > Date.parse(items.at(-1).tick_at));
  return after.length ? h("div", {}, h("h3", {}, "When the clocks change"), h("ul", { class: "rows runs foreseen-runs" }, after.map(changeRow))) : null;
}

function turned(change) {
  const by = change.offset_after_seconds - change.offset_before_seconds;
  return `Clocks ${by > 0 ? "forward" : "back"} ${duration(Math.abs(by))}.`;
}
