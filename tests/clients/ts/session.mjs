// What both versions of the SDK share: reading a session, answering questions, writing the report.

/** The session on standard input. */
export async function readSession() {
  let text = "";
  for await (const chunk of process.stdin) text += chunk;
  return JSON.parse(text);
}

/** The answer of this person to a question, which is noted in `questions`. */
export function answer(person, params, questions) {
  questions.push({ message: params.message, schema: params.requestedSchema ?? null, url: params.url ?? null });
  if (person.action !== "accept") return { action: person.action };
  const required = params.requestedSchema?.required ?? [];
  return { action: "accept", content: Object.fromEntries(required.map((field) => [field, person.types])) };
}

/** Plays the session on a connected client and prints the report. */
export async function play(client, session, questions, revision) {
  const tools = (await client.listTools()).tools.map((tool) => tool.name);
  const results = [];
  for (const call of session.calls) {
    try {
      results.push(await client.callTool({ name: call.name, arguments: call.arguments }));
    } catch (error) {
      results.push({ error: { code: error.code ?? null, message: String(error.message) } });
    }
  }
  await client.close();
  process.stdout.write(JSON.stringify({ revision, tools, results, questions }));
}
