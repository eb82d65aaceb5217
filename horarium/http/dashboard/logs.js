// What an attempt has logged, as it logs it: the newest lines, followed while one is at their end, and left where they are
// while one reads above. The server keeps the newest thousand; so does the page, and says what came before them.

import { read } from "./api.js";
import { exact, instantOfDay } from "./clock.js";
import { copyButton } from "./copying.js";
import { h } from "./dom.js";
import { Loaded } from "./load.js";
import { choice, empty, field, loaded } from "./parts.js";
import { update } from "./view.js";
import { plural } from "./words.js";

const MOST = 1000;
const PAUSE_MS = 500;
const PATIENCE = 12; // lines are told of before they are written, by some seconds where there are many
const AT_THE_END = 24; // pixels
const LEVELS = ["debug", "info", "warning", "error", "critical"];
const SHOWN = [["debug", "All levels"], ["info", "Info and above"], ["warning", "Warnings and above"], ["error", "Errors only"]];

export class Log {
  constructor(taskId, attempt, told = 0) {
    this.lines = [];
    this.total = 0;
    this.told = told;
    this.patience = PATIENCE;
    this.attempt = attempt;
    this.follows = true;
    this.level = "debug";
    this.words = "";
    this.drawn = new WeakMap(); // a line never changes: it is drawn once
    this.node = null;
    this.log = new Loaded(async (signal) => {
      const more = await read(`/executions/${taskId}/logs`, { attempt, after: this.total }, signal);
      for (const line of more.items) {
        line.gone = line.number - (this.lines.at(-1)?.number ?? 0) - 1;
        this.lines.push(line);
      }
      this.lines.splice(0, this.lines.length - MOST);
      this.total = more.total;
      if (this.total < this.told && this.patience-- > 0) this.log.nudge();
      return this.lines;
    }, PAUSE_MS);
  }

  // There are `total` lines by now, or something else has happened.
  nudge(total = this.told) {
    this.told = total;
    this.patience = PATIENCE;
    this.log.nudge();
  }

  close() {
    this.log.close();
    this.observer?.disconnect();
  }

  get shown() {
    const from = LEVELS.indexOf(this.level);
    const words = this.words.toLowerCase();
    return this.lines.filter((line) => (LEVELS.indexOf(line.level) === -1 || LEVELS.indexOf(line.level) >= from)
      && (!words || line.text.toLowerCase().includes(words) || line.logger.toLowerCase().includes(words)));
  }

  view(isOver) {
    return loaded(this.log, () => {
      if (this.total === 0) return empty(isOver ? "It logged nothing" : "Nothing logged yet", "What a task logs while it runs, from INFO on, is shown here.");
      const shown = this.shown;
      return h("div", { class: "log" }, this.bar(shown), this.window(shown));
    }, 3);
  }

  bar(shown) {
    return h("div", { class: "filters log-bar" },
      choice("Level", SHOWN, this.level, (level) => { this.level = level; update(); }),
      field("Containing", h("input", { type: "search", value: this.words, on: { input: (event) => { this.words = event.target.value; update(); } } })),
      h("div", { class: "log-tools" }, h("p", { class: "quiet", role: "status" }, shown.length === this.lines.length ? plural(this.total, "line") : `${shown.length.toLocaleString("en")} of ${plural(this.lines.length, "line")}`),
        copyButton("the log", () => shown.map(written).join("\n"))));
  }

  window(shown) {
    return h("div", { class: "log-frame" },
      h("div", { class: "log-lines", tabindex: "0", role: "region", "aria-label": `Log of attempt ${this.attempt}`, made: (node) => this.watch(node) },
        shown.length ? shown.map((line) => [this.gap(line), this.line(line)]) : h("p", { key: "none", class: "quiet" }, "No line is like that.")),
      !this.follows && h("button", { class: "small log-newest", on: { click: () => this.toTheEnd() } }, "To the newest lines ↓"));
  }

  // How many lines before this one are not kept any more.
  gap(line) {
    const gone = line === this.lines[0] ? line.number - 1 : line.gone;
    return gone > 0 ? h("p", { key: `before ${line.number}`, class: "log-gone" }, `${plural(gone, "earlier line")} dropped: only the newest are kept`) : null;
  }

  line(line) {
    if (!this.drawn.has(line)) {
      this.drawn.set(line, h("p", { key: line.number, class: "log-line", "data-level": line.level },
        h("time", { datetime: line.at, title: exact(line.at) }, instantOfDay(line.at)), h("span", { class: "log-level" }, line.level.toUpperCase()),
        h("span", { class: "log-logger", title: line.logger }, line.logger), h("span", { class: "log-text" }, line.text)));
    }
    return this.drawn.get(line);
  }

  watch(node) {
    this.node = node;
    this.observer?.disconnect();
    this.observer = new MutationObserver(() => this.follows && this.toTheEnd());
    this.observer.observe(node, { childList: true });
    node.addEventListener("scroll", () => {
      const follows = node.scrollHeight - node.scrollTop - node.clientHeight < AT_THE_END;
      if (follows !== this.follows) {
        this.follows = follows;
        update();
      }
    }, { passive: true });
    requestAnimationFrame(() => this.follows && this.toTheEnd());
  }

  toTheEnd() {
    this.node.scrollTop = this.node.scrollHeight;
  }
}

function written(line) {
  return `${line.at} ${line.level.toUpperCase()} ${line.logger} ${line.text}`;
}
