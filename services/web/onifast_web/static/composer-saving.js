// Saving while somebody writes: into the browser at once, and to the server after each pause. One request at a time, in
// which a file may go along; what the server says of the draft is what the next one builds on.

import { renewToken, SIGNED_OUT, showProblem } from "./composer-session.js";
import * as store from "./composer-store.js";
import { language, t, zone } from "./texts.js";

const KEEP_AFTER = 200; // milliseconds after a key, in the browser
const SAVE_AFTER = 1_500; // on the server
const SAVE_AT_LATEST = 6_000; // while somebody types without a pause
const TRY_AGAIN_AFTER = 4_000;
const LARGE = 2 * 1024 * 1024; // octets of files with which a draft is written only in longer pauses, its words always
const WHOLE_AFTER = 30_000;

// What somebody sees of a value: an editor that was emptied again holds other tags than one that never was used.
const bare = (text) => text.replace(/<(?!img|table|hr)[^>]*>|&nbsp;|\s+/g, " ").trim();

export class Saving {
  constructor(form, { words, adopt }) {
    this.form = form;
    this.words = words; // puts what the editor holds into the form's fields
    this.adopt = adopt; // hears what the server says of the draft
    this.state = form.querySelector("[data-save-state]");
    this.id = store.record(form.dataset.user, form.elements.key.value);
    this.writer = writerOf(this.id);
    this.changes = 0;
    this.saved = 0;
    this.whole = 0;
    this.queue = Promise.resolve();
    this.ended = false;
    this.firstChange = 0;
    addEventListener("pagehide", () => this.leave());
    document.addEventListener("visibilitychange", () => document.hidden && this.leave());
  }

  // What is there at first is no draft, until somebody has changed it.
  begun() {
    this.initial = this.#print();
  }

  get isDirty() {
    return this.saved < this.changes && !this.#isUntouched();
  }

