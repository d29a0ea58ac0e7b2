// The tour: one step at a time, with a ring around what it is about. It takes no focus and covers no question.

const STEP = "tour-step"; // in the session's storage: where somebody is who went to another page in between

export function enableTour() {
  const tour = document.querySelector("[data-tour]");
  if (!tour) return;
  const steps = [...tour.querySelectorAll("li")];
  const [next, back] = ["next", "back"].map((name) => tour.querySelector(`[data-tour-${name}]`));
  const words = next.textContent;
  let at = 0;

  const show = (step) => {
    at = Math.max(0, Math.min(step, steps.length - 1));
    sessionStorage.setItem(STEP, at);
    steps.forEach((each, index) => {
      each.hidden = index !== at;
    });
    tour.querySelector("[data-tour-count]").textContent = `${at + 1} / ${steps.length}`;
    next.textContent = at === steps.length - 1 ? next.dataset.last : words;
    back.hidden = at === 0;
    ring(steps[at].dataset.shown);
  };
  const end = async () => {
    const form = tour.querySelector("form");
    const hadFocus = tour.contains(document.activeElement);
    const body = new FormData(form);
    sessionStorage.removeItem(STEP);
    ring();
    tour.remove();
    if (hadFocus) document.querySelector("main").focus();
    const url = new URL(location.href);
    url.searchParams.delete("tour");
    history.replaceState(history.state, "", url);
    await fetch(form.action, { method: "POST", body, keepalive: true }).catch(() => {});
  };

  next.addEventListener("click", () => (at === steps.length - 1 ? end() : show(at + 1)));
  back.addEventListener("click", () => {
    show(at - 1);
    if (back.hidden) next.focus();
  });
  tour.addEventListener("submit", (event) => {
    event.preventDefault();
    end();
  });
  tour.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    end();
  });
  show(Number(sessionStorage.getItem(STEP)));
}

function ring(selector) {
  for (const old of document.querySelectorAll(".tour-shown")) old.classList.remove("tour-shown");
  const seen = selector && [...document.querySelectorAll(selector)].find((each) => each.checkVisibility());
  seen?.classList.add("tour-shown");
}
