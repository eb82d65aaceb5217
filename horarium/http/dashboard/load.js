// What a page has read, how old it is, and reading it anew when something has happened: soon, and never twice at once. What
// nobody sees is read when somebody does.

import { now } from "./clock.js";
import { update } from "./view.js";

const open = new Set(); // all that the page which is shown reads

// When the oldest of what is shown was read; null where nothing was.
export function oldestRead() {
  const read = [...open].map((each) => each.readAt).filter((at) => at !== null);
  return read.length ? Math.min(...read) : null;
}

// What is shown and cannot be read anew now: the oldest of it, or undefined.
export function stale() {
  return [...open].filter((each) => each.readAt !== null && each.problem?.isAway).sort((a, b) => a.readAt - b.readAt)[0];
}

export class Loaded {
  // `read(signal)` answers the data; it is not read again within `pause` milliseconds.
  constructor(read, pause = 1000) {
    this.data = undefined;
    this.problem = null;
    this.readAt = null;
    this.pause = pause;
    this.read = read;
    this.timer = 0;
    this.aborting = new AbortController();
    this.running = false;
    this.again = false;
    this.isDue = false; // something has happened while nobody saw the page
    open.add(this);
    this.refresh();
  }

  // Something has happened: read it, as soon as that may be.
  nudge() {
    if (this.timer || this.aborting.signal.aborted) return;
    if (document.hidden) this.isDue = true;
    else this.timer = setTimeout(() => this.nudged(), this.pause);
  }

  nudged() {
    this.timer = 0;
    if (this.running) this.nudge();
    else this.refresh();
  }

  // Read it now; and once more, where a reading has begun before.
  async refresh() {
    if (this.running) {
      this.again = true;
      return;
    }
    this.running = true;
    this.isDue = false;
    const { signal } = this.aborting;
    try {
      this.data = await this.read(signal);
      this.problem = null;
      this.readAt = now();
    } catch (error) {
      if (signal.aborted) return;
      this.problem = error;
      if (error.isAway) setTimeout(() => this.nudge(), 2000);
    } finally {
      this.running = false;
    }
    update();
    if (this.again) {
      this.again = false;
      this.refresh();
    }
  }

  close() {
    open.delete(this);
    clearTimeout(this.timer);
    this.aborting.abort();
  }
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) for (const each of open) if (each.isDue) each.refresh(); });
