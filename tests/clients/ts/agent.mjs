// A session of the TypeScript SDK's second version, in either era.

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { answer, elicitation, play, readSession } from "./session.mjs";

const session = await readSession();
const [questions, completed] = [[], []];
const client = new Client(
  { name: "sdk-typescript", version: "2" },
  {
    capabilities: session.person ? { elicitation: elicitation(session, { form: {} }) } : {},
    versionNegotiation: { mode: session.era },
  },
);
if (session.person) {
  client.setRequestHandler("elicitation/create", async (request) => answer(client, session, request.params, questions));
  client.setNotificationHandler("notifications/elicitation/complete", async (done) => void completed.push(done.params.elicitationId));
}
const headers = session.token ? { Authorization: `Bearer ${session.token}` } : {};
const transport = session.url
  ? new StreamableHTTPClientTransport(new URL(session.url), { requestInit: { headers } })
  : new StdioClientTransport({ command: session.command[0], args: session.command.slice(1), cwd: session.cwd });
await client.connect(transport);
await play(client, session, questions, completed, client.getNegotiatedProtocolVersion());
