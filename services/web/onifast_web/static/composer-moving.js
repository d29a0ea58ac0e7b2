// A recipient is moved to another field: dragged there, or by a button of its card, which keys reach as well.

import { t } from "./texts.js";

export function enableMoving(recipients) {
  let dragged = null;
  const { form, fields } = recipients;
  const fieldAt = (event) => fields.find((each) => each.box.closest(".line").contains(event.target));
  form.addEventListener("dragstart", (event) => {
    const chip = event.target.closest?.(".recipient");
    if (!chip) return;
    dragged = { chip, from: fieldAt(event) };
    event.dataTransfer.setData("text/plain", chip.dataset.entry);
    event.dataTransfer.effectAllowed = "move";
    recipients.closeCard();
    // The other fields are to be seen; the browser drops the drag if the page moves before it has begun.
    setTimeout(() => {
      form.querySelector(".more-recipients").open = true;
    });
  });
  form.addEventListener("dragover", (event) => {
    const over = dragged && fieldAt(event);
    show(over);
    if (!over) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "move";
  });
  form.addEventListener("drop", (event) => {
    const over = dragged && fieldAt(event);
    if (!over) return;
    event.preventDefault();
    event.stopPropagation();
    if (over !== dragged.from) dragged.from.move(dragged.chip, over);
  });
  form.addEventListener("dragend", () => {
    dragged = null;
    show(null);
  });

  function show(over) {
    for (const each of fields) each.box.classList.toggle("drop-target", each === over && each !== dragged?.from);
  }
}

// The buttons of a chip's card.
export function movingButtons(recipients, field, chip) {
  return recipients.fields
    .filter((each) => each !== field)
    .map((each) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button small";
      button.textContent = t("Move to %(field)s", { field: each.label });
      button.addEventListener("click", () => field.move(chip, each));
      return button;
    });
}
