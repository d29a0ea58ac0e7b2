// Stars that change at once, and menus that close as menus do.

import { say } from "./acting.js";
import { current, focusRow } from "./list.js";
import { t } from "./texts.js";

export function enableSorting() {
  document.addEventListener("submit", star);
  document.addEventListener("click", (event) => closeMenus(event.target));
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
    if (!menu) return;
    const isAtRow = menu.classList.contains("at-row");
    menu.open = false;
    if (!isAtRow || !focusRow(current())) menu.querySelector("summary").focus();
  });
  document.addEventListener("keydown", walk);
}

// Arrow keys go through a menu.
function walk(event) {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const body = by && event.target.closest?.("details.menu[open] > .menu-body");
  if (!body || event.target.matches("input:not([type=checkbox])")) return;
  const items = [...body.querySelectorAll(".menu-item, .menu-item input, .menu-foot a")].filter(
    (each) => each.tabIndex >= 0 && each.offsetParent,
  );
  event.preventDefault();
  items.at((items.indexOf(event.target) + by) % items.length)?.focus();
}

// Opens a menu of a message's page, or of a list's tool bar.
export function openChoice(key, root = document) {
  const menu = root?.querySelector(`details.menu[data-key="${key}"]`);
  if (!menu) return false;
  menu.open = true;
  menu.querySelector(".menu-body input:not([type=hidden]), .menu-body button:not([hidden]), .menu-body a")?.focus();
  return true;
}

function closeMenus(target) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(target)) menu.open = false;
  }
}

async function star(event) {
  const button = event.submitter;
  if (!button?.matches(".star")) return;
  event.preventDefault();
  const action = button.value;
  const id = Number(action.split(":")[1]);
  const starred = action.startsWith("star:");
  const body = new URLSearchParams(new FormData(button.form, button));
  for (const name of ["ids", "every"]) body.delete(name);
  show(button, id, starred);
  const answer = await fetch(button.form.getAttribute("action"), {
    method: "POST",
    headers: { Accept: "application/json" },
    body,
  }).catch(() => null);
  const isJson = answer?.headers.get("Content-Type")?.includes("json");
  if (answer?.ok && isJson) say(await answer.json());
  else show(button, id, !starred);
}

function show(button, id, starred) {
  button.value = `${starred ? "unstar" : "star"}:${id}`;
  button.classList.toggle("on", starred);
  button.setAttribute("aria-pressed", String(starred));
  button.title = starred ? t("Take the star away") : t("Star");
}
