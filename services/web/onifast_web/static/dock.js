// Several messages at once: composers docked at the foot of the window, each a frame of its own. Which are open is kept
// for the tab, so that they are there on the next page too; what is in them is saved by themselves.

import { t } from "./texts.js";
import { countDownUndo } from "./undo.js";

const KEPT = "dock";
const MOST = 3;
const WIDE = "(min-width: 900px) and (min-height: 560px)";

// Told by a composer in its frame to the page around it.
export function tellDock(what, detail) {
  if (window.parent === window) return;
  window.parent.dispatchEvent(new CustomEvent(`dock:${what}`, { detail: { ...detail, frame: window } }));
}

export function enableDock() {
  if (window.parent !== window || !document.body.dataset.compose) return;
  if (document.querySelector("form.composer")) return;
  new Dock().begin();
}

class Dock {
  constructor() {
    this.compose = new URL(document.body.dataset.compose, location.href);
    this.list = document.createElement("section");
    this.list.className = "dock";
    this.list.setAttribute("aria-label", t("Messages that you are writing"));
    this.open = [];
  }

  begin() {
    document.body.append(this.list);
    for (const each of kept()) this.add(each.url, each, { hasFocus: false });
    document.addEventListener("click", (event) => this.#click(event), { capture: false });
    addEventListener("dock:compose", (event) => this.add(event.detail.url));
    addEventListener("dock:left", (event) => this.#left(event.detail));
    addEventListener("dock:title", (event) => this.#title(event.detail));
    this.#passFilesOn();
  }

  #click(event) {
    const link = event.target.closest("a[href]");
    if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const url = new URL(link.href, location.href);
    if (link.target || url.origin !== location.origin || url.pathname !== this.compose.pathname) return;
    if (!matchMedia(WIDE).matches) return;
    event.preventDefault();
    this.add(url.href, {}, { from: link });
  }

  add(href, { key = "", title = t("New message"), isSmall = false } = {}, { from = null, hasFocus = true } = {}) {
    const same = this.open.find((each) => (key && each.key === key) || each.url === href);
    if (same) {
      same.hasFocus = true;
      this.#shape(same, false);
      same.frame?.focus();
      return;
    }
    const composer = { url: href, key, title, isSmall, from, hasFocus };
    composer.element = this.#element(composer);
    this.open.push(composer);
    this.list.append(composer.element);
    this.#shape(composer, isSmall);
    this.#makeRoom(composer);
    this.#keep();
  }

  #element(composer) {
    const box = document.createElement("div");
    box.className = "docked";
    box.setAttribute("role", "dialog");
    box.setAttribute("aria-label", composer.title);
    const head = document.createElement("div");
    head.className = "docked-head";
    const name = document.createElement("button");
    name.type = "button";
    name.className = "docked-title";
    name.textContent = composer.title;
    name.addEventListener("click", () => this.#toggle(composer));
    const full = button("maximise", t("Open on a page of its own"), () => {
      this.#forget(composer);
      location.href = composer.key ? `${this.compose.pathname}?key=${encodeURIComponent(composer.key)}` : composer.url;
    });
    composer.toggle = button("minimise", t("Minimise"), () => this.#toggle(composer));
    const close = button("close", t("Save and close"), () => this.#close(composer));
    head.append(name, composer.toggle, full, close);
    box.append(head);
    composer.name = name;
    return box;
  }

  #toggle(composer) {
    composer.hasFocus = true;
    this.#shape(composer, !composer.isSmall);
    if (!composer.isSmall) composer.frame.focus();
  }

  #shape(composer, isSmall) {
    composer.isSmall = isSmall;
    composer.element.classList.toggle("small", isSmall);
    composer.name.setAttribute("aria-expanded", String(!isSmall));
    composer.toggle.setAttribute("aria-label", isSmall ? t("Show") : t("Minimise"));
    if (!isSmall && !composer.frame) this.#load(composer);
    this.#keep();
  }

  #load(composer) {
    const frame = document.createElement("iframe");
    const url = composer.key
      ? new URL(`?key=${encodeURIComponent(composer.key)}`, this.compose)
      : new URL(composer.url);
    url.searchParams.set("dock", composer.hasFocus ? "1" : "quiet");
    frame.src = url.href;
    frame.title = composer.title;
    composer.frame = frame;
    composer.element.append(frame);
    // On the next page it is there, but the page is what was asked for.
    if (composer.hasFocus) frame.addEventListener("load", () => frame.focus(), { once: true });
  }

  // The oldest make room where there is none.
  #makeRoom(newest) {
    const large = this.open.filter((each) => !each.isSmall && each !== newest);
    const fit = Math.max(1, Math.min(MOST, Math.floor((innerWidth - 40) / 540)));
    for (const each of large.slice(0, Math.max(0, large.length + 1 - fit))) this.#shape(each, true);
  }

