// Stars that change at once, and menus that close as menus do.

export function enableSorting() {
  document.addEventListener("submit", star);
  document.addEventListener("click", (event) => closeMenus(event.target));
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

// Opens a menu of a message's page, or goes to the selection's choice in a list.
export function openChoice(key) {
  const menu = document.querySelector(`details.menu[data-key="${key}"]`);
  if (menu) {
    menu.open = true;
    menu.querySelector(".menu-body input:not([type=hidden]), .menu-body button, .menu-body a")?.focus();
    return true;
  }
  const choice = document.querySelector(`select[data-key="${key}"]`);
  choice?.focus();
  return Boolean(choice);
}

function closeMenus(target) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(target)) menu.open = false;
  }
}

async function star(event) {
  const button = event.submitter;
  if (!button?.matches(".star")) return;
  event.preventDefault();
  const before = button.value;
  const id = Number(before.split(":")[1]);
  const starred = before.startsWith("star:");
  show(button, id, starred);
  const root = document.body.dataset.root.replace(/\/$/, "");
  const token = document.querySelector('meta[name="csrf-token"]').content;
  const answer = await fetch(`${root}/api/mail/mark`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": token },
    body: JSON.stringify({ id, is_starred: starred }),
  }).catch(() => null);
  if (!answer?.ok) show(button, id, !starred);
}

function show(button, id, starred) {
  button.value = `${starred ? "unstar" : "star"}:${id}`;
  button.classList.toggle("on", starred);
  button.setAttribute("aria-pressed", String(starred));
  button.title = starred ? "Take the star away" : "Star";
}
