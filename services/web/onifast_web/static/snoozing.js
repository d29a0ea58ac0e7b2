// The times that a message can be put off until, in the reader's own zone.

import { language, t } from "./texts.js";

const HOUR = 60 * 60 * 1000;

export function enableSnoozing() {
  const menu = document.querySelector("[data-snooze]");
  if (!menu) return;
  menu.querySelector("[data-zone]").textContent = Intl.DateTimeFormat().resolvedOptions().timeZone.replaceAll("_", " ");
  menu.closest("details").addEventListener("toggle", () => offer(menu, new Date()));
  const own = menu.querySelector('[name="until"]');
  const button = menu.querySelector(".menu-own button");
  button.addEventListener("click", (event) => {
    const date = new Date(own.value);
    if (own.value && date > Date.now()) {
      button.value = `snooze:${Math.floor(date.getTime() / 1000)}`;
      return;
    }
    event.preventDefault();
    own.setCustomValidity(own.value ? t("Choose a time that is to come.") : t("Choose a date and a time."));
    own.reportValidity();
  });
  own.addEventListener("input", () => own.setCustomValidity(""));
}

function offer(menu, now) {
  const times = choices(now);
  for (const button of menu.querySelectorAll("[data-when]")) {
    const when = times[button.dataset.when];
    button.hidden = !when;
    if (!when) continue;
    button.value = `snooze:${Math.floor(when.getTime() / 1000)}`;
    const time = button.querySelector("time");
    time.dateTime = when.toISOString();
    time.textContent = words(when, now);
  }
}

function choices(now) {
  const day = (days, hour) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, hour);
  const later = new Date(Math.ceil((now.getTime() + 2 * HOUR) / HOUR) * HOUR);
  const saturday = (6 - now.getDay()) % 7 || 7;
  return {
    later: later.getDate() === now.getDate() ? later : null,
    tomorrow: day(1, 8),
    weekend: now.getDay() === 5 ? null : day(saturday, 8),
    week: day((8 - now.getDay()) % 7 || 7, 8),
  };
}

function words(when, now) {
  const time = { hour: "2-digit", minute: "2-digit" };
  if (when.toDateString() === now.toDateString()) return when.toLocaleTimeString(language, time);
  return when.toLocaleString(language, { weekday: "short", ...time });
}
