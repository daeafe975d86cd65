// Walks the pages in a real browser as each kind of person: the journeys of the centre manager, the
// data officer, the auditor and of whoever wants to ask an agency; axe-core on every page; page
// weights; no script; a narrow window; the keyboard; a tampered tile. Writes screenshots.
//
// node walk.mjs LINKS SCREENSHOTS, where LINKS is what `tallygate demo --serve` printed.
import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const [, , linksFile, shots] = process.argv;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const links = {};
for (const line of readFileSync(linksFile, "utf8").split("\n")) {
  const found = line.match(/^ {2}(\S.*?) +(https:\/\/\S+\/sign-in\/\S+)$/);
  if (found) links[found[1]] = found[2];
}
mkdirSync(shots, { recursive: true });

const FIRST_VIEW = 250_000;
const NEXT_VIEW = 50_000;
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const problems = [];
const complain = (what) => { problems.push(what); console.log("  PROBLEM " + what); };
const expect = (condition, what) => { if (!condition) complain(what); };

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
});

// A person's browser: signs in with a link, and notes what every page asks for.
async function person(name, options = {}) {
  if (!links[name]) throw new Error("no link for " + name);
  const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: "en-GB", ...options });
  const page = await context.newPage();
  const origin = new URL(links[name]).origin;
  const weights = { now: 0 };
  page.on("request", (request) => {
    if (!request.url().startsWith(origin)) complain(name + ": a request to " + request.url());
  });
  page.on("pageerror", (error) => complain(name + ": " + error));
  page.on("console", (message) => {
    if (message.type() === "error" && !/40[034]|status of 4/.test(message.text())) {
      complain(name + ": " + message.text());
    }
  });
  const session = await context.newCDPSession(page);
  await session.send("Network.enable");
  session.on("Network.loadingFinished", (event) => { weights.now += event.encodedDataLength; });
  await page.goto(links[name]);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(origin + "/");
  return { name, context, page, origin, weights };
}

// Opens a page and holds it to what every page must be.
async function look(who, path, shot, { status = 200 } = {}) {
  const { page, origin, weights } = who;
  weights.now = 0;
  const answer = await page.goto(path.startsWith("http") ? path : origin + path);
  expect(answer.status() === status, `${path}: status ${answer.status()}, not ${status}`);
  await page.waitForLoadState("networkidle");
  const weight = weights.now;
  expect(weight < NEXT_VIEW, `${path}: ${weight} bytes on a later view`);
  await keep(who, shot || path, shot !== null);
  console.log(`  ${who.name}: ${path} (${weight} bytes)`);
  return page;
}

// The screenshots, the checks of accessibility and of a narrow window of what is shown now.
async function keep({ page }, shot, pictured = true) {
  for (const [kind, width] of [["desktop", 1200], ["phone", 320]]) {
    await page.setViewportSize({ width, height: 900 });
    if (pictured) await page.screenshot({ path: `${shots}/${shot}-${kind}.png`, fullPage: true });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(wide <= 0, `${shot} at ${width} px: ${wide} px too wide`);
    await page.evaluate(axe);
    const found = await page.evaluate((tags) => window.axe.run({ runOnly: tags }), TAGS);
    for (const violation of found.violations) {
      complain(`${shot} at ${width} px: ${violation.id}: ${violation.nodes[0].html.slice(0, 160)}`);
    }
  }
  await page.setViewportSize({ width: 1200, height: 900 });
}

// Every address that the pages lead to, whoever asks: what is no page of that role is its refusal,
// and that is held to the same.
const PATHS = [
  "/", "/areas/CC01", "/areas/E08000026", "/areas/CC01/indicators/registered", "/areas/CC01/compare",
  "/areas/CC01/map", "/areas/CC01/book", "/figures", "/figures?q=births", "/figures?q=a&q=b", "/log", "/log/entries",
  "/log/check", "/log/review", "/log/trace", "/log/trace?area=CC01&quarter=2026Q1", "/protocols",
  "/protocols/isp-health/1", "/push", "/explain", "/notices", "/partners", "/releases",
  "/releases/next?quarter=2026Q2", "/nowhere",
];
async function everything(who) {
  for (const path of PATHS) {
    const answer = await who.page.goto(who.origin + path);
    expect(answer.status() < 500, `${who.name}: ${path}: status ${answer.status()}`);
    await keep(who, `${who.name}: ${path}`, false);
  }
  console.log(`  ${who.name}: all ${PATHS.length} addresses`);
}

