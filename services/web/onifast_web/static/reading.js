// Reading: printing without leaving, where a link leads, long subjects and quotes that open, and short answers.

import { Saving } from "./composer-saving.js";
import { t } from "./texts.js";

const SHORTEST_FOLD = 250; // CSS pixels: a quote that is lower takes no more room than the button that opens it
const QUOTES = "blockquote[type=cite], .m-gmail_quote, .m-yahoo_quoted, .m-moz-cite-prefix + blockquote";

export function enableReading() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-print]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      link.closest("details")?.removeAttribute("open");
      print(link.href);
    }
    event.target.closest("[data-clamp]")?.classList.toggle("whole");
  });
  addEventListener("beforeprint", () => unfoldAll(document));
  prepareReading(document);
}

// What a page, or a part that came later, has of messages.
export function prepareReading(root) {
  for (const frame of root.querySelectorAll("iframe.html-body")) {
    frame.addEventListener("load", () => prepareFrame(frame));
    if (frame.contentDocument?.readyState === "complete") prepareFrame(frame);
  }
  tellTargets(root);
  for (const form of root.querySelectorAll("[data-quick]")) enableQuickReply(form);
}

function prepareFrame(frame) {
  const page = frame.contentDocument;
  if (!page || page.documentElement.dataset.prepared) return;
  page.documentElement.dataset.prepared = "1";
  tellTargets(page);
  foldQuote(frame, page);
}

// The quote that ends a message stands folded; one in the middle belongs to what is written around it.
function foldQuote(frame, page) {
  const quote = [...page.querySelectorAll(QUOTES)].find((each) => !each.parentElement.closest(QUOTES));
  if (!quote || quote.getBoundingClientRect().height < SHORTEST_FOLD || followed(quote, page)) return;
  if (!page.body.textContent.trim().startsWith(quote.textContent.trim().slice(0, 200))) fold(frame, page, quote);
}

function followed(quote, page) {
  const rest = page.createRange();
  rest.setStartAfter(quote);
  rest.setEndAfter(page.body.lastChild);
  return rest.toString().trim().length > 200;
}

function fold(frame, page, quote) {
  const button = page.createElement("button");
  button.type = "button";
  button.className = "quote-button";
  button.setAttribute("aria-expanded", "false");
  button.textContent = t("Quoted text");
  button.addEventListener("click", () => {
    quote.hidden = !quote.hidden;
    button.setAttribute("aria-expanded", String(!quote.hidden));
    frame.dispatchEvent(new CustomEvent("fit"));
  });
  quote.hidden = true;
  quote.before(button);
  frame.dispatchEvent(new CustomEvent("fit"));
}

function unfoldAll(root) {
  for (const each of root.querySelectorAll(".text-body details")) each.open = true;
}

// Where the link that the pointer or the focus is on leads: within a frame no browser says it to everybody.
function tellTargets(root) {
  for (const kind of ["mouseover", "focusin"]) root.addEventListener(kind, (event) => tell(event.target, root));
  for (const kind of ["mouseout", "focusout"]) root.addEventListener(kind, () => tell(null, root));
}

function tell(element, root) {
  const link = element?.closest?.("a[href]");
  const isOurs = root === document && !link?.closest(".text-body");
  let note = document.querySelector(".link-target");
  if (!link || isOurs || !/^(https?|mailto|tel):/i.test(link.href)) {
    if (note) note.hidden = true;
    return;
  }
  if (!note) {
    note = document.createElement("p");
    note.className = "link-target";
    note.setAttribute("aria-hidden", "true"); // who listens is told the link's title
    document.body.append(note);
  }
  note.replaceChildren(...shownTarget(link.href));
  note.hidden = false;
}

function shownTarget(href) {
  const url = new URL(href);
  if (!url.host) return [href];
  const host = document.createElement("strong");
  host.textContent = url.host;
  return [`${url.protocol}//`, host, (url.pathname + url.search + url.hash).slice(0, 200)];
}

function print(href) {
  document.querySelector(".print-frame")?.remove();
  const frame = document.createElement("iframe");
  frame.className = "print-frame";
  frame.title = t("Print");
  frame.tabIndex = -1;
  frame.setAttribute("sandbox", "allow-same-origin allow-modals");
  frame.addEventListener("load", () => {
    if (!frame.contentDocument?.querySelector("article")) location.href = href;
    else frame.contentWindow.print();
  });
  frame.src = href;
  document.body.append(frame);
}

// What is typed is a draft within moments; the composer takes it up where there is more to do.
function enableQuickReply(form) {
  const area = form.elements.text;
  const saving = new Saving(form, {
    words: () => {},
    adopt: (state) => {
      form.elements.draft.value = state.draft;
    },
  });
  area.addEventListener("input", () => {
    form.classList.add("in-use");
    saving.changed();
  });
  area.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    form.requestSubmit(form.querySelector("[value=send]"));
  });
  form.addEventListener("submit", async (event) => {
    if (event.submitter?.value === "send" && !area.value.trim()) {
      event.preventDefault();
      area.focus();
      return;
    }
    if (event.submitter?.dataset.open === undefined) {
      saving.ended = true;
      return;
    }
    event.preventDefault();
    saving.changed(true);
    if ((await saving.save()) !== true) {
      form.submit();
      return;
    }
    saving.ended = true;
    const link = document.createElement("a");
    link.href = `${form.action}?key=${encodeURIComponent(form.elements.key.value)}`;
    form.append(link);
    area.value = "";
    form.classList.remove("in-use");
    link.click();
    link.remove();
  });
}
