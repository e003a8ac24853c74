// What a page cannot do without a script: passkeys, the countdown, and showing what changed. Everything else works without.
"use strict";

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function post(path, body) {
  const reply = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  if (reply.ok) return reply.json();
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  throw new Error(page.querySelector("[data-error]")?.textContent || `The gateway answered ${reply.status}.`);
}

// Runs what a person asked for, and tells them in place when it fails.
async function attempt(within, work) {
  const error = within.querySelector("[data-error]");
  const buttons = document.querySelectorAll("button:enabled");
  error.hidden = true;
  buttons.forEach((button) => (button.disabled = true));
  try {
    location.assign((await work()).next);
  } catch (failure) {
    error.textContent = failure.name === "NotAllowedError" ? "The passkey was not used. Nothing was changed." : failure.message;
    error.hidden = false;
    buttons.forEach((button) => (button.disabled = false));
  }
}

async function sign(challenge, rpId, credentials) {
  const publicKey = {
    challenge: bytes(challenge), rpId, userVerification: "required",
    allowCredentials: credentials.map((id) => ({ type: "public-key", id: bytes(id) })),
  };
  const { rawId, response } = await navigator.credentials.get({ publicKey });
  return {
    credential: text(rawId), authenticator_data: text(response.authenticatorData),
    client_data_json: text(response.clientDataJSON), signature: text(response.signature),
  };
}

async function signIn() {
  const { ticket, challenge, rpId } = await post("/sign-in/challenge", {});
  return post("/sign-in/passkey", { ticket, assertion: await sign(challenge, rpId, []) });
}

async function enroll(code) {
  const { ticket, challenge, rp, user, pubKeyCredParams } = await post("/enroll/start", { code });
  const publicKey = {
    challenge: bytes(challenge), rp, user: { ...user, id: bytes(user.id) }, pubKeyCredParams, attestation: "direct",
    authenticatorSelection: { residentKey: "preferred", userVerification: "required" },
  };
  const { response } = await navigator.credentials.create({ publicKey });
  return post("/enroll/passkey", {
    code, ticket, client_data_json: text(response.clientDataJSON), attestation_object: text(response.attestationObject),
  });
}

// Browsers offer passkeys only to `localhost` and over https, and not all offer them at all.
const hasPasskeys = Boolean(window.PublicKeyCredential && navigator.credentials?.get && navigator.credentials?.create);
document.querySelectorAll("[data-passkey]").forEach((button) => {
  button.disabled = !hasPasskeys;
  if (hasPasskeys) return;
  const error = (button.form ?? button.closest("section")).querySelector("[data-error]");
  error.textContent = "This browser offers no passkeys here. Open this page as http://localhost in one that does.";
  error.hidden = false;
});

document.querySelector("[data-sign-in]")?.addEventListener("click", (event) =>
  attempt(event.target.closest("section"), signIn));

document.querySelector("[data-enroll]")?.addEventListener("submit", (event) => {
  if (!event.submitter?.matches("[data-passkey]")) return;
  event.preventDefault();
  const form = event.currentTarget;
  attempt(form, () => enroll(form.elements.code.value));
});

document.querySelectorAll("form[data-sign]").forEach((form) =>
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { rp, credentials } = form.dataset;
    // What is signed says for how long, too.
    const challenge = form.elements.for?.selectedOptions[0].dataset.challenge ?? form.dataset.challenge;
    attempt(form, async () => {
      const assertion = await sign(challenge, rp, credentials.split(" "));
      const lasts = Number(form.elements.for?.value ?? 0);
      return post(form.getAttribute("action"), { decision: "approve", typed: form.elements.typed?.value ?? null, assertion, for: lasts });
    });
  }));

// What makes more possible is signed for, each time.
document.querySelectorAll("form[data-prove]").forEach((form) =>
  form.addEventListener("submit", (event) => {
    if (!form.elements.assertion) return;
    event.preventDefault();
    attempt(form, async () => {
      const typed = ["name", "user"].map((field) => form.elements[field]?.value.trim()).filter(Boolean);
      const whom = form.dataset.whom ?? typed.join("\n");
      const { ticket, challenge, rpId, credentials } = await post("/proof", { act: form.dataset.prove, whom });
      form.elements.assertion.value = JSON.stringify(await sign(challenge, rpId, credentials));
      form.elements.ticket.value = ticket;
      form.submit();
      return new Promise(() => {});
    });
  }));

const shown = document.querySelector("[data-live]");
// As it was sent: counting down changes what is shown, which is no news.
let sent = shown?.innerHTML;
let refreshing = null;
let again = false;

// What has focus, in words that find the same thing in what replaces it.
function focused() {
  const { activeElement: at } = document;
  if (!shown.contains(at)) return null;
  const form = at.closest("form[action]");
  return form ? `form[action="${form.getAttribute("action")}"] ${at.localName}` : `a[href="${at.getAttribute("href")}"]`;
}

async function fetched() {
  const reply = await fetch(location.href, { headers: { accept: "text/html" } });
  if (reply.redirected) return location.reload();
  if (!reply.ok) return;
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  const fresh = page.querySelector("[data-live]");
  if (!fresh || fresh.innerHTML === sent) return;
  sent = fresh.innerHTML;
  const focus = focused();
  shown.replaceChildren(...fresh.childNodes);
  if (focus) (shown.querySelector(focus) ?? document.querySelector("#main")).focus();
  // A question that was answered elsewhere has no answer left to give here.
  const answer = document.querySelector(".answer");
  if (answer && !page.querySelector(".answer")) {
    const hadFocus = answer.contains(document.activeElement);
    answer.remove();
    if (hadFocus) document.querySelector("#main").focus();
  }
  document.title = page.title;
  countDown();
  document.querySelector("[data-said]").textContent = shown.querySelector(".state")?.textContent ?? "";
}

// One at a time, and a moment apart: what changes meanwhile is seen by the next.
function refresh() {
  again = true;
  refreshing ??= (async () => {
    while (again) {
      again = false;
      await fetched().catch(() => {});
      await new Promise((done) => setTimeout(done, 200));
    }
    refreshing = null;
  })();
}

function watch() {
  const live = new EventSource("/live");
  live.addEventListener("changed", refresh);
  // The browser comes back by itself, unless it was told no: the session is over, or too many watch.
  live.addEventListener("error", () => {
    if (live.readyState !== EventSource.CLOSED) return;
    refresh();
    setTimeout(watch, 5000);
  });
}

function countDown() {
  document.querySelectorAll("time[data-until]").forEach((time) => {
    const left = Math.max(0, Math.round((Date.parse(time.dateTime) - Date.now()) / 1000));
    time.dataset.exact ??= time.textContent;
    const { exact } = time.dataset;
    const words = left === 0 ? exact : `${exact} (${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")} left)`;
    if (time.textContent !== words && left === 0 && shown) refresh();
    time.textContent = words;
  });
}
countDown();
setInterval(countDown, 1000);
if (shown) watch();
