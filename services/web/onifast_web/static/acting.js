// What is done to messages of a list: asked for without leaving the page, told in a bar with its undo, and shown at once.

import { idOf, listForm, refreshList, rows, selectedIds } from "./list.js";
import { t } from "./texts.js";
import { showLocalTimes } from "./times.js";

const JSON_TYPE = { Accept: "application/json" };
const SHOWN_FOR = 20_000; // an undo that is not for a time stays this long
const LOOK_EVERY = 700; // at an act that is worked on

let ids = null; // the row that a menu was opened for; else what is selected

// Menus that are opened at a row are about it alone, until they close.
export function actOnly(some) {
  ids = some;
}

export function enableActing() {
  document.addEventListener("submit", submitted);
  const bar = document.querySelector("[data-act]");
  if (bar?.matches(".snackbar")) watch(bar);
}

// Does something to messages; the selected ones, unless they are named.
export async function act(action, some = null) {
  const form = listForm();
  const chosen = some ?? ids ?? selectedIds(form);
  const every = !some && !ids && form.querySelector("[data-every]")?.checked;
  if (!chosen.length && !every && action !== "empty") return false;
  const body = new URLSearchParams();
  for (const input of form.querySelectorAll(":scope > input[type=hidden]")) body.append(input.name, input.value);
  body.set("csrf_token", document.querySelector('meta[name="csrf-token"]').content);
  body.append("action", action);
  for (const id of chosen) body.append("ids", id);
  if (every) body.append("every", "1");
  const until = form.querySelector('[name="until"]');
  if (action === "snooze" && until) body.set("until", until.value);
  const next = nextOf(chosen);
  const told = await ask(form.getAttribute("action"), body);
  if (!told) return false;
  ids = null;
  if (!some || some.every((id) => selectedIds(form).includes(id))) forgetSelection(form);
  await settle(told, next);
  return true;
}

export async function undoLast() {
  const bar = document.querySelector(".snackbar[data-act]");
  if (!bar || !listForm()) return false;
  const body = new URLSearchParams(new FormData(bar));
  const told = await ask(bar.action, body);
  if (told) await settle(told);
  return true;
}

async function submitted(event) {
  const { target: form, submitter } = event;
  if (event.defaultPrevented || !listForm()) return;
  if (form.matches(".snackbar[data-act]")) {
    event.preventDefault();
    await undoLast();
    return;
  }
  if (!form.matches("[data-acts]") && !form.closest("[data-reading]")) return;
  if (submitter?.name !== "action") return;
  event.preventDefault();
  if (form.matches("[data-acts]")) {
    const [verb, id] = submitter.value.split(":");
    const one = ["star", "unstar", "accept", "block"].includes(verb) && id ? [Number(id)] : null;
    closeMenus();
    await act(submitter.value, one);
    return;
  }
  const body = new URLSearchParams(new FormData(form, submitter));
  const told = await ask(form.getAttribute("action"), body);
  if (!told) return;
  await settle(told, nextOf([idOf(document.querySelector(".row.current"))]));
  if (body.get("on") === "message") document.dispatchEvent(new CustomEvent("reading:changed"));
}

async function ask(url, body) {
  const answer = await fetch(url, { method: "POST", headers: JSON_TYPE, body }).catch(() => null);
  const type = answer?.headers.get("Content-Type") ?? "";
  const told = type.includes("json") ? await answer.json().catch(() => null) : null;
  if (answer?.ok && told) return told;
  // Signed out, or no connection: nothing was done, and the page stays as it is.
  say({ text: told?.detail ?? t("That could not be done. Try again, or load the page anew."), is_failure: true });
  return null;
}

async function settle(told, next = null) {
  if (told.text) say(told);
  closeMenus();
  const hadFocus = document.activeElement;
  const wasOpen = Boolean(document.querySelector(".row.current"));
  await refreshList();
  if (wasOpen && !document.querySelector(".row.current")) {
    document.dispatchEvent(new CustomEvent("reading:gone", { detail: { next } }));
  }
  if (next && (!hadFocus?.isConnected || document.activeElement === document.body)) {
    const row = rows().find((each) => idOf(each) === next);
    (row?.querySelector(".row-link") ?? document.getElementById("content")).focus({ preventScroll: true });
  }
}

