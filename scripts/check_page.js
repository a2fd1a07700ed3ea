// The checks of scripts/check_page, which starts this.
"use strict";
const path = require("path");
const {pathToFileURL} = require("url");
const {chromium} = require("playwright-core");

const axe = require.resolve("axe-core/axe.min.js");
const words = process.argv.slice(2);
const folder = words[0] === "--screenshots" ? words.splice(0, 2)[1] : null;
const narrow = 320, wide = 1280;
// What layout depends on is the width, what colours depend on the theme.
const views = [[narrow, "light"], [390, "light"], [768, "light"], [wide, "light"], [narrow, "dark"]];
const problems = [];

// What of the page lies beyond its right edge, boxes that scroll excepted.
function overflowing() {
  const width = document.documentElement.clientWidth, found = [];
  if (document.documentElement.scrollWidth > width) found.push("the page scrolls sideways");
  for (const element of document.querySelectorAll("main *, header *, nav *, footer *")) {
    const box = element.getBoundingClientRect();
    if (element.closest(".scroll, .hidden") || box.width === 0) continue;
    if (box.right > width + 1 || box.left < -1) {
      found.push(`${element.tagName} "${element.textContent.slice(0, 40)}" reaches from ${box.left} to ${box.right}`);
    }
  }
  return found;
}

// Texts of charts that lie on one another, or are too small to read.
function badTexts() {
  const found = [];
  for (const svg of document.querySelectorAll(".plot > svg")) {
    if (svg.getBoundingClientRect().width === 0) continue;
    const boxes = [];
    for (const text of svg.querySelectorAll("text")) {
      if (text.textContent === "") continue;
      const slanted = (text.getAttribute("transform") || "").includes("rotate");
      const size = parseFloat(getComputedStyle(text).fontSize) * Math.abs(svg.getScreenCTM().a);
      if (size < 7) found.push(`"${text.textContent}" is ${size.toFixed(1)} px high`);
      if (!slanted) boxes.push([text.getBoundingClientRect(), text.textContent]);
    }
    for (let i = 0; i < boxes.length; i++) {
      for (let j = 0; j < i; j++) {
        const [a, first] = boxes[i], [b, second] = boxes[j];
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (across > 1 && down > 0.4 * Math.min(a.height, b.height)) {
          found.push(`${svg.getAttribute("aria-label").slice(0, 50)}: "${first}" lies on "${second}"`);
        }
      }
    }
  }
  return found;
}

// The pointer over a mark shows its values.
async function shows(page) {
  const found = await page.evaluateHandle(() => { // the first whose middle no other one lies on
    for (const mark of document.querySelectorAll(".plot > svg [data-tip]")) {
      if (mark.getBoundingClientRect().width === 0) continue;
      mark.scrollIntoView({block: "center"});
      const box = mark.getBoundingClientRect();
      const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
      if (top && top.closest("[data-tip]") === mark) return mark;
    }
    return null;
  });
  const mark = found.asElement();
  if (!mark) return [];
  await page.waitForTimeout(100); // scrolling hides it
  await mark.hover({force: true});
  const [shown, wanted] = [await page.locator(".tip").textContent(), await mark.getAttribute("data-tip")];
  const visible = await page.locator(".tip").isVisible();
  return visible && shown === wanted ? [] : [`the pointer over a mark shows "${shown}", not "${wanted}"`];
}

// A table is sorted with the keyboard.
async function sorts(page) {
  const heading = page.locator("table.sortable thead th").last();
  if (await heading.count() === 0) return [];
  const found = [];
  for (const wanted of ["ascending", "descending"]) {
    await heading.locator("button").focus();
    await page.keyboard.press("Enter");
    if (await heading.getAttribute("aria-sort") !== wanted) found.push(`a table is not sorted ${wanted}`);
  }
  return found;
}

// A table is filtered with the keyboard, and shows all of its rows again.
async function filters(page) {
  const input = page.locator(".filter input").first();
  if (await input.count() === 0) return [];
  const rows = page.locator("table[data-filter] tbody").first().locator("tr");
  const all = await rows.count(), found = [];
  if (all === 0) return [];
  const [first, last] = [await rows.first().innerText(), await rows.last().innerText()];
  const words = first.split(/\s+/).filter((word) => !last.includes(word));
  for (const [text, shown] of [["no row has this", false], [words.join(" "), true], ["", true]]) {
    await input.focus();
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.press("Delete");
    await page.keyboard.type(text);
    if (await rows.first().isVisible() !== shown) found.push(`a table filtered by "${text}" hides the wrong rows`);
    if (text === "" && await page.locator("table[data-filter]").first().locator("tbody tr:visible").count() < all) {
      found.push("a table hides rows without a filter");
    }
    if (text && words.length > 0 && all > 1 && await rows.last().isVisible()) {
      found.push(`a table filtered by "${text}" shows its last row`);
    }
  }
  return found;
}

async function violations(page) {
  await page.addScriptTag({path: axe});
  const result = await page.evaluate(() => window.axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  }));
  return result.violations.map((each) =>
    `axe: ${each.id}: ${each.help}: ${each.nodes.slice(0, 3).map((node) => node.html).join(" ")}`);
}

// The page with its script, at one width and in one theme.
async function check(browser, file, width, scheme) {
  const where = `${file}, ${width} px, ${scheme}`;
  const report = (what) => problems.push(`${where}: ${what}`);
  const context = await browser.newContext({viewport: {width, height: 900}, colorScheme: scheme});
  const page = await context.newPage();
  page.on("console", (message) => { if (message.type() !== "log") report(`console: ${message.text()}`); });
  page.on("pageerror", (error) => report(`error: ${error.message}`));
  page.on("request", (request) => {
    if (!/^(file|data):/.test(request.url())) report(`a request to ${request.url()}`);
  });
  page.on("dialog", (dialog) => { report(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
  await page.goto(pathToFileURL(path.resolve(file)).href);
  (await page.evaluate(overflowing)).forEach(report);
  (await page.evaluate(badTexts)).forEach(report);
  if (folder) {
    const name = `${path.basename(file, ".html")}-${width}-${scheme}.png`;
    await page.screenshot({path: path.join(folder, name), fullPage: true});
  }
  await page.evaluate(() => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
  if (width === wide) {
    (await sorts(page)).forEach(report);
    (await filters(page)).forEach(report);
  }
  (await shows(page)).forEach(report);
  (await page.evaluate(overflowing)).forEach(report);
  if (width === wide || scheme === "dark") (await violations(page)).forEach(report);
  await context.close();
}

// Without the script, everything is there.
async function checkPlain(browser, file) {
  const context = await browser.newContext({viewport: {width: 390, height: 900}, javaScriptEnabled: false});
  const page = await context.newPage();
  await page.goto(pathToFileURL(path.resolve(file)).href);
  const charts = await page.locator("figure:has(.plot, .gallery)").count();
  const shown = await page.locator(".plot > svg:visible, .gallery:visible").count();
  if (charts !== shown) problems.push(`${file}, without its script: ${shown} of ${charts} charts are to be seen`);
  await context.close();
}

async function main() {
  const browser = await chromium.launch({executablePath: process.env.CHROMIUM, args: ["--no-sandbox"]});
  for (const file of words) {
    for (const [width, scheme] of views) await check(browser, file, width, scheme);
    await checkPlain(browser, file);
  }
  await browser.close();
  problems.forEach((problem) => console.error(problem));
  console.log(`check_page: ${words.length} page(s), ${problems.length} problem(s)`);
  process.exit(problems.length > 0 ? 1 : 0);
}

main().catch((error) => {
  console.error(error);
  process.exit(2);
});
