// Swipes on phones: a row follows the finger, and what its owner chose is done once it has gone far enough.

import { act } from "./acting.js";
import { idOf } from "./list.js";
import { chooseAt } from "./row-tools.js";

const FAR = 0.3; // of the row's width
const BEGIN = 12; // CSS pixels before it is a swipe, and no scrolling

const ACTIONS = { archive: "move:archive", trash: "move:trash" };

export function enableSwipes() {
  const form = document.querySelector(".list-form[data-acts]");
  if (!form) return;
  let held = null;
  form.addEventListener(
    "touchstart",
    (event) => {
      const row = event.target.closest(".rows > .row");
      if (!row || event.touches.length !== 1) return;
      held = { row, x: event.touches[0].clientX, y: event.touches[0].clientY, by: 0, isSwipe: false };
    },
    { passive: true },
  );
  form.addEventListener(
    "touchmove",
    (event) => {
      if (!held) return;
      const by = event.touches[0].clientX - held.x;
      const down = Math.abs(event.touches[0].clientY - held.y);
      if (!held.isSwipe && down > BEGIN) held = null;
      if (!held || (!held.isSwipe && Math.abs(by) < BEGIN)) return;
      const name = named(form, by);
      if (name === "none") return;
      held.isSwipe = true;
      held.by = by;
      if (event.cancelable) event.preventDefault();
      follow(held.row, by, name);
    },
    { passive: false },
  );
  const end = () => {
    const swipe = held;
    held = null;
    if (!swipe?.isSwipe) return;
    letGo(swipe.row);
    if (Math.abs(swipe.by) < FAR * swipe.row.offsetWidth) return;
    swallowClick();
    done(swipe.row, named(form, swipe.by));
  };
  form.addEventListener("touchend", end);
  form.addEventListener("touchcancel", () => {
    if (held) letGo(held.row);
    held = null;
  });
}

function named(form, by) {
  return by < 0 ? form.dataset.swipeLeft : form.dataset.swipeRight;
}

function follow(row, by, name) {
  row.classList.add("swiped");
  row.classList.toggle("far", Math.abs(by) >= FAR * row.offsetWidth);
  row.dataset.swipe = name;
  let under = row.querySelector(".swipe-under");
  if (!under) {
    under = document.createElement("span");
    under.className = "swipe-under";
    under.setAttribute("aria-hidden", "true");
    row.append(under);
  }
  under.classList.toggle("from-right", by < 0);
  const icon = document.querySelector(`template[data-swipe="${name}"]`);
  if (under.dataset.name !== name) under.replaceChildren(icon.content.cloneNode(true));
  under.dataset.name = name;
  row.style.setProperty("--swipe", `${by}px`);
}

function letGo(row) {
  row.classList.remove("swiped", "far");
  row.style.removeProperty("--swipe");
  row.querySelector(".swipe-under")?.remove();
}

function done(row, name) {
  const folder = document.querySelector("main").dataset.folder;
  if (name === "snooze") chooseAt("b", [idOf(row)], innerWidth - 8, innerHeight);
  else if (name === "read") act(row.classList.contains("unread") ? "read" : "unread", [idOf(row)]);
  else if (name === "trash" && folder === "trash") act("purge", [idOf(row)]);
  else act(ACTIONS[name] === `move:${folder}` ? "move:inbox" : ACTIONS[name], [idOf(row)]);
}

// The browser makes a click of a touch that ends on a link.
function swallowClick() {
  const stop = (event) => {
    event.preventDefault();
    event.stopPropagation();
  };
  addEventListener("click", stop, { capture: true, once: true });
  setTimeout(() => removeEventListener("click", stop, { capture: true }), 400);
}
