// The reading pane: a message opens beside the list, or below it, and the list stays where it is.

import { fitFrames } from "./frame.js";
import { focusRow, idOf, rows } from "./list.js";
import { prepareReading } from "./reading.js";
import { t } from "./texts.js";
import { showLocalTimes } from "./times.js";

const WIDE = "(min-width: 64rem)";
let round = 0;

export function paneOf() {
  const pane = document.querySelector("[data-reading]");
  return pane && matchMedia(WIDE).matches ? pane : null;
}

// What is read: the pane's message, or the page's.
export function reading() {
  const pane = paneOf();
  return pane?.querySelector(".message, .conversation") ? pane : document.querySelector("main[data-message]");
}

export function enablePane() {
  if (!document.querySelector("[data-reading]")) return;
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const pane = paneOf();
    if (!pane) return;
    const step = event.target.closest("[data-reading] [data-step]");
    const link = event.target.closest(".rows .row-link");
    if (step) {
      event.preventDefault();
      openStep(Number(step.dataset.step));
    } else if (event.target.closest('[data-reading] .toolbar [data-key="u"]')) {
      event.preventDefault();
      closePane();
    } else if (link && new URL(link.href).pathname !== new URL(document.body.dataset.compose, location.href).pathname) {
      event.preventDefault();
      openRow(link.closest(".row"));
    }
  });
  document.addEventListener("reading:changed", () => openRow(document.querySelector(".row.current")));
  document.addEventListener("reading:gone", (event) => {
    const next = rows().find((row) => idOf(row) === event.detail.next);
    if (!next || !reading()) closePane();
    else openRow(next);
  });
}

// Opens the message after the one that is open, or before it; whether there is one.
export function openStep(by) {
  const all = rows();
  const at = all.findIndex((row) => row.classList.contains("current"));
  const row = all[at + by];
  if (!row || at < 0) return false;
  openRow(row);
  return true;
}

export async function openRow(row) {
  const pane = paneOf();
  if (!row || !pane) return;
  const mine = ++round;
  for (const each of rows()) each.classList.toggle("current", each === row);
  row.querySelector(".row-link").setAttribute("aria-current", "true");
  focusRow(row);
  const url = row.querySelector(".row-link").href;
  const answer = await fetch(url, { headers: { Accept: "text/html" } }).catch(() => null);
  const page = answer?.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  if (mine !== round) return;
  const main = page?.querySelector("main[data-message]");
  if (!main) {
    location.href = url;
    return;
  }
  showLocalTimes(main);
  pane.replaceChildren(...main.childNodes);
  pane.scrollTop = 0;
  for (const steps of pane.querySelectorAll("[data-steps]")) steps.hidden = false;
  row.classList.remove("unread");
  row.querySelector(".dot")?.remove();
  pane.setAttribute("aria-label", row.querySelector(".subject")?.textContent ?? t("Reading pane"));
  fitFrames(pane);
  prepareReading(pane);
}

export function closePane() {
  const pane = paneOf();
  const row = document.querySelector(".row.current");
  round += 1;
  row?.classList.remove("current");
  row?.querySelector(".row-link").removeAttribute("aria-current");
  pane?.replaceChildren();
  if (!focusRow(row ?? rows()[0])) document.getElementById("content").focus();
  return true;
}
