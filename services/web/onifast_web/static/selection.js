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
  const every = Boolean(form.querySelector('[name="every"]')?.checked);
  form.querySelector("[data-selected]").textContent = every
    ? "All selected"
    : chosen
      ? `${chosen} selected`
      : "Select all";
  askAbout(form, every);
}

// What is done to every page of a list is asked for first, whatever it is.
function askAbout(form, every) {
  for (const button of form.querySelectorAll('button[name="action"]')) {
    button.dataset.usual ??= button.dataset.confirm ?? "";
    const question = every ? `${button.textContent.trim()}: all of this list, on every page?` : button.dataset.usual;
    if (question) button.dataset.confirm = question;
    else delete button.dataset.confirm;
  }
}

function boxes(form) {
  return [...form.querySelectorAll(".pick input")];
}
