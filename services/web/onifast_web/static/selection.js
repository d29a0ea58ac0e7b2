// Selecting all rows of a page at once, and saying how many are selected.

export function enableSelection() {
  const form = document.querySelector(".list-form");
  if (!form) return;
  form.addEventListener("change", (event) => {
    if (event.target.matches("[data-select-all]")) {
      for (const box of boxes(form)) box.checked = event.target.checked;
    }
    show(form);
  });
  window.addEventListener("pageshow", () => show(form));
  show(form);
}

export function show(form) {
  const all = form.querySelector("[data-select-all]");
  if (!all) return;
  const list = boxes(form);
  const chosen = list.filter((box) => box.checked).length;
  all.checked = chosen > 0 && chosen === list.length;
  all.indeterminate = chosen > 0 && chosen < list.length;
  form.querySelector("[data-selected]").textContent = chosen ? `${chosen} selected` : "Select all";
}

function boxes(form) {
  return [...form.querySelectorAll(".pick input")];
}
