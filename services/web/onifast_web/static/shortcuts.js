// Keys, for whoever prefers them, as in Gmail. They work where nothing is being typed, and inside an HTML message too.

import { act, undoLast } from "./acting.js";
import { current, focusRow, idOf, listForm, refreshList, rows, selectedIds } from "./list.js";
import { closePane, openRow, openStep, paneOf, reading } from "./pane.js";
import { chooseAt } from "./row-tools.js";
import { selectAll, toggle } from "./selection.js";
import { openChoice } from "./sorting.js";

const GO = {
  i: "inbox",
  s: "starred",
  b: "snoozed",
  t: "sent",
  d: "drafts",
  a: "archive",
  "!": "junk",
  "#": "trash",
  o: "outbox",
};
const MANY = {
  a: () => true,
  n: null,
  r: (row) => !row.classList.contains("unread"),
  u: (row) => row.classList.contains("unread"),
  s: (row) => Boolean(row.querySelector(".star.on")),
  t: (row) => !row.querySelector(".star.on"),
};
const PREFIX_FOR = 1500;

let prefix = "";
let timer = 0;

export function enableShortcuts() {
  const help = document.getElementById("help");
  if (!help) return;
  document.querySelector("[data-help]")?.addEventListener("click", () => help.showModal());
  const listen = (event) => {
    if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (document.querySelector(".row-menu")) return;
    const done = prefix ? second(event.key) : first(event, help);
    if (done) event.preventDefault();
  };
  document.addEventListener("keydown", listen);
  // A frame that has the focus keeps its keys to itself; its sandbox has our origin, so that they are heard here.
  const within = (frame) => frame.contentDocument?.addEventListener("keydown", listen);
  document.addEventListener(
    "load",
    (event) => event.target.matches?.("iframe.html-body") && within(event.target),
    true,
  );
  for (const frame of document.querySelectorAll("iframe.html-body")) within(frame);
}

function isTyping(element) {
  if (element.matches("textarea, select, [contenteditable]")) return true;
  return element.matches("input") && !["checkbox", "radio", "submit", "button"].includes(element.type);
}

function wait(key) {
  prefix = key;
  clearTimeout(timer);
  timer = setTimeout(() => {
    prefix = "";
  }, PREFIX_FOR);
  return true;
}

function second(key) {
  const begun = prefix;
  prefix = "";
  if (begun === "g") return go(GO[key]);
  if (!(key in MANY)) return false;
  return MANY[key] ? selectAll(true, MANY[key]) : selectAll(false);
}

function go(name) {
  const links = [...document.querySelectorAll(".nav-list a")];
  return name ? press(links.find((link) => link.pathname.endsWith(`/${name}`))) : false;
}

function first(event, help) {
  const { key } = event;
  switch (key) {
    case "?":
      help.showModal();
      return true;
    case "g":
    case "*":
      return wait(key);
    case "c":
      return press(document.querySelector(".compose-button"));
    case "/":
      return focusOn(document.getElementById("q"));
    case "j":
    case "k":
      return step(key === "j" ? 1 : -1);
    case "J":
    case "K":
      return extend(key === "J" ? 1 : -1);
    case "o":
    case "Enter":
      return key === "o" || event.target === document.body ? open() : false;
    case "x":
    case "X":
      return toggle(current(), { extends: key === "X" });
    case "u":
      return back();
    case "r":
    case "a":
    case "L":
    case "f":
      return answer(key);
    case "e":
    case "#":
    case "!":
      return change(key);
    case "I":
    case "U":
      return mark(key === "I" ? "read" : "unread");
    case "s":
      return press(starOf());
    case "l":
    case "v":
    case "b":
      return choose(key);
    case "[":
    case "]":
      return archiveAndGo(key === "]" ? 1 : -1);
    case "m":
      return press(reading()?.querySelector('[name="muted"]'));
    case "n":
    case "p":
      return within(key === "n" ? 1 : -1);
    case "z":
      return undo();
    default:
      return false;
  }
}

// Whether keys are about the list: it has the focus, or something in it is selected, or nothing is read.
function isAtList() {
  if (!listForm()) return false;
  return !reading() || selectedIds().length > 0 || Boolean(document.activeElement?.closest?.(".list-form"));
}

function chosen() {
  const ids = selectedIds();
  return ids.length ? ids : [idOf(current())].filter(Boolean);
}

function step(by) {
  if (!listForm()) return press(document.querySelector(`[data-step="${by}"]:not([aria-disabled])`));
  if (paneOf() && reading() === paneOf()) return openStep(by) || true;
  return focusRow(neighbour(by));
}

