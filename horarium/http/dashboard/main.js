// The frame around every page: who is here, where one can go, whether what is shown is still true.

import { moment, running, now } from "./clock.js";
import { h } from "./dom.js";
import { connect, disconnect, listen, live } from "./live.js";
import { oldestRead, stale } from "./load.js";
import { empty } from "./parts.js";
import { go, here, start } from "./router.js";
import { logOut, may, mayResume, renew, session, Unrenewed, whenSessionChanges } from "./session.js";
import { attempt, closeDialogs } from "./talk.js";
import { show, update } from "./view.js";
import { loginPage } from "./pages/login.js";
import { icon } from "./icons.js";

const PAGES = [
  ["Now", "/", "now"],
  ["Configs", "/configs", "configs"],
  ["Executions", "/executions", "executions"],
  ["Tree", "/tree", "tree"],
  ["Workers", "/workers", "workers"],
  ["Notifications", "/notifications", "told"],
  ["Users & keys", "/people", "people", "admin"],
  ["Audit", "/audit", "audit", "admin"],
];
const ROUTES = [
  [/^\/$/, lazily(() => import("./pages/now.js"), "nowPage")],
  [/^\/login$/, loginPage],
  [/^\/configs$/, lazily(() => import("./pages/configs.js"), "configsPage")],
  [/^\/configs\/new$/, lazily(() => import("./pages/edit.js"), "newConfigPage")],
  [/^\/configs\/(?<id>\d{1,18})$/, lazily(() => import("./pages/config.js"), "configPage")],
  [/^\/configs\/(?<id>\d{1,18})\/edit$/, lazily(() => import("./pages/edit.js"), "editConfigPage")],
  [/^\/executions$/, lazily(() => import("./pages/executions.js"), "executionsPage")],
  [/^\/executions\/(?<id>[0-9a-f-]{36})$/, lazily(() => import("./pages/execution.js"), "executionPage")],
  [/^\/tree$/, lazily(() => import("./pages/tree.js"), "treePage")],
  [/^\/workers$/, lazily(() => import("./pages/workers.js"), "workersPage")],
  [/^\/notifications$/, lazily(() => import("./pages/notifications.js"), "notificationsPage")],
  [/^\/people$/, lazily(() => import("./pages/people.js"), "peoplePage")],
  [/^\/audit$/, lazily(() => import("./pages/audit.js"), "auditPage")],
];
const REST_MS = 2000; // after which the other pages are loaded, so that going there needs nothing of the server
const UNTOLD_MS = 5000; // how often a page is read anew while nothing is told
const THEMES = { auto: "As the system", light: "Light", dark: "Dark" };

let page = null;
let resuming = true;
let unreachable = false;

// What makes a page, out of a module that is loaded when it is first asked for: most who come want to see one page.
function lazily(load, name) {
  const make = async (parameters) => {
    const module = await load().catch(() => null);
    return module ? module[name](parameters) : unloadedPage();
  };
  make.load = () => load().catch(() => {}); // whoever goes there is told
  return make;
}

async function arrived(make, parameters) {
  page?.close?.();
  page = null;
  closeDialogs(); // they asked about what was shown
  if (session.user === null && make !== loginPage) {
    if (!resuming) go(`/login?then=${encodeURIComponent(here())}`, { replace: true });
    return;
  }
  if (session.user !== null && make === loginPage) {
    go(onOurSide(parameters.query.then), { replace: true });
    return;
  }
  const coming = comingPage();
  page = coming;
  update();
  const made = make ? await make(parameters) : lostPage();
  if (page !== coming) { // one has gone on meanwhile
    made.close?.();
    return;
  }
  page = made;
  update();
  focusOnPage();
}

// Where a login leads to: a path of ours, and never somebody else's address.
function onOurSide(wanted) {
  if (!wanted?.startsWith("/")) return "/";
  const address = new URL(wanted, location.origin);
  return address.origin === location.origin && address.pathname !== "/login" ? address.pathname + address.search : "/";
}

let first = true;

// A reader of the screen, and whoever uses the keyboard, is taken to the page that has been opened.
function focusOnPage() {
  if (first) {
    first = false;
    return;
  }
  requestAnimationFrame(() => requestAnimationFrame(() => {
    document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    if (!document.querySelector("main")?.contains(document.activeElement)) document.getElementById("page-title")?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }));
}

function comingPage() {
  return { title: null, view: bone };
}

function bone() {
  return h("div", { class: "skeleton", "aria-busy": "true" }, h("div", { class: "bone bone-0" }));
}

function unloadedPage() {
  return { title: "Not loaded", view: () => h("div", { class: "empty" }, h("p", { class: "empty-title" }, "This page could not be loaded."), h("p", {}, "Horarium does not answer, or is of another release by now."), h("button", { class: "after", on: { click: () => location.reload() } }, "Load anew")) };
}

function lostPage() {
  return { title: "Not here", view: () => h("div", { class: "empty" }, h("p", { class: "empty-title" }, "There is no such page."), h("p", {}, h("a", { href: "/" }, "To what happens now"))) };
}

