// Writing. What is written is kept in the browser and on the server while it is written (composer-saving), files go up
// as they are chosen (composer-files), the text has its looks (composer-editor), and a message is sent once.

import { agreed } from "./asking.js";
import { htmlOfText, RichText } from "./composer-editor.js";
import { Files } from "./composer-files.js";
import { askForLink, FormatBar } from "./composer-format.js";
import { ask } from "./composer-people.js";
import { Recipients } from "./composer-recipients.js";
import { Saving } from "./composer-saving.js";
import { renewToken, showProblem } from "./composer-session.js";
import { Signature } from "./composer-signature.js";
import * as store from "./composer-store.js";
import { tellDock } from "./dock.js";
import { t } from "./texts.js";

const FORGOTTEN =
  /\b(?:attach(?:ed|ing|ments?)?|enclosed|anbei|angehängt|anhang|anhänge|beigefügt|im anhang|ci-joint|pièce jointe|adjunto|allegato|bijlage|bijgevoegd)\b/i;
const FIELD = { role: "textbox", "aria-multiline": "true", "aria-label": t("Text") };
const FOR_SO_LONG = 30 * 86_400_000; // milliseconds for which the browser keeps what nobody comes back for

export function enableComposer() {
  if (document.querySelector("[data-left-dock]")) {
    tellDock("left", { did: document.querySelector("[data-left-dock]").dataset.leftDock, url: location.href });
    return;
  }
  const form = document.querySelector("form.composer");
  if (form?.elements.key?.value) new Composer(form).begin();
}

class Composer {
  constructor(form) {
    this.form = form;
    this.area = form.querySelector("#text");
    this.editor = null;
    this.asked = { attachment: false, subject: false };
    this.known = [];
    this.quoteUrl = form.querySelector("[data-quote]")?.dataset.quote ?? "";
    this.signature = new Signature(form, htmlOfText);
    // From here on what is sent is what is seen; without this script looks that are stored belong to the stored text.
    for (const field of form.querySelectorAll("[data-html], [data-html-of]")) field.disabled = true;
    this.begun = this.signature.around(this.area.value);
    this.quoteText = this.quoteUrl ? this.begun.after : "";
    this.saving = new Saving(form, { words: () => this.words(), adopt: (state) => this.adopt(state) });
    this.files = new Files(form, this.saving);
  }

  async begin() {
    const { form } = this;
    this.nameThePage();
    const kept = await store.get(this.saving.id);
    const newer = kept && !kept.isSaved && kept.user === form.dataset.user ? kept.fields : null;
    this.recipients = new Recipients(form, () => this.saving.changed());
    if (newer) this.#restore(newer);
    this.#startText(newer);
    this.#listen();
    if (newer) {
      this.saving.changed();
      this.saving.say(t("Found what was not saved"));
    }
    if ("unsaved" in form.dataset) this.saving.changed();
    else if (!newer) this.saving.begun();
    store.forget(Date.now() - FOR_SO_LONG);
    tellDock("title", { title: this.title, key: form.elements.key.value });
    keepAboveKeyboard();
    // In a frame an attribute alone moves no focus into it.
    document.querySelector("input[autofocus]")?.focus();
    form.dataset.ready = "";
  }

  // Whoever reloads the page, or comes back to it, finds what was written, or that it was sent.
  nameThePage() {
    const url = new URL(location.href);
    url.searchParams.set("key", this.form.elements.key.value);
    if (this.form.method && url.pathname === new URL(this.form.action).pathname)
      history.replaceState(history.state, "", url);
  }

  get title() {
    return this.form.elements.subject.value.trim() || t("New message");
  }

