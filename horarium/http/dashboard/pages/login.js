// Who are you? Leads back to where one was.

import { duration } from "../clock.js";
import { h } from "../dom.js";
import { icon } from "../icons.js";
import { field } from "../parts.js";
import { documentOf, logIn } from "../session.js";
import { update } from "../view.js";
import { capital } from "../words.js";

export function loginPage({ query }) {
  let refused = "";
  let busy = false;

  async function submit(event) {
    event.preventDefault();
    if (busy) return;
    const form = event.target;
    busy = true;
    refused = "";
    update();
    try {
      const answer = await logIn(form.elements.username.value, form.elements.password.value, form.elements.remember.checked);
      if (!answer.ok) refused = await why(answer);
    } catch {
      refused = "Horarium does not answer. Is it running, and is there a connection?";
    }
    busy = false;
    update();
    if (refused) form.elements.password.select();
  }

  return {
    title: "Log in",
    bare: true,
    view: () => h("div", { class: "login" },
      h("div", { class: "login-brand" }, icon("bell"), h("h1", {}, "Horarium")),
      query.then && query.then !== "/" && h("p", { class: "quiet" }, "Log in to go on where you were."),
      h("form", { on: { submit } },
        field("Name", h("input", { name: "username", autocomplete: "username", required: true, autocapitalize: "none", spellcheck: "false", autofocus: true, made: (node) => queueMicrotask(() => node.focus()) })),
        field("Password", h("input", { name: "password", type: "password", autocomplete: "current-password", required: true })),
        h("label", { class: "check" }, h("input", { name: "remember", type: "checkbox" }), "Stay logged in on this device"),
        h("p", { class: "refusal", role: "alert" }, refused),
        h("button", { class: "main", disabled: busy }, busy ? "Logging in …" : "Log in"))),
  };
}

// What was wrong, and what can be done about it.
async function why(answer) {
  if (answer.status === 401) return "That name and password do not go together. Check both; an admin can set a new password.";
  if (answer.status === 429) return `Too many attempts. Wait ${duration(Number(answer.headers.get("Retry-After")) || 60)}, then try again.`;
  const { detail } = await documentOf(answer);
  const told = detail ? `${capital(detail)}.` : `The server answered ${answer.status}.`;
  return answer.status === 503 ? `${told} Try again in a moment.` : told;
}
