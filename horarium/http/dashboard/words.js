// The field's own words for states, each with a sign that tells it apart without its colour.

export const STATUS = {
  success: ["✓", "Success"], failed: ["✕", "Failed"], timeout: ["◔", "Timeout"], lost: ["?", "Lost"],
  cancelled: ["–", "Cancelled"], skipped: ["↷", "Skipped"], running: ["▸", "Running"], queued: ["…", "Queued"],
  pending: ["…", "Pending"], retrying: ["↻", "Retrying"],
  active: ["●", "Active"], paused: ["‖", "Paused"], inactive: ["○", "Inactive"], error: ["!", "Error"],
  starting: ["…", "Starting"], stopping: ["…", "Stopping"], stopped: ["○", "Stopped"], waiting: ["↻", "Waiting"],
  pausing: ["…", "Pausing"], draining: ["↓", "Draining"],
};

// What rules tell of.
export const EVENTS = { failed: "Failed", timeout: "Timeout", lost: "Lost", missed: "Missed", config_error: "Config in error", recovered: "Well again" };

export const UNSUCCESSFUL = new Set(["failed", "timeout", "lost"]);
export const FINAL = new Set(["success", "failed", "timeout", "lost", "cancelled", "skipped"]);

// Every reason that is written (`Reason` in horarium/model/executions.py, which a test holds this list against).
const REASONS = {
  overlap: "another run of this config was still going on",
  buffer_full: "too many runs were waiting already",
  missed: "nobody fired it in time, and the config skips what was missed",
  missed_window: "nobody fired it in time, and its catch-up window had passed",
  superseded: "something later took its place",
  max_catchup_runs: "more ticks were missed than the config catches up with",
  edited: "the config was edited before it had fired",
  stopped: "the config was stopped",
  paused: "the config was paused",
  deleted: "the config was deleted",
  limited: "it waits for room under a limit",
  requested: "somebody asked for it",
  cancel_other: "its next run took its place",
  config_deleted: "its config was deleted before it had begun",
  not_sendable: "its message could not be made, or has no queue to go to",
  deadline_passed: "it ran past its deadline, and its worker did not stop it",
  worker_gone: "its worker was gone",
  worker_stopped: "its worker was stopped, and gave it back",
  worker_cut_off: "its worker was cut off, and gave it up",
  unstorable: "how it ended could not be stored",
  rejected: "the task refused it for good",
  requeued: "the task asked to be run again",
  retried_by_app: "its app tries it again by itself",
  no_result: "the task gave no result",
};

export function reason(text) {
  return text ? (REASONS[text] ?? text.replaceAll("_", " ")) : "";
}

// The line of an error that says what it was.
export function lastLine(error) {
  return error.trim().split("\n").at(-1);
}

export function plural(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

export function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}

// What becomes of a tick that is due while the run before it goes on, and of those that were missed.
export const OVERLAP = { skip: "skip the new tick", buffer_one: "let one wait", buffer_all: "let all wait", cancel_other: "stop the run before", allow_all: "run side by side" };
export const CATCHUP = { latest: "run the latest missed tick", all: "run all missed ticks", skip: "skip what was missed" };

const UNITS = [["days", "day"], ["hours", "hour"], ["minutes", "minute"], ["seconds", "second"]];

function interval(config) {
  const parts = UNITS.filter(([name]) => config[name]).map(([name, one]) => [config[name], one]);
  if (parts.length === 1 && parts[0][0] === 1) return `every ${parts[0][1]}`;
  return `every ${parts.map(([number, one]) => plural(number, one)).join(" ")}`;
}

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const NUMBER = /^\d+$/;

// Steps begin anew with each minute or hour, so only one that divides 60 is every so many of them.
function every(field, unit) {
  const step = Number(/^\*\/(\d+)$/.exec(field)?.[1]);
  return step > 1 && 60 % step === 0 ? `every ${step} ${unit}` : null;
}

// The few shapes that most crons have; what is not one of them is told as it is written.
function cron(text) {
  const fields = text.split(" ");
  const [second, minute, hour, day, month, weekday] = fields.length === 6 ? fields : ["0", ...fields];
  const rest = [day, month, weekday].every((field) => field === "*");
  if (rest && hour === "*" && minute === "*" && second === "*") return "every second";
  if (rest && hour === "*" && minute === "*" && every(second, "seconds")) return every(second, "seconds");
  if (second !== "0") return null;
  if (rest && hour === "*" && minute === "*") return "every minute";
  if (rest && hour === "*" && every(minute, "minutes")) return every(minute, "minutes");
  if (!NUMBER.test(minute)) return null;
  if (rest && hour === "*") return minute === "0" ? "every hour" : `every hour at :${minute.padStart(2, "0")}`;
  if (!NUMBER.test(hour)) return null;
  const at = `${hour.padStart(2, "0")}:${minute.padStart(2, "0")}`;
  if (rest) return `daily at ${at}`;
  if (day === "*" && month === "*" && weekday === "1-5") return `on weekdays at ${at}`;
  if (day === "*" && month === "*" && NUMBER.test(weekday)) return `on ${DAYS[weekday]}s at ${at}`;
  if (month === "*" && weekday === "*" && NUMBER.test(day)) return `on day ${day} of the month at ${at}`;
  return null;
}

export function expression(config) {
  const written = config.schedule_config;
  return written.cron_expression ?? ["minute", "hour", "day", "month", "day_of_week"].map((name) => written[name] ?? "*").join(" ");
}

export function zone(config) {
  return config.schedule_config.timezone ?? "UTC";
}

// `words`, and `code` where they stand for something that is written otherwise.
export function schedule(config) {
  if (config.scheduler_type === "interval") return { words: interval(config.schedule_config), code: "" };
  if (config.scheduler_type === "date") return { words: "once", code: "", at: config.schedule_config.run_date };
  if (config.scheduler_type === "manual") return { words: "by hand only", code: "" };
  const code = expression(config);
  const words = cron(code);
  return words ? { words, code } : { words: "", code };
}
