// What is asked before something is done with a config: why it is paused, what to run with, which ticks to make up for.

import { call, post } from "../api.js";
import { now } from "../clock.js";
import { h } from "../dom.js";
import { choice, field } from "../parts.js";
import { ask } from "../talk.js";
import { plural, zone } from "../words.js";
import { instantOf, onTheWall } from "../zone_time.js";

const DAY_MS = 86_400_000;
const TYPING_MS = 250;
const OVERLAPS = [["", "As the config has it"], ["buffer_all", "One after the other, the oldest first"], ["allow_all", "All at once"]];

const writes = (values, name, then = () => {}) => ({ input: (event) => { values[name] = event.target.value; then(); } });

export function askPause(config) {
  return ask({
    title: `Pause ${config.name}?`,
    text: "Its ticks are skipped, and written down as skipped, until it is resumed.",
    confirm: "Pause",
    values: { reason: "", until: "" },
    body: (values) => [
      field("Reason", h("input", { name: "reason", maxlength: "1000", placeholder: "why, for whoever looks next", on: writes(values, "reason") })),
      field("Until", h("input", { name: "until", type: "datetime-local", step: "60", on: writes(values, "until") }), "Your time; empty: until somebody resumes it"),
    ],
    act: (values) => post(`/task-configs/${config.id}/pause`, { reason: values.reason || null, until: values.until ? new Date(values.until).toISOString() : null }),
  });
}

export function askDelete(config) {
  return ask({
    title: `Delete ${config.name}?`,
    text: "It fires no more, and what of it waits is cancelled; what runs goes on. Its executions stay until retention takes them, its calendar goes. There is no way back but to create it anew.",
    confirm: "Delete", danger: true,
    act: () => call("DELETE", `/task-configs/${config.id}`, { headers: { "If-Match": config.tag } }),
  });
}

// Answers the id of the execution, or null.
export async function askRun(config) {
  let made = null;
  await ask({
    title: `Run ${config.name} now`,
    text: "Once, with these parameters. The config keeps its own.",
    confirm: "Run",
    values: { parameters: JSON.stringify(config.parameters, null, 2) },
    body: (values) => field("Parameters", h("textarea", { name: "parameters", class: "json", rows: "9", spellcheck: "false", value: values.parameters, on: writes(values, "parameters") }), `JSON, as ${config.task_type} takes them`),
    act: async (values) => { made = (await post(`/task-configs/${config.id}/run`, { parameters: objectIn(values.parameters) })).task_id; },
  });
  return made;
}

function objectIn(text) {
  let found;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw new Error(`The parameters are not JSON: ${error.message}`, { cause: error });
  }
  if (found === null || typeof found !== "object" || Array.isArray(found)) throw new Error("The parameters must be an object, such as {\"message\": \"hello\"}.");
  return found;
}

// Answers what was made, `{ created, skipped }`, or null. It is counted first, whenever the span changes.
export async function askBackfill(config) {
  const own = zone(config);
  const present = now();
  const values = { start: onTheWall(present - DAY_MS, own), end: onTheWall(present, own), overlap: "" };
  const path = `/task-configs/${config.id}/backfill`;
  const span = () => ({ start: instantOf(values.start, own), end: instantOf(values.end, own), ...(values.overlap ? { overlap: values.overlap } : {}) });
  let [told, counted, timer, made] = ["", false, 0, null];

  async function count(draw) {
    if (!values.start || !values.end) return;
    const asked = span();
    const found = await post(path, { ...asked, dry_run: true }).then(countInWords, whyNot);
    if (JSON.stringify(asked) !== JSON.stringify(span())) return; // of a span that has changed since
    told = found;
    draw();
  }

  const later = (draw) => () => {
    clearTimeout(timer);
    told = "Counting …";
    draw();
    timer = setTimeout(() => count(draw), TYPING_MS);
  };

  await ask({
    title: `Backfill ${config.name}`,
    text: "Runs ticks of the past that have not run, such as those of an outage. What has had its execution gets no other one.",
    confirm: "Run them",
    values,
    body: (_, draw) => {
      if (!counted) {
        counted = true;
        count(draw);
      }
      const instant = (label, name) => field(label, h("input", { name, type: "datetime-local", step: "60", required: true, value: values[name], on: writes(values, name, later(draw)) }));
      return [
        h("div", { class: "pair" }, instant("From", "start"), instant("To", "end")),
        h("p", {}, `By the clock of ${own}; both ends included.`),
        choice("When runs overlap", OVERLAPS, values.overlap, (value) => { values.overlap = value; }),
        h("p", { class: "counted", role: "status" }, told || "Counting …"),
      ];
    },
    act: async () => { made = await post(path, span()); },
  });
  clearTimeout(timer);
  return made;
}

function whyNot(error) {
  return error.errors?.length ? error.errors.map(({ loc, msg }) => `${loc.join(".")} ${msg}`).join("; ") : error.message;
}

function countInWords({ created, skipped }) {
  const others = skipped ? ` ${plural(skipped, "tick")} of the span ${skipped === 1 ? "has its" : "have theirs"} already, or ${skipped === 1 ? "is" : "are"} still the schedule's.` : "";
  if (!created) return `Nothing to run.${others || " The schedule has no tick in this span."}`;
  return `This makes ${plural(created, "execution")}.${others}`;
}
