// Draws /openapi.json: operations by tag, each with its parameters, body, answers, and a form to try it out.

import { form } from "./attempt.js";
import { drawer, element, phrases, prose } from "./dom.js";
import { fields, resolved, row, table, use } from "./schema.js";

const METHODS = ["get", "post", "patch", "put", "delete"];
const main = document.getElementById("operations");
const state = document.getElementById("state");

function operations(openapi) {
  return Object.entries(openapi.paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => methods[method]).map((method) => ({ path, method, operation: methods[method] })));
}

function drawn({ path, method, operation }) {
  const title = [
    element("span", { class: `method ${method}` }, method),
    element("code", {}, path),
    element("span", {}, operation.summary),
  ];
  return drawer(title, () => inside(path, method, operation), { class: "operation", id: operation.operationId });
}

function inside(path, method, operation) {
  const body = operation.requestBody?.content?.["application/json"]?.schema;
  return element("div", {},
    ...prose(operation.description),
    ...section("Parameters", operation.parameters?.length && parameters(operation.parameters)),
    ...section("Body", body && fields(body)),
    ...section("Answers", answers(operation.responses)),
    ...section("Try it", form(path, method, operation)));
}

function section(title, content) {
  return content ? [element("h3", {}, title), content] : [];
}

function parameters(all) {
  return table(all.map(resolved).map((one) => row(one.name, one.schema, one.required, `${one.in}. ${one.description ?? ""}`)));
}

function answers(responses) {
  return element("div", {}, ...Object.entries(responses).map(([status, part]) => {
    const answer = resolved(part);
    return drawer([element("code", {}, status), " ", ...phrases(answer.description)], () => answered(answer));
  }));
}

function answered(answer) {
  const heads = Object.entries(answer.headers ?? {}).map(([name, part]) => row(name, resolved(part).schema, false, resolved(part).description));
  const bodies = Object.entries(answer.content ?? {}).map(([type, { schema }]) =>
    element("div", {}, element("p", {}, element("code", {}, type)), fields(schema)));
  return [...bodies, ...section("Header fields", heads.length && table(heads))];
}

function draw(openapi) {
  use(openapi);
  document.getElementById("version").textContent = openapi.info.version;
  const all = operations(openapi);
  const contents = document.getElementById("contents");
  state.replaceWith(...prose(openapi.info.description));
  for (const { name, description } of openapi.tags) {
    const own = all.filter(({ operation }) => operation.tags[0] === name);
    main.append(element("section", { id: `tag-${name}`, "aria-label": name },
      element("h2", {}, name.replaceAll("-", " "), " ", element("small", {}, description)), ...own.map(drawn)));
    contents.append(element("strong", {}, name.replaceAll("-", " ")), element("ul", {}, ...own.map(({ operation, method }) =>
      element("li", { "data-of": operation.operationId }, element("a", { href: `#${operation.operationId}` },
        element("span", { class: `method ${method}` }, method), ` ${operation.summary}`)))));
  }
  document.getElementById("filter").addEventListener("input", (event) => filter(all, event.target.value));
  addEventListener("hashchange", reveal);
  reveal();
}

function filter(all, wanted) {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  for (const { path, method, operation } of all) {
    const text = `${method} ${path} ${operation.summary} ${operation.operationId}`.toLowerCase();
    const hidden = !words.every((word) => text.includes(word));
    document.getElementById(operation.operationId).hidden = hidden;
    document.querySelector(`[data-of="${operation.operationId}"]`).hidden = hidden;
  }
  for (const part of main.querySelectorAll("section")) part.hidden = !part.querySelector(".operation:not([hidden])");
}

// An address with the name of an operation opens it, so that it can be sent to somebody.
function reveal() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!named?.classList.contains("operation")) return;
  named.open = true;
  named.scrollIntoView();
  named.querySelector("summary").focus({ preventScroll: true });
}

try {
  const answer = await fetch("/openapi.json", { credentials: "omit" });
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  draw(await answer.json());
} catch (error) {
  state.textContent = `/openapi.json cannot be read: ${error.message}`;
}