  #restore(fields) {
    for (const name of ["from", "subject", "text", "reply_to", "priority", "language", "draft", "source"]) {
      const field = this.form.elements[name];
      if (field && name in fields && (name !== "draft" || !field.value)) field.value = fields[name];
    }
    this.recipients.restore(fields);
    this.signature.present = this.signature.chosen;
    for (const name of ["receipt", "report"]) this.form.elements[name].checked = name in fields;
    if ("html" in fields) this.form.dataset.rich = "";
    else delete this.form.dataset.rich;
    const more = this.form.querySelector(".more-recipients");
    if (more && (fields.cc || fields.bcc)) more.open = true;
  }

  #startText(newer) {
    const source = this.form.querySelector("[data-html]");
    if (!("rich" in this.form.dataset)) {
      startAtTop(this.area);
      return;
    }
    let html = newer ? newer.html : source.value.trim();
    // Somebody was faster than this script.
    if (this.area.value !== this.area.defaultValue && !newer) html = htmlOfText(this.area.value);
    if (!html && !newer) html = this.#beginning();
    if (newer?.forward === "reply" && this.quoteUrl) this.#quoteBelow();
    this.toRich(html);
    if (this.area.hasAttribute("autofocus") && document.activeElement === document.body) this.editor.focus();
  }

  // What the server has begun, with the signature's looks, and what is quoted below it.
  #beginning() {
    const { before, after, hasSignature } = this.begun;
    if (this.quoteUrl) this.#quoteBelow();
    const above = before.trim() ? htmlOfText(before) : "";
    const below = !this.quoteUrl && after.trim() ? htmlOfText(after) : "";
    if (!hasSignature) return above;
    return `${above}<div><br></div><div><br></div>${this.signature.html}${below}`;
  }

  // What is answered stands folded below the answer, and goes along as it looks.
  #quoteBelow() {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = "forward";
    field.value = "reply";
    const fold = document.createElement("details");
    fold.className = "quote-fold";
    const summary = document.createElement("summary");
    summary.className = "button ghost small";
    summary.textContent = t("Quoted message");
    const edit = document.createElement("button");
    edit.type = "button";
    edit.className = "link";
    edit.textContent = t("Edit it, to answer in between");
    const leave = document.createElement("button");
    leave.type = "button";
    leave.className = "link";
    leave.textContent = t("Leave it out");
    const frame = document.createElement("iframe");
    frame.className = "html-body";
    frame.title = t("Quoted message");
    frame.setAttribute("sandbox", "allow-same-origin allow-popups allow-popups-to-escape-sandbox");
    frame.loading = "lazy";
    frame.src = this.quoteUrl;
    const acts = document.createElement("p");
    acts.className = "quote-acts";
    acts.append(edit, leave);
    fold.append(summary, acts, frame);
    const end = () => {
      fold.remove();
      field.remove();
      this.editor.focus();
      this.saving.changed(true);
    };
    leave.addEventListener("click", end);
    edit.addEventListener("click", () => {
      const quoted = quoteIn(this.quoteText);
      const body = frame.contentDocument?.body.innerHTML ?? "";
      const html = `${this.editor.html}<div><br></div><div>${quoted.head}</div><blockquote type="cite">${body}</blockquote>`;
      end();
      this.editor.html = html;
    });
    this.fold = fold;
    this.form.append(field);
    this.form.querySelector(".body-field").append(fold);
  }

  toRich(html) {
    const root = this.form.querySelector("[data-editor]");
    for (const [name, value] of Object.entries(FIELD)) root.setAttribute(name, value);
    this.editor = new RichText(root, {
      images: this.form.dataset.images,
      onChange: () => this.saving.changed(),
      onPicture: (file, id) => this.files.addPicture(file, id),
      askLink: askForLink,
    });
    this.editor.html = html;
    this.editor.focusFrom(this.area);
    this.area.hidden = true;
    this.area.removeAttribute("id");
    this.form.querySelector('label[for="text"]').hidden = true;
    this.form.querySelector("[data-format-bar]").hidden = false;
    const source = this.form.querySelector("[data-html]");
    source.disabled = false;
    const mode = this.form.querySelector("[data-mode] span");
    mode.textContent = t("Plain text");
    root.lang = this.form.elements.language.value;
    this.editor.squire.addEventListener("pathChange", () => this.format.show());
    root.addEventListener("keydown", (event) => this.#keys(event));
  }

  toPlain() {
    const text = this.editor.text.trimEnd();
    this.area.value = this.fold ? `${text}${this.quoteText}` : `${text}\n`;
    this.fold?.remove();
    this.form.querySelector('[name="forward"][value="reply"]')?.remove();
    this.fold = null;
    this.editor.squire.destroy();
    const root = this.form.querySelector("[data-editor]");
    const fresh = root.cloneNode(false);
    fresh.hidden = true;
    for (const name of ["contenteditable", ...Object.keys(FIELD)]) fresh.removeAttribute(name);
    root.replaceWith(fresh);
    this.editor = null;
    this.area.hidden = false;
    this.area.id = "text";
    this.form.querySelector('label[for="text"]').hidden = false;
    this.form.querySelector("[data-format-bar]").hidden = true;
    this.form.querySelector("[data-html]").disabled = true;
    this.form.querySelector("[data-mode] span").textContent = t("Rich text");
    this.area.focus();
  }

  // What the form sends of the text.
  words() {
    if (!this.editor) return;
    this.form.querySelector("[data-html]").value = this.editor.html;
    this.area.value = this.editor.text;
  }

  adopt(state) {
    const { elements } = this.form;
    elements.draft.value = state.draft;
    elements.source.value = state.draft;
    this.known = state.images;
    for (const box of this.form.querySelectorAll('[name="enclose"]')) box.closest("ul").remove();
    this.files.show(state.kept);
    if (this.editor) this.files.again(this.editor.contentIds, state.images);
    tellDock("title", { title: this.title, key: elements.key.value });
  }

  #listen() {
    const { form } = this;
    form.addEventListener("input", (event) => {
      if (event.target.closest("[data-editor], [data-files], [data-pick], [data-picture]")) return;
      this.saving.changed(event.target.name === "keep" || event.target.name === "enclose");
      this.#mayAsk();
    });
    form.querySelector("[data-editor]").addEventListener("input", () => this.#mayAsk());
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        form.requestSubmit(form.querySelector("[data-send]"));
      }
    });
    form.addEventListener("submit", (event) => this.#submit(event));
    this.area.addEventListener("paste", (event) => {
      if (!event.clipboardData.files.length) return;
      event.preventDefault();
      this.files.add([...event.clipboardData.files]);
    });
    this.#listenToFormat();
    form.elements.language.addEventListener("change", () => this.#speak());
    this.#speak();
    const options = form.querySelector("[data-options]");
    document.addEventListener("click", (event) => {
      if (!options.contains(event.target)) options.open = false;
    });
    options.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      options.open = false;
      options.querySelector("summary").focus();
    });
    addEventListener("beforeunload", (event) => {
      if (this.leaving) return;
      if (this.files.isBusy || (this.saving.isDirty && this.saving.wasAway)) event.preventDefault();
    });
    // Closed in the dock: it is a draft then, or nothing where nothing was written.
    form.addEventListener("composer:close", async (event) => {
      const done = await this.saving.save();
      if (
        done ||
        !this.saving.isDirty ||
        window.confirm(t("It is not saved on the server yet. Close it all the same?"))
      ) {
        this.leaving = true;
        event.detail.close();
      }
    });
    addEventListener("pageshow", (event) => event.persisted && location.reload());
  }

  #mayAsk() {
    const discard = this.form.querySelector("[data-question]");
    discard.dataset.confirm = discard.dataset.question;
  }

  #speak() {
    const language = this.form.elements.language.value;
    for (const each of [this.area, this.form.querySelector("[data-editor]"), this.form.elements.subject]) {
      if (language) each.lang = language;
      else each.removeAttribute("lang");
    }
  }

  #listenToFormat() {
    this.format = new FormatBar(this.form.querySelector("[data-format-bar]"), () => this.editor);
    this.form.querySelector("[data-mode]").addEventListener("click", () => {
      if (this.editor) this.toPlain();
      else this.toRich(htmlOfText(this.area.value));
      this.form.querySelector("[data-options]").open = false;
      this.saving.changed(true);
    });
    this.form.querySelector("[data-template]")?.addEventListener("change", (event) => this.#insert(event.target));
    this.form.elements.from?.addEventListener("change", () => this.signature.change(this.editor, this.area));
  }

  // A template comes to where the cursor is.
  async #insert(select) {
    const found = select.value ? await ask(`${select.dataset.template}${select.value}`, []) : null;
    select.value = "";
    this.form.querySelector("[data-options]").open = false;
    if (!found) return;
    const { subject } = this.form.elements;
    if (!subject.value.trim()) subject.value = found.subject;
    if (this.editor) this.editor.insert(found.html || htmlOfText(found.text));
    else {
      this.area.setRangeText(found.text, this.area.selectionStart, this.area.selectionEnd, "end");
      this.area.focus();
    }
    this.saving.changed();
  }

  // Tab leaves the text, as in any field; Squire would have it indent lists only.
  #keys(event) {
    if (event.key === "Escape") this.form.querySelector("[data-send]").focus();
  }

  async #submit(event) {
    const { form } = this;
    const act = event.submitter?.value ?? "send";
    if (this.ready) return;
    event.preventDefault();
    if (this.isSending) return;
    this.recipients.commit();
    if (act !== "discard" && act !== "save" && !(await this.#isMeant())) return;
    this.isSending = true;
    form.setAttribute("aria-busy", "true");
    while (this.files.isBusy) {
      this.saving.say(t("Waiting for files…"));
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    this.words();
    await this.saving.handOver();
    const problem = await renewToken(form);
    showProblem(form, problem && t("%(problem)s What you wrote is still here; then try once more.", { problem }));
    form.removeAttribute("aria-busy");
    this.isSending = false;
    if (problem || this.saving.ended) return;
    this.words();
    this.leaving = true;
    this.saving.end();
    this.ready = true;
    form.requestSubmit(event.submitter);
    this.ready = false;
    this.isSending = true;
  }

  // Asked about once: what looks forgotten.
  async #isMeant() {
    const { form } = this;
    if (!this.asked.subject && !form.elements.subject.value.trim()) {
      this.asked.subject = true;
      if (!(await agreed(t("Send it without a subject?"), t("Send"), t("Go back")))) {
        form.elements.subject.focus();
        return false;
      }
    }
    const own = `${form.elements.subject.value}\n${withoutQuotes(this.editor ? this.editor.root : this.area.value)}`;
    if (!this.asked.attachment && !this.files.count && FORGOTTEN.test(own)) {
      this.asked.attachment = true;
      const question = t("You speak of an attachment, but there is none. Send it all the same?");
      if (!(await agreed(question, t("Send"), t("Go back")))) return false;
    }
    return true;
  }
}

function withoutQuotes(what) {
  if (typeof what === "string")
    return what
      .split("\n")
      .filter((line) => !line.startsWith(">"))
      .join("\n");
  const copy = what.cloneNode(true);
  for (const quote of copy.querySelectorAll("blockquote, [data-signature]")) quote.remove();
  return copy.textContent;
}

// Who wrote what is quoted: the first line of a quote as plain text.
function quoteIn(text) {
  const line = text.split("\n").find((each) => each.trim()) ?? "";
  const holder = document.createElement("div");
  holder.textContent = line;
  return { head: holder.innerHTML };
}

// A phone's keyboard covers the page's foot in browsers that do not make the page smaller for it.
function keepAboveKeyboard() {
  const seen = window.visualViewport;
  if (!seen) return;
  const lift = () => {
    const covered = seen.scale > 1.05 ? 0 : Math.max(0, Math.round(window.innerHeight - seen.height - seen.offsetTop));
    document.documentElement.style.setProperty("--keyboard", `${covered}px`);
  };
  seen.addEventListener("resize", lift);
  seen.addEventListener("scroll", lift);
  lift();
}

function startAtTop(area) {
  area.setSelectionRange(0, 0);
  area.scrollTop = 0;
}
