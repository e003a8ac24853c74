// A session of the TypeScript SDK's second version, in either era.

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { answer, play, readSession } from "./session.mjs";

const session = await readSession();
const questions = [];
const client = new Client(
  { name: "sdk-typescript", version: "2" },
  {
    capabilities: session.person ? { elicitation: { form: {} } } : {},
    versionNegotiation: { mode: session.era },
  },
);
if (session.person) {
  client.setRequestHandler("elicitation/create", async (request) => answer(session.person, request.params, questions));
}
const headers = session.token ? { Authorization: `Bearer ${session.token}` } : {};
const transport = session.url
  ? new StreamableHTTPClientTransport(new URL(session.url), { requestInit: { headers } })
  : new StdioClientTransport({ command: session.command[0], args: session.command.slice(1), cwd: session.cwd });
await client.connect(transport);
await play(client, session, questions, client.getNegotiatedProtocolVersion());
