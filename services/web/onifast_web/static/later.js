// Sending later: times in the reader's own zone, a few that are often meant, and the moment in UTC for the server.

import { language, t } from "./texts.js";

const WORDS = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };

export function enableSendingLater() {
  for (const field of document.querySelectorAll("[data-later]")) prepare(field);
}

function prepare(field) {
  const form = field.form;
  const moment = form.querySelector(`[name="send_at"]`);
  const zone = field.closest(".later-time").querySelector("[data-zone]");
  const given = new Date(field.dataset.later);
  zone.textContent = Intl.DateTimeFormat().resolvedOptions().timeZone.replaceAll("_", " ");
  if (!Number.isNaN(given.getTime())) field.value = local(given);
  form.addEventListener("submit", () => {
    moment.value = utc(field.value);
  });
  const menu = field.closest(".later");
  if (menu) closeByItself(menu);
  offerTimes(field, form);
}

// As a menu does: Escape and a click elsewhere close it.
function closeByItself(menu) {
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
}

function offerTimes(field, form) {
  const list = form.querySelector("[data-suggestions]");
  if (!list) return;
  for (const [name, when] of suggestions(new Date())) {
    const button = document.createElement("button");
    button.className = "button";
    button.name = "do";
    button.value = "later";
    button.append(text("span", name), text("time", when.toLocaleString(language, WORDS), "quiet"));
    button.addEventListener("click", () => {
      field.value = local(when);
    });
    list.append(button);
  }
}

function suggestions(now) {
  const evening = at(now, 0, 18);
  const monday = at(now, (8 - now.getDay()) % 7 || 7, 8);
  const tomorrow = at(now, 1, 8);
  const found = [[t("Tomorrow morning"), tomorrow]];
  // An hour from now it is evening anyway.
  if (evening - now > 60 * 60 * 1000) found.unshift([t("This evening"), evening]);
  if (monday > tomorrow) found.push([t("Monday morning"), monday]);
  return found;
}

function at(now, days, hour) {
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, hour);
}

function text(tag, content, className = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = content;
  return element;
}

// What a field of type datetime-local holds, and what it means.
function local(date) {
  const two = (number) => String(number).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}`;
}

function utc(value) {
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? "" : `${date.toISOString().slice(0, 19)}Z`;
}
