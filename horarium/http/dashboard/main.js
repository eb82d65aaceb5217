// The frame around every page: who is here, where one can go, whether what is shown is still true.

import { moment, running, now } from "./clock.js";
import { h } from "./dom.js";
import { connect, disconnect, listen, live } from "./live.js";
import { oldestRead, stale } from "./load.js";
import { empty } from "./parts.js";
import { go, here, noted, start } from "./router.js";
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
  [/^\/configs\/new$/, lazily(() => import("./pages/edit.js"), "newConfigPage", "operator")],
  [/^\/configs\/(?<id>\d{1,18})$/, lazily(() => import("./pages/config.js"), "configPage")],
  [/^\/configs\/(?<id>\d{1,18})\/edit$/, lazily(() => import("./pages/edit.js"), "editConfigPage", "operator")],
  [/^\/executions$/, lazily(() => import("./pages/executions.js"), "executionsPage")],
  [/^\/executions\/(?<id>[0-9a-f-]{36})$/, lazily(() => import("./pages/execution.js"), "executionPage")],
  [/^\/tree$/, lazily(() => import("./pages/tree.js"), "treePage")],
  [/^\/workers$/, lazily(() => import("./pages/workers.js"), "workersPage")],
  [/^\/notifications$/, lazily(() => import("./pages/notifications.js"), "notificationsPage")],
  [/^\/people$/, lazily(() => import("./pages/people.js"), "peoplePage", "admin")],
  [/^\/audit$/, lazily(() => import("./pages/audit.js"), "auditPage", "admin")],
];
const REST_MS = 2000; // after which the other pages are loaded, so that going there needs nothing of the server
const UNTOLD_MS = 5000; // how often a page is read anew while nothing is told
const WHO = { operator: "operators and admins", admin: "admins" };
const THEMES = { auto: "As the system", light: "Light", dark: "Dark" };
const AT_HAND = 4; // destinations that a phone shows at once, the most wanted first
const phone = matchMedia("(max-width: 52rem)"); // as in shell.css

let page = null;
let visits = 0; // each page is drawn into nodes of its own, also where one like it was drawn before
let resuming = true;
let unreachable = null; // why there is no telling yet whether there is a session

// What makes a page, for those who may see it, out of a module that is loaded when it is first asked for: most who come
// want to see one page.
function lazily(load, name, role = "viewer") {
  const make = async (parameters) => {
    const module = await load().catch(() => null);
    if (!module) return unloadedPage();
    return may(role) ? module[name](parameters) : forbiddenPage(role);
  };
  make.load = () => load().catch(() => {}); // whoever goes there is told
  return make;
}

async function arrived(make, parameters) {
  page?.close?.();
  page = null;
  visits += 1;
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
    if (!document.querySelector("main")?.contains(document.activeElement)) document.getElementById("page-title")?.focus({ preventScroll: true });
    growth.disconnect();
    left = noted()?.top ?? 0;
    growth.observe(document.getElementById("main"));
  }));
}

// Who comes back to a page comes to where they left it, as soon as there is so much of it again, unless they have done
// something on it by then.
let left = 0;
const growth = new ResizeObserver(() => {
  scrollTo(0, left);
  if (document.documentElement.scrollHeight - innerHeight >= left) growth.disconnect();
});
for (const kind of ["wheel", "touchmove", "pointerdown", "keydown"]) addEventListener(kind, () => growth.disconnect(), { passive: true });

// The address stays as it is: another one would make the page anew.
function skip(event) {
  event.preventDefault();
  document.getElementById("page-title").focus();
}

function comingPage() {
  return { title: null, view: bone };
}

function bone() {
  return h("div", { class: "skeleton", "aria-busy": "true" }, h("div", { class: "bone bone-0" }));
}

function unloadedPage() {
  const anew = () => h("button", { class: "after", on: { click: () => location.reload() } }, "Load anew");
  return { title: "Not loaded", view: () => empty("This page could not be loaded.", "Horarium does not answer, or is of another release by now.", anew()) };
}

function forbiddenPage(role) {
  return { title: "Not for everybody", view: () => empty(`This is for ${WHO[role]}`, `You are logged in as ${session.user?.username}, ${session.user?.role}. An admin can give you another role.`) };
}

function lostPage() {
  return { title: "Not here", view: () => empty("There is no such page.", h("a", { href: "/" }, "To what happens now")) };
}

function view() {
  document.title = page?.title ? `${page.title} · Horarium` : "Horarium";
  if (page?.bare) return h("main", { key: "bare", id: "main", class: "bare" }, page.view());
  return [
    h("a", { key: "skip", class: "skip", href: "#main", on: { click: skip } }, "Skip to the page"),
    h("header", { key: "header", class: "side" },
      h("a", { class: "brand", href: "/", "aria-label": "Horarium: now" }, icon("bell"), h("span", {}, "Horarium")),
      navigation(),
      h("div", { class: "account" }, connection(), session.user && account())),
    h("div", { key: "stage", class: `stage ${(live.state === "lost" && !resuming) || stale() ? "stale" : ""}` },
      banner(),
      h("main", { key: visits, id: "main" },
        h("div", { class: "page-head" }, h("h1", { id: "page-title", tabindex: "-1" }, page?.heading?.() ?? page?.title ?? "Horarium"), page?.actions?.()),
        page ? page.view() : unreachable ? null : bone())),
  ];
}

// On a phone there is room for five: the rest is behind the last of them.
function navigation() {
  const pages = PAGES.filter(([, , , role]) => !role || may(role));
  if (!phone.matches) return h("nav", { "aria-label": "Pages" }, pages.map(destination));
  const rest = pages.slice(AT_HAND);
  return h("nav", { "aria-label": "Pages" }, pages.slice(0, AT_HAND).map(destination),
    h("details", { key: "more", class: "menu more-pages" },
      h("summary", { class: rest.some(isInside) ? "inside" : undefined }, icon("more"), h("span", {}, "More")),
      h("div", { class: "menu-body" }, rest.map(destination))));
}

function isInside([, address]) {
  return address === "/" ? location.pathname === "/" : location.pathname.startsWith(address);
}

function destination(page) {
  const [word, address, sign] = page;
  return h("a", { href: address, "aria-current": isInside(page) ? "page" : undefined }, icon(sign), h("span", {}, word));
}

function connection() {
  const [state, word] = {
    live: ["live", "Live"],
    connecting: ["connecting", "Connecting"],
    away: ["away", "Events paused"],
    crowded: ["away", "Read now and then"],
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
  if (live.state === "crowded") return said("This page is not told what happens: ", "other pages of Horarium are, and a browser has few connections for all of them. What you see is read anew every few seconds.");
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

phone.addEventListener("change", update);
whenSessionChanges(sessionChanged);
show(document.getElementById("app"), view);
ROUTES.find(([pattern]) => pattern.test(location.pathname))?.[1].load?.(); // while the session is renewed
await resume();
start(ROUTES, arrived);
setTimeout(() => { for (const [, make] of ROUTES) make.load?.(); }, REST_MS);