async function manager() {
  console.log("centre manager");
  // First view: nothing is kept yet.
  const who = await person("centre manager");
  expect(who.weights.now < FIRST_VIEW, `the first view has ${who.weights.now} bytes`);
  console.log(`  first view ${who.weights.now} bytes`);
  const page = await look(who, "/", "home");
  await page.getByRole("link", { name: /CC01/ }).click();
  expect(await page.locator(".tg-card").count() > 8, "the card wall has more than eight cards");
  await keep(who, "cards");
  const registered = page.locator("section", { has: page.getByRole("heading", { name: "Registered", exact: true }) });
  expect(/%/.test(await registered.locator(".tg-card__value").innerText()), "a share is shown");
  expect(await registered.locator("svg title").count() === 1, "a trend has a title");
  await look(who, "/areas/CC01", null);
  await page.getByRole("link", { name: "Registered", exact: true }).click();
  expect(await page.locator(".tg-book table").count() > 0, "an indicator has its table");
  await keep(who, "indicator");
  await look(who, "/areas/CC01/indicators/under_fives", "indicator-parts");
  await look(who, "/areas/CC01/map", "map-manager");
  await look(who, "/areas/CC01/compare", "compare-manager");
  await look(who, "/areas/CC01/book", "book");
  const waiting = page.waitForEvent("download");
  await page.getByRole("link", { name: /figures\.csv$/ }).click();
  const csv = readFileSync(await (await waiting).path(), "utf8");
  expect(csv.includes("registered") && csv.split("\n").length > 20, "the data book's CSV came down");
  await look(who, "/areas/CC02", "refused", { status: 403 });
  expect((await page.locator("main").innerText()).includes("024 7601 0000"), "a refusal says whom to ask");
  await look(who, "/areas/XX99", null, { status: 403 });
  await look(who, "/log/entries", null, { status: 403 });
  await look(who, "/nowhere", "absent", { status: 404 });

  // At 200% zoom: half the window's width, and type twice as large.
  for (const path of ["/", "/areas/CC01", "/areas/CC01/indicators/registered", "/figures", "/log", "/protocols"]) {
    await page.setViewportSize({ width: 640, height: 512 });
    await page.goto(who.origin + path);
    const wide = await page.evaluate(() => {
      document.documentElement.style.fontSize = "200%";
      return document.documentElement.scrollWidth - window.innerWidth;
    });
    expect(wide <= 0, `${path} at 200%: ${wide} px too wide`);
  }
  await page.setViewportSize({ width: 1200, height: 900 });

  // Every stop of the keyboard is seen, in the order of the page.
  for (const path of ["/areas/CC01", "/figures", "/log"]) {
    await page.goto(who.origin + path);
    let last = -1;
    for (let stop = 0; stop < 60; stop += 1) {
      await page.keyboard.press("Tab");
      const now = await page.evaluate(() => {
        const one = document.activeElement;
        if (!one || one === document.body) return null;
        const style = getComputedStyle(one);
        const shape = one.querySelector(".area");
        const seen = style.outlineStyle !== "none" || style.boxShadow !== "none" || style.backgroundColor === "rgb(255, 221, 0)" ||
          (shape && getComputedStyle(shape).strokeWidth === "5px");
        return { place: [...document.querySelectorAll("*")].indexOf(one), seen, what: one.outerHTML.slice(0, 90) };
      });
      if (!now) break;
      expect(now.seen, `${path}: no visible focus on ${now.what}`);
      expect(now.place > last, `${path}: the keyboard goes back to ${now.what}`);
      last = now.place;
    }
  }

  // By the keyboard alone: past the menu, to the first area, and into it.
  await look(who, "/", null);
  await page.keyboard.press("Tab");
  expect(await page.evaluate(() => document.activeElement.className) === "govuk-skip-link", "the first stop is the skip link");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/areas\//);

  await everything(who);
  await look(who, "/areas/CC01", null);
  await page.emulateMedia({ media: "print" });
  await page.screenshot({ path: `${shots}/cards-print.png`, fullPage: true });
  await page.emulateMedia({ media: "screen" });
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(/\/sign-in/);
  await keep(who, "signed-out");
  await page.goto(who.origin + "/areas/CC01");
  expect(page.url().includes("/sign-in"), "who is signed out sees nothing");
  await page.goto(links["centre manager"]);
  await page.getByRole("button", { name: "Sign in" }).click();
  expect((await page.locator("main").innerText()).includes("used before"), "a link works once");
  await who.context.close();
}

