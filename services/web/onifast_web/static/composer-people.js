// Lists of addresses as people type and paste them, and questions about them.

// The entries of a list: divided by commas, semicolons and line ends, outside of quotes, brackets and comments; a group's
// name (RFC 5322 section 3.4) is none, and addresses alone may be divided by spaces.
export function split(text) {
  const entries = [];
  let entry = "";
  let quoted = false;
  let inBrackets = false;
  let depth = 0;
  for (let place = 0; place < text.length; place += 1) {
    const character = text[place];
    if (quoted && character === "\\") {
      entry += character + (text[place + 1] ?? "");
      place += 1;
      continue;
    }
    if (character === '"' && !depth) quoted = !quoted;
    else if (!quoted && character === "(") depth += 1;
    else if (!quoted && character === ")" && depth) depth -= 1;
    else if (!quoted && character === "<") inBrackets = true;
    else if (!quoted && character === ">") inBrackets = false;
    if (!quoted && !depth && !inBrackets && ",;\n\r\t".includes(character)) {
      entries.push(entry);
      entry = "";
    } else entry += character;
  }
  entries.push(entry);
  return entries
    .map((each) => each.trim().replace(/^[^<>"@:()]+:\s*(?=\S)/, ""))
    .filter(Boolean)
    .flatMap((each) => {
      const words = each.split(/\s+/);
      return words.length > 1 && words.every((word) => /^<?[^\s@<>"]+@[^\s@<>"]+>?$/.test(word)) ? words : [each];
    })
    .map((each) => each.replace(/^<([^<>\s]+)>$/, "$1"));
}

// Asks the server; null where it does not answer.
export async function ask(url, values) {
  const headers = { Accept: "application/json" };
  const answer = await fetch(`${url}?${new URLSearchParams(values)}`, { headers, redirect: "manual" }).catch(
    () => null,
  );
  return answer?.ok ? answer.json().catch(() => null) : null;
}
