// The parameters of a task as fields, made from the JSON schema of its signature.
//
// What is edited is the object itself: a field touches its own key and no other, so whatever the schema does not know, or
// a field cannot show, stays as it is. Every kind of value that has no field of its own is a text of JSON, and all of them
// together can be edited as one.

import { read } from "./config_fields.js";
import { h } from "./dom.js";
import { entry, lines, number, pick, tick } from "./form.js";
import { capital } from "./words.js";

const LONG = 60; // characters, from which on a text gets several lines
const OTHERS = "*"; // stands for those that the schema does not name

export class Parameters {
  constructor(value, schema) {
    this.value = value;
    this.texts = new Map(); // what was typed, by name, where the value alone does not say it
    this.raw = null; // all of them as text, where they are edited so
    this.byTask = new Map(); // those of the tasks that were chosen before
    this.isExact = isExact(value);
    this.shape(schema);
  }

  // How each is shown is settled here, and does not change while it is typed.
  shape(schema) {
    this.schema = schema;
    this.shown = Object.entries(schema?.properties ?? {}).map(([name, declared]) => {
      const resolved = resolve(declared, schema.$defs ?? {});
      const kind = fits(kindOf(resolved.schema), this.value[name]) ? kindOf(resolved.schema) : "json";
      const text = this.value[name] ?? resolved.schema.default ?? "";
      return { name, ...resolved, kind, isLong: kind === "string" && (text.length > LONG || text.includes("\n")), required: schema.required?.includes(name) ?? false };
    });
  }

  // Another task: what it knows of these parameters stays, and what was typed for it before is back.
  turn(from, to, schema) {
    this.byTask.set(from, this.value);
    const known = schema?.properties ?? {};
    this.value = { ...Object.fromEntries(Object.entries(this.value).filter(([name]) => name in known)), ...this.byTask.get(to) };
    this.texts.clear();
    this.raw = this.raw === null ? null : written(this.value);
    this.shape(schema);
  }

  // From the fields to the text of them all, or back.
  turnOver() {
    this.raw = this.raw === null ? written(this.value) : null;
    this.texts.clear();
    this.shape(this.schema);
  }

  put(name, value) {
    if (value === undefined) delete this.value[name];
    else this.value[name] = value;
  }

  get others() {
    const known = this.schema?.properties ?? {};
    return Object.fromEntries(Object.entries(this.value).filter(([name]) => !(name in known)));
  }

  // What cannot be sent as it is typed: faults as those of the API.
  get faults() {
    if (this.raw !== null) return faultOf(["parameters"], this.raw, true);
    return [...this.texts].filter(([name, text]) => text.trim() && (name === OTHERS || this.shown.find((each) => each.name === name)?.kind === "json"))
      .flatMap(([name, text]) => faultOf(["parameters", name], text, name === OTHERS));
  }
}

const written = (value) => JSON.stringify(value, null, 2);