// The message that comes to the place of those that go.
function nextOf(gone) {
  const all = rows();
  const last = all.findLastIndex((row) => gone.includes(idOf(row)));
  const after = all.slice(last + 1).find((row) => !gone.includes(idOf(row)));
  return idOf(after ?? all.slice(0, Math.max(0, last)).findLast((row) => !gone.includes(idOf(row))));
}

function forgetSelection(form) {
  for (const box of form.querySelectorAll(".pick input:checked, [data-every]:checked")) box.checked = false;
  form.dispatchEvent(new Event("change"));
}

function closeMenus() {
  for (const menu of document.querySelectorAll(".list-form details.menu[open]")) menu.open = false;
}

// The bar that tells what was done.
export function say({ text, is_failure: isFailure = false, moment = null, act: done = null }) {
  document.querySelector(".snackbar")?.remove();
  const bar = document.createElement(done ? "form" : "div");
  bar.className = `snackbar${isFailure ? " failure" : ""}`;
  const words = document.createElement("span");
  words.setAttribute("role", isFailure ? "alert" : "status");
  bar.append(words);
  if (done) fill(bar, done);
  document.body.append(bar);
  // A live region is read out when it changes, not when it comes.
  requestAnimationFrame(() => {
    words.textContent = text;
    if (!moment) return;
    const time = document.createElement("time");
    time.dateTime = moment;
    time.dataset.style = "soon";
    words.append(" ", time, ".");
    showLocalTimes(words);
  });
  watch(bar);
}

function fill(bar, done) {
  const root = document.body.dataset.root.replace(/\/$/, "");
  bar.method = "post";
  bar.action = `${root}/acts/${done.id}/undo`;
  bar.dataset.act = done.id;
  bar.dataset.seconds = done.seconds;
  const token = document.createElement("input");
  Object.assign(token, {
    type: "hidden",
    name: "csrf_token",
    value: document.querySelector('meta[name="csrf-token"]').content,
  });
  bar.append(token);
  if (done.percent !== null) {
    bar.dataset.working = "";
    const progress = document.createElement("progress");
    Object.assign(progress, { max: 100, value: done.percent });
    progress.setAttribute("aria-label", t("Progress"));
    bar.append(progress);
  }
  if (!done.seconds) return;
  const undo = document.createElement("button");
  undo.className = "snackbar-button";
  undo.dataset.key = "z";
  undo.textContent = t("Undo");
  bar.append(undo);
}

function watch(bar) {
  bar.querySelector("[data-close-undo]")?.addEventListener("click", () => remove(bar));
  if ("working" in bar.dataset) {
    setTimeout(() => look(bar), LOOK_EVERY);
    return;
  }
  const seconds = Number(bar.dataset.seconds ?? 0);
  setTimeout(() => remove(bar), Math.min(SHOWN_FOR, (seconds || 8) * 1000));
}

async function look(bar) {
  if (!bar.isConnected) return;
  const root = document.body.dataset.root.replace(/\/$/, "");
  const answer = await fetch(`${root}/acts/${bar.dataset.act}`, { headers: JSON_TYPE }).catch(() => null);
  const told = answer?.ok ? await answer.json().catch(() => null) : null;
  if (!bar.isConnected) return;
  if (!told?.act || told.act.percent === null) {
    if (told) say(told);
    else remove(bar);
    await refreshList();
    return;
  }
  bar.querySelector("[role=status]").textContent = told.text;
  bar.querySelector("progress").value = told.act.percent;
  setTimeout(() => look(bar), LOOK_EVERY);
}

function remove(bar) {
  if (bar.contains(document.activeElement)) document.getElementById("content").focus();
  bar.remove();
}
