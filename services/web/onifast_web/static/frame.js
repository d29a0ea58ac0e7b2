// Gives the frame of an HTML message the height of its text. No script runs inside it: its sandbox forbids that.

export function fitFrame() {
  const frame = document.querySelector("iframe.html-body");
  if (!frame) return;
  const fit = () => {
    const page = frame.contentDocument?.documentElement;
    if (!page) return;
    frame.style.height = "0";
    frame.style.height = `${Math.min(page.scrollHeight + 2, 30_000)}px`;
  };
  const watch = () => {
    fit();
    for (const image of frame.contentDocument?.images ?? []) image.addEventListener("load", fit);
  };
  frame.addEventListener("load", watch);
  if (frame.contentDocument?.readyState === "complete") watch();
  let timer = 0;
  window.addEventListener("resize", () => {
    clearTimeout(timer);
    timer = setTimeout(fit, 100);
  });
}
