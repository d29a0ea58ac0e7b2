// The bar after sending: it counts down, says so once to who listens, and goes when the message does.

import { t } from "./texts.js";

export function countDownUndo() {
  const bar = document.querySelector("[data-undo]");
  if (!bar) return;
  const end = Date.now() + Number(bar.dataset.undo) * 1000;
  const time = bar.querySelector(".snackbar-time");
  const note = bar.querySelector("[role=status]");
  // A live region is read out when it changes, not when it comes with the page.
  const words = ` ${t("Press Undo within %(n)s seconds to call it back.", { n: bar.dataset.undo })}`;
  setTimeout(() => note.append(hidden(words)), 100);
  const timer = setInterval(tick, 250);
  bar.querySelector("[data-close-undo]").addEventListener("click", close);
  window.addEventListener("pageshow", tick);
  tick();

  function tick() {
    const left = Math.ceil((end - Date.now()) / 1000);
    if (left <= 0) close();
    else time.textContent = `${left} s`;
  }

  function close() {
    clearInterval(timer);
    if (bar.contains(document.activeElement)) document.getElementById("content").focus();
    bar.remove();
  }
}

function hidden(words) {
  const element = document.createElement("span");
  element.className = "visually-hidden";
  element.textContent = words;
  return element;
}
