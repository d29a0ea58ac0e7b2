// Import: a file goes up in pieces, each behind the last, so one that is broken off goes on where it ended.

import { t } from "./texts.js";

const PAUSES = [1_000, 3_000, 10_000, 30_000]; // before a piece is tried again

export function enableMoving() {
  for (const form of document.querySelectorAll("[data-moving-upload]"))
    form.addEventListener("submit", (event) => start(form, event));
  fitSearch();
}

// What to search for is asked only of who exports what a search finds.
function fitSearch() {
  const what = document.querySelector("#moving-what");
  const field = document.querySelector("[data-moving-search]");
  if (!what || !field) return;
  const fit = () => {
    field.hidden = what.value !== "search";
  };
  what.addEventListener("change", fit);
  fit();
}

async function start(form, event) {
  const file = form.elements.file.files[0];
  if (!file) return;
  event.preventDefault();
  const view = new View(form);
  if (file.size > Number(form.dataset.largest)) {
    view.say(t("The file is too large."));
    return;
  }
  if (!file.size) {
    view.say(t("The file is empty."));
    return;
  }
  view.begin();
  const warn = (leaving) => leaving.preventDefault();
  addEventListener("beforeunload", warn);
  const problem = await upload(form, file, view);
  removeEventListener("beforeunload", warn);
  view.end(problem);
  // The list shows the rest.
  if (!problem && !view.isStopped) location.assign(`${location.pathname}?did=moving-import`);
}

async function upload(form, file, view) {
  const token = form.elements.csrf_token.value;
  let job = unfinished(file);
  if (!job) {
    const body = JSON.stringify({ filename: file.name.slice(-200), size: file.size, into: form.elements.into.value });
    const headers = { Accept: "application/json", "Content-Type": "application/json", "X-CSRF-Token": token };
    const answer = await fetch(form.dataset.begin, { method: "POST", headers, body }).catch(() => null);
    if (!answer?.ok) return told(answer);
    job = await answer.json();
  }
  let offset = job.received;
  let failures = 0;
  while (offset < file.size && !view.isStopped) {
    view.show(offset, file.size);
    const piece = file.slice(offset, offset + Number(form.dataset.piece));
    const answer = await send(form.dataset.pieces, token, job.id, offset, piece);
    if (answer?.ok) {
      const found = await answer.json();
      offset = found.state === "uploading" ? found.received : file.size;
      failures = 0;
    } else if (answer && answer.status < 500 && answer.status !== 429) {
      return told(answer);
    } else if (failures < PAUSES.length) {
      view.say(t("The connection broke off; it is tried again."));
      await new Promise((resolve) => setTimeout(resolve, PAUSES[failures]));
      failures += 1;
    } else {
      return t("The connection broke off. Choose the same file again, and it goes on.");
    }
  }
  view.show(offset, file.size);
  return "";
}

function send(url, token, id, offset, piece) {
  const body = new FormData();
  body.set("id", id);
  body.set("offset", offset);
  body.set("content", piece, "piece");
  const headers = { Accept: "application/json", "X-CSRF-Token": token };
  return fetch(url, { method: "POST", headers, body }).catch(() => null);
}

// An upload of this file that was broken off.
function unfinished(file) {
  for (const item of document.querySelectorAll("[data-upload]")) {
    const { name, size, upload: id, received } = item.dataset;
    if (name === file.name.slice(-200) && Number(size) === file.size)
      return { id: Number(id), received: Number(received) };
  }
  return null;
}

async function told(answer) {
  if (!answer) return t("The connection broke off. Choose the same file again, and it goes on.");
  const problem = await answer.json().catch(() => ({}));
  return problem.detail || t("That did not work. Try it again.");
}

class View {
  constructor(form) {
    this.state = form.querySelector("[data-moving-state]");
    this.progress = form.querySelector("[data-moving-progress]");
    this.stop = form.querySelector("[data-moving-stop]");
    this.button = form.querySelector('[value="import"]');
    this.isStopped = false;
    this.stop.onclick = () => {
      this.isStopped = true;
    };
  }

  begin() {
    this.button.disabled = true;
    this.progress.hidden = false;
    this.stop.hidden = false;
  }

  show(done, size) {
    this.progress.value = done / size;
    this.say(t("Uploading: %(percent)s %", { percent: Math.floor((done * 100) / size) }));
  }

  say(text) {
    this.state.textContent = text;
    this.state.hidden = false;
  }

  end(problem) {
    this.button.disabled = false;
    this.stop.hidden = true;
    if (this.isStopped) this.say(t("Stopped. Choose the same file again, and it goes on."));
    else if (problem) this.say(problem);
  }
}
