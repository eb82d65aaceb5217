// What configs are called, deleted ones as well: asked for once by a page, and again where one has changed.

import { read } from "./api.js";

const AT_ONCE = 200;

export class ConfigNames {
  constructor() {
    this.known = new Map();
    this.changed = new Set(); // known, and perhaps called otherwise by now
  }

  get(id) {
    return this.known.get(id);
  }

  // Something was done to this config.
  heard(id) {
    if (this.known.has(id)) this.changed.add(id);
  }

  // Ask for those of these ids that are not known yet; null is the id of none.
  async learn(ids, signal) {
    const asked = [...new Set(ids)].filter((id) => id !== null && (!this.known.has(id) || this.changed.has(id))).slice(0, AT_ONCE);
    if (!asked.length) return;
    for (const { id, name } of (await read("/task-configs/names", { config_ids: asked.join(",") }, signal)).items) this.known.set(id, name);
    for (const id of asked) this.changed.delete(id);
  }
}
