// New mail shows by itself: counts every half minute, and the list when it is the newest page and nothing is selected.
import { showLocalTimes } from "./times.js";

const EVERY = 30_000;
let known = null;

export function keepUpToDate() {
  if (!document.querySelector("[data-count]")) return;
  setInterval(look, EVERY);
  document.addEventListener("visibilitychange", look);
}

async function look() {
  if (document.hidden) return;
  const root = document.body.dataset.root.replace(/\/$/, "");
  const answer = await fetch(`${root}/api/mail/counts`, { headers: { Accept: "application/json" } }).catch(() => null);
  if (!answer?.ok) return;
  const text = await answer.text();
  if (text === known) return;
  const first = known === null;
  known = text;
  showCounts(JSON.parse(text));
  if (!first || countsDiffer) await refreshList();
}

let countsDiffer = false;

function showCounts(counts) {
  countsDiffer = false;
  for (const badge of document.querySelectorAll("[data-count]")) {
    const name = badge.dataset.count;
    const folder = counts.folders[name];
    const number =
      name === "scheduled"
        ? counts.scheduled
        : name === "drafts"
          ? folder?.total
          : ["inbox", "junk"].includes(name)
            ? folder?.unread
            : 0;
    const shown = badge.hidden ? 0 : Number.parseInt(badge.textContent, 10);
    if (shown === (number ?? 0)) continue;
    countsDiffer = true;
    badge.hidden = !number;
    badge.textContent = number;
    badge.classList.toggle("unread", ["inbox", "junk"].includes(name) && number > 0);
    if (name === "scheduled") badge.closest("li").hidden = !number && !badge.closest("[aria-current]");
  }
}

async function refreshList() {
  const main = document.querySelector("main[data-live]");
  if (!main || main.querySelector(".pick input:checked") || main.contains(document.activeElement)) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector(".list-form");
  const old = main.querySelector(".list-form");
  if (!fresh || !old) return;
  showLocalTimes(fresh);
  old.replaceChildren(...fresh.childNodes);
  document.title = page.title;
}
