// Gives the frame of an HTML message the height of its text, and a wide one the width of the window. No script runs
// inside it: its sandbox forbids that.

const TALLEST = 30_000;
const SMALLEST = 0.4; // below that nothing can be read: it is scrolled instead

export function fitFrames(root) {
  for (const frame of root.querySelectorAll("iframe.html-body")) fitFrame(frame);
}

function fitFrame(frame) {
  const fit = () => {
    const page = frame.contentDocument?.documentElement;
    if (!page) return;
    page.style.zoom = "";
    frame.style.height = "0";
    const room = page.clientWidth;
    const scale = page.scrollWidth > room + 1 ? Math.max(SMALLEST, room / page.scrollWidth) : 1;
    if (scale < 1) page.style.zoom = `${scale}`;
    frame.style.height = `${Math.min(page.scrollHeight + 2, TALLEST)}px`;
  };
  // An image that had to become narrower keeps its shape. One of a pixel is there to take up room.
  const shape = (image) => {
    const wanted = Number.parseInt(image.getAttribute("width") ?? "", 10);
    if (image.naturalWidth > 16 && image.clientWidth < wanted) image.style.height = "auto";
  };
  const watch = () => {
    for (const image of frame.contentDocument?.images ?? []) {
      if (image.complete) shape(image);
      image.addEventListener("load", () => {
        shape(image);
        fit();
      });
    }
    fit();
  };
  frame.addEventListener("load", watch);
  frame.addEventListener("fit", fit);
  if (frame.contentDocument?.readyState === "complete") watch();
  let timer = 0;
  window.addEventListener("resize", () => {
    clearTimeout(timer);
    timer = setTimeout(fit, 100);
  });
}
