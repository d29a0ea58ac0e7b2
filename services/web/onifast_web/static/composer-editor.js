// Rich text: Squire, a mail editor, over what DOMPurify lets through. Nothing that is pasted or quoted runs, or loads
// anything from elsewhere, and no style is parsed from a text within this page: its policy forbids that, so styles are
// taken over from a document that is not shown.

import DOMPurify from "./vendor/dompurify.js";
import Squire from "./vendor/squire.js";

const TAGS = (
  "a b blockquote br code col colgroup div em font h1 h2 h3 h4 h5 h6 hr i img ins li ol p pre s small span strike " +
  "strong sub sup table tbody td tfoot th thead tr u ul"
).split(" ");
const ATTRIBUTES = (
  "align alt bgcolor border cellpadding cellspacing color colspan data-aside-style data-cid data-remote data-signature dir face " +
  "height href lang " +
  "rowspan scope size src start style type valign width"
).split(" ");
const STYLES = (
  "background-color border border-collapse border-left color direction font-family font-size font-style font-weight " +
  "height margin margin-left max-width padding padding-left text-align text-decoration vertical-align white-space width"
).split(" ");
const STYLE_ASIDE = "data-aside-style";
const PICTURE = /^data:image\/(?:png|jpe?g|gif|webp);base64,/i;

class Editor extends Squire {
  // Undo puts HTML back: as the other ways in, by a document that is not shown.
  _setRawHTML(html) {
    this._root.replaceChildren(this._config.withBookmarks(html));
    if (!this._root.firstElementChild) this._root.append(this.createDefaultBlock());
    this._ignoreChange = true;
    return this;
  }
}

