// The server's time, whatever this machine's clock says; and how times and durations are written.

let ahead = 0; // milliseconds by which the server's clock is ahead of ours

// Told of every answer's `Date`, which has whole seconds: only a difference that matters is taken over.
export function heard(date) {
  const difference = Date.parse(date) + 500 - Date.now();
  if (Number.isFinite(difference) && Math.abs(difference - ahead) > 1500) ahead = Math.abs(difference) > 1500 ? difference : 0;
}

export function now() {
  return Date.now() + ahead;
}

export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

const formats = new Map();

function format(options, zone = ZONE) {
  const name = JSON.stringify([options, zone]);
  if (!formats.has(name)) formats.set(name, new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone, hourCycle: "h23" }));
  return formats.get(name);
}

const DAY = { year: "numeric", month: "short", day: "numeric" };
const MINUTE = { hour: "2-digit", minute: "2-digit" };
const SECOND = { ...MINUTE, second: "2-digit" };

export function hour(at, zone) {
  return format(MINUTE, zone).format(new Date(at));
}

export function timeOfDay(at, zone) {
  return format(SECOND, zone).format(new Date(at));
}

// To the millisecond, where many things happen within a second.
export function instantOfDay(at, zone) {
  return format({ ...SECOND, fractionalSecondDigits: 3 }, zone).format(new Date(at));
}

function sameDay(a, b, zone) {
  return format(DAY, zone).format(a) === format(DAY, zone).format(b);
}

// `14:03:22` today, `27 Nov 14:03` on another day, with the year where it is another one.
export function moment(at, zone) {
  const date = new Date(at);
  const today = new Date(now());
  if (sameDay(date, today, zone)) return timeOfDay(at, zone);
  const year = format({ year: "numeric" }, zone);
  const options = year.format(date) === year.format(today) ? { month: "short", day: "numeric" } : DAY;
  return `${format(options, zone).format(date)} ${hour(at, zone)}`;
}

// With everything there is to say, for a title.
export function exact(at) {
  const date = new Date(at);
  return `${format({ weekday: "short", ...DAY, ...SECOND, fractionalSecondDigits: 3 }).format(date)} ${ZONE}\n${date.toISOString()}`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const size = Math.abs(seconds);
  if (size < 0.9995) return `${Math.round(size * 1000)} ms`;
  if (size < 9.95) return `${size.toFixed(1)} s`;
  if (size < 59.5) return `${Math.round(size)} s`;
  const whole = Math.round(size);
  if (whole < 3600) return whole % 60 && whole < 600 ? `${Math.floor(whole / 60)} min ${whole % 60} s` : `${Math.round(whole / 60)} min`;
  if (whole < 86400) return parts(whole, 3600, "h", 60, "min");
  return parts(whole, 86400, "d", 3600, "h");
}

function parts(whole, large, largeName, small, smallName) {
  const rest = Math.floor((whole % large) / small);
  return `${Math.floor(whole / large)} ${largeName}${rest ? ` ${rest} ${smallName}` : ""}`;
}

// Whole seconds, for what is counted while one looks.
export function running(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return whole < 60 ? `${whole} s` : duration(whole);
}

// For how long something has gone on that began then.
export function lasting(at) {
  return running((now() - Date.parse(at)) / 1000);
}

export function ago(at) {
  const seconds = (now() - Date.parse(at)) / 1000;
  return seconds < 1 ? "just now" : `${running(seconds)} ago`;
}

export function until(at) {
  const seconds = (Date.parse(at) - now()) / 1000;
  return seconds < 0.5 ? "now" : `in ${running(Math.ceil(seconds))}`;
}

// `Mon 30 Nov 2026 09:30 +01:00`: an instant as its own clock shows it, from how it is written with that clock's offset.
export function onItsClock(local) {
  const [, day, minute, second, offset] = /^(.{10})T(.{5}):(.{2})(?:\.\d+)?(.*)$/.exec(local);
  const date = format({ weekday: "short", ...DAY }, "UTC").format(new Date(day)).replace(",", "");
  return `${date} ${minute}${second === "00" ? "" : `:${second}`} ${offset === "Z" ? "UTC" : offset}`;
}
