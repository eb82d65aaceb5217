// The form that tries an operation out. The token lives in a variable of this module and nowhere else.

import { element } from "./dom.js";
import { example, resolved } from "./schema.js";

const KEPT = 100_000; // characters of a stream
const field = () => document.getElementById("token");

export function form(path, method, operation) {
  const inputs = (operation.parameters ?? []).map((parameter) => input(resolved(parameter)));
  const content = operation.requestBody?.content?.["application/json"];
  const body = content && element("textarea", { rows: 8, spellcheck: "false", "aria-label": "Body, JSON" });
  if (body) body.value = JSON.stringify(example(content.schema), null, 2);
  const answer = element("pre", { "aria-live": "polite", tabindex: "0", hidden: true });
  const send = async (event) => {
    event.preventDefault();
    answer.hidden = false;
    answer.textContent = "...";
    await sent(path, method, operation, inputs, body, (text) => { answer.textContent = text; });
  };
  return element("form", { class: "try", autocomplete: "off", on: { submit: send } },
    ...inputs.map((one) => one.label),
    body ? element("label", { class: "whole" }, "Body", body) : null,
    element("button", { type: "submit" }, `Send ${method.toUpperCase()}`),
    answer);
}

function input(parameter) {
  const known = resolved(parameter.schema);
  const words = known.enum ?? (known.type === "boolean" ? ["true", "false"] : null);
  const control = words
    ? element("select", {}, element("option", { value: "" }, ""), ...words.map((word) => element("option", {}, word)))
    : element("input", { type: "text", spellcheck: "false", autocomplete: "off", required: parameter.required && true });
  const where = parameter.in === "header" ? "header field" : parameter.in;
  return { parameter, control, label: element("label", {}, element("span", {}, `${parameter.name} `, element("small", {}, where)), control) };
}

async function sent(path, method, operation, inputs, body, show) {
  const { url, headers } = request(path, operation, inputs);
  const content = body?.value.trim() || undefined;
  if (content) headers["Content-Type"] = "application/json";
  try {
    const options = { method: method.toUpperCase(), headers, body: content, cache: "no-store", credentials: "omit" };
    await tell(await fetch(url, options), show);
  } catch (error) {
    show(`No answer: ${error.message}`);
  }
}

function request(path, operation, inputs) {
  const headers = {};
  const query = new URLSearchParams();
  let where = path;
  for (const { parameter, control } of inputs) {
    if (control.value === "") continue;
    if (parameter.in === "path") where = where.replace(`{${parameter.name}}`, encodeURIComponent(control.value));
    else if (parameter.in === "query") query.set(parameter.name, control.value);
    else headers[parameter.name] = control.value;
  }
  if (operation.security?.length && field().value) headers.Authorization = `Bearer ${field().value}`;
  return { url: query.size ? `${where}?${query}` : where, headers };
}

// A stream of events is shown as it comes, which may be for as long as the page is open; the newest of it is kept.
async function tell(answer, show) {
  const head = headOf(answer);
  if (!answer.headers.get("content-type")?.startsWith("text/event-stream")) {
    return show(`${head}\n\n${pretty(await answer.text())}`);
  }
  let text = "";
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = {}; !part.done; part = await reader.read()) {
    text = (text + (part.value ?? "")).slice(-KEPT);
    show(`${head}\n\n${text}`);
  }
}

function headOf(answer) {
  const shown = ["content-type", "etag", "location", "retry-after", "x-request-id"].filter((name) => answer.headers.has(name));
  return [`${answer.status} ${answer.statusText}`, ...shown.map((name) => `${name}: ${answer.headers.get(name)}`)].join("\n");
}

// A login's answer is taken as the token of the page, and shown without it.
function pretty(text) {
  let content;
  try {
    content = JSON.parse(text);
  } catch {
    return text;
  }
  if (content?.access_token) {
    field().value = content.access_token;
    content.access_token = content.refresh_token = "(taken into the field above)";
  }
  return JSON.stringify(content, null, 2);
}
