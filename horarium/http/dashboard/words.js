// The field's own words for states, each with a sign that tells it apart without its colour.

export const STATUS = {
  success: ["✓", "Success"], failed: ["✕", "Failed"], timeout: ["◔", "Timeout"], lost: ["?", "Lost"],
  cancelled: ["–", "Cancelled"], skipped: ["↷", "Skipped"], running: ["▸", "Running"], queued: ["…", "Queued"],
  pending: ["…", "Pending"], retrying: ["↻", "Retrying"],
  active: ["●", "Active"], paused: ["‖", "Paused"], inactive: ["○", "Inactive"], error: ["!", "Error"],
  starting: ["…", "Starting"], stopping: ["…", "Stopping"], stopped: ["○", "Stopped"], waiting: ["↻", "Waiting"],
};

// What rules tell of.
export const EVENTS = { failed: "Failed", timeout: "Timeout", lost: "Lost", missed: "Missed", recovered: "Well again" };

export const UNSUCCESSFUL = new Set(["failed", "timeout", "lost"]);
export const FINAL = new Set(["success", "failed", "timeout", "lost", "cancelled", "skipped"]);

const REASONS = {
  overlap: "another run of this config was still going on",
  missed_window: "its catch-up window had passed",
  paused: "the config was paused",
  stopped: "the config was stopped",
  edited: "the config was edited",
  buffer_full: "too many runs were waiting already",
  requested: "somebody asked for it",
  cancel_other: "its next run took its place",
};

export function reason(text) {
  return text ? (REASONS[text] ?? text.replaceAll("_", " ")) : "";
}

export function plural(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

const UNITS = [["days", "day"], ["hours", "hour"], ["minutes", "minute"], ["seconds", "second"]];

function interval(config) {
  const parts = UNITS.filter(([name]) => config[name]).map(([name, one]) => [config[name], one]);
  if (parts.length === 1 && parts[0][0] === 1) return `every ${parts[0][1]}`;
  return `every ${parts.map(([number, one]) => plural(number, one)).join(" ")}`;
}

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const NUMBER = /^\d+$/;

// The few shapes that most crons have; what is not one of them is told as it is written.
function cron(text) {
  const fields = text.split(" ");
  const [second, minute, hour, day, month, weekday] = fields.length === 6 ? fields : ["0", ...fields];
  const every = /^\*\/(\d+)$/;
  const rest = [day, month, weekday].every((field) => field === "*");
  if (rest && hour === "*" && minute === "*" && second === "*") return "every second";
  if (rest && hour === "*" && minute === "*" && every.test(second)) return `every ${every.exec(second)[1]} seconds`;
  if (second !== "0") return null;
  if (rest && hour === "*" && minute === "*") return "every minute";
  if (rest && hour === "*" && every.test(minute)) return `every ${every.exec(minute)[1]} minutes`;
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
