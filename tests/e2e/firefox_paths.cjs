// The twelve main paths of the webmail in Debian's Firefox, by WebDriver BiDi. Reads {url, user, password, file, picture}
// from standard input; prints a line of JSON for each path: {name, problem}, and one with what went wrong beside them.

const puppeteer = require("puppeteer-core");

const PATIENCE = 45_000; // milliseconds
const { url, user, password, file, firefox, picture } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const wrong = [];

async function main() {
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: firefox,
    headless: true,
    defaultViewport: { width: 1280, height: 800 },
    // Nothing but this machine is asked for anything.
    extraPrefsFirefox: {
      "network.dns.disabled": false,
      "network.proxy.type": 1,
      "network.proxy.http": "127.0.0.1",
      "network.proxy.http_port": 9,
      "network.proxy.ssl": "127.0.0.1",
      "network.proxy.ssl_port": 9,
      "network.proxy.no_proxies_on": "127.0.0.1",
      "intl.accept_languages": "en",
    },
  });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE);
    page.on("pageerror", (error) => wrong.push(`error: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error") wrong.push(`console: ${message.text()}`);
    });
    page.on("request", (request) => {
      const asked = request.url();
      if (/^https?:/.test(asked) && !asked.startsWith(`${url}/`)) wrong.push(`foreign: ${asked}`);
    });
    for (const [name, walk] of paths(page)) {
      const problem = await walk().then(
        () => "",
        (error) => String(error),
      );
      if (problem) await page.screenshot({ path: picture });
      console.log(JSON.stringify({ name, problem, at: problem ? page.url() : "" }));
      if (problem) break; // the next ones go on from here
    }
    console.log(JSON.stringify({ wrong }));
  } finally {
    await browser.close();
  }
}

// Waits for what a selector finds that is seen, and has the text.
async function find(where, selector, text = "") {
  const handle = await where.waitForFunction(
    (wanted, words) =>
      [...document.querySelectorAll(wanted)].find(
        (each) => each.checkVisibility() && each.getClientRects().length > 0 && each.textContent.includes(words),
      ),
    { timeout: PATIENCE, polling: 50 },
    selector,
    text,
  );
  return handle.asElement();
}

const click = async (where, selector, text) => (await find(where, selector, text)).click();

// The newest composer of the dock, once its scripts listen.
async function composer(page) {
  const end = Date.now() + PATIENCE;
  while (Date.now() < end) {
    // Asked again and again: a wait within a frame goes with the document that it began in.
    const frames = await page.$$(".docked iframe");
    const frame = await frames.at(-1)?.contentFrame();
    if (await frame?.$("form.composer[data-ready]").catch(() => null)) return frame;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("no composer became ready");
}

// What one types goes where the click has gone: a line that comes in above may move the field away from below it.
async function put(page, where, selector, words) {
  const field = await find(where, selector);
  do await field.click();
  while (!(await field.evaluate((each) => each.contains(document.activeElement))));
  await page.keyboard.type(words);
}

async function inbox(page) {
  await page.goto(`${url}/folders/inbox`);
  await page.waitForSelector("html.js");
}

async function tick(page, subject) {
  const row = await find(page, ".row", subject);
  await (await row.$(".pick input")).click();
}

function paths(page) {
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  const gone = (subject) =>
    page.waitForFunction(
      (words) => ![...document.querySelectorAll(".row")].some((row) => row.textContent.includes(words)),
      { timeout: PATIENCE, polling: 50 },
      subject,
    );
  // The dock closes once it is sent; the bar that says so is there for a second only.
  const sent = () => page.waitForFunction(() => !document.querySelector(".docked"), { timeout: PATIENCE, polling: 50 });
  return [
    [
      "log in",
      async () => {
        await page.goto(`${url}/`);
        await put(page, page, "[name=username]", user);
        await put(page, page, "[name=password]", password);
        await press("Enter");
        await find(page, "h1", "Inbox");
      },
    ],
    [
      "list",
      async () => {
        await page.waitForSelector("html.js");
        await click(page, ".tour-close");
        await gone("no such subject");
        await find(page, ".row", "A plan");
        await find(page, ".row", "An offer");
      },
    ],
    [
      "open",
      async () => {
        await click(page, ".row .row-link", "A plan");
        await find(page, "h1", "A plan");
        await find(page, "main", "Shall we meet?");
      },
    ],
    [
      "reply",
      async () => {
        await page.waitForSelector("html.js");
        await press("r");
        const frame = await composer(page);
        await put(page, frame, "[data-editor]:not([hidden]), #text", "Yes, at noon.");
        await click(frame, "button", "Send");
        await sent();
      },
    ],
    [
      "compose with an attachment",
      async () => {
        await inbox(page);
        await click(page, ".compose-button");
        const frame = await composer(page);
        await put(page, frame, "[data-recipients] input:not([type=hidden])", "ben@example.test");
        await press("Enter");
        await put(page, frame, "#subject", "With a file");
        await put(page, frame, "[data-editor]:not([hidden]), #text", "Here it is.");
        await (await frame.$("#files")).uploadFile(file);
        await find(frame, "[data-uploads] li", "notes.txt");
        await click(frame, "button", "Send");
        await sent();
      },
    ],
    [
      "search",
      async () => {
        await inbox(page);
        await press("/");
        await page.keyboard.type("subject:offer");
        await press("Enter");
        await gone("A plan");
        await find(page, ".row", "An offer");
      },
    ],
    [
      "label",
      async () => {
        await inbox(page);
        await tick(page, "An offer");
        await press("l");
        await click(page, ".menu-item", "Work");
        await find(page, ".row .label-chip", "Work");
      },
    ],
    [
      "move",
      async () => {
        await inbox(page);
        await tick(page, "An offer");
        await press("e");
        await gone("An offer");
      },
    ],
    [
      "undo",
      async () => {
        await click(page, ".snackbar-button", "Undo");
        await find(page, ".row", "An offer");
      },
    ],
    [
      "settings",
      async () => {
        await page.goto(`${url}/appearance`);
        await click(page, "[name=theme][value=dark]");
        await click(page, "main button", "Save");
        await find(page, ".notice", "Saved.");
        await page.waitForFunction(() => getComputedStyle(document.body).backgroundColor === "rgb(15, 18, 23)");
      },
    ],
    [
      "filter",
      async () => {
        await page.goto(`${url}/filters/new`);
        await page.waitForSelector("html.js");
        await put(page, page, "[name=name]", "Offers");
        await page.select("[name=field-0]", "subject");
        await put(page, page, "[name=values-0]", "offer");
        await page.select("[name=place]", "archive");
        await click(page, ".form-foot [value=save]");
        await find(page, "main", "Offers");
      },
    ],
    [
      "log out",
      async () => {
        await inbox(page);
        await click(page, "[data-logout] button");
        await find(page, "[name=password]");
      },
    ],
  ];
}

main().catch((error) => {
  console.log(JSON.stringify({ name: "start", problem: String(error), at: "" }));
  process.exitCode = 1;
});
