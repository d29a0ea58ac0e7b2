// Selecting rows: all of a page at once, from one to another with Shift, or all of the list on every page.

import { language, t } from "./texts.js";

let anchor = null; // the box that was ticked last

export function enableSelection() {
  const form = document.querySelector(".list-form");
  if (!form) return;
  form.addEventListener("click", (event) => {
    const box = event.target.closest(".pick input");
    if (!box) return;
    if (event.shiftKey) selectTo(box, box.checked);
    anchor = box;
  });
  form.addEventListener("change", (event) => {
    if (event.target.matches?.("[data-select-all]")) selectAll(event.target.checked);
    show(form);
  });
  window.addEventListener("pageshow", () => show(form));
  document.addEventListener("list:fresh", () => show(form));
  show(form);
}

// From the box that was ticked last to this one.
export function selectTo(box, isChecked = true) {
  const list = boxes(box.form);
  const [from, to] = [list.indexOf(anchor), list.indexOf(box)];
  if (from < 0 || to < 0) return;
  for (const each of list.slice(Math.min(from, to), Math.max(from, to) + 1)) each.checked = isChecked;
}

// Ticks the box of a row, or all between it and the one before.
export function toggle(row, { extends: isRange = false, checked = null } = {}) {
  const box = row?.querySelector(".pick input");
  if (!box) return false;
  const isChecked = checked ?? (isRange || !box.checked);
  if (isRange && anchor?.isConnected) selectTo(box, true);
  else box.checked = isChecked;
  anchor = box;
  show(box.form);
  return true;
}

export function selectAll(isChecked, fits = () => true) {
  const form = document.querySelector(".list-form");
  if (!form) return false;
  for (const box of boxes(form)) box.checked = isChecked && fits(box.closest(".row"));
  const every = form.querySelector("[data-every]");
  if (every && !isChecked) every.checked = false;
  show(form);
  return true;
}

export function show(form) {
  const all = form.querySelector("[data-select-all]");
  if (!all) return;
  const list = boxes(form);
  const chosen = list.filter((box) => box.checked).length;
  all.checked = chosen > 0 && chosen === list.length;
  all.indeterminate = chosen > 0 && chosen < list.length;
  const box = form.querySelector('[name="every"]');
  const every = Boolean(box?.checked);
  const words = form.querySelector("[data-selected]");
  const isMail = form.matches("[data-acts]");
  words.textContent = every
    ? t("All selected")
    : chosen
      ? t("%(n)s selected", { n: chosen })
      : isMail
        ? ""
        : t("Select all");
  if (isMail) offerEvery(form, box, all.checked);
  else askAbout(form, every);
}

// How many that are is asked for once all of the page is selected.
async function offerEvery(form, box, isWhole) {
  if (!box) return;
  box.closest("label").hidden = !isWhole && !box.checked;
  if (!isWhole || box.dataset.known) return;
  box.dataset.known = "1";
  const asked = new URLSearchParams();
  for (const input of form.querySelectorAll(":scope > input[type=hidden]")) {
    if (!["csrf_token", "cursor"].includes(input.name)) asked.set(input.name, input.value);
  }
  const answer = await fetch(`${form.dataset.total}?${asked}`).catch(() => null);
  const found = answer?.ok ? await answer.json().catch(() => null) : null;
  if (!found) return;
  form.querySelector("[data-every-words]").textContent = everyWords(found, Boolean(asked.get("q")));
}

// What is done to every page of a list without an undo is asked for first, whatever it is.
function askAbout(form, every) {
  for (const button of form.querySelectorAll('button[name="action"]')) {
    button.dataset.usual ??= button.dataset.confirm ?? "";
    const question = every
      ? t("%(act)s: all of this list, on every page?", { act: button.textContent.trim() })
      : button.dataset.usual;
    if (question) button.dataset.confirm = question;
    else delete button.dataset.confirm;
  }
}

function boxes(form) {
  return [...form.querySelectorAll(".pick input")];
}

function everyWords(found, isSearch) {
  const n = found.count.toLocaleString(language);
  if (found.is_more) {
    return isSearch ? t("All more than %(n)s in this search", { n }) : t("All more than %(n)s in this list", { n });
  }
  return isSearch ? t("All %(n)s in this search", { n }) : t("All %(n)s in this list", { n });
}
