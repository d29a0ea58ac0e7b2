// Writing: Ctrl+Enter sends, files can be dropped or pasted, and what is written is lost neither by a stray click nor
// by a session that has ended meanwhile.

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
  submitWhenSignedIn(form, () => {
    changed = false;
  });
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

// A form that reaches the server without a session is gone, with all that was typed: so the session is looked at first.
function submitWhenSignedIn(form, onSubmit) {
  let ready = false;
  let looking = false;
  form.addEventListener("submit", async (event) => {
    if (ready) {
      onSubmit();
      return;
    }
    event.preventDefault();
    if (looking) return;
    looking = true;
    const problem = await renewToken(form);
    looking = false;
    showProblem(form, problem);
    if (problem) return;
    ready = true;
    form.requestSubmit(event.submitter);
    ready = false;
  });
}

// Gives the form the present session's token; says what stands in the way, if anything.
async function renewToken(form) {
  const answer = await fetch(form.action, { headers: { Accept: "text/html" }, redirect: "manual" }).catch(() => null);
  if (!answer) return "The server cannot be reached.";
  if (answer.type !== "opaqueredirect" && !answer.ok) return "The server cannot take it just now.";
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  // Where a panel stands before us, its own login may be what answers.
  const token = page.querySelector("meta[name=csrf-token]")?.content;
  if (!token) return "You are signed out: sign in again in another window.";
  form.elements.csrf_token.value = token;
  return "";
}

function showProblem(form, problem) {
  form.parentElement.querySelector("[data-problem]")?.remove();
  if (!problem) return;
  const banner = document.createElement("div");
  banner.className = "banner danger";
  banner.dataset.problem = "";
  banner.setAttribute("role", "alert");
  const text = document.createElement("span");
  text.textContent = `${problem} What you wrote is still here; then try once more.`;
  banner.append(text);
  form.before(banner);
  banner.scrollIntoView({ block: "nearest" });
}