async function officer() {
  console.log("data officer");
  const who = await person("data officer");
  const page = await look(who, "/", "home-officer");
  await look(who, "/areas/E08000026/map?indicator=registered", "map");
  expect(await page.locator("svg .area.c4, svg .area.c3").count() > 0, "the map is shaded");
  await look(who, "/areas/CC01/compare?indicator=registered", "compare");
  await look(who, "/protocols", "protocols");
  await page.locator("main section a").first().click();
  await keep(who, "protocol");
  await look(who, "/partners", "partners");
  await look(who, "/notices", "late");
  await look(who, "/releases", "releases");
  await page.getByRole("link", { name: /^Preview/ }).click();
  expect(await page.locator(".tg-gauge").count() === 2, "the budget is shown as gauges");
  await keep(who, "closing");
  if (await page.getByRole("button", { name: /^Give your word/ }).count() > 0) {
    for (const box of await page.getByRole("checkbox").all()) await box.check();
    await page.getByRole("button", { name: /^Give your word/ }).click();
    await keep(who, "closing-answer");
  }
  await look(who, "/explain?act=sending&record_type=health_review&fields=outcome&partner=health", "explain");
  expect((await page.locator(".tg-decision").innerText()).includes("Yes"), "health may send its reviews");
  await look(who, "/explain?act=sending&record_type=health_review&fields=outcome&partner=dwp", null);
  expect((await page.locator(".tg-decision").innerText()).includes("No"), "the DWP may not");
  await everything(who);
  await who.context.close();
}

async function asker() {
  console.log("sender about to ask an agency, without JavaScript");
  const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(links.sender);
  await page.getByRole("button", { name: "Sign in" }).click();
  const origin = new URL(links.sender).origin;
  // What this browser shows is looked at in one in which axe can run: the very markup, at the very
  // address.
  const reader = await browser.newContext({ ignoreHTTPSErrors: true, storageState: await context.storageState() });
  const mirror = { name: "sender", page: await reader.newPage(), origin };
  const shot = async (name) => {
    const [address, body] = [page.url(), await page.content()];
    const answer = (route) => route.fulfill({ contentType: "text/html; charset=utf-8", body });
    await mirror.page.route(address, answer);
    await mirror.page.goto(address);
    expect(await mirror.page.content() === body, `${name}: the mirror shows something else`);
    await keep(mirror, name);
    await mirror.page.unroute(address, answer);
  };
  await page.goto(origin + "/figures");
  await page.getByLabel("What you want to know").fill("two year olds funded");
  await page.getByRole("button", { name: "Look" }).click();
  expect((await page.locator("main").innerText()).includes("take-up"), "the take-up at two is found");
  await shot("found");
  // A file that nothing was installed for: mapped, checked and sent, without JavaScript.
  await page.goto(origin + "/push");
  await page.setInputFiles("#file", {
    name: "reviews.csv",
    mimeType: "text/csv",
    buffer: Buffer.from(
      "Ref;NHS No;Surname;First Name;DOB;Gender;Home Postcode;Date;Extract Date;Review;Outcome\n" +
        "web-1;999 000 0018;Example;Ada;28/02/2024;F;cv1 1ah;03/02/2026;2026-04-02;Twelve month;COMPLETED\n" +
        "web-2;9990000019;Example;Cat;26/02/2024;F;CV1 1AH;03/02/2026;2026-04-02;new_birth;Declined\n",
    ),
  });
  await shot("push");
  await page.getByLabel("What you send").selectOption({ label: "health review (isp-health)" });
  await page.getByRole("button", { name: "Check the file" }).click();
  await shot("push-mapping");
  await page.getByRole("button", { name: "Check the file" }).click();
  expect((await page.locator("main").innerText()).includes("1 of 2 rows are well-formed"), "the mapped file is checked");
  await shot("push-checked");
  await page.getByRole("button", { name: /^Send 1/ }).click();
  expect((await page.locator("main").innerText()).includes("1 of 2 rows were taken"), "the file is sent");
  await shot("push-sent");
  await page.goto(origin + "/figures?q=zebra");
  expect((await page.locator("main").innerText()).includes("Nothing published"), "nothing fits a zebra");
  await page.goto(origin + "/");
  expect((await page.locator("main").innerText()).includes("does not look at figures"), "a sender has no areas");
  await everything(mirror);
  await reader.close();
  await context.close();
}