function faultOf(loc, text, object) {
  try {
    const value = JSON.parse(text);
    return object && !isObject(value) ? [{ loc, msg: "must be an object: {\"name\": value}" }] : [];
  } catch (error) {
    return [{ loc, msg: `is no JSON: ${error.message}` }];
  }
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

// Whether this page has all numbers as they are written: JavaScript rounds those past 2^53.
function isExact(value) {
  if (typeof value === "number") return !Number.isInteger(value) || Number.isSafeInteger(value);
  return typeof value !== "object" || value === null || Object.values(value).every(isExact);
}

// A declaration without its references and without null, which `nullable` tells of.
function resolve(declared, known) {
  const { $ref, allOf, anyOf, ...rest } = declared;
  if ($ref || allOf?.length === 1) {
    const inner = resolve($ref ? known[$ref.split("/").at(-1)] ?? {} : allOf[0], known);
    return { ...inner, schema: { ...inner.schema, ...rest } };
  }
  if (!anyOf) return { schema: declared, nullable: declared.type === "null" };
  const others = anyOf.filter((each) => each.type !== "null");
  if (others.length !== 1) return { schema: { ...rest, anyOf }, nullable: others.length < anyOf.length };
  const inner = resolve(others[0], known);
  return { schema: { ...inner.schema, ...rest }, nullable: inner.nullable || others.length < anyOf.length };
}

function kindOf(schema) {
  if (schema.enum) return "choice";
  if (schema.type === "array" && schema.items?.type === "string" && !schema.items.enum && !schema.items.pattern) return "list";
  return ["string", "number", "integer", "boolean"].includes(schema.type) && !("const" in schema) ? schema.type : "json";
}

// Whether a field of this kind can show the value; null and nothing are shown by any.
function fits(kind, value) {
  if (value === undefined || value === null || kind === "json" || kind === "choice") return true;
  if (kind === "list") return Array.isArray(value) && value.every((each) => typeof each === "string" && each.trim() === each && each && !each.includes("\n"));
  return typeof value === (kind === "integer" ? "number" : kind);
}

export function parameterFields(form, parameters) {
  const { schema } = parameters;
  if (!parameters.isExact) return h("p", { class: "notice" }, "A number among the parameters is too large to be edited here without rounding it. They stay as they are; the API and `horarium config edit` can change them.");
  if (!schema) return h("p", { class: "help" }, "Choose a task, and its parameters are asked for here.");
  const isOpen = schema.additionalProperties !== false || Object.keys(parameters.others).length > 0;
  return h("div", { key: "parameters", class: "entries" },
    parameters.raw !== null ? rawField(form, parameters) : [
      h("div", { key: "fields", class: "abreast" }, parameters.shown.map((each) => field(form, parameters, each))),
      !parameters.shown.length && !isOpen && h("p", { class: "help" }, "It takes none."),
      isOpen && othersField(form, parameters),
    ],
    h("div", { key: "turn", class: "chips" }, h("button", { type: "button", class: "small", disabled: parameters.faults.length > 0, on: { click: () => { parameters.turnOver(); form.touched("parameters"); } } },
      parameters.raw === null ? "Edit as JSON" : "Edit as a form")));
}

function rawField(form, parameters) {
  return lines(form, "parameters", { label: "Parameters", help: "One object of JSON." }, { rows: 6, class: "mono", value: parameters.raw, typed: (text) => {
    parameters.raw = text;
    if (!faultOf([], text, true).length) parameters.value = JSON.parse(text);
    form.touched("parameters");
  } });
}

function othersField(form, parameters) {
  const text = parameters.texts.get(OTHERS) ?? (Object.keys(parameters.others).length ? written(parameters.others) : "");
  return lines(form, `parameters.${OTHERS}`, { label: "Other parameters", help: "What the task's own list does not name, as one object of JSON." }, { class: "mono", value: text, typed: (typed) => {
    parameters.texts.set(OTHERS, typed);
    const given = typed.trim() === "" ? {} : faultOf([], typed, true).length ? null : JSON.parse(typed);
    if (given) parameters.value = { ...given, ...without(parameters.value, parameters.others) };
    form.touched("parameters");
  } });
}

function without(value, names) {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !(name in names)));
}

function field(form, parameters, shown) {
  const name = `parameters.${shown.name}`;
  const value = parameters.value[shown.name];
  const about = { label: h("code", {}, shown.name), unit: TYPES[shown.kind] ?? "", required: shown.required, help: helpOf(shown) };
  const put = (given) => { parameters.put(shown.name, given); form.touched(name); };
  const control = CONTROLS[shown.kind] ?? CONTROLS.json;
  const canBeNull = shown.nullable && (shown.required || shown.schema.default !== null) && shown.kind !== "json";
  return h("div", { key: shown.name, class: ["json", "string", "list"].includes(shown.kind) ? "entries wide" : "entries" },
    control({ form, name, about, shown, value, put, parameters }),
    canBeNull && tick(form, `${name}.null`, { label: h("span", {}, h("code", {}, shown.name), " is null") }, { value: value === null, typed: (on) => { parameters.texts.delete(shown.name); put(on ? null : undefined); } }));
}

