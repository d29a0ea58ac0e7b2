// Tries calls of the API from its page, with the login of this browser or with a token.

const root = document.body.dataset.root;
const csrfToken = document.querySelector('meta[name="csrf-token"]').content;
const token = document.getElementById("token");
const actFor = document.getElementById("act-for");

function headersFor(hasBody) {
  const headers = { Accept: "application/json" };
  if (hasBody) headers["Content-Type"] = "application/json";
  if (token.value) headers.Authorization = `Bearer ${token.value}`;
  else if (csrfToken) headers["X-CSRF-Token"] = csrfToken;
  if (actFor.value) headers["X-Onifast-User"] = actFor.value;
  return headers;
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function call(form) {
  const query = form.elements.query?.value.trim();
  const body = form.elements.body?.value;
  const url = `${root}${form.dataset.path}${query ? `?${query}` : ""}`;
  const answer = await fetch(url, {
    method: form.dataset.method,
    headers: headersFor(body !== undefined),
    body,
    credentials: token.value ? "omit" : "same-origin",
  });
  return `${answer.status} ${answer.statusText}\n\n${pretty(await answer.text())}`;
}

for (const form of document.querySelectorAll("form.api-try")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const output = form.querySelector("output");
    output.textContent = "…";
    try {
      output.textContent = await call(form);
    } catch (error) {
      output.textContent = `The server did not answer (${error.message}).`;
    }
  });
}

// A link to a call opens it.
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
}
addEventListener("hashchange", openTarget);
openTarget();
document.documentElement.classList.add("js");