function neighbour(by) {
  const all = rows();
  if (!all.length) return null;
  const at = all.indexOf(current());
  return all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))];
}

function extend(by) {
  const row = current();
  if (!row) return false;
  if (!row.querySelector(".pick input").checked) toggle(row, { checked: true });
  const next = neighbour(by);
  focusRow(next);
  return toggle(next, { extends: true });
}

function open() {
  const row = current();
  if (row && paneOf() && !row.querySelector('.row-link[href*="compose"]')) return Boolean(openRow(row));
  return press(row?.querySelector(".row-link") ?? document.activeElement?.closest?.("[data-unfold]"));
}

function back() {
  const pane = paneOf();
  if (pane && reading() === pane) return closePane();
  if (listForm()) return Boolean(refreshList());
  return press(document.querySelector('[data-key="u"]'));
}

function answer(key) {
  const root = reading();
  if (root && !isAtListRow()) {
    const here = document.activeElement?.closest?.(".message");
    const all = [...root.querySelectorAll(`.message [data-key="${key}"]`)];
    return press(here?.querySelector(`[data-key="${key}"]`) ?? all.at(-1));
  }
  const row = current();
  const name = { r: "reply", a: "reply_all", L: "reply_list", f: "forward" }[key];
  if (!row || document.querySelector("main").dataset.folder === "drafts") return false;
  const link = document.createElement("a");
  link.href = `${document.body.dataset.compose}?${name}=${idOf(row)}`;
  document.body.append(link);
  link.click();
  link.remove();
  return true;
}

function isAtListRow() {
  return Boolean(document.activeElement?.closest?.(".rows > .row")) && reading() !== paneOf();
}

// Archive, delete, junk: the open message, or the selected ones, or else the one that has the focus.
function change(key) {
  if (!isAtList()) {
    const root = reading();
    const value = key === "!" ? '[value="move:junk"], [value="move:inbox"]' : `[data-key="${key}"]`;
    return press(root?.querySelector(`.toolbar :is(${value})`));
  }
  const button = listForm().querySelector(`.bulk [data-key="${key}"]`);
  return does(button?.value);
}

function mark(action) {
  if (isAtList()) return does(action);
  return press(reading()?.querySelector(`.toolbar [value="${action}"]`));
}

function does(action) {
  const ids = chosen();
  if (!action || !ids.length) return false;
  act(action, selectedIds().length ? null : ids);
  return true;
}

function starOf() {
  return isAtList() ? current()?.querySelector(".star") : reading()?.querySelector(".toolbar .star, .star");
}

function choose(key) {
  if (!isAtList()) return openChoice(key, reading());
  if (selectedIds().length) return openChoice(key);
  const row = current();
  if (!row) return false;
  const box = row.getBoundingClientRect();
  chooseAt(key, [idOf(row)], box.left + 320, box.bottom);
  return true;
}

// As `[` and `]` in Gmail: archives, and goes to the newer or the older message.
function archiveAndGo(by) {
  if (isAtList() || reading() === paneOf()) {
    const row = current();
    const button = listForm()?.querySelector('.bulk [data-key="e"]');
    if (!row || !button) return false;
    const next = neighbour(by);
    const isOpen = reading() === paneOf() && paneOf();
    act(button.value, [idOf(row)]).then(() => {
      if (isOpen && next !== row) openRow(next);
      else if (next !== row) focusRow(next.isConnected ? next : rows()[0]);
    });
    return true;
  }
  const button = document.querySelector('.toolbar [data-key="e"]');
  const link = document.querySelector(`[data-step="${by}"]:not([aria-disabled])`);
  if (!button) return false;
  if (!link) return press(button);
  const body = new URLSearchParams(new FormData(button.form, button));
  fetch(button.form.getAttribute("action"), { method: "POST", headers: { Accept: "application/json" }, body }).then(
    (answered) => {
      if (answered.ok) location.href = link.href;
    },
  );
  return true;
}

// To the next message of a conversation, or the one before.
function within(by) {
  const all = [...(reading()?.querySelectorAll(".conversation > li") ?? [])];
  if (!all.length) return false;
  const at = all.findIndex((each) => each.contains(document.activeElement));
  const target = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))];
  const link = target.querySelector(":scope > a");
  if (!link) target.tabIndex = -1;
  return focusOn(link ?? target);
}

function undo() {
  if (document.querySelector(".snackbar[data-act]") && listForm()) return Boolean(undoLast());
  return press(document.querySelector('.snackbar [data-key="z"]'));
}

function press(element) {
  element?.click();
  return Boolean(element);
}

function focusOn(element) {
  element?.focus();
  element?.scrollIntoView({ block: "nearest" });
  return Boolean(element);
}
