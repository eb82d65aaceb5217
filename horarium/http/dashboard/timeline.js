// An hour back and an hour ahead, as drawings: of one config a mark for every tick, of all together a bar for every minute.
//
// What became of a tick is told by its colour and by its height, and a late one has a notch above. Drawings are for the
// eye: beside each stands what it shows in words.

import { duration, hour, moment, timeOfDay } from "./clock.js";
import { h } from "./dom.js";
import { plural, STATUS } from "./words.js";

const LANE = 26;
const HEIGHTS = { success: 0.5, skipped: 0.25, cancelled: 0.4, running: 0.75, queued: 0.35, pending: 0.35, retrying: 0.75, failed: 1, timeout: 1, lost: 1 };
const STACK = [["failed", "failed"], ["in_flight", "running"], ["cancelled", "cancelled"], ["success", "success"], ["skipped", "skipped"]];

export class Scale {
  constructor(overview, width) {
    this.from = Date.parse(overview.since);
    this.length = overview.bins.length * overview.bin_seconds * 1000;
    this.width = width;
    this.bin = width / overview.bins.length;
  }

  x(at) {
    return ((typeof at === "number" ? at : Date.parse(at)) - this.from) / this.length * this.width;
  }
}

function drawing(scale, height, label, ...content) {
  return h("svg", { class: "drawing", viewBox: `0 0 ${scale.width} ${height}`, width: scale.width, height, role: "img", "aria-label": label }, content);
}

const fine = (number) => Math.round(number * 10) / 10;

// A quarter of an hour each, in the reader's time; the present has a sign of its own.
export function axis(scale, present) {
  const step = 15 * 60_000;
  const marks = [];
  for (let at = Math.ceil(scale.from / step) * step; at < scale.from + scale.length; at += step) {
    const x = fine(scale.x(at));
    const isNear = Math.abs(x - scale.x(present)) < 34;
    const fits = x > 18 && x < scale.width - 18 && !(scale.width < 480 && at % (2 * step));
    marks.push(h("line", { x1: x, x2: x, y1: 17, y2: 22, class: "axis-tick" }));
    if (!isNear && fits) marks.push(h("text", { x, y: 12, class: "axis-text" }, hour(at)));
  }
  const x = fine(scale.x(present));
  return drawing(scale, 22, "Time", marks, h("text", { x, y: 12, class: "axis-now" }, "now"));
}

function presentLine(scale, present, height) {
  const x = fine(scale.x(present));
  return h("line", { x1: x, x2: x, y1: 0, y2: height, class: "present" });
}

export function lane(scale, own, present) {
  const marks = own.marks.map((mark) => pastMark(scale, mark));
  const ahead = own.planned.filter((at) => Date.parse(at) > present).map((at) => {
    const x = fine(scale.x(at));
    return h("line", { x1: x, x2: x, y1: LANE - 9, y2: LANE - 3, class: "mark-planned" });
  });
  return drawing(scale, LANE, laneInWords(own),
    h("line", { x1: 0, x2: scale.width, y1: LANE - 2.5, y2: LANE - 2.5, class: "ground-line" }), goesOn(scale, own), ahead, marks, presentLine(scale, present, LANE));
}

function pastMark(scale, mark) {
  const wide = mark.number > 1;
  const width = wide ? Math.max(2, scale.bin / 2 - 1) : Math.max(2.5, Math.min(4, scale.bin / 2));
  const tall = (LANE - 8) * HEIGHTS[mark.status];
  const x = fine(scale.x(mark.at));
  const key = `${mark.status} ${mark.at}`; // what is pressed stays the same mark while others come before it
  const data = { "data-mark": `${mark.task_id} ${mark.number}`, "data-told": markInWords(mark) };
  return [
    h("rect", { key, x, y: fine(LANE - 3 - tall), width: fine(width), height: fine(tall), rx: 1, class: "mark", "data-status": mark.status, ...data }),
    mark.late > 0 && h("rect", { key: `${key} late`, x, y: 1, width: fine(width), height: 2.5, rx: 1, class: "mark-late", ...data }),
  ];
}

