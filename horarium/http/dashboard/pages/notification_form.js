// The form of a rule: what is in its fields, from a rule and back to what the API takes.

import { read } from "../api.js";
import { h } from "../dom.js";
import { choice, field } from "../parts.js";
import { EVENTS } from "../words.js";

const CHANNELS = [["webhook", "Webhook"], ["email", "Mail"]];
const REPEATS = [["first", "The first failure in a row"], ["every", "Every failure"]];
const ERRORS = [["message", "The exception and its message"], ["kind", "The exception's type alone"]];

export function valuesOf(rule, names) {
  if (!rule) return { name: "", events: new Set(Object.keys(EVENTS)), configs: "", tags: "", repeat: "first", errors: "message", channel: "webhook", url: "", to: "" };
  return {
    name: rule.name, events: new Set(rule.events), repeat: rule.repeat, errors: rule.errors, tags: rule.tags.join("\n"),
    configs: rule.config_ids.map((id) => names.get(id) ?? String(id)).join("\n"),
    known: new Map(rule.config_ids.map((id) => [names.get(id) ?? String(id), id])),
    channel: rule.webhook ? "webhook" : "email", url: rule.webhook?.url ?? "", to: rule.email?.to.join(", ") ?? "",
  };
}

export function fieldsOf(values, draw, isNew) {
  const text = (name, label, more = {}, told = null) => field(label, h("input", { name, value: values[name], ...more, on: { input: (event) => { values[name] = event.target.value; } } }), told);
  const lines = (name, label, told) => field(label, h("textarea", { name, rows: "2", spellcheck: "false", value: values[name], on: { input: (event) => { values[name] = event.target.value; } } }), told);
  return [
    text("name", "Name", { required: true }),
    isNew && choice("By", CHANNELS, values.channel, (chosen) => { values.channel = chosen; draw(); }),
    values.channel === "webhook"
      ? text("url", "URL", { type: "url", required: true, inputmode: "url" })
      : text("to", "To", { required: true, inputmode: "email" }, "Addresses, separated by commas"),
    h("fieldset", { class: "checks" }, h("legend", {}, "Tell of"), Object.entries(EVENTS).map(([name, word]) =>
      h("label", { class: "check" }, h("input", { type: "checkbox", name, checked: values.events.has(name), on: { change: (event) => values.events[event.target.checked ? "add" : "delete"](name) } }), word))),
    lines("configs", "Configs", "Names, one a line"),
    lines("tags", "Tags", "One a line; neither configs nor tags: every config"),
    choice("How often", REPEATS, values.repeat, (chosen) => { values.repeat = chosen; }),
    choice("Of an error", ERRORS, values.errors, (chosen) => { values.errors = chosen; }),
  ];
}

// What the API takes; a config that is not known raises, by its name.
export async function givenBy(values, isNew) {
  const channel = values.channel === "webhook" ? { webhook: { url: values.url } } : { email: { to: parts(values.to, ",") } };
  const ids = await Promise.all(parts(values.configs).map((name) => values.known?.get(name) ?? idOf(name)));
  return {
    name: values.name, events: Object.keys(EVENTS).filter((name) => values.events.has(name)), config_ids: ids, tags: parts(values.tags),
    repeat: values.repeat, errors: values.errors, ...channel, ...(isNew ? { enabled: true } : {}),
  };
}

async function idOf(name) {
  const found = (await read("/task-configs", { q: name, limit: 200 })).items.find((config) => config.name === name);
  if (!found) throw new Error(`No config is called ${name}.`);
  return found.id;
}

// Names and tags may have commas in them.
function parts(text, between = "\n") {
  return text.split(between).map((part) => part.trim()).filter(Boolean);
}
