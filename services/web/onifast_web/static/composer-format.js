// The bar above a text with looks, and the question for a link.

import { t } from "./texts.js";

export class FormatBar {
  // `editor` says which RichText it works on now, null for none.
  constructor(bar, editor) {
    this.bar = bar;
    this.editor = editor;
    const picture = bar.querySelector("[data-picture]");
    bar.addEventListener("mousedown", (event) => event.target.closest("button") && event.preventDefault());
    bar.addEventListener("click", (event) => {
      const button = event.target.closest("[data-command]");
      if (!button || !editor()) return;
      if (button.dataset.command === "image") picture.click();
      else editor().command(button.dataset.command);
      this.show();
    });
    bar.addEventListener("change", (event) => {
      const pick = event.target.dataset.pick;
      if (!pick || !event.target.value) return;
      editor().command(pick, event.target.value);
      event.target.value = "";
    });
    bar.addEventListener("keydown", (event) => moveWithin(bar, event));
    picture?.addEventListener("change", () => {
      for (const file of picture.files) editor().picture(file);
      picture.value = "";
    });
  }

  // Which formats stand at the cursor.
  show() {
    for (const button of this.bar.querySelectorAll("[aria-pressed]")) {
      button.setAttribute("aria-pressed", String(this.editor()?.has(button.dataset.command) ?? false));
    }
  }
}

// Resolves to `{ url, words }`, "remove", or null. `given` is what there is already.
export function askForLink(given) {
  const dialog = document.querySelector("[data-link-dialog]");
  const address = dialog.querySelector("#link-address");
  const words = dialog.querySelector("#link-words");
  const error = dialog.querySelector("[data-link-error]");
  address.value = given.url;
  words.value = given.words;
  error.hidden = true;
  dialog.querySelector("[data-link-remove]").hidden = !given.url;
  dialog.returnValue = "";
  dialog.querySelector("[data-link-close]").onclick = () => dialog.close("");
  dialog.showModal();
  address.select();
  return new Promise((resolve) => {
    const judge = (event) => {
      if (event.submitter?.value !== "set" || linkOf(address.value)) return;
      event.preventDefault();
      error.hidden = false;
      error.textContent = t("That is neither a web address nor a mail address.");
      address.focus();
    };
    dialog.firstElementChild.addEventListener("submit", judge);
    dialog.addEventListener(
      "close",
      () => {
        dialog.firstElementChild.removeEventListener("submit", judge);
        if (dialog.returnValue === "remove") resolve("remove");
        else if (dialog.returnValue === "set") resolve({ url: linkOf(address.value), words: words.value.trim() });
        else resolve(null);
      },
      { once: true },
    );
  });
}

// What somebody means by an address; "" for what cannot be a link.
function linkOf(text) {
  const url = text.trim();
  if (!url || /\s/.test(url) || /^https?:\/*$/i.test(url)) return "";
  if (/^[^\s@/:]+@[^\s@/]+$/.test(url)) return `mailto:${url}`;
  if (/^(?:https?:|mailto:|tel:)./i.test(url)) return url;
  if (/^[a-z][a-z0-9+.-]*:(?!\d)/i.test(url)) return "";
  return `https://${url}`;
}

function moveWithin(bar, event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step || event.target.matches("select")) return;
  const all = [...bar.querySelectorAll("button, select")];
  const next = all[(all.indexOf(event.target) + step + all.length) % all.length];
  event.preventDefault();
  next.focus();
}