  #isUntouched() {
    return !this.form.elements.draft.value && this.initial === this.#print();
  }

  #print() {
    this.words();
    const fields = [...new FormData(this.form)].filter(([name]) => name !== "csrf_token");
    return JSON.stringify(fields.map(([name, value]) => [name, typeof value === "string" ? bare(value) : value.name]));
  }

  // `whole` where it is more than words: a draft is written anew then, however large.
  changed(whole = false) {
    if (this.ended) return;
    this.mustBeWhole ||= whole;
    this.changes += 1;
    this.firstChange ||= Date.now();
    this.say("");
    this.keepTimer ||= setTimeout(() => this.keep(), KEEP_AFTER);
    this.saveSoon(Math.max(0, Math.min(SAVE_AFTER, this.firstChange + SAVE_AT_LATEST - Date.now())));
  }

  saveSoon(after) {
    clearTimeout(this.saveTimer);
    this.saveTimer = setTimeout(() => this.save(), after);
  }

  // In the browser, where it needs no network.
  async keep() {
    clearTimeout(this.keepTimer);
    this.keepTimer = 0;
    if (this.ended) return;
    this.words();
    const url = new URL(location.href);
    url.searchParams.delete("dock");
    const fields = Object.fromEntries([...new FormData(this.form)].filter(([, value]) => typeof value === "string"));
    delete fields.csrf_token;
    const { user } = this.form.dataset;
    await store.put({ id: this.id, user, fields, url: url.href, at: Date.now(), isSaved: !this.isDirty });
  }

  // On the server. `more` adds a file; `send` is how: by fetch, or with progress. Resolves to whether it is saved.
  save(more = null, send = post) {
    clearTimeout(this.saveTimer);
    this.queue = this.queue.then(() => this.#save(more, send)).catch(() => false);
    return this.queue;
  }

  async #save(more, send) {
    if (this.ended || (!more && !this.isDirty && this.whole === this.saved)) return !this.ended;
    // What the browser has is never older than what the server has.
    await this.keep();
    this.words();
    const at = this.changes;
    const only = !more && this.size() > LARGE && this.form.elements.draft.value && this.isDirty && !this.mustBeWhole;
    const body = new FormData(this.form);
    body.set("do", only ? "words" : "autosave");
    body.set("writer", this.writer);
    more?.(body);
    this.say(t("Saving…"));
    const answer = await send(this.form.action, body);
    if (answer.status === 200) {
      this.saved = at;
      if (!only) {
        this.whole = at;
        this.mustBeWhole = false;
        this.adopt(answer.json);
      }
      await this.#isSaved(only);
      return true;
    }
    if (answer.status === 409) return this.#overtaken(answer.json, more, send);
    if (answer.status === 422 || answer.status === 413) {
      this.say(answer.json?.error ?? answer.json?.detail ?? t("It cannot be saved."));
      return { refused: answer.json?.error ?? answer.json?.detail };
    }
    return this.#away(answer, more, send);
  }

  async #isSaved(only) {
    this.firstChange = this.isDirty ? Date.now() : 0;
    if (this.isDirty) this.saveSoon(SAVE_AFTER);
    else if (only) this.saveSoon(WHOLE_AFTER);
    showProblem(this.form, "");
    this.wasAway = false;
    await this.keep();
    if (!this.isDirty) this.say(t("Saved %(time)s", { time: clock() }));
  }

  async #overtaken(json, more, send) {
    if (json?.state === "sent") {
      this.end();
      showProblem(this.form, t("This message was sent already, from another window."), [[t("Close"), () => leave()]]);
      return false;
    }
    if (json?.state === "stale") {
      this.adopt(json);
      return this.#save(more, send);
    }
    this.say(t("Not saved"));
    clearTimeout(this.saveTimer);
    showProblem(this.form, t("This message was changed in another window."), [
      [t("Show what is there"), () => location.reload()],
      [
        t("Keep what is here"),
        () => {
          this.adopt(json);
          this.changed();
        },
      ],
    ]);
    return false;
  }

  // The server is away, or the session has ended: what was written stays here, and is tried again.
  async #away(answer, more, send) {
    const problem = await renewToken(this.form);
    if (!problem && !this.wasAway) {
      this.wasAway = true; // the token was of an ended session
      return this.#save(more, send);
    }
    this.say(t("Not saved on the server yet"));
    if (problem === SIGNED_OUT) {
      showProblem(this.form, t("%(problem)s What you wrote is still here; then it is saved.", { problem }));
    }
    this.saveSoon(TRY_AGAIN_AFTER);
    return answer.status ? { refused: t("The server cannot take it just now.") } : false;
  }

  // The page goes, perhaps for good: what is not saved yet is sent along with it.
  leave() {
    if (this.ended || !this.isDirty) return;
    this.keep();
    this.words();
    const body = new FormData(this.form);
    body.set("do", this.size() > LARGE ? "words" : "autosave");
    body.set("writer", this.writer);
    fetch(this.form.action, { method: "POST", body, keepalive: true, redirect: "manual" }).catch(() => null);
  }

  // It was sent, or thrown away.
  end() {
    this.ended = true;
    clearTimeout(this.saveTimer);
    clearTimeout(this.keepTimer);
    store.remove(this.id);
  }

  // What goes by the form itself is kept until the server has it: by then this page is gone.
  async handOver() {
    clearTimeout(this.saveTimer);
    await this.queue;
    await this.keep();
  }

  size() {
    return [...this.form.querySelectorAll("[data-size]")].reduce((sum, each) => sum + Number(each.dataset.size), 0);
  }

  say(text) {
    if (this.state.textContent !== text) this.state.textContent = text;
  }
}

// A page and the one that a reload makes of it are one writer; a copy of its tab is another.
function writerOf(id) {
  const name = `writer ${id}`;
  const writer = sessionStorage.getItem(name) ?? crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  sessionStorage.removeItem(name);
  addEventListener("pagehide", () => sessionStorage.setItem(name, writer));
  return writer;
}

function leave() {
  const root = document.body.dataset.root;
  if (window.parent === window) location.href = root;
  else window.parent.location.href = root;
}

async function post(url, body) {
  const headers = { Accept: "application/json" };
  const answer = await fetch(url, { method: "POST", body, headers, redirect: "manual" }).catch(() => null);
  if (!answer) return { status: 0 };
  return { status: answer.status, json: await answer.json().catch(() => null) };
}

function clock() {
  return new Date().toLocaleTimeString(language, { timeZone: zone, hour: "2-digit", minute: "2-digit" });
}
