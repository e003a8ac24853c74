// Drives a headless Chromium: one command a line on standard input, one answer a line on standard output. README.md says
// which there are.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { chromium } from "playwright-core";

// Only for what should happen at once: whoever waits longer says that it never did.
const PATIENCE = 45_000;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
}).catch((failure) => {
  process.stdout.write(`${JSON.stringify({ failed: `Chromium does not start; tests/run installs it: ${failure.message}` })}\n`);
  process.exit(1);
});
const tabs = new Map();

/** A passkey nobody has enrolled, as an authenticator holds one. */
function stray(rpId) {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    credentialId: randomBytes(16).toString("base64"), isResidentCredential: true, rpId, signCount: 0,
    userHandle: randomBytes(16).toString("base64"),
    privateKey: privateKey.export({ format: "der", type: "pkcs8" }).toString("base64"),
  };
}

const commands = {
  /** A browser of somebody's own: cookies, passkeys and everything. */
  async open({ tab, origin, dark, width, height, script, zoom }) {
    const context = await browser.newContext({
      baseURL: origin, colorScheme: dark ? "dark" : "light", javaScriptEnabled: script,
      viewport: { width: width ?? 1100, height: height ?? 800 }, deviceScaleFactor: zoom ?? 1,
    });
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    const devtools = await context.newCDPSession(page);
    const said = [];
    page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => said.push(`error: ${error.message}`));
    page.on("dialog", (dialog) => { said.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
    tabs.set(tab, { context, page, devtools, said });
  },
  async authenticator({ devtools }, { verifies, unknown }) {
    await devtools.send("WebAuthn.enable");
    const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true,
        isUserVerified: verifies, automaticPresenceSimulation: true,
      },
    });
    if (unknown) await devtools.send("WebAuthn.addCredential", { authenticatorId, credential: stray(unknown) });
    return authenticatorId;
  },
  async verifies({ devtools }, { authenticator, verifies }) {
    await devtools.send("WebAuthn.setUserVerified", { authenticatorId: authenticator, isUserVerified: verifies });
  },
  async before({ page }, { script }) { await page.addInitScript(script); },
  async go({ page }, { path }) { await page.goto(path); },
  async sees({ page }, { text }) { await page.getByText(text).filter({ visible: true }).first().waitFor(); },
  async lacks({ page }, { text }) { await page.getByText(text).filter({ visible: true }).first().waitFor({ state: "hidden" }); },
  async button({ page }, { name }) { await page.getByRole("button", { name }).first().click(); },
  async link({ page }, { name }) { await page.getByRole("link", { name }).first().click(); },
  async fill({ page }, { label, text }) { await page.getByLabel(label).fill(text); },
  async choose({ page }, { label, text }) { await page.getByLabel(label).selectOption({ label: text }); },
  async key({ page }, { key }) { await page.keyboard.press(key); },
  async types({ page }, { text }) { await page.keyboard.type(text); },
  async at({ page }, { path }) { await page.waitForURL((url) => url.pathname.startsWith(path)); },
  async url({ page }) { return page.url(); },
  async text({ page }) { return page.locator("body").innerText(); },
  async run({ page }, { script }) { return (await page.evaluate(script)) ?? null; },
  async said({ said }) { return said; },
  async cookies({ context }) { return context.cookies(); },
  async picture({ page }, { path }) { await page.screenshot({ path, fullPage: true }); },
  async axe({ page }) {
    // Not by a script element: the page's own policy runs none but the page's.
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
    return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(" | ")}`);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...command } = JSON.parse(line);
  let answer;
  try {
    const done = name === "open" ? commands.open(command) : commands[name](tabs.get(command.tab), command);
    answer = { ok: (await done) ?? null };
  } catch (failure) {
    const tab = tabs.get(command.tab);
    const shown = await tab?.page.locator("body").innerText().catch(() => "");
    answer = { failed: `${failure.message}\nat ${tab?.page.url()}\n${tab?.said.join("\n")}\n${shown}` };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
