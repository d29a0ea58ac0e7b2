// Texts in the language of the page. The page loads those of its catalogue before, as texts/LANGUAGE.js, unless it is
// English; `make translations` finds them here by the names t and tn, so they are written whole, with %(name)s for what
// is put in.

const found = globalThis.onifastTexts;

export function t(text, values = {}) {
  return filled(found?.texts[text] || text, values);
}

// For n things, which is %(n)s in the text.
export function tn(one, many, n) {
  const forms = found?.texts[one];
  return filled(forms ? forms[found.plural(n)] : n === 1 ? one : many, { n });
}

// The language of the page, for dates and numbers: as the reader's country writes it, where the browser knows that.
export const language = nearest(document.documentElement.lang);

// The time zone that the reader chose; that of the browser where they chose none.
export const zone = document.documentElement.dataset.zone || undefined;

function filled(text, values) {
  return text.replace(/%\((\w+)\)s/g, (_, name) => values[name]);
}

function nearest(wanted) {
  if (!wanted) return undefined;
  return navigator.languages.find((each) => each.split("-")[0] === wanted) ?? wanted;
}
