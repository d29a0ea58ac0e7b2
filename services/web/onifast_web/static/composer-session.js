// Whether the server is there and the user still signed in: a form that reaches it without a session would be lost.

import { t } from "./texts.js";

export const SIGNED_OUT = t("You are signed out: sign in again in another window.");

// Gives the form the present session's token; says what stands in the way, if anything.
export async function renewToken(form) {
  const answer = await fetch(form.action, { headers: { Accept: "text/html" }, redirect: "manual" }).catch(() => null);
  if (!answer) return t("The server cannot be reached.");
  if (answer.type !== "opaqueredirect" && !answer.ok) return t("The server cannot take it just now.");
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  // Where a panel stands before us, its own login may be what answers.
  const token = page.querySelector("meta[name=csrf-token]")?.content;
  if (!token) return SIGNED_OUT;
  form.elements.csrf_token.value = token;
  return "";
}

// A sentence above the form, with buttons; "" takes it away.
export function showProblem(form, problem, buttons = []) {
  form.parentElement.querySelector("[data-problem]")?.remove();
  if (!problem) return;
  const banner = document.createElement("div");
  banner.className = "banner danger";
  banner.dataset.problem = "";
  banner.setAttribute("role", "alert");
  const text = document.createElement("span");
  text.textContent = problem;
  banner.append(text);
  for (const [name, act] of buttons) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button small";
    button.textContent = name;
    button.addEventListener("click", () => {
      banner.remove();
      act();
    });
    banner.append(button);
  }
  form.before(banner);
  banner.scrollIntoView({ block: "nearest" });
}
