// A question in a dialogue of our own: the page behind it waits, and focus goes back to where it was.

export function agreed(question, yes, no) {
  const dialog = document.createElement("dialog");
  dialog.className = "question";
  dialog.setAttribute("role", "alertdialog");
  dialog.setAttribute("aria-labelledby", "question");
  const words = Object.assign(document.createElement("p"), { id: "question", textContent: question });
  const form = Object.assign(document.createElement("form"), { method: "dialog", className: "question-foot" });
  form.append(button(no, "no", "button"), button(yes, "yes", "button primary"));
  dialog.append(words, form);
  document.body.append(dialog);
  const before = document.activeElement;
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      before?.focus();
      resolve(dialog.returnValue === "yes");
    });
    // Keys of the page do not work behind it.
    dialog.addEventListener("keydown", (event) => event.stopPropagation());
    dialog.showModal();
  });
}

function button(textContent, value, className) {
  return Object.assign(document.createElement("button"), { textContent, value, className });
}
