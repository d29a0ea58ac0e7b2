// Times in the reader's own zone and language; the server wrote them in UTC.

import { language, zone } from "./texts.js";

const DAY = 24 * 60 * 60 * 1000;

// As month/day/year, there.
function day(date) {
  return date.toLocaleDateString("en-US", { timeZone: zone });
}

function short(date, now) {
  if (day(date) === day(now)) {
    return date.toLocaleTimeString(language, { timeZone: zone, hour: "2-digit", minute: "2-digit" });
  }
  if (now - date < 6 * DAY && now > date) {
    return date.toLocaleDateString(language, { timeZone: zone, weekday: "short" });
  }
  if (day(date).slice(-4) === day(now).slice(-4)) {
    return date.toLocaleDateString(language, { timeZone: zone, day: "numeric", month: "short" });
  }
  return date.toLocaleDateString(language, { timeZone: zone, day: "numeric", month: "short", year: "numeric" });
}

function soon(date) {
  return date.toLocaleString(language, {
    timeZone: zone,
    weekday: "short",
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
  });
}

function full(date) {
  return date.toLocaleString(language, {
    timeZone: zone,
    weekday: "short",
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
  });
}

// The end of what begins at the time before it: on the same day the day is not said again.
function until(date, element) {
  const start = new Date(element.parentElement.querySelector("time").dateTime);
  if (day(date) !== day(start)) return full(date);
  return date.toLocaleTimeString(language, { timeZone: zone, hour: "2-digit", minute: "2-digit" });
}

export function showLocalTimes(root) {
  const now = new Date();
  for (const element of root.querySelectorAll("time[datetime]")) {
    const date = new Date(element.dateTime);
    if (Number.isNaN(date.getTime())) continue;
    const style = element.dataset.style;
    if (style === "short") element.textContent = short(date, now);
    else if (style === "soon") element.textContent = soon(date);
    else if (style === "until") element.textContent = until(date, element);
    else if (style === "date")
      element.textContent = date.toLocaleDateString(language, {
        timeZone: zone,
        day: "numeric",
        month: "short",
        year: "numeric",
      });
    else element.textContent = full(date);
    element.title = date.toLocaleString(language, { timeZone: zone });
  }
}

// A form with days tells the server in whose zone they are.
export function nameZone() {
  const zone = document.querySelector("input[data-zone]");
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone || !here) return;
  zone.value = here;
  for (const each of document.querySelectorAll("[data-zone-name]")) each.textContent = here.replaceAll("_", " ");
}