function view() {
  document.title = page?.title ? `${page.title} · Horarium` : "Horarium";
  if (page?.bare) return h("main", { key: "bare", id: "main", class: "bare" }, page.view());
  return [
    h("a", { key: "skip", class: "skip", href: "#main" }, "Skip to the page"),
    h("header", { key: "header", class: "side" },
      h("a", { class: "brand", href: "/", "aria-label": "Horarium: now" }, icon("bell"), h("span", {}, "Horarium")),
      h("nav", { "aria-label": "Pages" }, PAGES.filter(([, , , role]) => !role || may(role)).map(destination)),
      h("div", { class: "account" }, connection(), session.user && account())),
    h("div", { key: "stage", class: `stage ${(live.state === "lost" && !resuming) || stale() ? "stale" : ""}` },
      banner(),
      h("main", { id: "main" },
        h("div", { class: "page-head" }, h("h1", { id: "page-title", tabindex: "-1" }, page?.heading?.() ?? page?.title ?? "Horarium"), page?.actions?.()),
        page ? page.view() : unreachable ? null : bone())),
  ];
}

function destination([word, address, sign]) {
  const inside = address === "/" ? location.pathname === "/" : location.pathname.startsWith(address);
  return h("a", { href: address, "aria-current": inside ? "page" : undefined }, icon(sign), h("span", {}, word));
}

function connection() {
  const [state, word] = {
    live: ["live", "Live"],
    connecting: ["connecting", "Connecting"],
    away: ["away", "Events paused"],
    lost: ["lost", "Reconnecting"],
  }[live.state];
  return h("p", { class: "connection", "data-state": state, title: `Last heard from Horarium: ${moment(live.heardAt)}` }, h("span", { class: "lamp", "aria-hidden": "true" }), word);
}

function banner() {
  if (unreachable) return said(unreachable instanceof Unrenewed ? unreachable.message : "Horarium does not answer.", " It is tried again every few seconds.");
  if (!session.user) return null;
  const unread = stale();
  if (live.state === "lost") return said("Connection lost. ", asOf(Math.max(live.heardAt, oldestRead() ?? 0)), " Reconnecting …");
  if (unread) return said("Horarium cannot read this now. ", asOf(unread.readAt), ` It says: ${unread.problem.message}. It is asked again every few seconds.`);
  if (live.state === "away") return said("Nothing is told as it happens ", "(Redis is away). What you see is read anew every few seconds.");
  return null;
}

function said(what, ...more) {
  return h("div", { key: "banner", class: "banner", role: "status" }, h("strong", {}, what), more);
}

function asOf(at) {
  return ["What you see is as of ", h("span", { class: "number" }, moment(at)), h("span", { "aria-hidden": "true" }, `, ${running((now() - at) / 1000)} ago`), "."];
}

function account() {
  const chosen = document.documentElement.dataset.theme ?? "auto";
  return h("details", { class: "menu" },
    h("summary", { "aria-label": `Account of ${session.user.username}` }, h("span", { class: "initial", "aria-hidden": "true" }, session.user.username[0].toUpperCase()), h("span", { class: "who" }, session.user.username), h("span", { class: "quiet who" }, session.user.role)),
    h("div", { class: "menu-body" },
      h("p", { class: "quiet" }, `${session.user.username}, ${session.user.role}`),
      h("fieldset", {}, h("legend", {}, "Appearance"), Object.entries(THEMES).map(([key, word]) =>
        h("label", {}, h("input", { type: "radio", name: "theme", value: key, checked: key === chosen, on: { change: () => wear(key) } }), word))),
      h("a", { href: "/docs" }, "The API"),
      h("button", { on: { click: () => attempt(logOut) } }, "Log out")));
}

function wear(theme) {
  if (theme === "auto") {
    localStorage.removeItem("horarium.theme");
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem("horarium.theme", theme);
    document.documentElement.dataset.theme = theme;
  }
  update();
}

function sessionChanged() {
  if (session.user === null) {
    disconnect();
    closeDialogs();
    if (!page?.bare) go(`/login?then=${encodeURIComponent(here())}`, { replace: true, isForced: true });
  } else if (page?.bare || page === null) {
    connect();
    if (!resuming) go(onOurSide(new URLSearchParams(location.search).get("then")), { replace: true });
  }
  update();
}

listen((kind, data) => {
  if (kind === "state" && data === "live") page?.heard?.("reset", {});
  page?.heard?.(kind === "many" ? "reset" : kind, data); // `data.executions` says that nothing else is to be read anew
  update();
});

// Who sees the page again sees it as it is by then.
document.addEventListener("visibilitychange", () => { if (document.hidden) page?.heard?.("reset", {}); });
setInterval(() => { if (live.state !== "live" && !document.hidden) page?.heard?.("reset", {}); }, UNTOLD_MS);

async function resume() {
  while (mayResume() && session.user === null) {
    try {
      await renew();
      unreachable = null;
    } catch (error) {
      unreachable = error;
      update();
      await new Promise((resolve) => { setTimeout(resolve, 2000); });
    }
  }
  resuming = false;
}

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target) || event.target.closest("a, button")) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const menu of document.querySelectorAll("details.menu[open]")) { menu.open = false; menu.querySelector("summary").focus(); }
});

whenSessionChanges(sessionChanged);
show(document.getElementById("app"), view);
ROUTES.find(([pattern]) => pattern.test(location.pathname))?.[1].load?.(); // while the session is renewed
await resume();
start(ROUTES, arrived);
setTimeout(() => { for (const [, make] of ROUTES) make.load?.(); }, REST_MS);
