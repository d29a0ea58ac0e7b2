// New mail shows by itself: while the page is to be seen, a look every two seconds at whether anything has changed, which
// costs the server next to nothing (304); then the counts, and the list where it is the newest page.
// Who wants to be told of new mail has a page that is not to be seen look too, seldom.

import { showUnread, unreadShown } from "./badge.js";
import { tellOfNew, wantsNotifications } from "./device.js";
import { refreshList } from "./list.js";

const EVERY = 2_000;
const HIDDEN = 30_000;
const SELDOM = 60_000; // where the server does not answer, or has enough to do
const POLL = { "X-Onifast-Poll": "1" }; // does not make a session last longer
let pause = EVERY;
let timer = 0;
let round = 0;
let known = "";
let listIsOld = false;

export function keepUpToDate() {
  showUnread(unreadShown());
  document.addEventListener("list:fresh", () => showUnread(unreadShown()));
  if (!document.querySelector("[data-count]")) return;
  document.addEventListener("visibilitychange", begin);
  begin();
}

function begin() {
  clearTimeout(timer);
  round += 1;
  pause = usual();
  if (!document.hidden || wantsNotifications()) go(round);
}

function usual() {
  return document.hidden ? HIDDEN : EVERY;
}

async function go(mine) {
  await look();
  // Meanwhile the page may have been hidden, and shown again.
  if (mine === round && pause) timer = setTimeout(go, pause, mine);
}

async function look() {
  const root = document.body.dataset.root.replace(/\/$/, "");
  const headers = { Accept: "application/json", ...POLL };
  if (known) headers["If-None-Match"] = known;
  // Not kept by the browser, or it would answer for a 304 by itself.
  const answer = await fetch(`${root}/api/mail/counts`, { headers, cache: "no-store" }).catch(() => null);
  pause = pauseAfter(answer);
  if (answer?.ok) {
    const first = !known;
    known = answer.headers.get("ETag") ?? "";
    listIsOld = showCounts(await answer.json()) || listIsOld || !first;
    tellOfNew(root);
  }
  if (listIsOld && (answer?.ok || answer?.status === 304)) {
    listIsOld = Boolean(document.querySelector("main[data-live]")) && !(await refreshList());
  }
  showUnread(unreadShown());
}

// 0 for never again: who has been logged out.
function pauseAfter(answer) {
  if (answer?.ok || answer?.status === 304) return usual();
  return answer?.status === 401 ? 0 : Math.min(pause * 2, SELDOM);
}

// Whether the page showed other numbers.
function showCounts(counts) {
  let differ = false;
  for (const badge of document.querySelectorAll("[data-count]")) {
    const name = badge.dataset.count;
    const isLabel = name.startsWith("label-");
    const folder = isLabel ? counts.labels?.find((each) => `label-${each.id}` === name) : counts.folders[name];
    const number =
      name === "scheduled"
        ? counts.scheduled
        : name === "drafts"
          ? folder?.total
          : isLabel || ["inbox", "junk"].includes(name)
            ? folder?.unread
            : 0;
    const shown = badge.hidden ? 0 : Number.parseInt(badge.textContent, 10);
    if (shown === (number ?? 0)) continue;
    differ = true;
    badge.hidden = !number;
    badge.textContent = number;
    badge.classList.toggle("unread", (isLabel || ["inbox", "junk"].includes(name)) && number > 0);
    if (name === "scheduled") badge.closest("li").hidden = !number && !badge.closest("[aria-current]");
  }
  return differ;
}
