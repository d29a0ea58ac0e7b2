// Files: each is uploaded as it is chosen, one after another, with its progress; it can be taken away and tried again.

import { t, tn } from "./texts.js";

const ENCODED = 1.38; // a file in a message is so many times as large (base64)

export class Files {
  constructor(form, saving, words) {
    this.form = form;
    this.saving = saving;
    this.words = words;
    this.max = Number(form.dataset.max);
    this.list = form.querySelector("[data-uploads]");
    this.input = form.querySelector("[data-files]");
    // They go by themselves, not with the form.
    this.input.removeAttribute("name");
    this.input.addEventListener("change", () => {
      this.add([...this.input.files]);
      this.input.value = "";
    });
    this.pending = new Set();
    this.pictures = new Map(); // those of the text, by Content-ID
    this.#takeOver();
    this.#catchDrops();
    addEventListener("composer:files", (event) => this.add([...event.detail]));
  }

  get isBusy() {
    return this.pending.size > 0;
  }

  get count() {
    return this.list.children.length + this.form.querySelectorAll('[name="enclose"]:checked').length;
  }

  // Files that the server has listed as attached already, in our list.
  #takeOver() {
    const listed = [...this.form.querySelectorAll('.kept [name="keep"]')];
    const kept = listed.map((box) => {
      const chip = box.closest(".chip");
      return { index: box.value, name: chip.querySelector("bdi").textContent, size: Number(box.dataset.size) };
    });
    listed[0]?.closest("ul").remove();
    this.show(kept);
  }

  // What the draft holds now.
  show(kept) {
    for (const item of [...this.list.querySelectorAll("[data-kept]")]) item.remove();
    const before = this.list.firstChild;
    for (const file of kept) {
      const item = chip(file.name, file.size);
      item.dataset.kept = "";
      item.dataset.size = file.size;
      const field = document.createElement("input");
      field.type = "hidden";
      field.name = "keep";
      field.value = file.index;
      item.append(
        field,
        removal(file.name, () => this.#remove(item)),
      );
      this.list.insertBefore(item, before);
    }
    this.list.hidden = !this.list.children.length;
  }

  add(files) {
    for (const file of files) this.#upload(file, chip(file.name, file.size));
  }

  // A picture that stands in the text.
  addPicture(file, contentId) {
    this.pictures.set(contentId, file);
    const item = chip(file.name || "picture", file.size);
    item.dataset.picture = contentId;
    this.#upload(file, item, contentId);
  }

  // Pictures that came back into the text after the draft had lost them.
  again(shown, known) {
    const coming = new Set([...this.list.querySelectorAll("[data-picture]")].map((item) => item.dataset.picture));
    for (const id of shown) {
      if (!known.includes(id) && !coming.has(id) && this.pictures.has(id)) this.addPicture(this.pictures.get(id), id);
    }
  }

  #upload(file, item, contentId = "") {
    this.list.append(item);
    this.list.hidden = false;
    const used = this.saving.size() + [...this.pending].reduce((sum, each) => sum + each.size, 0);
    if ((used + file.size) * ENCODED > this.max) {
      this.#refuse(item, file, t("Too large: %(size)s is the most for a message.", { size: readable(this.max) }));
      return;
    }
    this.pending.add(file);
    const progress = document.createElement("progress");
    progress.max = 1;
    progress.value = 0;
    progress.setAttribute("aria-label", t("Upload of %(name)s", { name: file.name }));
    const upload = { request: null, isCancelled: false };
    item.append(
      progress,
      removal(file.name, () => {
        upload.isCancelled = true;
        upload.request?.abort();
        this.pending.delete(file);
        item.remove();
        this.list.hidden = !this.list.children.length;
      }),
    );
    this.#go(file, item, contentId, upload, progress);
  }

  async #go(file, item, contentId, upload, progress) {
    const more = (body) => {
      if (contentId) body.append("content_id", contentId);
      body.append(contentId ? "image" : "attachments", file, file.name || "picture.png");
    };
    const send = (url, body) => {
      if (upload.isCancelled) return Promise.resolve({ status: 422, json: { error: t("Cancelled.") } });
      return withProgress(url, body, upload, (part) => {
        progress.value = part;
      });
    };
    const done = await this.saving.save(more, send);
    this.pending.delete(file);
    if (upload.isCancelled) return;
    if (done === true) {
      item.remove();
      this.list.hidden = !this.list.children.length;
      return;
    }
    item.replaceChildren(...chip(file.name, file.size).childNodes);
    this.#refuse(item, file, done?.refused ?? t("It could not be uploaded."), contentId);
  }

  #refuse(item, file, why, contentId = "") {
    item.classList.add("refused");
    const note = document.createElement("span");
    note.className = "upload-note";
    note.setAttribute("role", "alert");
    note.textContent = why;
    const again = document.createElement("button");
    again.type = "button";
    again.className = "link";
    again.textContent = t("Try again");
    again.addEventListener("click", () => {
      item.remove();
      const fresh = chip(file.name, file.size);
      if (contentId) fresh.dataset.picture = contentId;
      this.#upload(file, fresh, contentId);
    });
    item.append(
      note,
      again,
      removal(file.name, () => this.#remove(item)),
    );
  }

  #remove(item) {
    const next = item.nextElementSibling ?? item.previousElementSibling;
    const wasKept = "kept" in item.dataset;
    item.remove();
    this.list.hidden = !this.list.children.length;
    (next?.querySelector("button") ?? this.input).focus();
    if (wasKept) this.saving.changed(true);
  }

  // Anywhere on the window: beside the form, the browser would open the file in place of the page.
  #catchDrops() {
    let depth = 0;
    const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    const end = () => {
      depth = 0;
      document.body.classList.remove("drop-here");
    };
    addEventListener("dragenter", (event) => {
      if (!hasFiles(event)) return;
      depth += 1;
      document.body.classList.add("drop-here");
    });
    addEventListener("dragleave", (event) => {
      if (hasFiles(event) && --depth <= 0) end();
    });
    addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      end();
      this.add([...event.dataTransfer.files]);
    });
  }
}

