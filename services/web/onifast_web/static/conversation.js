// Messages of a conversation that unfold in their place, and fold again by their heads.

import { fitFrames } from "./frame.js";
import { prepareReading } from "./reading.js";
import { t } from "./texts.js";
import { showLocalTimes } from "./times.js";

const AT_ONCE = 4; // messages that are fetched at one time where all are opened

export function enableConversations() {
  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const all = event.target.closest("[data-unfold-all]");
    if (all) unfoldAll(all);
    const link = event.target.closest("[data-unfold]");
    if (!link) return;
    event.preventDefault();
    unfold(link);
  });
}

// All of them, or none: the second press folds what the first one opened.
async function unfoldAll(button) {
  const isOpening = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(isOpening));
  button.querySelector("span").textContent = isOpening ? t("Fold all") : t("Open all");
  const waiting = [...document.querySelectorAll("[data-unfold]")].filter(
    (link) => (link.getAttribute("aria-expanded") === "true") !== isOpening,
  );
  const work = async () => {
    while (waiting.length && (button.getAttribute("aria-pressed") === "true") === isOpening)
      await unfold(waiting.shift(), { leaves: false });
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function unfold(link, { leaves = true } = {}) {
  const place = link.closest("li");
  const opened = place.querySelector(":scope > .message");
  if (opened) {
    opened.hidden = !opened.hidden;
    link.setAttribute("aria-expanded", String(!opened.hidden));
    return;
  }
  const answer = await fetch(`${link.href}?conversation=1`, { headers: { Accept: "text/html" } }).catch(() => null);
  const page = answer?.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  const article = page?.querySelector("article.message");
  if (!article) {
    if (leaves) location.href = link.href; // as without scripts
    return;
  }
  showLocalTimes(article);
  place.append(article);
  place.classList.remove("unread");
  place.querySelector(".dot")?.remove();
  link.setAttribute("aria-expanded", "true");
  fitFrames(article);
  prepareReading(article);
}