  async #close(composer) {
    const form = composer.frame?.contentDocument?.querySelector("form.composer");
    if (form)
      form.dispatchEvent(new CustomEvent("composer:close", { detail: { close: () => this.#remove(composer) } }));
    else this.#remove(composer);
  }

  #remove(composer) {
    const hadFocus = composer.element.contains(document.activeElement);
    composer.element.remove();
    this.#forget(composer);
    if (hadFocus) (composer.from?.isConnected ? composer.from : document.getElementById("content")).focus();
  }

  #forget(composer) {
    this.open = this.open.filter((each) => each !== composer);
    this.#keep();
  }

  #of(detail) {
    return this.open.find((each) => each.frame?.contentWindow === detail.frame);
  }

  #title(detail) {
    const composer = this.#of(detail);
    if (!composer) return;
    composer.key = detail.key;
    composer.title = detail.title;
    composer.name.textContent = detail.title;
    composer.frame.title = detail.title;
    composer.element.setAttribute("aria-label", detail.title);
    this.#keep();
  }

  async #left(detail) {
    const composer = this.#of(detail);
    if (!composer) return;
    const words = detail.frame.document.querySelector(".notice")?.textContent.trim();
    this.#remove(composer);
    if (detail.did === "sent") await showUndo();
    else showWords(words);
  }

  #keep() {
    const list = this.open.map(({ url, key, title, isSmall }) => ({ url, key, title, isSmall }));
    sessionStorage.setItem(KEPT, JSON.stringify(list));
  }

  // A file that is dropped beside the frames is for the composer that is open.
  #passFilesOn() {
    const target = () => this.open.findLast((each) => each.frame && !each.isSmall);
    const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    addEventListener("dragover", (event) => hasFiles(event) && target() && event.preventDefault());
    addEventListener("drop", (event) => {
      if (!hasFiles(event) || !target()) return;
      event.preventDefault();
      const frame = target().frame.contentWindow;
      frame.dispatchEvent(new frame.CustomEvent("composer:files", { detail: [...event.dataTransfer.files] }));
    });
  }
}

function kept() {
  try {
    const list = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
    return matchMedia(WIDE).matches && Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
}

function button(name, label, act) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "icon-button";
  element.setAttribute("aria-label", label);
  element.title = label;
  element.append(document.querySelector(`[data-dock-icons] [data-icon="${name}"]`).content.cloneNode(true));
  element.addEventListener("click", act);
  return element;
}

// The bar that calls a message back, as the next page would have it.
async function showUndo() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const bar = page.querySelector(".snackbar[data-undo]");
  document.querySelector(".snackbar")?.remove();
  if (!bar) {
    showWords(t("Your message is on its way."));
    return;
  }
  document.body.append(document.adoptNode(bar));
  countDownUndo();
}

function showWords(words) {
  document.querySelector(".snackbar")?.remove();
  const bar = document.createElement("div");
  bar.className = "snackbar";
  const text = document.createElement("span");
  text.setAttribute("role", "status");
  bar.append(text);
  document.body.append(bar);
  setTimeout(() => text.append(words || t("Done.")), 50);
  setTimeout(() => bar.remove(), 8_000);
}
