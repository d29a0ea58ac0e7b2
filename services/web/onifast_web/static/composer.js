// Writing: Ctrl+Enter sends, files can be dropped or pasted, and what is written is not lost by a stray click.

export function enableComposer() {
  const form = document.querySelector("form.composer");
  if (!form) return;
  const files = form.querySelector("#files");
  const discard = form.querySelector("[data-question]");
  let changed = "unsaved" in form.dataset;
  form.addEventListener("input", () => {
    changed = true;
    discard.dataset.confirm = discard.dataset.question;
  });
  form.addEventListener("submit", () => { changed = false; });
  window.addEventListener("beforeunload", (event) => {
    if (changed) event.preventDefault();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit(form.querySelector("[data-send]"));
    }
  });
  form.addEventListener("dragover", (event) => {
    event.preventDefault();
    form.classList.add("drop-here");
  });
  form.addEventListener("dragleave", () => form.classList.remove("drop-here"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("drop-here");
    addFiles(files, event.dataTransfer.files);
    changed = true;
  });
  form.querySelector("textarea").addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) addFiles(files, event.clipboardData.files);
  });
  startAtTop(form.querySelector("textarea"));
}

function addFiles(input, more) {
  const all = new DataTransfer();
  for (const file of [...input.files, ...more]) all.items.add(file);
  input.files = all.files;
}

function startAtTop(area) {
  area.setSelectionRange(0, 0);
  area.scrollTop = 0;
}
