// Recipients: what is typed becomes chips, completed from those whom one writes to, and each tells what is known of it.
// The fields stay what they are without scripts: lists as text, in fields of their names.

import { enableMoving, movingButtons } from "./composer-moving.js";
import { ask, split } from "./composer-people.js";
import { t, tn } from "./texts.js";

const ASK_AFTER = 120; // milliseconds after a key
const COMPLETE = /^[^\s@]+@[^\s@]+\.[^\s@]{2,}$/;

export class Recipients {
  constructor(form, onChange) {
    this.form = form;
    this.onChange = onChange;
    this.known = new Map(); // facts by entry
    this.notes = form.querySelector("[data-recipient-notes]");
    this.status = document.createElement("p");
    this.status.className = "visually-hidden";
    this.status.setAttribute("role", "status");
    this.notes.before(this.status);
    this.fields = [...form.querySelectorAll("[data-recipients]")].map((box) => new RecipientField(box, this));
    this.#watchPointer();
    enableMoving(this);
    document.addEventListener("pointerdown", (event) => {
      if (!event.target.closest(".recipient-card, .recipient")) this.closeCard();
    });
    this.tell();
  }

  // All that is typed counts, chip or not yet.
  commit() {
    for (const field of this.fields) field.commit();
  }

  restore(values) {
    for (const field of this.fields) if (field.name in values) field.set(values[field.name]);
  }

  changed() {
    this.onChange();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell(), 100);
  }

  // Asks what is known of those who are new, and shows it.
  async tell() {
    const chips = this.fields.flatMap((field) => field.chips);
    const unknown = [...new Set(chips.map((chip) => chip.dataset.entry))].filter((entry) => !this.known.has(entry));
    const found = unknown.length
      ? await ask(
          this.form.dataset.facts,
          unknown.slice(0, 100).map((entry) => ["r", entry]),
        )
      : [];
    for (const each of found ?? []) this.known.set(each.given, each);
    await this.released;
    for (const field of this.fields) field.mark();
    const now = this.fields.flatMap((field) => field.chips).map((chip) => this.known.get(chip.dataset.entry));
    const lines = now.filter((each) => each?.problem).map((each) => ["stop", each.problem]);
    const strangers = [...new Set(now.filter((each) => each?.kind === "note").map((each) => each.address))];
    if (strangers.length) {
      lines.push(["note", neverWritten(strangers)]);
    }
    this.notes.hidden = !lines.length;
    if (this.notes.dataset.shown === JSON.stringify(lines)) return;
    this.notes.dataset.shown = JSON.stringify(lines);
    this.notes.replaceChildren(...lines.map(([kind, words]) => element("li", { className: kind, textContent: words })));
  }

  // Nothing moves between a button's being pressed and let go.
  #watchPointer() {
    let release = null;
    this.released = Promise.resolve();
    document.addEventListener(
      "pointerdown",
      () => {
        this.released = new Promise((resolve) => {
          release = resolve;
        });
      },
      { capture: true },
    );
    for (const name of ["pointerup", "pointercancel"])
      document.addEventListener(name, () => setTimeout(() => release?.(), 50), { capture: true });
  }

  say(words) {
    this.status.textContent = words;
  }

  closeCard() {
    this.card?.remove();
    this.card = null;
    for (const button of this.form.querySelectorAll(".recipient-name[aria-expanded=true]"))
      button.setAttribute("aria-expanded", "false");
  }
}

class RecipientField {
  constructor(box, all) {
    this.box = box;
    this.all = all;
    this.input = box.querySelector("input");
    this.name = this.input.name;
    this.value = element("input", { type: "hidden", name: this.name });
    this.input.removeAttribute("name");
    this.list = element("ul", { className: "recipient-chips" });
    this.list.setAttribute("aria-label", t("%(label)s so far", { label: this.label }));
    this.options = element("ul", { className: "recipient-options", id: `${this.input.id}-options`, hidden: true });
    this.options.setAttribute("role", "listbox");
    this.options.setAttribute("aria-label", t("Suggestions"));
    this.found = [];
    this.active = -1;
    this.asked = 0;
    for (const [name, value] of Object.entries({
      role: "combobox",
      autocomplete: "off",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": this.options.id,
    }))
      this.input.setAttribute(name, value);
    box.classList.add("has-chips");
    box.prepend(this.list);
    this.input.after(this.options);
    box.append(this.value);
    this.set(this.input.value);
    this.#listen();
  }

  get label() {
    return this.box.closest(".line").querySelector("label").textContent;
  }

  get chips() {
    return [...this.list.children];
  }

  set(text) {
    this.list.replaceChildren();
    this.input.value = "";
    this.#add(split(text), false);
  }

  // What is typed becomes chips; of a list, the last entry stays to be typed on.
  commit({ keepsLast = false } = {}) {
    const entries = split(this.input.value);
    const last = keepsLast ? (entries.pop() ?? "") : "";
    if (!entries.length) return;
    this.input.value = last;
    this.#add(entries);
  }

