// Messages of a conversation that unfold in their place, and fold again by their heads.

import { fitFrames } from "./frame.js";
import { showLocalTimes } from "./times.js";

export function enableConversations() {
  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const link = event.target.closest("[data-unfold]");
    if (!link) return;
    event.preventDefault();
    unfold(link);
  });
}

async function unfold(link) {
  const place = link.closest("li");
  const opened = place.querySelector(":scope > .message");
  if (opened) {
    opened.hidden = !opened.hidden;
    link.setAttribute("aria-expanded", String(!opened.hidden));
    return;
  }
  const answer = await fetch(link.href, { headers: { Accept: "text/html" } }).catch(() => null);
  const page = answer?.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  const article = page?.querySelector("article.message");
  if (!article) {
    location.href = link.href; // as without scripts
    return;
  }
  const title = article.querySelector("h1");
  title?.remove();
  showLocalTimes(article);
  place.append(article);
  place.classList.remove("unread");
  place.querySelector(".dot")?.remove();
  link.setAttribute("aria-expanded", "true");
  fitFrames(article);
}