export class RichText {
  constructor(root, { images, onChange, onPicture, askLink }) {
    this.root = root;
    this.images = images; // where the draft's pictures are, up to their Content-ID
    this.onPicture = onPicture;
    this.onChange = onChange;
    this.askLink = askLink; // resolves to what a link is to be
    this.shown = new Map(); // pictures of this page by Content-ID, as data: URLs
    this.purify = DOMPurify(window);
    this.purify.addHook("afterSanitizeAttributes", (node) => this.#judge(node));
    root.hidden = false;
    this.squire = new Editor(root, {
      blockTag: "DIV",
      sanitizeToDOMFragment: (html) => this.#fragment(html),
      // Squire marks the selection in what it can undo by hidden fields.
      withBookmarks: (html) => this.#fragment(html, { ADD_TAGS: ["input"], ADD_ATTR: ["id"] }),
      willCutCopy: (html) => html,
    });
    this.squire.addEventListener("input", onChange);
    root.addEventListener("paste", (event) => this.#paste(event), { capture: true });
    root.addEventListener("click", (event) => {
      const link = event.target.closest("a[href]");
      if (link && (event.ctrlKey || event.metaKey)) window.open(link.href, "_blank", "noopener,noreferrer");
    });
    this.squire.setKeyHandler(`${ctrl()}-k`, (_squire, event) => {
      event.preventDefault();
      this.command("link");
    });
  }

  get html() {
    // In a document that is not shown: there a picture's address may be named without its being loaded.
    const copy = document.implementation.createHTMLDocument("").importNode(this.root, true);
    for (const image of copy.querySelectorAll("img")) {
      if (image.dataset.cid) image.setAttribute("src", `cid:${image.dataset.cid}`);
      else if (image.dataset.remote) image.setAttribute("src", image.dataset.remote);
      for (const name of ["data-cid", "data-remote", "class"]) image.removeAttribute(name);
    }
    for (const each of copy.querySelectorAll("[class]")) each.removeAttribute("class");
    for (const each of copy.querySelectorAll("[data-signature]")) each.removeAttribute("data-signature");
    return copy.innerHTML.replaceAll("\u200b", "");
  }

  set html(html) {
    this.squire.setHTML(html);
  }

  get text() {
    // biome-ignore lint/performance/useDomNodeTextContent: line by line, as it is seen
    return this.root.innerText.replaceAll("\u200b", "").replace(/\n{3,}/g, "\n\n");
  }

  get isEmpty() {
    return !this.root.textContent.trim() && !this.root.querySelector("img, table, hr");
  }

  get contentIds() {
    return [...this.root.querySelectorAll("img[data-cid]")].map((image) => image.dataset.cid);
  }

  focus(atEnd = false) {
    if (atEnd) this.squire.moveCursorToEnd();
    else this.squire.moveCursorToStart();
    this.squire.focus();
  }

  // For who is in `area` already when its text comes here: the cursor comes along.
  focusFrom(area) {
    if (document.activeElement !== area) return;
    if (area.value === area.defaultValue) {
      this.focus();
      return;
    }
    const lines = area.value.slice(0, area.selectionStart).split("\n");
    const words = this.root.children[lines.length - 1]?.firstChild;
    const range = document.createRange();
    if (words?.nodeType === Node.TEXT_NODE) {
      const typed = lines.at(-1);
      // Squire leaves out the space at a line's end, behind which the next word comes.
      if (typed.startsWith(words.data)) words.appendData(typed.slice(words.length));
      range.setStart(words, Math.min(typed.length, words.length));
    } else range.setStart(words?.parentNode ?? this.root, 0);
    this.squire.setSelection(range);
    this.squire.focus();
  }

  insert(html) {
    this.squire.focus();
    this.squire.insertHTML(html);
  }

  // Puts HTML in the place of a block, or below what was written; "" takes the block away.
  replace(block, html) {
    const fragment = this.#fragment(html);
    if (block) block.replaceWith(fragment);
    else this.root.append(...(html ? [this.squire.createDefaultBlock(), fragment] : []));
    if (!this.root.firstElementChild) this.root.append(this.squire.createDefaultBlock());
    this.squire.saveUndoState();
    this.onChange();
  }

  picture(file) {
    const id = `${[...crypto.getRandomValues(new Uint8Array(12))].map((n) => n.toString(16).padStart(2, "0")).join("")}@composer.invalid`;
    const reader = new FileReader();
    reader.addEventListener("load", () => {
      this.shown.set(id, reader.result);
      this.squire.insertHTML(`<img src="cid:${id}" alt="">`);
      this.onPicture(file, id);
    });
    reader.readAsDataURL(file);
  }

  has(command) {
    const { squire } = this;
    switch (command) {
      case "bold":
        return squire.hasFormat("B");
      case "italic":
        return squire.hasFormat("I");
      case "underline":
        return squire.hasFormat("U");
      case "strikethrough":
        return squire.hasFormat("S");
      case "ul":
      case "ol":
        return squire.hasFormat(command.toUpperCase());
      case "quote":
        return squire.hasFormat("BLOCKQUOTE");
      case "link":
        return squire.hasFormat("A");
      default:
        return false;
    }
  }

  command(name, value) {
    const { squire } = this;
    const on = this.has(name);
    squire.focus();
    const acts = {
      bold: () => (on ? squire.removeBold() : squire.bold()),
      italic: () => (on ? squire.removeItalic() : squire.italic()),
      underline: () => (on ? squire.removeUnderline() : squire.underline()),
      strikethrough: () => (on ? squire.removeStrikethrough() : squire.strikethrough()),
      ul: () => (on ? squire.removeList() : squire.makeUnorderedList()),
      ol: () => (on ? squire.removeList() : squire.makeOrderedList()),
      quote: () => (on ? squire.decreaseQuoteLevel() : squire.increaseQuoteLevel()),
      link: () => this.#link(),
      colour: () => this.#style("color", value),
      highlight: () => this.#style("background-color", value === "none" ? "" : value),
      size: () => this.#style("font-size", value),
      "align-start": () => squire.setTextAlignment(""),
      "align-center": () => squire.setTextAlignment("center"),
      "align-end": () => squire.setTextAlignment(isRightToLeft(this.root) ? "left" : "right"),
      clear: () => squire.removeAllFormatting(),
      undo: () => squire.undo(),
      redo: () => squire.redo(),
    };
    acts[name]?.();
  }

  async #link() {
    const { squire } = this;
    const range = squire.getSelection();
    const within =
      range.startContainer.nodeType === Node.TEXT_NODE ? range.startContainer.parentElement : range.startContainer;
    const there = within.closest?.("a[href]");
    const link = there && this.root.contains(there) ? there : null;
    const words = link ? link.textContent : range.toString();
    const wanted = await this.askLink({ url: link?.getAttribute("href") ?? "", words });
    squire.focus();
    if (link) range.selectNodeContents(link);
    squire.setSelection(range);
    if (!wanted) return;
    if (wanted === "remove") squire.removeLink();
    else if (wanted.words && wanted.words !== words) {
      const anchor = document.createElement("a");
      anchor.href = wanted.url;
      anchor.textContent = wanted.words;
      if (link) link.replaceWith(anchor);
      else squire.insertHTML(anchor.outerHTML);
      this.onChange();
    } else squire.makeLink(wanted.url);
  }

  // Squire would write a style attribute, which this page's policy forbids: the property is set instead.
  #style(property, value) {
    const mark = `set-${property}`;
    const { squire } = this;
    squire.changeFormat(value ? { tag: "SPAN", attributes: { "data-set": mark } } : null, null, null, true);
    for (const span of this.root.querySelectorAll(`[data-set="${mark}"]`)) {
      span.removeAttribute("data-set");
      for (const inner of span.querySelectorAll("span")) inner.style.removeProperty(property);
      span.style.setProperty(property, value);
    }
    if (!value) this.#unstyle(property);
    squire.saveUndoState();
  }

