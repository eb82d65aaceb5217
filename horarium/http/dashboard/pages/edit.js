// Making a config, and changing one. What is typed is kept until it is saved or given up: over a refusal, over somebody
// else's edit, and over a session that ends meanwhile.

import { call, read } from "../api.js";
import { backoff, catchUp, changes, delivery, limits, overlap, retries, timeout } from "../config_fields.js";
import { h } from "../dom.js";
import { Editing } from "../editing.js";
import { entry, focusOnFault, group, lines, pick, tick } from "../form.js";
import { Loaded } from "../load.js";
import { parameterFields } from "../parameter_form.js";
import { fieldErrors, loaded } from "../parts.js";
import { beforeLeaving, go, here } from "../router.js";
import { isBegun, scheduleFields } from "../schedule_form.js";
import { Foreseen, foreseenView } from "../schedule_preview.js";
import { session } from "../session.js";
import { ask, complain, toast } from "../talk.js";
import { update } from "../view.js";

const IN_MORE = ["overlap", "catchup", "catchup_window_seconds", "max_catchup_runs", "start_at", "end_at", "jitter_seconds", "queue", "priority", "tags"];
const kept = new Map(); // what was typed when a session ended, by who typed it and the address

export const newConfigPage = ({ query }) => editor({ from: query.from });
export const editConfigPage = ({ id }) => editor({ id });

function editor({ id, from }) {
  const typed = `${session.user.id} ${here()}`;
  const path = `/task-configs/${id ?? from}`;
  const foreseen = new Foreseen((faults) => { if (editing) editing.form.seen = faults; });
  let editing = null;
  let busy = false;
  let trouble = null; // why it was not saved
  let conflict = null; // { message, config, tag, theirs }: what somebody else has saved meanwhile
  let isOpen = false;
  let isLeft = false; // for another page

  const source = new Loaded(async (signal) => {
    const before = kept.get(typed);
    kept.delete(typed);
    if (before) return edit(before);
    const types = await read("/task-types", undefined, signal);
    if (!id && !from) return edit(new Editing(types));
    const { body, headers } = await call("GET", path, { signal });
    return edit(id ? new Editing(types, { base: body, tag: headers.get("ETag") }) : new Editing(types, { from: body }));
  });
  beforeLeaving(leaving, () => editing?.isDirty);

  function edit(begun) {
    editing = begun;
    editing.form.changed = looked;
    isOpen ||= editing.unusual(IN_MORE).length > 0;
    looked();
    return editing;
  }

  function looked() {
    foreseen.look(isBegun(editing.form.values) ? editing.terms : null);
  }

  async function save(event) {
    event.preventDefault();
    if (busy) return;
    trouble = null;
    const incomplete = unfinished(event.target);
    if (incomplete.length || editing.parameters.faults.length) {
      show(incomplete);
      return;
    }
    busy = true; // what was typed meanwhile would not be saved, and gone
    update();
    try {
      await send(editing.body);
    } catch (error) {
      if (isLeft) complain(error);
      else if (error.code === "version") await overtaken(error);
      else refused(error);
    }
    busy = false;
    update();
  }

  async function send(body) {
    if (!Object.keys(body).length) return leave(id, "Nothing was changed");
    const answer = id ? await call("PATCH", path, { body, headers: { "If-Match": editing.tag } }) : await call("POST", "/task-configs", { body });
    return leave(answer.body.id, id ? "Saved" : "Created");
  }

  function leave(config, done) {
    toast(done);
    if (isLeft) return;
    beforeLeaving(null);
    go(`/configs/${config}`);
  }

  function refused(error) {
    trouble = error;
    show(error.code === "duplicate_name" ? [{ loc: ["name"], msg: error.message }] : error.errors ?? []);
  }

  function show(faults) {
    editing.form.faults = faults;
    isOpen ||= IN_MORE.some((name) => editing.form.at(name).length);
    update();
    focusOnFault();
  }

  async function overtaken(error) {
    try {
      const { body, headers } = await call("GET", path);
      conflict = { message: error.message, config: body, tag: headers.get("ETag"), theirs: Object.keys(changes(editing.base, body)) };
    } catch (raised) {
      trouble = raised;
    }
    focusOnFault();
  }

  function settle(begun) {
    conflict = null;
    source.data = edit(begun);
    update();
  }

  function leaving() {
    return !editing?.isDirty || ask({ title: "Leave without saving?", text: "What you have typed is lost.", confirm: "Leave", danger: true, act: async () => {} });
  }

  function close() {
    isLeft = true;
    if (session.user === null && editing?.isDirty) kept.set(typed, editing);
    source.close();
    foreseen.close();
    beforeLeaving(null);
  }

  function view() {
    const { form, base } = editing;
    return h("form", { class: "editor", novalidate: true, inert: busy, on: { submit: save } },
      base?.source && h("p", { class: "notice" }, `It is declared by ${base.source}, whose next declaration sets back what is changed here.`),
      conflict && conflictNotice(editing, conflict, settle),
      trouble && h("div", { key: "trouble", class: "notice notice-bad told", role: "alert", tabindex: "-1" }, h("p", {}, h("strong", {}, "Not saved. "), trouble.message), fieldErrors(trouble)),
      group("What", what(editing)),
      h("div", { class: "when" }, group("When", scheduleFields(form)), foreseenView(foreseen, form.values.scheduler_type)),
      group("Limits", h("div", { class: "abreast" }, timeout(form), retries(form), backoff(form))),
      more(editing, isOpen, (open) => { isOpen = open; }),
      !id && tick(form, "active", { label: "Active: it fires from when it is saved" }),
      h("div", { class: "save" },
        h("button", { class: "main", disabled: busy }, busy ? "Saving …" : id ? "Save" : "Create"),
        h("a", { class: "button", href: id ? `/configs/${id}` : "/configs" }, "Cancel"),
        editing.isDirty && h("span", { class: "quiet" }, "Not saved yet")));
  }

  return {
    get title() { return id ? `Edit ${editing?.base.name ?? "config"}` : "New config"; },
    view: () => loaded(source, view, 10),
    close,
  };
}

