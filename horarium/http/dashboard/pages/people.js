// Who may come in: people with their roles, and keys of machines. A key's text is shown once, when it is made.

import { call, post, read } from "../api.js";
import { now } from "../clock.js";
import { tellSecret } from "../copying.js";
import { h } from "../dom.js";
import { Loaded } from "../load.js";
import { at, choice, countdown, empty, field, leftOut, loaded, section, since, status, table } from "../parts.js";
import { session } from "../session.js";
import { ask, attempt } from "../talk.js";

const ROLES = [["viewer", "Viewer: looks"], ["operator", "Operator: runs and edits configs"], ["admin", "Admin: users, keys and actors as well"]];
const MOST = 200;

export function peoplePage() {
  const users = new Loaded((signal) => read("/users", { limit: MOST }, signal), 1000);
  const keys = new Loaded((signal) => read("/api-keys", { limit: MOST }, signal), 1000);

  const text = (values, name, label, more = {}, told = null) => field(label, h("input", { name, value: values[name] ?? "", ...more, on: { input: (event) => { values[name] = event.target.value; } } }), told);
  const role = (values) => choice("Role", ROLES, values.role, (chosen) => { values.role = chosen; });
  const secret = { type: "password", autocomplete: "new-password", required: true, minlength: "8" };

  const addUser = () => ask({
    title: "A new user", confirm: "Create", values: { role: "viewer" },
    body: (values) => [text(values, "username", "Name", { required: true, autocapitalize: "none" }), text(values, "password", "Password", secret, "At least 8 characters"), role(values)],
    act: (values) => post("/users", { username: values.username, password: values.password, role: values.role }),
  }).then(() => users.refresh());

  const editUser = (user) => ask({
    title: `Change ${user.username}`, confirm: "Save", values: { role: user.role, password: "" },
    text: "Another role or password ends all sessions of the user.",
    body: (values) => [role(values), text(values, "password", "New password", { ...secret, required: false }, "Empty: it stays")],
    act: (values) => call("PATCH", `/users/${user.id}`, { body: { ...(values.role === user.role ? {} : { role: values.role }), ...(values.password ? { password: values.password } : {}) } }),
  }).then(() => users.refresh());

  const enable = (user, isActive) => attempt(() => call("PATCH", `/users/${user.id}`, { body: { is_active: isActive } }), isActive ? `${user.username} may log in` : `${user.username} is out`).then(() => users.refresh());

  const removeUser = (user) => ask({
    title: `Delete ${user.username}?`, text: "All sessions of the user end at once. What was changed stays in the audit log.", confirm: "Delete", danger: true,
    act: () => call("DELETE", `/users/${user.id}`),
  }).then(() => users.refresh());

  async function addKey() {
    let made = null;
    const done = await ask({
      title: "A new API key", confirm: "Create", values: { role: "viewer" },
      body: (values) => [text(values, "name", "Name", { required: true, placeholder: "what it is for" }), role(values), text(values, "expires", "Ends", { type: "date" }, "As this day begins, on your clock; empty: when it is deleted")],
      act: async (values) => { made = await post("/api-keys", { name: values.name, role: values.role, ...(values.expires ? { expires_at: new Date(`${values.expires}T00:00`).toISOString() } : {}) }); },
    });
    keys.refresh();
    if (done) await tellSecret(`The key of ${made.name}`, "Machines send it with each call.", made.key);
  }

  const removeKey = (key) => ask({
    title: `Delete the key ${key.name}?`, text: "Whoever uses it is refused at once.", confirm: "Delete", danger: true, act: () => call("DELETE", `/api-keys/${key.id}`),
  }).then(() => keys.refresh());

  function userRow(user) {
    const isOwn = user.id === session.user?.id;
    return h("tr", { key: user.id },
      h("th", { scope: "row" }, user.username, isOwn && h("span", { class: "beside" }, "you"), user.full_name && h("span", { class: "under" }, user.full_name)),
      h("td", { "data-label": "Role" }, user.role),
      h("td", { "data-label": "State" }, user.is_active ? status("active") : status("inactive", "cannot log in")),
      h("td", { "data-label": "Since", class: "number" }, since(user.created_at)),
      h("td", { class: "act" }, h("button", { class: "small", "aria-label": `Change ${user.username}`, on: { click: () => editUser(user) } }, "Change …"), !isOwn && [
        h("button", { key: user.is_active, class: "small", "aria-label": `${user.is_active ? "Disable" : "Enable"} ${user.username}`, on: { click: () => enable(user, !user.is_active) } }, user.is_active ? "Disable" : "Enable"),
        h("button", { class: "small", "aria-label": `Delete ${user.username}`, on: { click: () => removeUser(user) } }, "Delete …")]));
  }

  function keyRow(key) {
    return h("tr", { key: key.id },
      h("th", { scope: "row" }, key.name, h("code", { class: "beside" }, `${key.prefix}…`)),
      h("td", { "data-label": "Role" }, key.role),
      h("td", { "data-label": "Last used", class: "number" }, since(key.last_used_at)),
      h("td", { "data-label": "Ends", class: "number" }, key.expires_at ? ending(key.expires_at) : h("span", { class: "quiet" }, "never")),
      h("td", { class: "act" }, h("button", { class: "small", "aria-label": `Delete the key ${key.name}`, on: { click: () => removeKey(key) } }, "Delete …")));
  }

  return {
    title: "Users and keys",
    view: () => [
      section("Users", loaded(users, (page) => [table("Users", "people", ["Name", "Role", "State", "Since"], page.items.map(userRow), true), leftOut(page, "user")], 3), h("p", { class: "after" }, h("button", { on: { click: addUser } }, "New user …"))),
      section("API keys", loaded(keys, (page) => (page.items.length ? [table("API keys", "people", ["Name", "Role", "Last used", "Ends"], page.items.map(keyRow), true), leftOut(page, "key")] : empty("No keys", "A machine that calls the API has one of its own.")), 3), h("p", { class: "after" }, h("button", { on: { click: addKey } }, "New key …"))),
    ],
    heard: (kind, data) => { if (kind === "reset" && !data.executions) { users.nudge(); keys.nudge(); } },
    close: () => { users.close(); keys.close(); },
  };
}

function ending(instant) {
  return Date.parse(instant) > now() ? [countdown(instant), h("span", { class: "under" }, at(instant))] : h("span", { class: "late" }, "ended ", since(instant));
}