  // To another field, which shows itself.
  move(chip, other) {
    const { entry } = chip.dataset;
    this.all.closeCard();
    chip.remove();
    this.#changed();
    const closed = other.box.closest("details:not([open])");
    if (closed) closed.open = true;
    other.#add([entry]);
    other.chips.at(-1).querySelector(".recipient-name").focus();
  }

  mark() {
    for (const chip of this.chips) {
      const facts = this.all.known.get(chip.dataset.entry);
      if (!facts) continue;
      chip.dataset.kind = facts.kind;
      const name = chip.querySelector(".recipient-name");
      name.textContent = facts.name || facts.address;
      name.title = [facts.address, ...facts.facts, facts.problem].filter(Boolean).join("\n");
    }
  }

  #listen() {
    const { box, input, options } = this;
    box.addEventListener("pointerdown", (event) => {
      if (event.target !== box && event.target !== this.list) return;
      event.preventDefault();
      input.focus();
    });
    input.addEventListener("input", () => {
      if (/[,;\n\t]/.test(input.value)) this.commit({ keepsLast: !/[,;\n\t]\s*$/.test(input.value) });
      this.#changed();
      if (!this.#isStillMeant()) this.#activate(-1);
      this.#suggestSoon();
    });
    input.addEventListener("paste", (event) => {
      const text = event.clipboardData.getData("text/plain");
      if (!/[,;\n\t]/.test(text.trim()) && split(text).length < 2) return;
      event.preventDefault();
      this.#close();
      this.#add(split(`${input.value} ${text}`));
      input.value = "";
      this.#changed();
    });
    input.addEventListener("keydown", (event) => this.#key(event));
    input.addEventListener("blur", async () => {
      this.#close();
      await this.all.released;
      if (document.activeElement !== input) this.commit();
    });
    options.addEventListener("pointerdown", (event) => event.preventDefault());
    options.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.#choose([...options.children].indexOf(option));
    });
    this.list.addEventListener("click", (event) => {
      const chip = event.target.closest(".recipient");
      if (event.target.closest(".recipient-remove")) this.#remove(chip, input);
      else if (chip) this.#card(chip);
    });
    this.list.addEventListener("keydown", (event) => this.#chipKey(event));
  }

