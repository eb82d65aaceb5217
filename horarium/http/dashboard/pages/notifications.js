// Who is told of what, by which way, and what became of each message. Admins write rules; operators send again.

import { call, post, read } from "../api.js";
import { h } from "../dom.js";
import { Loaded } from "../load.js";
import { choice, countdown, empty, loaded, pager, section, since, status } from "../parts.js";
import { note } from "../router.js";
import { may } from "../session.js";
import { ask, attempt, toast } from "../talk.js";
import { update } from "../view.js";
import { EVENTS } from "../words.js";
import { fieldsOf, givenBy, namesOf, valuesOf } from "./notification_form.js";

const STATES = [["", "All messages"], ["pending", "Waiting"], ["delivered", "Delivered"], ["failed", "Failed"], ["suppressed", "Suppressed"]];
const WORDS = { pending: "Waiting", delivered: "Delivered", failed: "Failed", suppressed: "Suppressed" };
const PAGE = 50;
const MOST_RULES = 200;
const STEADY_MS = 5000; // messages go out in the process that leads, and no event tells of it

export function notificationsPage({ query }) {
  const wanted = { status: query.status ?? "", rule_id: query.rule_id ?? "" };
  const cursors = [null];
  const rules = new Loaded(async (signal) => {
    const page = await read("/notification-rules", { limit: MOST_RULES }, signal);
    return { rules: page.items, names: await namesOf(page.items, signal) };
  }, 1500);
  let messages = make();
  const steady = setInterval(() => { rules.nudge(); if (cursors.length === 1) messages.nudge(); }, STEADY_MS);

  function make() {
    return new Loaded((signal) => read("/notifications", { ...wanted, limit: PAGE, cursor: cursors.at(-1) }, signal), 1500);
  }

  function anew(kept = false) {
    if (!kept) cursors.length = 1;
    messages.close();
    const shown = messages.data;
    messages = make();
    messages.data = shown;
    note(wanted);
    update();
  }

  function change(name, value) {
    wanted[name] = value;
    anew();
  }

  async function add() {
    let made = null;
    const done = await ask({
      title: "A new rule", confirm: "Create", values: valuesOf(null, new Map()),
      text: "Whoever is named here is told by Horarium itself, once, until it has arrived.",
      body: (values, draw) => fieldsOf(values, draw, true),
      act: async (values) => { made = await post("/notification-rules", await givenBy(values, true)); },
    });
    rules.refresh();
    if (done && made.secret) await told(made);
  }

  const edit = (rule) => ask({
    title: `Change ${rule.name}`, confirm: "Save", values: valuesOf(rule, rules.data.names),
    body: (values, draw) => fieldsOf(values, draw, false),
    act: async (values) => call("PATCH", `/notification-rules/${rule.id}`, { body: await givenBy(values, false), headers: { "If-Match": `"${rule.version}"` } }),
  }).then(() => rules.refresh());

  async function test(rule) {
    await attempt(async () => {
      const { delivered, detail, seconds } = await post(`/notification-rules/${rule.id}/test`);
      const said = detail ? `: ${detail}` : "";
      toast(delivered ? `The test of ${rule.name} has arrived after ${seconds.toFixed(1)} s${said}` : `The test of ${rule.name} has not arrived${said}`, delivered ? "good" : "bad");
    });
  }

  async function rotate(rule) {
    let made = null;
    const done = await ask({
      title: `A new secret for ${rule.name}?`, confirm: "Make it", text: "Both sign for a day, so that the receiver can change over.",
      act: async () => { made = await post(`/notification-rules/${rule.id}/rotate-secret`); },
    });
    rules.refresh();
    if (done) await told(made);
  }

  const told = (rule) => ask({
    title: `The secret of ${rule.name}`, text: "Receivers check signatures with it. It is shown now and never again.", confirm: "I have it",
    body: () => h("code", { class: "code secret", tabindex: "0" }, rule.secret), act: async () => {},
  });

  const enable = (rule, enabled) => attempt(() => call("PATCH", `/notification-rules/${rule.id}`, { body: { enabled } }), enabled ? `${rule.name} tells again` : `${rule.name} tells nothing any more`).then(() => rules.refresh());

  const remove = (rule) => ask({
    title: `Delete ${rule.name}?`, text: "What it has still to send is not sent, and its messages go with it.", confirm: "Delete", danger: true,
    act: () => call("DELETE", `/notification-rules/${rule.id}`),
  }).then(() => { rules.refresh(); anew(); });

  const again = (message) => attempt(() => post(`/notifications/${message.id}/retry`), "It is sent again").then(() => messages.refresh());

  function ruleRow(rule) {
    const names = rule.config_ids.map((id) => rules.data.names.get(id) ?? `config ${id}`);
    const about = [...names, ...rule.tags.map((tag) => `#${tag}`)];
    const button = (word, label, act) => h("button", { class: "small", "aria-label": `${label} ${rule.name}`, on: { click: () => act(rule) } }, word);
    return h("tr", { key: rule.id },
      h("th", { scope: "row" }, rule.name, !rule.enabled && h("span", { class: "beside" }, "disabled"),
        h("span", { class: "under" }, rule.webhook ? rule.webhook.url : rule.email.to.join(", "))),
      h("td", { "data-label": "Tells" }, rule.events.map((name) => EVENTS[name].toLowerCase()).join(", "), h("span", { class: "under" }, rule.repeat === "first" ? "the first in a row" : "every time")),
      h("td", { "data-label": "About" }, about.length ? about.join(", ") : "every config"),
      h("td", { "data-label": "Last message" }, rule.last ? [state(rule.last.status), h("span", { class: "under" }, since(rule.last.at), rule.last.error && `, ${rule.last.error}`)] : h("span", { class: "quiet" }, "none yet")),
      h("td", { class: "act" }, may("admin") && [
        button("Test", "Test", test), button("Change …", "Change", edit), rule.webhook && button("New secret …", "A new secret for", rotate),
        button(rule.enabled ? "Disable" : "Enable", rule.enabled ? "Disable" : "Enable", () => enable(rule, !rule.enabled)), button("Delete …", "Delete", remove)]));
  }

  function messageRow(message) {
    const about = message.task_id ? `/executions/${message.task_id}` : `/configs/${message.config_id}`;
    return h("tr", { key: message.id },
      h("th", { scope: "row" }, h("a", { href: about }, message.config_name), h("span", { class: "under" }, EVENTS[message.event])),
      h("td", { "data-label": "Rule" }, message.rule_name),
      h("td", { "data-label": "State" }, state(message.status), message.last_error && h("span", { class: "under" }, message.last_error)),
      h("td", { "data-label": "Made", class: "number" }, since(message.created_at)),
      h("td", { "data-label": "Tries", class: "number" }, message.attempts.toLocaleString("en"), message.next_try_at && h("span", { class: "under" }, "next ", countdown(message.next_try_at))),
      h("td", { class: "act" }, may("operator") && message.status !== "delivered" && h("button", { class: "small", "aria-label": `Send again what ${message.rule_name} says of ${message.config_name}`, on: { click: () => again(message) } }, "Send again")));
  }

  function messagesView(page) {
    if (!page.items.length) return empty("No messages", wanted.status || wanted.rule_id ? "None is like that." : "Nothing that a rule is about has happened yet.");
    return [table("Messages", ["About", "Rule", "State", "Made", "Tries"], page.items.map(messageRow)), pager(page, "message", cursors, PAGE, anew, ["Newer", "Older"])];
  }

  const ruleChoice = () => [["", "All rules"], ...(rules.data?.rules ?? []).map((rule) => [String(rule.id), rule.name])];

  return {
    title: "Notifications",
    view: () => [
      section("Rules",
        loaded(rules, (data) => (data.rules.length ? table("Rules", ["Rule", "Tells", "About", "Last message"], data.rules.map(ruleRow)) : empty("Nobody is told of anything", "A rule says who is told of which configs, by webhook or by mail.")), 3),
        may("admin") && h("p", { class: "after" }, h("button", { on: { click: add } }, "New rule …"))),
      section("Messages",
        h("search", { class: "filters" }, choice("State", STATES, wanted.status, (value) => change("status", value)), choice("Rule", ruleChoice(), wanted.rule_id, (value) => change("rule_id", value))),
        loaded(messages, messagesView, 5)),
    ],
    heard: (kind) => { if (kind === "reset") { rules.nudge(); messages.nudge(); } },
    close: () => { rules.close(); messages.close(); clearInterval(steady); },
  };
}

function state(name) {
  return status({ delivered: "success", suppressed: "skipped" }[name] ?? name, "", WORDS[name]);
}

function table(label, columns, rows) {
  return h("div", { class: "table-frame", tabindex: "0", role: "region", "aria-label": label }, h("table", { class: "list people told" },
    h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name)), h("th", { scope: "col" }, h("span", { class: "only-read" }, "Actions")))),
    h("tbody", {}, rows)));
}
