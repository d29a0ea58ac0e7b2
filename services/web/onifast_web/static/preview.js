// The page of an attachment: keys, an image in its own size, and a PDF in a frame that has no origin.

document.documentElement.classList.add("js");

const bar = document.querySelector(".preview-bar");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("audio, video, pre, [role=region]"))
    return;
  const wanted = { ArrowLeft: "before", k: "before", ArrowRight: "after", j: "after", Escape: "close", u: "close" };
  const link = wanted[event.key] && bar.querySelector(`[data-${wanted[event.key]}]`);
  if (!link) return;
  event.preventDefault();
  link.click();
});

document.querySelector("main.image > img")?.addEventListener("click", ({ target }) => target.classList.toggle("large"));

// From one attachment to the next is no step back: Back leads to the message.
for (const link of bar.querySelectorAll("[data-before], [data-after]")) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    location.replace(link.href);
  });
}

const place = document.querySelector("[data-pdf]");
if (place) showPdf(place);

// The frame says that it is there, and is handed the octets: it could fetch nothing of the reader's by itself.
function showPdf({ dataset }) {
  const octets = fetch(dataset.pdf).then((answer) => (answer.ok ? answer.arrayBuffer() : Promise.reject()));
  octets.catch(() => null);
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-scripts");
  frame.title = dataset.title;
  addEventListener("message", async (event) => {
    if (event.source !== frame.contentWindow || event.data !== "ready") return;
    const data = await octets.catch(() => null);
    frame.contentWindow.postMessage(data, "*", data ? [data] : []);
  });
  frame.src = dataset.frame;
  place.append(frame);
}
