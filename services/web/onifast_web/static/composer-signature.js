// Signatures: that of the address which a message is from stands above what it quotes, and changes with the address.

const MARK = "-- "; // RFC 3676 section 4.3

export class Signature {
  constructor(form, htmlOfText) {
    this.form = form;
    this.htmlOfText = htmlOfText;
    this.select = form.elements.from;
    this.present = this.chosen;
  }

  get chosen() {
    const { signature = "", signatureHtml = "", replyTo = "" } = this.select?.selectedOptions[0]?.dataset ?? {};
    return { text: signature, html: signatureHtml, replyTo };
  }

  // What stands around the signature in a text that the server has begun.
  around(text) {
    const place = this.present.text ? text.indexOf(plain(this.present)) : -1;
    if (place < 0)
      return { before: this.form.querySelector("[data-quote]") ? "" : text, after: text, hasSignature: false };
    const end = place + plain(this.present).length;
    return { before: text.slice(0, place), after: text.slice(end), hasSignature: true };
  }

  get html() {
    return this.#html(this.present);
  }

  // Puts that of the chosen address in the place of the one before.
  change(editor, area) {
    const before = this.present;
    const now = this.chosen;
    this.present = now;
    const answers = this.form.elements.reply_to;
    if (answers.value.trim() === before.replyTo) answers.value = now.replyTo;
    if (before.text === now.text && before.html === now.html) return;
    if (editor) this.#swap(editor, before, now);
    else area.value = swapped(area.value, plain(before), plain(now));
  }

  #html({ text, html }) {
    return text ? `<div data-signature="1"><div>${MARK}</div>${html || this.htmlOfText(text)}</div>` : "";
  }

  #swap(editor, before, now) {
    const { root } = editor;
    // A draft that was saved has no marks any more: there it is known by its words.
    const words = before.text && squeezed(`${MARK}${before.text}`);
    const there =
      root.querySelector("[data-signature]") ??
      [...root.querySelectorAll("div")].find((each) => words && squeezed(each.textContent) === words);
    const html = this.#html(now);
    editor.replace(there, html);
  }
}

function plain({ text }) {
  return text ? `\n\n${MARK}\n${text}\n` : "";
}

function swapped(whole, before, now) {
  if (before && whole.includes(before)) return whole.replace(before, () => now);
  const quote = whole.search(/\n\n[^\n]*\n>/);
  const place = quote < 0 ? whole.length : quote;
  return whole.slice(0, place) + now + whole.slice(place);
}

function squeezed(text) {
  return text.replace(/\s+/g, "");
}
