// The way back from a message to its list: the same page of the same search, as far down, on the same row; and the
// messages before and after it there.

import { focusRow, idOf, listForm, rows } from "./list.js";

const KEPT = "trail";
const PARTS = ["q", "in", "sort", "address", "team", "cursor"];

export function enableTrail() {
  if (listForm()) beginTrail();
  else if (document.querySelector("main[data-message]")) followTrail();
}

function beginTrail() {
  const list = document.querySelector("main").dataset.list;
  document.addEventListener(
    "click",
    (event) => {
      const link = event.target.closest(".row-link");
      if (link) note(list, link.closest(".row"));
    },
    { capture: true },
  );
  const trail = kept();
  const [how] = performance.getEntriesByType("navigation");
  if (trail?.list !== list || !(trail.returns || how?.type === "back_forward")) return;
  if (trail.returns) scrollTo(0, trail.y);
  const all = rows();
  const row = all.find((each) => idOf(each) === trail.id) ?? all[Math.min(trail.at, all.length - 1)];
  if (row) focusRow(row);
  keep({ ...trail, returns: false });
}

function note(list, row) {
  const all = rows();
  keep({
    list,
    key: listForm().elements.back.value,
    y: scrollY,
    id: idOf(row),
    at: all.indexOf(row),
    rows: all.map((each) => ({ id: idOf(each), url: each.querySelector(".row-link").getAttribute("href") })),
  });
}

function followTrail() {
  const trail = kept();
  const at = trail?.rows.findIndex((each) => new URL(each.url, location.href).pathname === location.pathname) ?? -1;
  if (at < 0) return;
  keep({ ...trail, id: trail.rows[at].id, at });
  const back = document.querySelector('.toolbar [data-key="u"]');
  if (back) back.href = trail.list;
  back?.addEventListener("click", () => keep({ ...kept(), returns: true }));
  for (const step of document.querySelectorAll("[data-step]")) {
    const other = trail.rows[at + Number(step.dataset.step)];
    if (other) step.href = other.url;
    else step.setAttribute("aria-disabled", "true");
  }
  const steps = document.querySelector("[data-steps]");
  if (steps) steps.hidden = trail.rows.length < 2;
  const asked = new URL(trail.list, location.href).searchParams;
  for (const form of document.querySelectorAll(".toolbar form, .menu form")) {
    if (form.elements.on || !form.elements.back) continue;
    form.elements.back.value = trail.key;
    for (const name of PARTS) {
      if (asked.has(name)) form.append(hidden(name, asked.get(name)));
    }
    form.addEventListener("submit", () => keep({ ...kept(), returns: true }));
  }
}

function hidden(name, value) {
  return Object.assign(document.createElement("input"), { type: "hidden", name, value });
}

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT));
  } catch {
    return null;
  }
}

function keep(trail) {
  sessionStorage.setItem(KEPT, JSON.stringify(trail));
}
