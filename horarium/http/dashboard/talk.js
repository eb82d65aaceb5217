// What the page says beside its view: toasts, and dialogs that ask before something is done.

import { h, render } from "./dom.js";
import { fieldErrors } from "./parts.js";

const SHOWN_MS = { good: 4000, bad: 12_000 };
let toasts = [];

function drawn() {
  render(document.getElementById("toasts"), toasts.map((each) => h("div", { key: each.id, class: `toast toast-${each.kind}` },
    h("div", {}, each.text, each.error && fieldErrors(each.error)),
    h("button", { class: "bare", "aria-label": "Dismiss", on: { click: () => dismiss(each) } }, "✕"))));
}

function dismiss(which) {
  toasts = toasts.filter((each) => each !== which);
  drawn();
}

let numbers = 0;

export function toast(text, kind = "good", error = null) {
  const made = { id: `toast-${numbers += 1}`, text, kind, error };
  toasts = [...toasts.slice(-3), made];
  drawn();
  setTimeout(() => dismiss(made), SHOWN_MS[kind]);
}

export function complain(error) {
  toast(error.message, "bad", error);
}

// Only once at a time: what is pressed again before it is done is the same press. `nameOf(...given)` tells apart what is not.
export function once(action, nameOf = () => "") {
  const doing = new Map();
  return (...given) => {
    const name = nameOf(...given);
    if (!doing.has(name)) doing.set(name, action(...given).finally(() => doing.delete(name)));
    return doing.get(name);
  };
}

// Do it, and say so or why not; whether it was done.
export async function attempt(action, done) {
  try {
    await action();
  } catch (error) {
    complain(error);
    return false;
  }
  if (done) toast(done);
  return true;
}

const asking = new Set();

// Nobody is there any more who could answer: as if all had said no.
export function closeDialogs() {
  for (const question of [...asking]) question.close(false);
}

// Ask. `body(values, draw)` gives the fields, which write into `values`; `act(values)` is done when confirmed, and what it
// raises is shown without closing. `isTold`: there is nothing to decide, and it goes when that is confirmed, not by an
// Escape that was meant for something else. Answers whether it was done.
export function ask(about) {
  return new Promise((resolve) => { new Question(about, resolve).open(); });
}

class Question {
  constructor({ title, text, body = () => null, confirm, danger = false, isTold = false, act = async () => {}, values = {} }, answer) {
    Object.assign(this, { title, text, body, confirm, danger, isTold, act, values, answer });
    this.dialog = document.createElement("dialog");
    this.opener = document.activeElement;
    this.error = null;
    this.busy = false;
    this.isTyped = false;
    this.draw = this.draw.bind(this);
  }

  open() {
    const { dialog } = this;
    dialog.setAttribute("aria-label", this.title);
    dialog.addEventListener("input", () => { this.isTyped = true; });
    dialog.addEventListener("cancel", (event) => { event.preventDefault(); this.escaped(); });
    dialog.addEventListener("close", () => this.closed());
    document.body.append(dialog);
    asking.add(this);
    this.draw();
    dialog.showModal();
    (dialog.querySelector("input, select, textarea, .secret") ?? dialog.querySelector(".buttons button")).focus();
  }

  draw() {
    const { text, error, busy } = this;
    render(this.dialog, h("form", { on: { submit: (event) => this.submit(event) } },
      h("h2", {}, this.title),
      text && h("p", {}, text),
      this.body(this.values, this.draw),
      error && h("div", { key: "error", class: "notice notice-bad", role: "alert" }, h("p", {}, error.message), fieldErrors(error)),
      h("div", { key: "buttons", class: "buttons" },
        !this.isTold && h("button", { key: "cancel", type: "button", disabled: busy, on: { click: () => this.close(false) } }, "Cancel"),
        h("button", { class: this.danger ? "danger" : "main", disabled: busy }, busy ? "Working …" : this.confirm))));
  }

  async submit(event) {
    event.preventDefault();
    if (this.busy) return;
    this.busy = true;
    this.draw();
    try {
      await this.act(this.values);
      this.close(true);
    } catch (raised) {
      if (!this.dialog.isConnected) complain(raised); // nobody waited for it
      this.error = raised;
      this.busy = false;
      this.draw();
      if (!this.dialog.contains(document.activeElement)) this.dialog.querySelector(".buttons button:last-child")?.focus(); // it was of no use meanwhile
    }
  }

  // It takes nothing back that is being done, whose answer may be a secret, and throws nothing away that was typed.
  async escaped() {
    if (this.isTold || this.busy) return;
    if (!this.isTyped || (await ask({ title: "Throw away what you have typed?", confirm: "Throw away", danger: true }))) this.close(false);
  }

  // A browser closes a dialog over a second Escape without asking.
  closed() {
    if (!asking.has(this)) return;
    this.dialog.showModal();
    this.escaped();
  }

  close(done) {
    if (!asking.delete(this)) return; // given up while it was done
    this.dialog.close();
    this.dialog.remove();
    this.opener?.focus?.();
    this.answer(done);
  }
}