// Where single ticks are too many to be told, a band says that they go on.
function goesOn(scale, own) {
  if (own.planned_every_seconds === null || !own.planned.length) return null;
  const x = fine(scale.x(own.planned.at(-1)));
  return h("rect", { x, y: LANE - 7, width: Math.max(0, fine(scale.width - x)), height: 3, class: "band-planned" });
}

function markInWords(mark) {
  const word = STATUS[mark.status][1];
  const what = mark.number > 1 ? `${mark.number} × ${word}` : word;
  const ticks = mark.ticks > mark.number ? `, ${plural(mark.ticks, "tick")}` : "";
  return `${timeOfDay(mark.at)}  ${what}${ticks}${mark.late ? `, ${mark.number > 1 ? `${mark.late} ` : ""}late` : ""}`;
}

function laneInWords(own) {
  const counts = new Map();
  let late = 0;
  for (const mark of own.marks) {
    counts.set(mark.status, (counts.get(mark.status) ?? 0) + mark.number);
    late += mark.late;
  }
  const past = [...counts].map(([name, number]) => `${number} ${STATUS[name][1].toLowerCase()}`).join(", ") || "nothing";
  const next = own.planned.length ? `next at ${timeOfDay(own.planned[0])}` : "nothing planned";
  return `${own.name}, last hour: ${past}${late ? `, ${late} late` : ""}; ${next}`;
}

// All configs together. The height is of the square root: one failure is seen beside a thousand successes.
export function density(scale, overview, present, height = 72) {
  const total = (bin) => STACK.reduce((sum, [name]) => sum + bin[name], 0);
  const most = Math.max(4, ...overview.bins.map((bin) => total(bin) + bin.planned));
  const tall = (number) => Math.sqrt(number / most) * (height - 10);
  const bars = overview.bins.map((bin, place) => {
    const x = fine(place * scale.bin);
    const width = fine(Math.max(1, scale.bin - 1));
    const told = binInWords(overview, bin, place);
    const planned = place >= overview.now_bin && bin.planned > 0.2;
    return [
      planned && h("rect", { x, y: fine(height - tall(total(bin) + bin.planned)), width, height: fine(tall(total(bin) + bin.planned)), rx: 1, class: "bar-planned" }),
      stacked(bin, total(bin), tall, height).map(([name, y, size]) => h("rect", { x, y: fine(y), width, height: fine(size), class: "mark", "data-status": name })),
      bin.late > 0 && h("rect", { x, y: 1, width, height: 3, rx: 1, class: "mark-late" }),
      h("rect", { x, y: 0, width: fine(scale.bin), height, class: "hit", "data-bin": place, "data-told": told }),
    ];
  });
  return drawing(scale, height, "All configs, by the minute; the same figures stand above", bars, presentLine(scale, present, height));
}

// From the ground up; whatever there is of something is at least two pixels of it.
function stacked(bin, sum, tall, height) {
  let y = height;
  return STACK.toReversed().filter(([name]) => bin[name]).map(([name, sign]) => {
    const size = Math.max(2, (bin[name] / sum) * tall(sum));
    y -= size;
    return [sign, y, size];
  });
}

function binInWords(overview, bin, place) {
  const from = Date.parse(overview.since) + place * overview.bin_seconds * 1000;
  const parts = [["success", "succeeded"], ["failed", "failed"], ["cancelled", "cancelled"], ["skipped", "skipped"], ["in_flight", "under way"]]
    .filter(([name]) => bin[name]).map(([name, word]) => `${bin[name].toLocaleString("en")} ${word}`);
  if (bin.late) parts.push(`${bin.late} late, ${duration(bin.lateness_worst)} at worst`);
  if (bin.planned > 0.2) parts.push(`about ${Math.max(1, Math.round(bin.planned)).toLocaleString("en")} to come`);
  return `${moment(from)}  ${parts.join(", ") || "nothing"}`;
}
