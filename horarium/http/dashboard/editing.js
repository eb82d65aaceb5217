// A config while it is edited: as it was read, as it is typed, and what lies between the two.

import { changes, EDITED, valuesOf, wanted } from "./config_fields.js";
import { Form } from "./form.js";
import { Parameters } from "./parameter_form.js";

const TERMS = ["scheduler_type", "schedule_config", "start_at", "end_at", "jitter_seconds", "timeout_seconds"];

export class Editing {
  // `base` is the config that is changed, null for a new one, which may begin as a copy of `from`; `tag` is its ETag.
  constructor(types, { base = null, tag = null, from = base } = {}) {
    this.types = types;
    this.base = base;
    this.tag = tag;
    this.form = new Form(valuesOf(from));
    if (!base) this.form.values.name = "";
    this.parameters = new Parameters(structuredClone(from?.parameters ?? {}), this.schemaOf(from?.task_type));
    this.form.local = () => this.parameters.faults;
    this.first = this.text;
  }

  schemaOf(name) {
    return this.types.find((each) => each.name === name)?.parameters_schema;
  }

  // All of it, as the API would be sent it.
  get wanted() {
    return wanted(this.form.values, this.parameters.value, this.types);
  }

  get text() {
    return JSON.stringify([this.wanted, this.form.values.active]);
  }

  get isDirty() {
    return this.text !== this.first || this.parameters.faults.length > 0;
  }

  // The body of the request: of an edit the fields that have changed.
  get body() {
    return this.base ? changes(this.base, this.wanted) : { ...this.wanted, status: this.form.values.active ? "active" : "inactive" };
  }

  // What the preview is asked.
  get terms() {
    const all = this.wanted;
    return { ...Object.fromEntries(TERMS.map((name) => [name, all[name]])), ...(this.base ? { config_id: this.base.id } : {}) };
  }

  // Which of these fields are not as a new config has them.
  unusual(names) {
    const usual = wanted({ ...valuesOf(null), task_type: this.form.values.task_type }, {}, this.types);
    return names.filter((name) => name in changes(usual, this.wanted));
  }

  turnTo(task) {
    this.parameters.turn(this.form.values.task_type, task, this.schemaOf(task));
    this.form.values.task_type = task;
    this.form.touched("task_type");
    this.form.touched("parameters");
  }

  // The same edit of what is saved by now: what was typed here on top of it.
  onto(config, tag) {
    const own = Object.keys(this.body);
    const anew = new Editing(this.types, { base: config, tag });
    const { values } = this.form;
    for (const name of own) if (name in values) anew.form.values[name] = values[name];
    if (own.includes("schedule_config") || own.includes("scheduler_type")) {
      for (const name of Object.keys(values)) if (!EDITED.includes(name) && name !== "active") anew.form.values[name] = values[name]; // those of a schedule
    }
    if (own.includes("parameters") || own.includes("task_type") || this.parameters.faults.length) anew.parameters = this.parameters;
    return anew;
  }
}
