"""A session of the Python SDK, in either era. See ../README.md."""

import asyncio
import json
import os
import sys

import mcp_types as types
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError


def transport(session):
    if "url" not in session:
        command, *args = session["command"]
        return StdioServerParameters(command=command, args=args, cwd=session.get("cwd"))
    if "token" not in session:
        return session["url"]
    import httpx2

    headers = {"Authorization": f"Bearer {session['token']}"}
    return streamable_http_client(session["url"], http_client=httpx2.AsyncClient(headers=headers))


async def play(session):
    questions, completed = [], []
    person = session.get("person")

    noting = []

    async def note(url):
        # On the same connection: the file is there once the gateway has answered something else after the question.
        await client.list_tools()
        with open(f"{session['opened']}.new", "w") as file:
            file.write(url)
        os.rename(file.name, session["opened"])

    async def heard(message):
        if isinstance(message, types.ElicitCompleteNotification):
            completed.append(message.params.elicitation_id)

    async def answer(_context, params):
        schema = getattr(params, "requested_schema", None) or {}
        questions.append({"message": params.message, "schema": schema, "url": getattr(params, "url", None)})
        if person["action"] != "accept":
            return types.ElicitResult(action=person["action"])
        if params.mode == "url":
            noting.append(asyncio.create_task(note(params.url)))
            return types.ElicitResult(action="accept")
        content = {field: person["types"] for field in schema.get("required", [])}
        return types.ElicitResult(action="accept", content=content)

    callback = answer if person else None
    results = []
    asks = {"elicitation_callback": callback, "message_handler": heard}
    async with Client(transport(session), mode=session["era"], **asks) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        for call in session["calls"]:
            while "once" in call and not os.path.exists(call["once"]):
                await asyncio.sleep(0.01)
            try:
                result = await client.call_tool(call["name"], call["arguments"])
                results.append(result.model_dump(by_alias=True, mode="json", exclude_none=True))
            except MCPError as error:
                results.append({"error": {"code": error.error.code, "message": error.error.message}})
        revision = client.protocol_version
    return {"revision": revision, "tools": tools, "results": results, "questions": questions, "completed": completed}


print(json.dumps(asyncio.run(play(json.load(sys.stdin)))))
