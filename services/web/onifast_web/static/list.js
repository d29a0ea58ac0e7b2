// The list of messages on a page: its rows, the one that is current, and how it becomes the list of now without losing
// what is selected, where the focus is, or how far it is scrolled.

import { showLocalTimes } from "./times.js";

const POLL = { "X-Onifast-Poll": "1" }; // does not make a session last longer
const written = new WeakMap(); // how the server wrote each row, so that what has not changed is left alone

export function listForm() {
  return document.querySelector(".list-form[data-acts]");
}

export function rows() {
  return [...document.querySelectorAll(".list-form .rows > .row")];
}

// The row that has the focus, or whose message is open beside the list.
export function current() {
  const focused = document.activeElement?.closest?.(".rows > .row");
  return focused ?? document.querySelector(".rows > .row.current");
}

export function idOf(row) {
  return Number(row?.dataset.id ?? 0);
}

export function selectedIds(form = listForm()) {
  return [...(form?.querySelectorAll(".pick input:checked") ?? [])].map((box) => Number(box.value));
}

export function focusRow(row) {
  const link = row?.querySelector(".row-link, summary");
  link?.focus({ preventScroll: true });
  link?.scrollIntoView({ block: "nearest" });
  return Boolean(link);
}

// True where the list is as the server has it now.
export async function refreshList() {
  if (!listForm() || isBusy()) return !listForm();
  const answer = await fetch(location.href, { headers: { Accept: "text/html", ...POLL } }).catch(() => null);
  if (!answer?.ok) return false;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector(".list-form[data-acts]");
  const old = listForm();
  if (!fresh || !old) return true;
  if (isBusy()) return false;
  swap(old, fresh);
  takeNumbers(page);
  document.dispatchEvent(new CustomEvent("list:fresh"));
  return true;
}

// Somebody chooses in a menu of the list, or has a row in hand.
function isBusy() {
  return Boolean(document.querySelector(".list-form details[open], .row.swiped, .row.dragged"));
}

function swap(old, fresh) {
  const place = placeOfFocus();
  const chosen = new Set(selectedIds(old));
  const open = idOf(old.querySelector(".row.current"));
  const [oldRows, freshRows] = [old.querySelector(".rows"), fresh.querySelector(".rows")];
  const sources = new Map([...(freshRows?.children ?? [])].map((row) => [row.dataset.id, row.outerHTML]));
  showLocalTimes(fresh);
  if (oldRows && freshRows) {
    putRows(oldRows, freshRows, sources);
    old.querySelector(".pager").replaceWith(fresh.querySelector(".pager"));
  } else {
    old.replaceChildren(...fresh.childNodes);
    for (const row of old.querySelectorAll(".rows > .row")) written.set(row, sources.get(row.dataset.id));
  }
  for (const button of document.querySelectorAll(".empty-button")) button.hidden = !freshRows;
  for (const row of rows()) {
    row.querySelector(".pick input").checked = chosen.has(idOf(row));
    row.classList.toggle("current", idOf(row) === open);
  }
  putFocusBack(place);
}

function putRows(list, freshList, sources) {
  const known = new Map([...list.children].map((row) => [row.dataset.id, row]));
  const wanted = [...freshList.children].map((row) => {
    const same = known.get(row.dataset.id);
    if (same && written.get(same) === sources.get(row.dataset.id)) return same;
    written.set(row, sources.get(row.dataset.id));
    return row;
  });
  const stays = new Set(wanted);
  for (const row of [...list.children]) if (!stays.has(row)) row.remove();
  wanted.forEach((row, at) => {
    if (list.children[at] !== row) list.insertBefore(row, list.children[at] ?? null);
  });
}

function placeOfFocus() {
  const row = document.activeElement?.closest?.(".rows > .row");
  if (!row) return { inList: Boolean(document.activeElement?.closest?.(".list-form")) };
  const part = ["star", "row-link"].find((name) => document.activeElement.classList.contains(name)) ?? "row-link";
  const isBox = document.activeElement.matches(".pick input");
  return { inList: true, id: row.dataset.id, at: rows().indexOf(row), part: isBox ? "pick input" : part };
}

// On the same message, or the one that has come to its place; never on nothing.
function putFocusBack(place) {
  if (!place.inList || (document.activeElement && document.activeElement !== document.body)) return;
  const all = rows();
  const row = all.find((each) => each.dataset.id === place.id) ?? all[Math.min(place.at ?? 0, all.length - 1)];
  const element = row?.querySelector(`.${place.part ?? "row-link"}`) ?? document.getElementById("content");
  element.focus({ preventScroll: true });
}

// The numbers of the menu and of the title.
function takeNumbers(page) {
  for (const badge of page.querySelectorAll("[data-count]")) {
    const shown = document.querySelector(`[data-count="${badge.dataset.count}"]`);
    shown?.replaceWith(badge);
  }
  document.title = page.title;
}
