// What happens, as it happens: the stream of events, resumed for as long as somebody is logged in, and how it stands.
//
// `EventSource` cannot send a token, so the stream is read with fetch. It is honest about silence: a stream that gives no
// sign of life for longer than it promises to is taken for dead, and everybody is told since when nothing was heard.
//
// A stream takes one of the six connections that a browser has for a host, over all of its pages. So a page that nobody sees
// has none, and of those that are seen only some have: or the seventh would wait for ever.

import { now } from "./clock.js";
import { renew, session } from "./session.js";

const SILENCE_MS = 25_000; // the server gives a sign every 15 s
const GRACE_MS = 1_500; // a stream that ends with its token is back before anybody need know
const SHORTEST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 10_000;
const PLACES = 4; // for streams of all pages of a browser: two connections are left for what they read
const CROWDED_MS = 4_000; // how often a page that has no place looks for one

export const live = { state: "connecting", heardAt: now() };
const listeners = new Set();
let wanted = false;
let reading = null;
let lastId = null;

// `listener(kind, data)` is called for each event, and with kind "state" when the connection changes.
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(kind, data) {
  for (const listener of [...listeners]) listener(kind, data);
}

function become(state) {
  if (live.state === state) return;
  live.state = state;
  tell("state", state);
}

export function connect() {
  wanted = true;
  readOrRest();
}

export function disconnect() {
  wanted = false;
  lastId = null;
  readOrRest();
}

function readOrRest() {
  const isDue = wanted && !document.hidden;
  if (isDue && !reading) {
    reading = new AbortController();
    whereThereIsRoom(reading.signal, keepReading.bind(null, reading));
  } else if (!isDue && reading) {
    reading.abort();
    reading = null;
    become("connecting");
  }
}

document.addEventListener("visibilitychange", readOrRest);

// Read for as long as it is wanted, in one of the places; and say so while none is free. Browsers have no locks for pages that
// come by plain HTTP, which know nothing of each other.
async function whereThereIsRoom(signal, read) {
  if (!navigator.locks) return read();
  while (!signal.aborted) {
    for (let place = 0; place < PLACES; place += 1) await navigator.locks.request(`horarium.events.${place}`, { ifAvailable: true }, (lock) => lock && read());
    if (signal.aborted) return;
    become("crowded");
    await waited(CROWDED_MS, signal);
  }
}

async function keepReading(mine) {
  for (let failures = 0; !mine.signal.aborted;) {
    const grace = setTimeout(() => mine.signal.aborted || become("lost"), GRACE_MS);
    const before = live.heardAt;
    try {
      await readOnce(mine, () => { clearTimeout(grace); failures = 0; });
    } catch {
      failures += 1; // whatever broke it off, it is tried again, and `live` says since when
    }
    clearTimeout(grace);
    if (mine.signal.aborted) return;
    if (failures || live.heardAt === before) become("lost");
    await waited(failures ? Math.min(LONGEST_WAIT_MS, 500 * 2 ** failures) : SHORTEST_WAIT_MS, mine.signal);
  }
}

async function readOnce(mine, begun) {
  const attempt = new AbortController();
  const stop = () => attempt.abort();
  mine.signal.addEventListener("abort", stop);
  addEventListener("offline", stop); // or the stream of a machine without a network seems silent, for a while
  let silence = setTimeout(stop, SILENCE_MS);
  try {
    const headers = { Authorization: `Bearer ${session.token}`, ...(lastId ? { "Last-Event-ID": lastId } : {}) };
    const answer = await fetch("/api/v1/events?brief=true", { headers, signal: attempt.signal, cache: "no-store", credentials: "omit" });
    if (answer.status === 401) await renew();
    if (!answer.ok) throw new Error(`the stream was answered ${answer.status}`);
    begun();
    const isResumed = lastId !== null || live.state === "connecting";
    become("live");
    if (!isResumed) tell("reset", {});
    const text = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ;) {
      const { done, value } = await text.read();
      if (done) return;
      clearTimeout(silence);
      silence = setTimeout(stop, SILENCE_MS);
      live.heardAt = now();
      rest = taken(rest + value);
    }
  } finally {
    clearTimeout(silence);
    mine.signal.removeEventListener("abort", stop);
    removeEventListener("offline", stop);
  }
}

// Tell of every whole event in the text; what is left of it.
function taken(text) {
  const blocks = text.split("\n\n");
  const rest = blocks.pop();
  for (const block of blocks) {
    const fields = Object.fromEntries(block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trimStart()]));
    if (fields.id) lastId = fields.id;
    if (fields.event === "away" || fields.event === "back") become(fields.event === "away" ? "away" : "live");
    else if (fields.data) tell(fields.event, JSON.parse(fields.data));
  }
  return rest;
}

// Until so much time has passed, or there is a network again, or nobody wants to know any more.
function waited(milliseconds, signal) {
  return new Promise((resolve) => {
    const settled = new AbortController();
    const settle = () => { clearTimeout(timer); settled.abort(); resolve(); };
    const timer = setTimeout(settle, milliseconds);
    signal.addEventListener("abort", settle, { signal: settled.signal });
    addEventListener("online", settle, { signal: settled.signal });
  });
}
