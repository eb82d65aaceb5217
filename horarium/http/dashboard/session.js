// Who is logged in here. The access token is in this module's memory and nowhere else; the refresh token is in a cookie
// that no script can read. `horarium.session` in the storage of the browser says only that there may be such a cookie,
// so that a page which knows of none asks for none; and tells the other tabs when it is over, or when there is one again.

import { heard, now } from "./clock.js";

const FLAG = "horarium.session";
const RENEW_BEFORE_MS = 60_000; // or a quarter of a token's time, where that is shorter
const RETRY_MS = 5_000;
export const PATIENCE_MS = 30_000; // for an answer: one that never comes must not keep a page from asking again
const PATH = "/api/v1/auth/browser";
const OWN = { "X-Horarium-Page": "1", "Content-Type": "application/json" };

export const session = { user: null, token: null };
let renewal = null;
let timer = 0;
const listeners = new Set();

export function whenSessionChanges(listener) {
  listeners.add(listener);
}

function changed() {
  for (const listener of listeners) listener();
}

export function may(role) {
  const ranks = ["viewer", "operator", "admin"];
  return session.user !== null && ranks.indexOf(session.user.role) >= ranks.indexOf(role);
}

function opened({ access_token, expires_at, user }) {
  session.user = user;
  session.token = access_token;
  localStorage.setItem(FLAG, "1");
  clearTimeout(timer);
  const lasts = Date.parse(expires_at) - now();
  timer = setTimeout(renewQuietly, Math.max(1000, lasts - Math.min(RENEW_BEFORE_MS, lasts / 4)));
  changed();
}

export function ended() {
  clearTimeout(timer);
  localStorage.removeItem(FLAG);
  if (session.token === null) return;
  session.user = session.token = null;
  changed();
}

async function post(path, body, headers = OWN) {
  const answer = await fetch(PATH + path, { method: "POST", headers, body: JSON.stringify(body), credentials: "same-origin", signal: AbortSignal.timeout(PATIENCE_MS) });
  heard(answer.headers.get("Date"));
  return answer;
}

// The answer of a login that was refused is for the form to show.
export async function logIn(username, password, remember) {
  const answer = await post("/login", { username, password, remember_me: remember });
  if (answer.ok) opened(await answer.json());
  return answer;
}

// Whether there is a session again. Tabs renew one after the other: each sends the cookie that the one before was given.
// Browsers have no locks for pages that come by plain HTTP; there, who comes second within moments is given the same.
// Where nobody answers, or nothing but a fault, that is told by an exception, and the session may well be alive.
export function renew() {
  renewal ??= (navigator.locks ? navigator.locks.request("horarium.renewal", renewed) : renewed()).finally(() => { renewal = null; });
  return renewal;
}

async function renewed() {
  const answer = await post("/refresh", {});
  if (answer.ok) opened(await answer.json());
  else if (answer.status === 401 || answer.status === 403) ended();
  else throw new Unrenewed(answer.status, await documentOf(answer));
  return answer.ok;
}

// The server answers, and cannot say whether there is a session: Redis is away, or what stands before the server says so.
export class Unrenewed extends Error {
  constructor(status, { detail }) {
    super(`Horarium cannot renew the session now. It says: ${detail ?? status}.`);
  }
}

// What an answer that is no success says of itself.
export async function documentOf(answer) {
  return (answer.headers.get("Content-Type") ?? "").includes("json") ? answer.json() : {};
}

async function renewQuietly() {
  try {
    await renew();
  } catch {
    timer = setTimeout(renewQuietly, RETRY_MS); // the server is away; a call that is refused meanwhile asks by itself
  }
}

export function mayResume() {
  return localStorage.getItem(FLAG) !== null;
}

// With an access token that has run out nobody is logged out, and the cookie would go on: it is asked for another one first.
export async function logOut() {
  let answer = await farewell();
  if (answer.status === 401 && (await renew())) answer = await farewell();
  if (!answer.ok && answer.status !== 401) throw new Error(`logging out was answered ${answer.status}`);
  ended();
}

function farewell() {
  return post("/logout", {}, { Authorization: `Bearer ${session.token}`, "Content-Type": "application/json" });
}

addEventListener("storage", (event) => {
  if (event.key !== FLAG) return;
  if (event.newValue === null) ended();
  else if (session.token === null) renewQuietly(); // a login in another tab is one here
});
