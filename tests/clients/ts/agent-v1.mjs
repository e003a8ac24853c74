// A session of the TypeScript SDK's first version, which knows only the initialize-based revisions.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema, ElicitationCompleteNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { answer, elicitation, play, readSession } from "./session.mjs";

const session = await readSession();
const [questions, completed] = [[], []];
const client = new Client(
  { name: "sdk-typescript", version: "1" },
  { capabilities: session.person ? { elicitation: elicitation(session, {}) } : {} },
);
if (session.person) {
  client.setRequestHandler(ElicitRequestSchema, async (request) => answer(client, session, request.params, questions));
  client.setNotificationHandler(ElicitationCompleteNotificationSchema, async (done) => void completed.push(done.params.elicitationId));
}
const headers = session.token ? { Authorization: `Bearer ${session.token}` } : {};
const transport = session.url
  ? new StreamableHTTPClientTransport(new URL(session.url), { requestInit: { headers } })
  : new StdioClientTransport({ command: session.command[0], args: session.command.slice(1), cwd: session.cwd });
// This version tells only its HTTP transport what was agreed on.
let revision = null;
const told = transport.setProtocolVersion?.bind(transport);
transport.setProtocolVersion = (version) => {
  revision = version;
  told?.(version);
};
await client.connect(transport);
await play(client, session, questions, completed, revision);
