// A vacation note with looks: an editor over its plain text, which goes along as the same in words; and its days in the
// time zone of who writes it.

import { htmlOfText, RichText } from "./composer-editor.js";

export function enableRichNotes() {
  for (const field of document.querySelectorAll("[data-rich-note]")) enrich(field);
  const zone = document.querySelector("[data-zone]");
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone || !here) return;
  zone.value = here;
  for (const each of document.querySelectorAll("[data-zone-name]")) each.textContent = here.replaceAll("_", " ");
}

function enrich(field) {
  const text = field.querySelector("textarea");
  const html = field.querySelector("input[type=hidden]");
  const bar = field.querySelector(".note-bar");
  const root = field.querySelector(".editor");
  const label = field.querySelector("label");
  const editor = new RichText(root, { images: "", onChange: () => mark(bar, editor), onPicture: () => {} });
  root.setAttribute("role", "textbox");
  root.setAttribute("aria-multiline", "true");
  root.setAttribute("aria-label", label.textContent);
  editor.html = html.value || htmlOfText(text.value);
  text.hidden = true;
  text.required = false;
  bar.hidden = false;
  label.addEventListener("click", () => editor.focus());
  root.addEventListener("keyup", () => mark(bar, editor));
  for (const button of bar.querySelectorAll("[data-command]")) {
    button.addEventListener("click", () => {
      editor.command(button.dataset.command);
      mark(bar, editor);
    });
  }
  text.form.addEventListener("submit", () => {
    html.value = editor.isEmpty ? "" : editor.html;
    text.value = editor.isEmpty ? "" : editor.text;
  });
}

function mark(bar, editor) {
  for (const button of bar.querySelectorAll("[aria-pressed]"))
    button.setAttribute("aria-pressed", String(editor.has(button.dataset.command)));
}
