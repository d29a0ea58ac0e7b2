// Draws a PDF that the page around this frame hands over. The frame has no origin: no cookie, no storage, and nothing
// of the reader's mail but this document. Scripts in a PDF are not run, and its links lead nowhere.

import { t, tn } from "./texts.js";
import { GlobalWorkerOptions, getDocument, TextLayer } from "./vendor/pdf/pdf.js";

const MOST_PIXELS = 16_000_000; // of a page's canvas
const MOST_IMAGE = 64_000_000; // pixels of an image in it
const MOST_PAGES = 2_000;
const WIDEST = 900; // CSS pixels of a page at 100 %
const LARGEST = 6;
const STEPS = [0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 4];
const from = (path) => new URL(`./vendor/pdf/${path}`, import.meta.url).href;

const list = document.querySelector("[data-pages-list]");
const note = document.querySelector("[data-note]");
let zoom = 1;
let pages = [];

GlobalWorkerOptions.workerSrc = from("pdf-worker.js");
addEventListener("message", open);
window.parent.postMessage("ready", "*");

async function open(event) {
  if (event.source !== window.parent) return;
  removeEventListener("message", open);
  if (!(event.data instanceof ArrayBuffer)) return say(t("The file cannot be fetched just now."));
  const task = getDocument({
    data: event.data,
    cMapUrl: from("cmaps/"),
    standardFontDataUrl: from("standard_fonts/"),
    wasmUrl: from("wasm/"),
    useWasm: false,
    enableXfa: false,
    disableWorkerRendering: true,
    maxImageSize: MOST_IMAGE,
    canvasMaxAreaInBytes: 4 * MOST_PIXELS,
    verbosity: 0,
  });
  task.onPassword = () => {
    note.dataset.locked = "";
    say(t("This PDF has a password. Save it, and open it with a program of yours."));
    task.destroy();
  };
  try {
    await show(await task.promise);
  } catch (error) {
    if (note.dataset.locked !== undefined) return;
    const isBroken = error?.name === "InvalidPDFException";
    say(
      isBroken
        ? t("This file is no PDF that can be read.")
        : t("This PDF cannot be shown here. Save it, and open it with a program of yours."),
    );
  }
}

async function show(pdf) {
  const count = Math.min(pdf.numPages, MOST_PAGES);
  const first = await pdf.getPage(1);
  const size = first.getViewport({ scale: 1 });
  pages = Array.from({ length: count }, (_, at) => new DrawnPage(pdf, at + 1, size));
  list.append(...pages.map((each) => each.element));
  document.querySelector("[data-pages]").textContent = tn("%(n)s page", "%(n)s pages", count);
  say("");
  document.body.dataset.open = "";
  resize();
  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        const page = pages[Number(entry.target.dataset.page) - 1];
        if (entry.isIntersecting) page.draw();
        else page.forget();
      }
    },
    { root: list, rootMargin: "100% 0px" },
  );
  for (const each of pages) seen.observe(each.element);
  for (const button of document.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => step(button));
  let timer = 0;
  addEventListener("resize", () => {
    clearTimeout(timer);
    timer = setTimeout(resize, 150);
  });
}

class DrawnPage {
  constructor(pdf, number, size) {
    this.pdf = pdf;
    this.number = number;
    this.size = size;
    this.element = document.createElement("section");
    this.element.className = "page";
    this.element.dataset.page = number;
    this.element.setAttribute("aria-label", t("Page %(number)s", { number }));
  }

  shape() {
    const room = Math.max(200, Math.min(WIDEST, list.clientWidth - 24));
    this.scale = Math.min(LARGEST, (room / this.size.width) * zoom);
    this.element.style.setProperty("--scale-factor", this.scale);
    this.element.style.width = `${Math.floor(this.size.width * this.scale)}px`;
    this.element.style.height = `${Math.floor(this.size.height * this.scale)}px`;
  }

  async draw() {
    if (this.wanted) return;
    this.wanted = true;
    const page = await this.pdf.getPage(this.number);
    const size = page.getViewport({ scale: 1 });
    if (size.width !== this.size.width || size.height !== this.size.height) {
      this.size = size;
      this.shape();
    }
    const viewport = page.getViewport({ scale: this.scale });
    const canvas = document.createElement("canvas");
    const most = Math.sqrt(MOST_PIXELS / Math.max(1, viewport.width * viewport.height));
    const density = Math.min(devicePixelRatio || 1, most);
    canvas.width = Math.max(1, Math.floor(viewport.width * density));
    canvas.height = Math.max(1, Math.floor(viewport.height * density));
    const text = document.createElement("div");
    text.className = "text";
    this.element.replaceChildren(canvas, text);
    this.task = page.render({ canvas, viewport, transform: [density, 0, 0, density, 0, 0], annotationMode: 1 });
    try {
      await this.task.promise;
      const words = new TextLayer({ textContentSource: page.streamTextContent(), container: text, viewport });
      await words.render();
      this.element.dataset.drawn = "";
    } catch (error) {
      if (error?.name !== "RenderingCancelledException") this.element.dataset.failed = "";
    }
  }

  // A page that is far away holds no picture: of a thousand pages there is no room for all.
  forget() {
    if (!this.wanted) return;
    this.wanted = false;
    this.task?.cancel();
    this.element.replaceChildren();
    delete this.element.dataset.drawn;
  }
}

function step({ dataset }) {
  const at = STEPS.findIndex((each) => each >= zoom);
  zoom = STEPS[Math.max(0, Math.min(STEPS.length - 1, at + Number(dataset.zoom)))];
  resize();
}

function resize() {
  document.querySelector("[data-scale]").textContent = `${Math.round(zoom * 100)} %`;
  for (const each of pages) {
    const wasWanted = each.wanted;
    each.shape();
    each.forget();
    if (wasWanted) each.draw();
  }
}

function say(text) {
  note.textContent = text;
}
