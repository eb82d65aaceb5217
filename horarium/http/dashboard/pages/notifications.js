// Who is told of what, by which way, and what became of each message. Admins write rules; operators send again.

import { call, post, read } from "../api.js";
import { ConfigNames } from "../config_names.js";
import { tellSecret } from "../copying.js";
import { h } from "../dom.js";
import { Listing } from "../lists.js";
import { Loaded } from "../load.js";
import { choice, countdown, empty, leftOut, loaded, section, since, status, table } from "../parts.js";
import { may } from "../session.js";
import { ask, attempt, once, toast } from "../talk.js";
import { update } from "../view.js";
import { EVENTS } from "../words.js";
import { fieldsOf, givenBy, valuesOf } from "./notification_form.js";

const STATES = [["", "All messages"], ["pending", "Waiting"], ["delivered", "Delivered"], ["failed", "Failed"], ["suppressed", "Suppressed"]];
const WORDS = { pending: "Waiting", delivered: "Delivered", failed: "Failed", suppressed: "Suppressed" };
const MOST_RULES = 200;
const STEADY_MS = 5000; // messages go out in the process that leads, and no event tells of it

export function notificationsPage({ query }) {
  const names = new ConfigNames();
  const rules = new Loaded(async (signal) => {
    const page = await read("/notification-rules", { limit: MOST_RULES }, signal);
    await names.learn(page.items.flatMap((rule) => rule.config_ids), signal);
    return page;
  }, 1500);
  const messages = new Listing((asked, signal) => read("/notifications", asked, signal), { status: "", rule_id: "" }, query);
  const steady = setInterval(() => { rules.nudge(); messages.nudge(); }, STEADY_MS);

  let testing = null; // the id of the rule

  async function add() {
    let made = null;
    const done = await ask({
      title: "A new rule", confirm: "Create", values: valuesOf(null, names),
      text: "Whoever is named here is told by Horarium itself, once, until it has arrived.",
      body: (values, draw) => fieldsOf(values, draw, true),
      act: async (values) => { made = await post("/notification-rules", await givenBy(values, true)); },
    });
    rules.refresh();
    if (done && made.secret) await tell(made);
  }

  const edit = (rule) => ask({
    title: `Change ${rule.name}`, confirm: "Save", values: valuesOf(rule, names),
    body: (values, draw) => fieldsOf(values, draw, false),
    act: async (values) => call("PATCH", `/notification-rules/${rule.id}`, { body: await givenBy(values, false), headers: { "If-Match": `"${rule.version}"` } }),
  }).then(() => rules.refresh());

  // Takes as long as the receiver does.
  const test = once((rule) => attempt(async () => {
    testing = rule.id;
    update();
    const { delivered, detail, seconds } = await post(`/notification-rules/${rule.id}/test`);
    const said = detail ? `: ${detail}` : "";
    toast(delivered ? `The test of ${rule.name} has arrived after ${seconds.toFixed(1)} s${said}` : `The test of ${rule.name} has not arrived${said}`, delivered ? "good" : "bad");
  }).finally(() => { testing = null; update(); }));

  async function rotate(rule) {
    let made = null;
    const done = await ask({
      title: `A new secret for ${rule.name}?`, confirm: "Make it", text: "Both sign for a day, so that the receiver can change over.",
      act: async () => { made = await post(`/notification-rules/${rule.id}/rotate-secret`); },
    });
    rules.refresh();
    if (done) await tell(made);
  }

  const tell = (rule) => tellSecret(`The secret of ${rule.name}`, "Receivers check signatures with it.", rule.secret);

  const enable = (rule, enabled) => attempt(() => call("PATCH", `/notification-rules/${rule.id}`, { body: { enabled } }), enabled ? `${rule.name} tells again` : `${rule.name} tells nothing any more`).then(() => rules.refresh());

  const remove = (rule) => ask({
    title: `Delete ${rule.name}?`, text: "What it has still to send is not sent, and its messages go with it.", confirm: "Delete", danger: true,
    act: () => call("DELETE", `/notification-rules/${rule.id}`),
  }).then((done) => { if (done) { rules.refresh(); messages.anew(); } });

  const again = once((message) => attempt(() => post(`/notifications/${message.id}/retry`), "It is sent again").then(() => messages.refresh()), (message) => message.id);

  function ruleRow(rule) {
    const about = [...rule.config_ids.map((id) => names.get(id) ?? `config ${id}`), ...rule.tags.map((tag) => `#${tag}`)];
    const button = (word, label, act, disabled = false) => h("button", { key: label, class: "small", "aria-label": `${label} ${rule.name}`, disabled, on: { click: () => act(rule) } }, word);
    return h("tr", { key: rule.id },
      h("th", { scope: "row" }, rule.name, !rule.enabled && h("span", { class: "beside" }, "disabled"),
        h("span", { class: "under" }, rule.webhook ? rule.webhook.url : rule.email.to.join(", "))),
      h("td", { "data-label": "Tells" }, rule.events.map((name) => EVENTS[name].toLowerCase()).join(", "), h("span", { class: "under" }, rule.repeat === "first" ? "the first in a row" : "every time")),
      h("td", { "data-label": "About" }, about.length ? about.join(", ") : "every config"),
      h("td", { "data-label": "Last message" }, rule.last ? [state(rule.last.status), h("span", { class: "under" }, since(rule.last.at), rule.last.error && `, ${rule.last.error}`)] : h("span", { class: "quiet" }, "none yet")),
      h("td", { class: "act" }, may("admin") && [
        button(testing === rule.id ? "Testing …" : "Test", "Test", test, testing !== null), button("Change …", "Change", edit), rule.webhook && button("New secret …", "A new secret for", rotate),
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

  const ruleTable = (page) => [table("Rules", "people told", ["Rule", "Tells", "About", "Last message"], page.items.map(ruleRow), true), leftOut(page, "rule")];
  const messageTable = (page) => table("Messages", "people told", ["About", "Rule", "State", "Made", "Tries"], page.items.map(messageRow), true);
  const ruleChoice = () => [["", "All rules"], ...(rules.data?.items ?? []).map((rule) => [String(rule.id), rule.name])];

  return {
    title: "Notifications",
    view: () => [
      section("Rules",
        loaded(rules, (page) => (page.items.length ? ruleTable(page) : empty("Nobody is told of anything", "A rule says who is told of which configs, by webhook or by mail.")), 3),
        may("admin") && h("p", { class: "after" }, h("button", { on: { click: add } }, "New rule …"))),
      section("Messages",
        h("search", { class: "filters" },
          choice("State", STATES, messages.wanted.status, (value) => messages.change({ status: value })),
          choice("Rule", ruleChoice(), messages.wanted.rule_id, (value) => messages.change({ rule_id: value }))),
        messages.view(messageTable, { noun: "message", words: ["Newer", "Older"], none: () => empty("No messages", "Nothing that a rule is about has happened yet.") })),
    ],
    heard: (kind, data) => {
      if (kind === "config") names.heard(data.config_id);
      if (kind === "reset") for (const each of [rules, messages]) each.nudge();
    },
    close: () => { rules.close(); messages.close(); clearInterval(steady); },
  };
}

function state(name) {
  return status({ delivered: "success", suppressed: "skipped" }[name] ?? name, "", WORDS[name]);
}
