// What was written and lies in this browser alone: told of on the next page, and asked about before somebody signs out.

import * as store from "./composer-store.js";
import { language, t, tn } from "./texts.js";

const RESTING = 15_000; // milliseconds after which nobody is typing any more, in another tab perhaps

export async function tellOfLocalDrafts() {
  const { user, compose } = document.body.dataset;
  if (!user) return;
  askBeforeLogout(user);
  if (!compose || window.parent !== window || document.querySelector("form.composer")) return;
  const docked = JSON.parse(sessionStorage.getItem("dock") ?? "[]").map((each) => store.record(user, each.key));
  const resting = (each) => Date.now() - each.at > RESTING && !docked.includes(each.id);
  const unsaved = (await unsavedOf(user)).filter(resting).sort((one, other) => other.at - one.at);
  for (const each of unsaved.slice(0, 3)) show(each, new URL(compose, location.href));
}

async function unsavedOf(user) {
  return (await store.all()).filter((each) => each.user === user && !each.isSaved);
}

function show(found, compose) {
  const banner = document.createElement("div");
  banner.className = "banner local-draft";
  banner.setAttribute("role", "status");
  const when = new Date(found.at).toLocaleString(language, { weekday: "short", hour: "2-digit", minute: "2-digit" });
  const words = document.createElement("span");
  const subject = found.fields.subject?.trim();
  words.textContent = subject
    ? t("A message from %(when)s was not saved: “%(subject)s”. It is in this browser alone.", { when, subject })
    : t("A message from %(when)s was not saved. It is in this browser alone.", { when });
  const restore = document.createElement("a");
  restore.className = "button";
  restore.textContent = t("Restore it");
  const key = found.id.slice(found.user.length + 1);
  compose.searchParams.set("key", key);
  restore.href = compose.href;
  restore.addEventListener("click", () => banner.remove());
  const discard = document.createElement("button");
  discard.type = "button";
  discard.className = "button ghost danger";
  discard.textContent = t("Throw it away");
  discard.addEventListener("click", async () => {
    await store.remove(found.id);
    banner.remove();
    document.getElementById("content").focus();
  });
  banner.append(words, restore, discard);
  document.getElementById("content").prepend(banner);
}

// Whoever signs in here next finds nothing of it.
function askBeforeLogout(user) {
  const form = document.querySelector("form[data-logout]");
  form?.addEventListener("submit", async (event) => {
    if (form.dataset.asked) return;
    event.preventDefault();
    const count = (await unsavedOf(user)).length;
    const question = tn(
      "One message is in this browser alone, and not saved on the server yet. Sign out and lose that?",
      "%(n)s messages are in this browser alone, and not saved on the server yet. Sign out and lose that?",
      count,
    );
    if (count && !window.confirm(question)) return;
    for (const each of await store.all()) if (each.user === user) await store.remove(each.id);
    sessionStorage.removeItem("dock");
    form.dataset.asked = "1";
    form.requestSubmit(event.submitter);
  });
}