const TYPES = { number: "number", integer: "whole number", list: "one a line", json: "JSON" };

function helpOf({ schema, required, kind }) {
  const limits = [["minimum", "at least"], ["exclusiveMinimum", "more than"], ["maximum", "at most"], ["exclusiveMaximum", "less than"]]
    .filter(([name]) => typeof schema[name] === "number").map(([name, word]) => `${word} ${schema[name]}`);
  const otherwise = !required && TYPES[kind]?.endsWith("number") && typeof schema.default === "number" ? `Left out: ${schema.default}.` : "";
  const bounds = limits.join(", ");
  return [schema.description, bounds && `${capital(bounds)}.`, otherwise].filter(Boolean).join(" ");
}

const placeholder = ({ schema }) => (schema.default === undefined || schema.default === null ? "" : typeof schema.default === "string" ? schema.default : JSON.stringify(schema.default));

// Nothing typed leaves a parameter out, unless it has to be there.
const CONTROLS = {
  string({ form, name, about, shown, value, put }) {
    const typed = (text) => put(text === "" && !shown.required ? undefined : text);
    return (shown.isLong ? lines : entry)(form, name, { wide: true, ...about }, { value: value ?? "", placeholder: placeholder(shown), typed });
  },

  number({ form, name, about, shown, value, put, parameters }) {
    const text = parameters.texts.get(shown.name) ?? String(value ?? "");
    return number(form, name, about, { value: text, placeholder: placeholder(shown), typed: (typed) => { parameters.texts.set(shown.name, typed); put(read(typed, undefined)); } });
  },

  integer: (each) => CONTROLS.number(each),

  boolean({ form, name, about, shown, value, put }) {
    const words = { true: "Yes", false: "No" };
    const none = ["", shown.required ? "Choose …" : `Left out${"default" in shown.schema ? `: ${words[shown.schema.default] ?? "null"}` : ""}`];
    return pick(form, name, about, [...(shown.required && value !== undefined ? [] : [none]), ["true", "Yes"], ["false", "No"]],
      { value: String(value ?? ""), typed: (chosen) => put(chosen === "" ? undefined : chosen === "true") });
  },

  choice({ form, name, about, shown, value, put }) {
    const options = shown.schema.enum;
    const none = ["", shown.required ? "Choose …" : `Left out${"default" in shown.schema ? `: ${shown.schema.default}` : ""}`];
    const own = options.includes(value) || value === undefined || value === null ? [] : [["own", `${JSON.stringify(value)} (not one of them)`]];
    return pick(form, name, about, [none, ...own, ...options.map((each, place) => [String(place), String(each)])],
      { value: own.length ? "own" : options.includes(value) ? String(options.indexOf(value)) : "", typed: (chosen) => chosen !== "own" && put(chosen === "" ? undefined : options[Number(chosen)]) });
  },

  list({ form, name, about, shown, value, put, parameters }) {
    const text = parameters.texts.get(shown.name) ?? (value ?? []).join("\n");
    return lines(form, name, about, { value: text, placeholder: (shown.schema.default ?? []).join("\n"), typed: (typed) => {
      parameters.texts.set(shown.name, typed);
      const items = typed.split("\n").map((each) => each.trim()).filter(Boolean);
      put(items.length || shown.required ? items : undefined);
    } });
  },

  json({ form, name, about, shown, value, put, parameters }) {
    const text = parameters.texts.get(shown.name) ?? (value === undefined ? "" : written(value));
    return lines(form, name, about, { class: "mono", value: text, placeholder: placeholder(shown), typed: (typed) => {
      parameters.texts.set(shown.name, typed);
      if (typed.trim() === "") put(undefined);
      else if (!faultOf([], typed).length) put(JSON.parse(typed));
      else form.touched(name);
    } });
  },
};
