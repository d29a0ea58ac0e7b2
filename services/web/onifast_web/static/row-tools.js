// What a pointer can do at a row: buttons that show where it is, a menu by the right button, and dragging to a folder.

import { act, actOnly } from "./acting.js";
import { focusRow, idOf, selectedIds } from "./list.js";
import { openChoice } from "./sorting.js";
import { tn } from "./texts.js";

export function enableRowTools() {
  const list = document.querySelector(".list-form[data-acts]");
  const template = document.querySelector("template[data-row-actions]");
  if (!list || !template) return;
  const tools = template.content.firstElementChild.cloneNode(true);
  list.addEventListener("mouseover", (event) => {
    const row = event.target.closest(".rows > .row");
    if (!row || tools.parentElement === row || !matchMedia("(hover: hover)").matches) return;
    // A row that asks for a choice has buttons of its own there.
    if (!row.querySelector(".row-choices")) row.append(tools);
  });
  list.addEventListener("mouseleave", () => tools.remove());
  tools.addEventListener("click", (event) => use(event, tools.closest(".row")));
  list.addEventListener("contextmenu", openMenu);
  enableDragging(list);
}

function use(event, row) {
  const button = event.target.closest("button, a");
  if (!button || !row) return;
  const ids = about(row);
  if (button.dataset.act) {
    event.preventDefault();
    act(button.dataset.act, ids);
  } else if (button.dataset.choose) {
    event.preventDefault();
    event.stopPropagation();
    const box = button.getBoundingClientRect();
    chooseAt(button.dataset.choose, ids, box.right, box.bottom);
  }
}

// The selection, where the row is part of it; else the row alone.
function about(row) {
  const chosen = selectedIds();
  return chosen.includes(idOf(row)) ? chosen : [idOf(row)];
}

// A menu of the tool bar, opened where the pointer is.
export function chooseAt(key, ids, x, y) {
  actOnly(ids);
  if (!openChoice(key)) return;
  const menu = document.querySelector(`details.menu[data-key="${key}"]`);
  const body = menu?.querySelector(".menu-body");
  if (!body) return;
  menu.classList.add("at-row");
  const left = Math.max(8, Math.min(x - body.offsetWidth, innerWidth - body.offsetWidth - 8));
  const top = Math.max(8, Math.min(y, innerHeight - body.offsetHeight - 8));
  body.style.left = `${left}px`;
  body.style.top = `${top}px`;
  menu.addEventListener(
    "toggle",
    () => {
      if (menu.open) return;
      menu.classList.remove("at-row");
      body.style.left = "";
      body.style.top = "";
      actOnly(null);
    },
    { once: false },
  );
}

function openMenu(event) {
  const row = event.target.closest(".rows > .row");
  if (!row || event.shiftKey || event.pointerType === "touch") return;
  event.preventDefault();
  document.querySelector(".row-menu")?.remove();
  const menu = document.querySelector("template[data-row-menu]").content.firstElementChild.cloneNode(true);
  menu.classList.toggle("for-unread", row.classList.contains("unread"));
  menu.classList.toggle("for-starred", Boolean(row.querySelector(".star.on")));
  for (const link of menu.querySelectorAll("[data-compose-with]"))
    link.href += `?${link.dataset.composeWith}=${idOf(row)}`;
  document.body.append(menu);
  const box = row.getBoundingClientRect();
  const [x, y] = event.clientX || event.clientY ? [event.clientX, event.clientY] : [box.left + 48, box.bottom];
  menu.style.left = `${Math.max(8, Math.min(x, innerWidth - menu.offsetWidth - 8))}px`;
  menu.style.top = `${Math.max(8, Math.min(y, innerHeight - menu.offsetHeight - 8))}px`;
  serve(menu, row, [x, y]);
}

function serve(menu, row, [x, y]) {
  const items = () => [...menu.querySelectorAll("[role=menuitem]")].filter((each) => each.offsetParent);
  const closing = new AbortController();
  const close = ({ hasFocus = true } = {}) => {
    closing.abort();
    menu.remove();
    if (hasFocus) focusRow(row.isConnected ? row : document.querySelector(".rows > .row"));
  };
  items()[0].focus();
  menu.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      const all = items();
      all.at((all.indexOf(document.activeElement) + step) % all.length).focus();
    } else if (event.key === "Escape" || event.key === "Tab") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  menu.addEventListener("click", (event) => {
    const item = event.target.closest("[role=menuitem]");
    if (!item) return;
    if (item.dataset.choose) {
      event.stopPropagation();
      const ids = about(row);
      close();
      chooseAt(item.dataset.choose, ids, x, y);
      return;
    }
    close();
    if (item.dataset.do === "open") row.querySelector(".row-link").click();
    else if (item.dataset.act) act(item.dataset.act, about(row));
  });
  const outside = (event) => {
    if (!menu.contains(event.target)) close({ hasFocus: false });
  };
  document.addEventListener("pointerdown", outside, { signal: closing.signal });
  addEventListener("scroll", outside, { signal: closing.signal, capture: true });
}

function enableDragging(list) {
  let ids = [];
  list.addEventListener("dragstart", (event) => {
    const row = event.target.closest?.(".rows > .row");
    if (!row) return;
    ids = about(row);
    row.classList.add("dragged");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/x-onifast-messages", ids.join(" "));
    event.dataTransfer.setDragImage(label(ids.length), -8, -8);
  });
  list.addEventListener("dragend", () => {
    for (const row of document.querySelectorAll(".row.dragged")) row.classList.remove("dragged");
    document.querySelector(".drag-label")?.remove();
    ids = [];
  });
  const target = (event) => (ids.length ? event.target.closest?.(".nav-list [data-drop]") : null);
  document.addEventListener("dragover", (event) => {
    const link = target(event);
    for (const each of document.querySelectorAll(".drop-target")) each.classList.toggle("drop-target", each === link);
    if (!link) return;
    link.classList.add("drop-target");
    event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    const link = target(event);
    if (!link) return;
    event.preventDefault();
    link.classList.remove("drop-target");
    for (const row of document.querySelectorAll(".row.dragged")) row.classList.remove("dragged");
    act(link.dataset.drop, ids);
  });
}

function label(number) {
  const element = document.createElement("span");
  element.className = "drag-label";
  element.textContent = tn("%(n)s message", "%(n)s messages", number);
  document.body.append(element);
  return element;
}