async function auditor() {
  console.log("auditor");
  const who = await person("auditor");
  const page = await look(who, "/log", "log");
  await look(who, "/log/entries", "timeline");
  await page.getByLabel("Decision").selectOption("refused");
  await page.getByRole("button", { name: "Search" }).click();
  expect((await page.locator("tbody").innerText()).includes("centres"), "the manager's refusals are there");
  await look(who, "/areas/CC01/indicators/registered", null);
  await page.getByRole("link", { name: "Follow this figure to its sources" }).click();
  expect((await page.locator("tbody").innerText()).includes("isp-centres"), "a figure's feeds are named");
  await keep(who, "trace");
  await look(who, "/log/review", "review");
  await page.getByLabel("Nothing that needs an answer").check();
  await page.getByRole("button", { name: "Sign off" }).click();
  await keep(who, "reviewed");
  await look(who, "/log", null);
  expect((await page.locator("main").innerText()).includes("by oversight: entries"), "the last review stands on the log's page");
  await look(who, "/figures", "published");
  await look(who, "/log/check", "check");
  const result = page.locator("#result");
  const check = async () => {
    await page.getByRole("button", { name: "Check" }).click();
    await page.waitForFunction(() => document.querySelector("#result .sound, #result .broken"));
    return result.innerText();
  };
  await page.getByLabel(/Entry to find/).fill("3");
  const sound = await check();
  expect(sound.includes("Sound") && sound.includes("Entry 3 is in the log"), "the log is sound: " + sound);
  await keep(who, "check-sound");
  await look(who, "/log/check", null);
  expect((await check()).includes("only grew"), "the second check is against the first");

  // The gateway serves another tile than it signed.
  const tamper = async (route) => {
    const answer = await route.fetch();
    const body = await answer.body();
    body[40] ^= 1;
    await route.fulfill({ response: answer, body });
  };
  await page.route(/\/log\/tile\/0\//, tamper);
  await look(who, "/log/check", null);
  const broken = await check();
  expect(broken.includes("FAILED") && broken.includes("changed"), "a tampered tile is seen: " + broken);
  await keep(who, "check-tampered");
  await page.unroute(/\/log\/tile\/0\//, tamper);
  await page.route(/\/log\/tile\/entries\//, tamper);
  await look(who, "/log/check", null);
  await page.getByLabel(/Entry to find/).fill("0");
  expect((await check()).includes("FAILED"), "a tampered entry is seen");
  await page.unroute(/\/log\/tile\/entries\//, tamper);

  const waiting = page.waitForEvent("download");
  await look(who, "/log", null);
  await page.getByRole("link", { name: /Download the check/ }).click();
  const file = readFileSync(await (await waiting).path(), "utf8");
  expect(/\+[0-9a-f]{8}\+/.test(file) && file.includes("rootOf"), "the verifier is one file with the key in it");
  await everything(who);
  await who.context.close();
}

const begun = Date.now();
for (const journey of [manager, officer, asker, auditor]) {
  try {
    await journey();
  } catch (error) {
    complain(`${journey.name}: ${error.stack}`);
  }
}
await browser.close();
console.log(`${problems.length} problems, ${((Date.now() - begun) / 1000).toFixed(1)} s`);
process.exitCode = problems.length === 0 ? 0 : 1;
