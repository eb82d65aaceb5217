// Calls of the API. Whatever goes wrong is a Problem: what the server says, or that it does not answer.

import { heard } from "./clock.js";
import { ended, renew, session } from "./session.js";

export class Problem extends Error {
  constructor(status, document = {}) {
    super(document.detail || document.title || `The server answered ${status}.`);
    this.status = status;
    this.code = document.code ?? "";
    this.errors = document.errors ?? [];
  }

  get isAway() {
    return this.status === 0 || this.status === 503;
  }
}

// Answers `{ body, headers }`. A token that has run out is renewed once; a session that is over raises 401.
export async function call(method, path, { query, body, headers, signal } = {}) {
  const address = `/api/v1${path}${written(query)}`;
  let answer = await send(method, address, body, headers, signal);
  if (answer.status === 401 && (await renewedOrAway())) answer = await send(method, address, body, headers, signal);
  if (answer.status === 401) ended();
  if (!answer.ok) throw new Problem(answer.status, await documentOf(answer));
  return { body: answer.status === 204 ? null : await answer.json(), headers: answer.headers };
}

export async function read(path, query, signal) {
  return (await call("GET", path, { query, signal })).body;
}

export async function post(path, body = {}) {
  return (await call("POST", path, { body })).body;
}

async function send(method, address, body, headers, signal) {
  const given = { Authorization: `Bearer ${session.token}`, ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers };
  try {
    const answer = await fetch(address, { method, headers: given, body: body === undefined ? undefined : JSON.stringify(body), signal, credentials: "omit" });
    heard(answer.headers.get("Date"));
    return answer;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { detail: "Horarium does not answer. Is it running, and is there a connection?" });
  }
}

async function renewedOrAway() {
  try {
    return await renew();
  } catch {
    throw new Problem(0, { detail: "Horarium does not answer, so the session cannot be renewed." });
  }
}

async function documentOf(answer) {
  return (answer.headers.get("Content-Type") ?? "").includes("json") ? answer.json() : {};
}

function written(query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
