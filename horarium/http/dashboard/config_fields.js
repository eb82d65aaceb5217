// A config as the fields of a form, and back: what to send, and what of it has changed.

import { ZONE } from "./clock.js";
import { entry, instant, lines, number, pick } from "./form.js";
import { configOf, scheduleOf } from "./schedule_form.js";
import { capital, CATCHUP, OVERLAP } from "./words.js";

// Those of the API; a test holds them against it.
export const DEFAULTS = {
  "description": "",
  "priority": 5,
  "timeout_seconds": 300,
  "max_retries": 0,
  "retry_backoff_seconds": 10,
  "overlap": "skip",
  "catchup": "latest",
  "catchup_window_seconds": 3600,
  "max_catchup_runs": 100,
  "jitter_seconds": 0,
  "start_at": null,
  "end_at": null,
  "tags": []
};

const NUMBERS = ["priority", "timeout_seconds", "max_retries", "retry_backoff_seconds", "catchup_window_seconds", "max_catchup_runs", "jitter_seconds"];
const AS_THEY_ARE = ["name", "description", "task_type", "scheduler_type", "overlap", "catchup", "start_at", "end_at"];
export const EDITED = [...AS_THEY_ARE, ...NUMBERS, "queue", "tags", "parameters", "schedule_config"];

// The values of a form for a config, or for a new one.
export function valuesOf(config) {
  const from = { name: "", task_type: "", scheduler_type: "cron", queue: "", status: "active", ...DEFAULTS, ...config };
  const values = Object.fromEntries([...AS_THEY_ARE, "queue"].map((name) => [name, from[name]]));
  for (const name of NUMBERS) values[name] = config || name === "priority" ? String(from[name]) : "";
  return { ...values, tags: from.tags.join("\n"), active: from.status === "active", ...scheduleOf(config) };
}

// What the form says, as the API has it. What is empty has its default; what is no number is sent as it is, and refused.
export function wanted(values, parameters, types) {
  const numbers = NUMBERS.map((name) => [name, read(values[name], DEFAULTS[name])]);
  const queue = values.queue.trim() || types.find((each) => each.name === values.task_type)?.queue;
  return {
    ...Object.fromEntries(AS_THEY_ARE.map((name) => [name, values[name]])), ...Object.fromEntries(numbers),
    ...(queue ? { queue } : {}), tags: values.tags.split("\n").map((tag) => tag.trim()).filter(Boolean),
    parameters, schedule_config: configOf(values),
  };
}

export function read(text, otherwise) {
  const trimmed = text.trim();
  return trimmed === "" ? otherwise : Number.isFinite(Number(trimmed)) ? Number(trimmed) : trimmed;
}

// The fields of `after` that are not as in `before`.
export function changes(before, after) {
  return Object.fromEntries(EDITED.filter((name) => name in after && !same(before[name], after[name])).map((name) => [name, after[name]]));
}

export function same(a, b) {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) return false;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => name in b && same(a[name], b[name]));
}

const options = (words) => Object.entries(words).map(([key, word]) => [key, capital(word)]);

const hint = (name) => ({ placeholder: String(DEFAULTS[name]) });

export const timeout = (form) => number(form, "timeout_seconds", { label: "Timeout", unit: "seconds", help: "A run that takes longer is stopped." }, hint("timeout_seconds"));
export const retries = (form) => number(form, "max_retries", { label: "Retries", unit: "at most", help: "How often a run that failed is tried again." }, hint("max_retries"));
export const backoff = (form) => number(form, "retry_backoff_seconds", { label: "First retry after", unit: "seconds", help: "Doubles with each retry." }, hint("retry_backoff_seconds"));

export function overlap(form) {
  return pick(form, "overlap", { label: "When runs overlap", help: "A tick is due, and the run before it is still going on." }, options(OVERLAP));
}

export function catchUp(form) {
  return [
    pick(form, "catchup", { label: "After an outage", help: "What becomes of the ticks that were missed." }, options(CATCHUP)),
    number(form, "catchup_window_seconds", { label: "Look back", unit: "seconds", help: "Ticks missed longer ago are skipped." }, hint("catchup_window_seconds")),
    number(form, "max_catchup_runs", { label: "Catch up with", unit: "runs at most", help: "Where all missed ticks are run." }, hint("max_catchup_runs")),
  ];
}

export function limits(form) {
  const clock = `On your clock (${ZONE}).`;
  return [
    instant(form, "start_at", { label: "Begins", help: `No tick before it. ${clock}` }),
    instant(form, "end_at", { label: "Ends", help: `No tick after it. ${clock}` }),
    number(form, "jitter_seconds", { label: "Jitter", unit: "seconds at most", help: "Puts each tick off by a share of it, so that not all fire at once." }, hint("jitter_seconds")),
  ];
}

export function delivery(form, type) {
  return [
    entry(form, "queue", { label: "Queue", help: "Which workers take it; empty: the task's own." }, { placeholder: type?.queue ?? "default" }),
    pick(form, "priority", { label: "Priority", help: "9 goes first, where the broker knows priorities." }, Array.from({ length: 10 }, (_, priority) => [String(priority), String(priority)])),
    lines(form, "tags", { label: "Tags", help: "One a line: to find it by.", wide: false }),
  ];
}
