// The menu on phones, questions before deleting, copying, and an address bar without what is said only once.

import { t } from "./texts.js";

export function enableSmallThings() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-confirm]");
    if (button && !window.confirm(button.dataset.confirm)) event.preventDefault();
    const copy = event.target.closest("[data-copy]");
    if (copy) copyText(copy);
    const opener = event.target.closest("[data-open-nav]");
    if (opener) setTimeout(() => document.querySelector(".nav-close")?.focus(), 200);
    if (event.target.closest("[data-close-nav]")) {
      event.preventDefault();
      closeMenu();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && location.hash === "#nav") closeMenu();
  });
  forgetNotice();
  document.querySelector(".sidebar [aria-current]")?.scrollIntoView({ block: "nearest" });
}

function closeMenu() {
  location.hash = "content";
  history.replaceState(null, "", location.pathname + location.search);
  document.querySelector("[data-open-nav]")?.focus();
}

async function copyText(button) {
  if (!(await copied(document.getElementById(button.dataset.copy)))) return;
  const label = button.getAttribute("aria-label");
  button.setAttribute("aria-label", t("Copied"));
  button.classList.add("copied");
  setTimeout(() => {
    button.setAttribute("aria-label", label);
    button.classList.remove("copied");
  }, 2000);
}

// Browsers give a clipboard to pages over TLS alone, or of this machine; elsewhere what was selected is copied, and if
// not even that works, it is selected for the reader to copy.
async function copied(source) {
  const done = await navigator.clipboard?.writeText(source.textContent).then(
    () => true,
    () => false,
  );
  if (done) return true;
  getSelection().selectAllChildren(source);
  return document.execCommand("copy");
}

function forgetNotice() {
  const url = new URL(location.href);
  if (!url.searchParams.has("did")) return;
  for (const name of ["did", "n", "act"]) url.searchParams.delete(name);
  history.replaceState(null, "", url);
}
