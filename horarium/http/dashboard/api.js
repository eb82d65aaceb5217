// Calls of the API. Whatever goes wrong is a Problem: what the server says, or that it does not answer.

import { heard } from "./clock.js";
import { documentOf, ended, PATIENCE_MS, renew, session, Unrenewed } from "./session.js";

const AWAY = new Set([0, 502, 503, 504]); // nobody answers, or whoever stands before Horarium says that it does not
const UNKNOWN = " It may have been done all the same: look before it is done again.";

export class Problem extends Error {
  constructor(status, document = {}) {
    super(document.detail || document.title || `The server answered ${status}.`);
    this.status = status;
    this.code = document.code ?? "";
    this.errors = document.errors ?? [];
  }

  get isAway() {
    return AWAY.has(this.status);
  }
}

// Answers `{ body, headers }`. A token that has run out is renewed once; a session that is over raises 401.
export async function call(method, path, { query, body, headers, signal } = {}) {
  const address = `/api/v1${path}${written(query)}`;
  let answer = await send(method, address, body, headers, signal);
  if (answer.status === 401 && (await renewedOrAway())) answer = await send(method, address, body, headers, signal);
  if (answer.status === 401) ended();
  if (!answer.ok) throw new Problem(answer.status, answer.body);
  return answer;
}

export async function read(path, query, signal) {
  return (await call("GET", path, { query, signal })).body;
}

export async function post(path, body = {}) {
  return (await call("POST", path, { body })).body;
}

async function send(method, path, body, headers, signal) {
  const given = { Authorization: `Bearer ${session.token}`, ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers };
  const late = AbortSignal.timeout(PATIENCE_MS);
  const asked = { method, headers: given, body: body === undefined ? undefined : JSON.stringify(body), signal: signal ? AbortSignal.any([signal, late]) : late, credentials: "omit" };
  try {
    const answer = await fetch(path, asked);
    heard(answer.headers.get("Date"));
    return { status: answer.status, ok: answer.ok, headers: answer.headers, body: await contentOf(answer) };
  } catch (error) {
    if (error.name === "TimeoutError") throw new Problem(0, { detail: `Horarium has not answered within ${PATIENCE_MS / 1000} s.${method === "GET" ? "" : UNKNOWN}` });
    if (error instanceof TypeError) throw new Problem(0, { detail: "Horarium does not answer. Is it running, and is there a connection?" });
    throw error;
  }
}

async function contentOf(answer) {
  if (!answer.ok) return documentOf(answer);
  return answer.status === 204 ? null : answer.json();
}

async function renewedOrAway() {
  try {
    return await renew();
  } catch (error) {
    throw new Problem(0, { detail: error instanceof Unrenewed ? error.message : "Horarium does not answer, so the session cannot be renewed." });
  }
}

function written(query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
