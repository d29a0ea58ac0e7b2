// The search field: how what is typed may go on, as a list below it (the combobox of the ARIA practices).

import { t } from "./texts.js";

const QUIET_MS = 120;

export function enableSearching() {
  const field = document.querySelector("form.search input[data-suggests]");
  if (field) new SearchField(field);
}

class SearchField {
  constructor(field) {
    this.field = field;
    this.list = document.createElement("ul");
    this.list.id = "suggested";
    this.list.className = "suggested";
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", t("Suggestions"));
    this.list.hidden = true;
    field.form.append(this.list);
    for (const [name, value] of Object.entries({
      role: "combobox",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": this.list.id,
    })) {
      field.setAttribute(name, value);
    }
    // What was chosen went with the text before: Enter is for the text now, however long the answer takes.
    field.addEventListener("input", () => {
      this.choose(null);
      this.askSoon();
    });
    field.addEventListener("focus", () => this.askSoon());
    field.addEventListener("blur", () => this.close());
    field.addEventListener("keydown", (event) => this.onKey(event));
    // Before the field loses the focus.
    this.list.addEventListener("pointerdown", (event) => {
      const option = event.target.closest("[role=option]");
      if (!option) return;
      event.preventDefault();
      this.take(option);
    });
  }

  askSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), QUIET_MS);
  }

  async ask() {
    const asked = this.field.value;
    const path = `${document.body.dataset.root}api/mail/searches/suggestions`;
    const answer = await fetch(`${path}?q=${encodeURIComponent(asked)}`).catch(() => null);
    if (!answer?.ok || asked !== this.field.value || document.activeElement !== this.field) return;
    this.show((await answer.json()).suggestions);
  }

  show(suggestions) {
    this.list.replaceChildren(...suggestions.map((each, number) => option(each, number)));
    this.choose(null);
    this.list.hidden = suggestions.length === 0;
    this.field.setAttribute("aria-expanded", String(!this.list.hidden));
  }

  close() {
    clearTimeout(this.timer);
    this.show([]);
  }

  onKey(event) {
    if (this.list.hidden) return;
    const options = [...this.list.children];
    const at = options.indexOf(this.chosen);
    if (event.key === "ArrowDown") this.choose(options[(at + 1) % options.length]);
    else if (event.key === "ArrowUp") this.choose(options[(at <= 0 ? options.length : at) - 1]);
    else if (event.key === "Escape") this.close();
    else if ((event.key === "Enter" || event.key === "Tab") && this.chosen) this.take(this.chosen);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  choose(option) {
    this.chosen?.setAttribute("aria-selected", "false");
    this.chosen = option;
    option?.setAttribute("aria-selected", "true");
    if (option) this.field.setAttribute("aria-activedescendant", option.id);
    else this.field.removeAttribute("aria-activedescendant");
  }

  // A whole search is made at once; an operator waits for what comes behind it.
  take(option) {
    const isWhole = !this.field.value.trim();
    this.field.value = option.dataset.text;
    this.close();
    if (isWhole) this.field.form.requestSubmit();
    else this.ask();
  }
}

function option(suggestion, number) {
  const item = document.createElement("li");
  item.id = `suggested-${number}`;
  item.setAttribute("role", "option");
  item.setAttribute("aria-selected", "false");
  item.dataset.text = suggestion.text;
  const text = document.createElement("bdi");
  text.textContent = suggestion.text;
  const hint = document.createElement("span");
  hint.className = "quiet";
  hint.textContent = suggestion.hint;
  item.append(text, " ", hint);
  return item;
}