// Dates and times of which a part is missing, such as the time: a browser has them as empty.
function unfinished(form) {
  return [...form.elements].filter((each) => each.validity.badInput).map(({ name }) => ({ loc: [name], msg: "is not complete" }));
}

function what(editing) {
  const { types, form, parameters } = editing;
  const { task_type: chosen } = form.values;
  const type = types.find((each) => each.name === chosen);
  const unknown = chosen && !type ? [[chosen, `${chosen} (unknown to this server)`]] : [];
  return [
    entry(form, "name", { label: "Name", required: true, wide: true }, { maxlength: "200" }),
    lines(form, "description", { label: "Description", help: "For whoever looks at it at night." }),
    pick(form, "task_type", { label: "Task", required: true, wide: true, help: type?.description }, [...(chosen ? [] : [["", "Choose …"]]), ...unknown, ...types.map(({ name }) => [name, name])], { typed: (name) => editing.turnTo(name) }),
    parameterFields(form, parameters),
  ];
}

function more({ types, form }, open, toggled) {
  const type = types.find((each) => each.name === form.values.task_type);
  return h("details", { class: "more", open, on: { toggle: (event) => toggled(event.target.open) } },
    h("summary", {}, "More", h("span", { class: "quiet" }, " overlap, outages, beginning and end, queue, tags")),
    group("Overlap and outages", h("div", { class: "abreast" }, overlap(form), catchUp(form))),
    group("Beginning and end", h("div", { class: "abreast" }, limits(form))),
    group("Queue and tags", h("div", { class: "abreast" }, delivery(form, type))));
}

// What somebody else has changed, against what was read here, and how to go on.
function conflictNotice(editing, { message, config, tag, theirs }, settle) {
  const own = Object.keys(editing.body);
  const both = theirs.filter((name) => own.includes(name));
  return h("div", { key: "conflict", class: "notice notice-bad told", role: "alert", tabindex: "-1" },
    h("p", {}, h("strong", {}, "Not saved: it has changed meanwhile. "), `${message}.`),
    theirs.length ? h("ul", { class: "faults" }, theirs.map((name) => h("li", { key: name }, h("code", {}, name), " ", short(editing.base[name]), " → ", short(config[name]), both.includes(name) && h("strong", {}, " (you have changed it as well)"))))
      : h("p", {}, "Its fields are as they were; it was started, stopped, paused or resumed."),
    h("div", { class: "buttons" },
      h("button", { type: "button", on: { click: () => settle(editing.onto(config, tag)) } }, both.length ? "Take theirs over, with mine on top" : "Take theirs over, keep mine"),
      h("button", { type: "button", on: { click: () => settle(new Editing(editing.types, { base: config, tag })) } }, "Drop mine")));
}

function short(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return h("span", { class: "number", title: text }, text.length > 60 ? `${text.slice(0, 57)} …` : text || "nothing");
}