function withProgress(url, body, upload, onProgress) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    upload.request = request;
    request.open("POST", url);
    request.setRequestHeader("Accept", "application/json");
    request.upload.addEventListener("progress", (event) => onProgress(event.total ? event.loaded / event.total : 0));
    request.addEventListener("load", () => {
      let json = null;
      try {
        json = JSON.parse(request.responseText);
      } catch {
        // Not our answer: a login page, or a proxy's.
      }
      resolve({ status: json ? request.status : request.status === 200 ? 401 : request.status, json });
    });
    request.addEventListener("error", () => resolve({ status: 0 }));
    request.addEventListener("abort", () => resolve({ status: 422, json: { error: t("Cancelled.") } }));
    request.send(body);
  });
}

function chip(name, size) {
  const item = document.createElement("li");
  item.className = "chip upload";
  const title = document.createElement("bdi");
  title.textContent = name;
  const quiet = document.createElement("span");
  quiet.className = "quiet";
  quiet.textContent = readable(size);
  item.append(title, quiet);
  return item;
}

function removal(name, act) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "chip-remove";
  button.setAttribute("aria-label", t("Remove %(name)s", { name }));
  button.textContent = "×";
  button.addEventListener("click", act);
  return button;
}

export function readable(size) {
  if (size < 1024) return tn("%(n)s byte", "%(n)s bytes", size);
  let amount = size;
  for (const unit of ["kB", "MB", "GB"]) {
    amount /= 1024;
    if (amount < 999.5 || unit === "GB") return `${amount < 9.95 ? amount.toFixed(1) : amount.toFixed(0)} ${unit}`;
  }
  return "";
}
