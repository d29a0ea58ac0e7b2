// Keys, for whoever prefers them. They work where nothing is being typed.

import { openChoice } from "./sorting.js";

const GO = { i: "inbox", s: "sent", d: "drafts", t: "trash", a: "archive", o: "outbox" };
let afterG = false;

export function enableShortcuts() {
  const help = document.getElementById("help");
  if (!help) return;
  document.querySelector("[data-help]")?.addEventListener("click", () => help.showModal());
  document.addEventListener("keydown", (event) => {
    if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const done = afterG ? go(event.key) : act(event.key, help);
    if (done) event.preventDefault();
  });
}

function isTyping(element) {
  if (element.matches("textarea, select, [contenteditable]")) return true;
  return element.matches("input") && !["checkbox", "radio", "submit", "button"].includes(element.type);
}

function act(key, help) {
  switch (key) {
    case "?":
      help.showModal();
      return true;
    case "c":
      return press(document.querySelector(".compose-button"));
    case "g":
      afterG = true;
      setTimeout(() => {
        afterG = false;
      }, 1500);
      return true;
    case "/":
      return focusOn(document.getElementById("q"));
    case "j":
      return step(1);
    case "k":
      return step(-1);
    case "o":
      return press(current()?.querySelector(".row-link"));
    case "x":
      return press(current()?.querySelector(".pick input"));
    case "u":
      return press(document.querySelector('[data-key="u"]'));
    case "r":
    case "a":
    case "L":
    case "f":
      return press(document.querySelector(`.message [data-key="${key}"]`));
    case "e":
    case "#":
      return change(key);
    case "s":
      return press((current() ?? document.querySelector(".toolbar"))?.querySelector(".star"));
    case "l":
    case "v":
      return choose(key);
    case "z":
      return press(document.querySelector('[data-key="z"]'));
    default:
      return false;
  }
}

function go(key) {
  afterG = false;
  const name = GO[key];
  if (!name) return false;
  const links = [...document.querySelectorAll(".nav-list a")];
  return press(links.find((link) => link.pathname.endsWith(`/${name}`)));
}

function rows() {
  return [...document.querySelectorAll(".rows .row")];
}

function current() {
  return document.activeElement?.closest(".rows .row");
}

function step(by) {
  const all = rows();
  if (!all.length) return false;
  const at = all.indexOf(current());
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by));
  return focusOn(all[next].querySelector(".row-link, summary"));
}

// Archive or delete: the open message, or the selected ones, or else the one that has the focus.
function change(key) {
  const button = document.querySelector(`[data-key="${key}"]`);
  const form = document.querySelector(".list-form");
  if (form && !form.querySelector(".pick input:checked")) {
    const box = current()?.querySelector(".pick input");
    if (!box) return false;
    box.checked = true;
  }
  return press(button);
}

// What to label or move is the open message, or the selected ones, or else the one that has the focus.
function choose(key) {
  const form = document.querySelector(".list-form");
  if (form && !form.querySelector(".pick input:checked")) press(current()?.querySelector(".pick input"));
  return openChoice(key);
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