  #unstyle(property) {
    const range = this.squire.getSelection();
    for (const span of this.root.querySelectorAll("span, font")) {
      if (range.intersectsNode(span)) span.style.removeProperty(property);
    }
  }

  #fragment(html, more = {}) {
    const fragment = this.purify.sanitize(setAside(html), {
      ALLOWED_TAGS: TAGS,
      ALLOWED_ATTR: ATTRIBUTES,
      ALLOW_DATA_ATTR: false,
      ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|tel:|cid:|data:image\/)/i,
      ADD_URI_SAFE_ATTR: ATTRIBUTES.filter((name) => !["href", "src"].includes(name)),
      RETURN_DOM_FRAGMENT: true,
      ...more,
    });
    return document.importNode(fragment, true);
  }

  // Works on the document that is not shown.
  #judge(node) {
    if (node.hasAttribute?.(STYLE_ASIDE)) {
      node.style.cssText = node.getAttribute(STYLE_ASIDE);
      node.removeAttribute(STYLE_ASIDE);
    }
    if (node.style) {
      for (const name of [...node.style]) {
        const known = STYLES.includes(name) || STYLES.some((each) => name.startsWith(`${each}-`));
        if (!known || /url\(|expression/i.test(node.style.getPropertyValue(name))) node.style.removeProperty(name);
      }
      if (!node.getAttribute("style")) node.removeAttribute("style");
    }
    if (node.nodeName === "IMG") this.#judgeImage(node);
    if (node.nodeName === "INPUT" && node.type !== "hidden") node.remove();
  }

  // The draft's pictures are shown; those of other sites are kept, but not loaded here.
  #judgeImage(image) {
    const source = image.getAttribute("src") ?? "";
    const id = source.startsWith("cid:") ? source.slice(4) : image.getAttribute("data-cid");
    if (id) {
      image.setAttribute("data-cid", id);
      image.setAttribute("src", this.shown.get(id) ?? `${this.images}${encodeURIComponent(id)}`);
      return;
    }
    image.removeAttribute("data-cid");
    const remote = image.getAttribute("data-remote") ?? source;
    image.removeAttribute("src");
    image.removeAttribute("data-remote");
    if (PICTURE.test(source)) image.setAttribute("src", source);
    else if (/^https?:/i.test(remote)) image.setAttribute("data-remote", remote);
    else image.remove();
  }

  // Pictures of the clipboard come into the text; words that go with them go before.
  #paste(event) {
    const pictures = [...event.clipboardData.files].filter((file) => /^image\/(?:png|jpeg|gif|webp)$/.test(file.type));
    const hasWords =
      event.clipboardData.types.includes("text/html") && event.clipboardData.getData("text/plain").trim();
    if (!pictures.length || hasWords) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    for (const picture of pictures) this.picture(picture);
  }
}

// The page's policy speaks up for each style and handler that is parsed, though nothing comes of it: they are renamed
// before. What is safe does not depend on that.
function setAside(html) {
  return html.replace(/<[a-z][^>]*>/gi, (tag) => tag.replace(/([\s"'/])(style|on[a-z]+)(\s*=)/gi, "$1data-aside-$2$3"));
}

export function htmlOfText(text) {
  const lines = text.replaceAll("\r\n", "\n").replace(/\n$/, "").split("\n");
  const holder = document.createElement("div");
  for (const line of lines) {
    const block = document.createElement("div");
    if (line) block.textContent = line;
    else block.append(document.createElement("br"));
    holder.append(block);
  }
  return holder.innerHTML;
}

function ctrl() {
  return /Mac OS X/.test(navigator.userAgent) ? "Meta" : "Ctrl";
}

function isRightToLeft(element) {
  return getComputedStyle(element).direction === "rtl";
}
