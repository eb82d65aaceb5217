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
  for (const close of [...asking]) close(false);
}

// Ask. `body(values)` gives the fields, which write into `values`; `act(values)` is done when confirmed, and what it
// raises is shown without closing. `isTold`: there is nothing to decide, and it goes when that is confirmed, not by an
// Escape that was meant for something else. Answers whether it was done.
export function ask({ title, text, body = () => null, confirm, danger = false, isTold = false, act = async () => {}, values = {} }) {
  const dialog = document.createElement("dialog");
  const opener = document.activeElement;
  let error = null;
  let busy = false;
  document.body.append(dialog);

  return new Promise((resolve) => {
    const close = (done) => {
      if (!asking.delete(close)) return; // given up while it was done
      dialog.close();
      dialog.remove();
      opener?.focus?.();
      resolve(done);
    };
    asking.add(close);
    const submit = async (event) => {
      event.preventDefault();
      if (busy) return;
      busy = true;
      draw();
      try {
        await act(values);
        close(true);
      } catch (raised) {
        if (!dialog.isConnected) complain(raised); // nobody waited for it
        error = raised;
        busy = false;
        draw();
      }
    };
    const draw = () => render(dialog, h("form", { on: { submit } },
      h("h2", { id: "dialog-title" }, title),
      text && h("p", {}, text),
      body(values, draw),
      error && h("div", { class: "notice notice-bad", role: "alert" }, h("p", {}, error.message), fieldErrors(error)),
      h("div", { class: "buttons" },
        !isTold && h("button", { type: "button", on: { click: () => close(false) } }, "Cancel"),
        h("button", { class: danger ? "danger" : "main", disabled: busy }, busy ? "Working …" : confirm))));
    dialog.setAttribute("aria-labelledby", "dialog-title");
    dialog.addEventListener("keydown", (event) => { if (isTold && event.key === "Escape") event.preventDefault(); });
    dialog.addEventListener("cancel", (event) => { event.preventDefault(); if (!isTold) close(false); });
    dialog.addEventListener("close", () => close(false)); // a browser closes it over a second Escape without asking
    draw();
    dialog.showModal();
    (dialog.querySelector("input, select, textarea, .secret") ?? dialog.querySelector(".buttons button")).focus();
  });
}