  #key(event) {
    const { input } = this;
    const isOpen = !this.options.hidden;
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!isOpen) return;
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.#activate((this.active + step + this.found.length) % this.found.length);
    } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) {
      event.preventDefault(); // or else the form is sent
      if (isOpen && this.active >= 0) this.#choose(this.active);
      else this.commit();
    } else if (event.key === "Tab" && !event.shiftKey && isOpen && this.active >= 0 && input.value.trim()) {
      event.preventDefault();
      this.#choose(this.active);
    } else if ((event.key === "," || event.key === ";") && isOpen && this.active >= 0 && !input.value.includes('"')) {
      event.preventDefault();
      this.#choose(this.active);
    } else if (event.key === "Escape" && isOpen) {
      event.preventDefault();
      event.stopPropagation();
      this.#close();
    } else if ((event.key === "Backspace" || event.key === "ArrowLeft") && !input.selectionEnd && this.chips.length) {
      event.preventDefault();
      this.chips.at(-1).querySelector(".recipient-name").focus();
    }
  }

  // On a chip: the arrows lead to its neighbours, Backspace and Delete take it away.
  #chipKey(event) {
    const chip = event.target.closest(".recipient");
    const to = { ArrowLeft: chip.previousElementSibling, ArrowRight: chip.nextElementSibling }[event.key];
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      event.preventDefault();
      (to?.querySelector(".recipient-name") ?? (event.key === "ArrowRight" ? this.input : event.target)).focus();
    } else if (event.key === "Backspace" || event.key === "Delete") {
      event.preventDefault();
      const next = event.key === "Delete" ? chip.nextElementSibling : chip.previousElementSibling;
      this.#remove(chip, next?.querySelector(".recipient-name") ?? this.input);
    } else if (event.key === "Escape" && this.all.card) {
      event.stopPropagation();
      this.all.closeCard();
    }
  }

  #add(entries, isNew = true) {
    const there = new Set(this.chips.map((chip) => chip.dataset.entry.toLowerCase()));
    const fresh = entries.filter((entry) => !there.has(entry.toLowerCase()));
    this.list.append(...fresh.map(chipOf));
    this.mark();
    this.#changed(isNew);
    if (isNew && fresh.length)
      this.all.say(
        fresh.length === 1 ? t("%(name)s added", { name: fresh[0] }) : t("%(n)s recipients added", { n: fresh.length }),
      );
  }

  #remove(chip, next) {
    const { entry } = chip.dataset;
    this.all.closeCard();
    chip.remove();
    this.#changed();
    this.all.say(t("%(name)s removed", { name: entry }));
    next.focus();
  }

  #changed(isNew = true) {
    this.value.value = [...this.chips.map((chip) => chip.dataset.entry), this.input.value.trim()]
      .filter(Boolean)
      .join(", ");
    this.list.hidden = !this.chips.length;
    if (this.input.dataset.hint === undefined) this.input.dataset.hint = this.input.placeholder;
    this.input.placeholder = this.chips.length ? "" : this.input.dataset.hint;
    if (isNew) this.all.changed();
  }

  #suggestSoon() {
    clearTimeout(this.timer);
    const text = this.input.value.trim();
    if (!text) {
      this.#close();
      return;
    }
    this.timer = setTimeout(() => this.#suggest(text), ASK_AFTER);
  }

  async #suggest(text) {
    this.asked += 1;
    const { asked } = this;
    const found = await ask(this.all.form.dataset.suggest, [["q", text]]);
    if (asked !== this.asked || this.input.value.trim() !== text || document.activeElement !== this.input) return;
    const there = new Set(this.chips.map((chip) => chip.dataset.entry));
    this.found = (found ?? []).filter((each) => each.entries.some((entry) => !there.has(entry)));
    this.options.replaceChildren(...this.found.map((each, number) => optionOf(each, `${this.options.id}-${number}`)));
    this.options.hidden = !this.found.length;
    this.input.setAttribute("aria-expanded", String(this.found.length > 0));
    // A whole address is meant as it stands.
    this.#activate(this.found.length && !COMPLETE.test(text) ? 0 : -1);
    if (this.found.length) this.all.say(tn("%(n)s suggestion", "%(n)s suggestions", this.found.length));
  }

  // Whether Enter may take what was suggested for less text: what is typed now may name somebody else by now.
  #isStillMeant() {
    const words = this.input.value.trim().toLowerCase();
    const option = this.options.children[this.active];
    return Boolean(option?.textContent.toLowerCase().includes(words)) && !COMPLETE.test(words);
  }

  #activate(number) {
    this.active = number;
    for (const [place, option] of [...this.options.children].entries())
      option.setAttribute("aria-selected", String(place === number));
    const option = this.options.children[number];
    if (option) {
      this.input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else this.input.removeAttribute("aria-activedescendant");
  }

  #choose(number) {
    const chosen = this.found[number];
    this.input.value = "";
    this.#close();
    this.#add(chosen.entries);
    this.input.focus();
  }

  #close() {
    clearTimeout(this.timer);
    this.asked += 1;
    this.options.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.#activate(-1);
  }

  // What is known of one recipient, and what can be done with it.
  #card(chip) {
    const { all } = this;
    const wasOpen = all.card?.dataset.entry === chip.dataset.entry;
    all.closeCard();
    if (wasOpen) return;
    const facts = all.known.get(chip.dataset.entry) ?? {
      address: chip.dataset.entry,
      name: "",
      facts: [],
      problem: "",
    };
    const card = element("div", { className: "recipient-card" });
    card.dataset.entry = chip.dataset.entry;
    if (facts.name) card.append(element("strong", { textContent: facts.name }));
    card.append(element("p", { className: "recipient-address", textContent: facts.address }));
    if (facts.problem) card.append(element("p", { className: "stop", textContent: facts.problem }));
    const list = element("ul");
    list.append(...facts.facts.map((words) => element("li", { textContent: words })));
    const acts = element("p", { className: "recipient-acts" });
    const edit = element("button", { type: "button", className: "button small", textContent: t("Edit") });
    edit.addEventListener("click", () => {
      this.#remove(chip, this.input);
      this.commit();
      this.input.value = card.dataset.entry;
      this.#changed();
    });
    acts.append(edit, ...movingButtons(all, this, chip));
    if (!facts.isContact && facts.kind && facts.kind !== "stop") {
      const add = element("a", {
        className: "button small",
        textContent: t("Add to contacts"),
        target: "_blank",
        rel: "noopener",
      });
      add.href = `${all.form.dataset.contact}?${new URLSearchParams({ name: facts.name, emails: facts.address })}`;
      acts.append(add);
    }
    card.append(list, acts);
    chip.querySelector(".recipient-name").setAttribute("aria-expanded", "true");
    chip.append(card);
    all.card = card;
  }
}

function chipOf(entry) {
  const chip = element("li", { className: "recipient" });
  chip.dataset.entry = entry;
  chip.draggable = true;
  const name = element("button", { type: "button", className: "recipient-name", textContent: entry, tabIndex: -1 });
  name.setAttribute("aria-expanded", "false");
  const remove = element("button", { type: "button", className: "recipient-remove", textContent: "×", tabIndex: -1 });
  remove.setAttribute("aria-label", t("Remove %(name)s", { name: entry }));
  chip.append(name, remove);
  return chip;
}

function optionOf(offer, id) {
  const option = element("li", { id, className: "recipient-option" });
  option.setAttribute("role", "option");
  option.setAttribute("aria-selected", "false");
  const count = offer.entries.length;
  const people = tn("%(n)s person", "%(n)s people", count);
  option.append(element("span", { className: "option-name", textContent: offer.name || offer.address }));
  const more = offer.isGroup ? t("Group of %(people)s", { people }) : offer.name ? offer.address : "";
  if (more) option.append(element("span", { className: "quiet", textContent: more }));
  return option;
}

function element(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}

function neverWritten(strangers) {
  const names = strangers.slice(0, 3).join(", ");
  const more = strangers.length - 3;
  if (more > 0) return t("You have never written to %(names)s and %(n)s more.", { names, n: more });
  return t("You have never written to %(names)s.", { names });
}
