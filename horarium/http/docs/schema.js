// JSON Schema as tables: what each field is, which bounds it has, what it means.

import { drawer, element, phrases, prose } from "./dom.js";

let document_ = {};

export function use(openapi) {
  document_ = openapi;
}

export function resolved(part) {
  if (!part?.$ref) return part ?? {};
  const { $ref, ...rest } = part;
  const found = $ref.slice(2).split("/").reduce((inside, name) => inside[name], document_);
  return { ...found, ...rest };
}

export function nameOf(part) {
  return part?.$ref?.split("/").pop() ?? "";
}

// One line: `string (date-time) or null`, `array of Execution`.
export function kind(part) {
  if (part?.anyOf) return part.anyOf.map(kind).join(" or ");
  const schema = resolved(part);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((word) => JSON.stringify(word)).join(" | ");
  if (schema.type === "array") return `array of ${kind(schema.items ?? {})}`;
  if (schema.properties && nameOf(part)) return nameOf(part);
  return schema.format ? `${schema.type} (${schema.format})` : (schema.type ?? "anything");
}

const BOUNDS = {
  minimum: "at least",
  maximum: "at most",
  exclusiveMinimum: "above",
  exclusiveMaximum: "below",
  minLength: "characters, at least",
  maxLength: "characters, at most",
  maxItems: "items, at most",
  pattern: "pattern",
};

export function bounds(part) {
  const schema = resolved(part?.anyOf?.find((one) => one.type !== "null") ?? part);
  const told = Object.entries(BOUNDS).filter(([key]) => schema[key] !== undefined).map(([key, text]) => `${text} ${schema[key]}`);
  const given = part?.default ?? schema.default;
  if (given !== undefined && given !== null) told.push(`default ${JSON.stringify(given)}`);
  return told.join("; ");
}

// The schemas inside a field that have fields of their own.
function inside(part) {
  return [part, part?.items, ...(part?.anyOf ?? [])].filter((one) => one && resolved(one).properties);
}

export function fields(part) {
  const schema = resolved(part);
  if (schema.type === "array") return fields(schema.items);
  if (!schema.properties) return element("p", { class: "kind" }, kind(part));
  const required = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties).map(([name, field]) => row(name, field, required.has(name)));
  return element("div", {}, ...prose(schema.description), table(rows));
}

export function row(name, field, required, description = undefined) {
  const mark = required ? element("span", { class: "required", title: "required" }, " *") : null;
  const text = [description ?? resolved(field).description, bounds(field)].filter(Boolean).join(" ");
  const deeper = inside(field).map((one) => drawer(`fields of ${nameOf(one) || name}`, () => fields(one)));
  return element("tr", {}, element("td", {}, name, mark), element("td", {}, element("span", { class: "kind" }, kind(field)), ...deeper), element("td", {}, ...phrases(text)));
}

export function table(rows) {
  const head = element("tr", {}, ...["Name", "Kind", "Meaning"].map((title) => element("th", { scope: "col" }, title)));
  return element("table", { class: "fields" }, element("thead", {}, head), element("tbody", {}, ...rows));
}

export function example(part) {
  const schema = resolved(part);
  return schema.examples?.[0] ?? schema.default ?? (schema.type === "object" ? {} : "");
}
