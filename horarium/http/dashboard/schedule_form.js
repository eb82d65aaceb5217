// When a config runs, as fields: a cron as one text or field by field, an interval, a date, or by hand only.
//
// What is stored is kept as it is stored until it is edited, so that a form that was only looked at changes nothing.

import { ZONE } from "./clock.js";
import { h } from "./dom.js";
import { asInput, entry, instant, number, segments } from "./form.js";
import { capital } from "./words.js";

const KINDS = [["cron", "Cron"], ["interval", "Interval"], ["date", "Once"], ["manual", "By hand"]];
const PARTS = [["minute", "Minute", "0-59"], ["hour", "Hour", "0-23"], ["day", "Day", "1-31, L, LW"], ["month", "Month", "1-12, JAN-DEC"], ["day_of_week", "Weekday", "0-7, SUN-SAT"]];
const UNITS = ["days", "hours", "minutes", "seconds"];
const EXAMPLES = [["Every minute", "* * * * *"], ["Hourly", "0 * * * *"], ["Daily", "0 9 * * *"], ["Weekdays", "30 9 * * 1-5"], ["Monthly", "0 6 1 * *"]];

const zones = h("datalist", { key: "zones", id: "zones" }, ["UTC", ...Intl.supportedValuesOf("timeZone")].map((value) => h("option", { value })));

// The values of a form for the schedule of a config, or of a new one.
export function scheduleOf(config) {
  const written = config?.schedule_config ?? {};
  const isCron = config?.scheduler_type === "cron";
  return {
    cron: written.cron_expression ?? "",
    by_field: isCron && !("cron_expression" in written),
    ...Object.fromEntries(PARTS.map(([name]) => [name, String(written[name] ?? "*")])),
    ...Object.fromEntries(UNITS.map((name) => [name, name in written ? String(written[name]) : ""])),
    anchor: written.anchor ?? null,
    run_date: written.run_date ?? "",
    timezone: written.timezone ?? "UTC",
  };
}

// The same as the API has it.
export function configOf(values) {
  const timezone = values.timezone.trim() || "UTC";
  switch (values.scheduler_type) {
    case "cron":
      return values.by_field ? { ...Object.fromEntries(PARTS.map(([name]) => [name, values[name].trim() || "*"])), timezone } : { cron_expression: values.cron.trim(), timezone };
    case "interval":
      return { ...Object.fromEntries(UNITS.filter((name) => values[name].trim()).map((name) => [name, amount(values[name])])), ...(values.anchor ? { anchor: values.anchor } : {}) };
    case "date":
      return { ...(values.run_date ? { run_date: values.run_date } : {}), timezone };
    default:
      return {};
  }
}

const amount = (text) => (Number.isFinite(Number(text)) ? Number(text) : text);

// Whether there is enough of it to be looked at.
export function isBegun(values) {
  if (values.scheduler_type === "cron") return values.by_field || values.cron.trim() !== "";
  if (values.scheduler_type === "interval") return UNITS.some((name) => values[name].trim());
  return values.scheduler_type === "date" ? values.run_date !== "" : true;
}

export function scheduleFields(form) {
  const { scheduler_type: kind } = form.values;
  return h("div", { key: "schedule", class: "entries" },
    segments(form, "scheduler_type", "Kind of schedule", KINDS, (chosen) => form.set("scheduler_type", chosen)),
    kind === "cron" && (form.values.by_field ? byField(form) : asText(form)),
    kind === "interval" && interval(form),
    kind === "date" && entry(form, "schedule_config.run_date", { label: "Date and time", required: true, help: "By the clocks of its zone." },
      { type: "datetime-local", step: "1", value: asInput(form.values.run_date), typed: (text) => setTo(form, "run_date", text) }),
    (kind === "cron" || kind === "date") && zone(form),
    kind === "manual" && h("p", { class: "help" }, "It runs only when somebody asks for it."));
}

function setTo(form, name, value) {
  form.values[name] = value;
  form.touched("schedule_config");
}

function asText(form) {
  return [
    entry(form, "schedule_config.cron_expression", { label: "Cron expression", required: true, wide: true, help: "minute hour day month weekday; six fields begin with seconds. L, LW, MON#2 and 5L are understood." },
      { class: "mono", value: form.values.cron, placeholder: "30 9 * * 1-5", typed: (text) => setTo(form, "cron", text) }),
    h("div", { key: "examples", class: "chips", role: "group", "aria-label": "Examples" },
      EXAMPLES.map(([word, text]) => h("button", { type: "button", class: "small", title: text, on: { click: () => setTo(form, "cron", text) } }, word)),
      h("button", { key: "by field", type: "button", class: "small", on: { click: () => apart(form) } }, "Field by field")),
  ];
}

function byField(form) {
  return [
    h("div", { key: "parts", class: "parts" }, PARTS.map(([name, label, help]) =>
      entry(form, `schedule_config.${name}`, { label, help }, { class: "mono", value: form.values[name], typed: (text) => setTo(form, name, text) }))),
    h("div", { key: "as text", class: "chips" }, h("button", { type: "button", class: "small", on: { click: () => together(form) } }, "As one expression")),
  ];
}

// Five fields can be taken apart; six, whose first are seconds, are one text for the API as well.
function apart(form) {
  const parts = form.values.cron.trim().split(/\s+/);
  if (parts.length === PARTS.length) PARTS.forEach(([name], place) => { form.values[name] = parts[place]; });
  form.values.by_field = true;
  form.touched("schedule_config");
}

function together(form) {
  form.values.cron = PARTS.map(([name]) => form.values[name].trim() || "*").join(" ");
  form.values.by_field = false;
  form.touched("schedule_config");
}

function interval(form) {
  return [
    h("div", { key: "units", class: "parts" }, UNITS.map((name) =>
      number(form, `schedule_config.${name}`, { label: capital(name) }, { value: form.values[name], placeholder: "0", typed: (text) => setTo(form, name, text) }))),
    instant(form, "schedule_config.anchor", { label: "Counted from", help: `Each tick is so many intervals after it; empty: from when it is saved. On your clock (${ZONE}).` },
      { value: form.values.anchor, typed: (at) => setTo(form, "anchor", at) }),
  ];
}

function zone(form) {
  const chosen = (name) => {
    if (form.values.scheduler_type === "date") form.values.run_date = form.values.run_date.slice(0, 19); // the time stays, by other clocks
    setTo(form, "timezone", name);
  };
  return [
    entry(form, "schedule_config.timezone", { label: "Time zone", help: "An IANA name; its clocks are meant, summer time and all.",
      beside: form.values.timezone === ZONE ? null : h("button", { type: "button", class: "small", on: { click: () => chosen(ZONE) } }, `Use ${ZONE}`) },
    { list: "zones", value: form.values.timezone, typed: chosen }),
    zones,
  ];
}
