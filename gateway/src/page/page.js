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
  const buttons = within.querySelectorAll("button");
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

document.querySelector("[data-sign-in]")?.addEventListener("click", (event) =>
  attempt(event.target.closest("section"), signIn));

document.querySelector("[data-enroll-passkey]")?.addEventListener("click", (event) => {
  const form = event.target.closest("form");
  if (form.reportValidity()) attempt(form, () => enroll(form.elements.code.value));
});

document.querySelectorAll("form[data-sign]").forEach((form) =>
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { challenge, rp, credentials } = form.dataset;
    attempt(form, async () => {
      const assertion = await sign(challenge, rp, credentials.split(" "));
      return post(form.getAttribute("action"), { decision: "approve", typed: form.elements.typed?.value ?? null, assertion });
    });
  }));

function countDown() {
  document.querySelectorAll("time[data-until]").forEach((time) => {
    const left = Math.max(0, Math.round((Date.parse(time.dateTime) - Date.now()) / 1000));
    time.textContent = left === 0 ? "now" : `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")} from now`;
  });
}
countDown();
setInterval(countDown, 1000);

const shown = document.querySelector("[data-live]");
if (shown) {
  const refresh = async () => {
    const reply = await fetch(location.href, { headers: { accept: "text/html" } });
    if (reply.redirected) return location.reload();
    if (!reply.ok) return;
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    const fresh = page.querySelector("[data-live]");
    if (fresh) shown.replaceChildren(...fresh.childNodes);
    // A question that was answered elsewhere has no answer left to give here.
    if (!page.querySelector(".answer")) document.querySelector(".answer")?.remove();
    countDown();
  };
  new EventSource("/live").addEventListener("changed", refresh);
}
