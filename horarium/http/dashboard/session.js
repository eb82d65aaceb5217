// Who is logged in here. The access token is in this module's memory and nowhere else; the refresh token is in a cookie
// that no script can read. `horarium.session` in the storage of the browser says only that there may be such a cookie,
// so that a page which knows of none asks for none; and tells the other tabs when it is over.

import { heard, now } from "./clock.js";

const FLAG = "horarium.session";
const RENEW_BEFORE_MS = 60_000;
const RETRY_MS = 5_000;
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
  timer = setTimeout(renewQuietly, Math.max(1000, Date.parse(expires_at) - now() - RENEW_BEFORE_MS));
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
  const answer = await fetch(PATH + path, { method: "POST", headers, body: JSON.stringify(body), credentials: "same-origin" });
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
// Where nobody answers, that is told by an exception, and the session may well be alive.
export function renew() {
  renewal ??= navigator.locks.request("horarium.renewal", renewed).finally(() => { renewal = null; });
  return renewal;
}

async function renewed() {
  const answer = await post("/refresh", {});
  if (answer.ok) opened(await answer.json());
  else if (answer.status === 401 || answer.status === 403) ended();
  else throw new TypeError(`the session could not be renewed: ${answer.status}`);
  return answer.ok;
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

export async function logOut() {
  const answer = await post("/logout", {}, { Authorization: `Bearer ${session.token}`, "Content-Type": "application/json" });
  if (!answer.ok && answer.status !== 401) throw new Error(`logging out was answered ${answer.status}`);
  ended();
}

addEventListener("storage", (event) => {
  if (event.key === FLAG && event.newValue === null) ended();
});
