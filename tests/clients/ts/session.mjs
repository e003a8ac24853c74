// What both versions of the SDK share: reading a session, answering questions, writing the report.

import { existsSync, renameSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/** The session on standard input. */
export async function readSession() {
  let text = "";
  for await (const chunk of process.stdin) text += chunk;
  return JSON.parse(text);
}

/** How the client says that it can ask: bare, as before there were modes, unless the session names some. */
export function elicitation(session, otherwise) {
  return session.modes ? Object.fromEntries(session.modes.map((mode) => [mode, {}])) : otherwise;
}

/** The answer of this session's person to a question, which is noted in `questions`. */
export function answer(client, session, params, questions) {
  const { person } = session;
  questions.push({ message: params.message, schema: params.requestedSchema ?? null, url: params.url ?? null });
  if (person.action !== "accept") return { action: person.action };
  if (params.mode === "url") {
    // After the answer, on the same connection: the file is there once the gateway was told, and answered something else.
    setImmediate(() => client.listTools().then(() => note(session.opened, params.url)));
    return { action: "accept" };
  }
  const required = params.requestedSchema?.required ?? [];
  return { action: "accept", content: Object.fromEntries(required.map((field) => [field, person.types])) };
}

/** Writes a file whole. */
function note(path, text) {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

/** Plays the session on a connected client and prints the report. */
export async function play(client, session, questions, completed, revision) {
  const tools = (await client.listTools()).tools.map((tool) => tool.name);
  const results = [];
  for (const call of session.calls) {
    while (call.once && !existsSync(call.once)) await pause(10);
    try {
      results.push(await client.callTool({ name: call.name, arguments: call.arguments }));
    } catch (error) {
      results.push({ error: { code: error.code ?? null, message: String(error.message) } });
    }
  }
  await client.close();
  process.stdout.write(JSON.stringify({ revision, tools, results, questions, completed }));
}
