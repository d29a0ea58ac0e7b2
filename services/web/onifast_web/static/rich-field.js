// Texts of settings that may have looks: signatures, templates and vacation notes. Without this script they are plain.

import { htmlOfText, RichText } from "./composer-editor.js";
import { askForLink, FormatBar } from "./composer-format.js";
import { t } from "./texts.js";

export function enableRichFields() {
  for (const field of document.querySelectorAll("[data-rich-field]")) new RichField(field);
}

class RichField {
  constructor(field) {
    this.field = field;
    this.area = field.querySelector("[data-text]");
    this.source = field.querySelector("[data-html]");
    this.bar = field.querySelector("[data-format-bar]");
    this.mode = field.querySelector("[data-mode]");
    this.editor = null;
    this.format = new FormatBar(this.bar, () => this.editor);
    this.mode.hidden = false;
    // From here on what is sent is what is seen; without this script what is stored belongs to the stored text alone.
    field.querySelector("[data-html-of]").disabled = true;
    this.source.disabled = true;
    this.mode.addEventListener("click", () =>
      this.editor ? this.toPlain() : this.toRich(htmlOfText(this.area.value)),
    );
    field.querySelector("label").addEventListener("click", () => this.editor?.focus());
    this.area.form.addEventListener("submit", () => {
      if (!this.editor) return;
      this.area.value = this.editor.text.trimEnd();
      this.source.value = this.editor.isEmpty ? "" : this.editor.html;
    });
    this.#start(this.source.value.trim());
  }

  #start(html) {
    if (!html && this.area.defaultValue.trim()) {
      this.mode.textContent = t("Rich text");
      return;
    }
    // Somebody was faster than this script.
    this.toRich(this.area.value === this.area.defaultValue ? html : htmlOfText(this.area.value));
  }

  toRich(html) {
    const root = this.field.querySelector("[data-editor]");
    root.setAttribute("role", "textbox");
    root.setAttribute("aria-multiline", "true");
    this.editor = new RichText(root, { images: "", onChange() {}, onPicture() {}, askLink: askForLink });
    this.editor.html = html;
    this.editor.squire.addEventListener("pathChange", () => this.format.show());
    this.editor.focusFrom(this.area);
    this.area.hidden = true;
    this.bar.hidden = false;
    this.source.disabled = false;
    this.mode.textContent = t("Plain text");
  }

  toPlain() {
    this.area.value = this.editor.text.trimEnd();
    this.editor.squire.destroy();
    const root = this.field.querySelector("[data-editor]");
    const fresh = root.cloneNode(false);
    fresh.hidden = true;
    for (const name of ["contenteditable", "role", "aria-multiline"]) fresh.removeAttribute(name);
    root.replaceWith(fresh);
    this.editor = null;
    this.area.hidden = false;
    this.bar.hidden = true;
    this.source.disabled = true;
    this.mode.textContent = t("Rich text");
    this.area.focus();
  }
}
