"""Drives a server the way OpenShift Lightspeed does: langchain-mcp-adapters over streamable HTTP, revision 2025-11-25.

    .cache/clients/langchain/bin/python tests/clients/langchain_mcp.py URL ARGUMENTS.json

What a model gets there is the text alone; the structured content is in the message's artifact.
"""

import asyncio
import sys

from langchain_mcp_adapters.client import MultiServerMCPClient

from checks import Arguments, Report, check_answer

DEADLINE_SECONDS = 120
REVISION = "2025-11-25"


def text_of(content: object) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block if isinstance(block, str) else block.get("text", "") for block in content)


async def schemas(client: MultiServerMCPClient, report: Report) -> dict[str, dict | None]:
    """The output schemas, which LangChain's tools do not keep, from the session below."""
    async with client.session("aiops", auto_initialize=False) as session:
        agreed = await session.initialize()
        if agreed.protocolVersion != REVISION:
            report.fail(f"negotiated {agreed.protocolVersion}, expected {REVISION}")
        found, cursor = {}, None
        while True:
            page = await session.list_tools(cursor)
            found.update({tool.name: tool.outputSchema for tool in page.tools})
            cursor = page.nextCursor
            if not cursor:
                return found


async def run(url: str, arguments: Arguments, report: Report) -> None:
    # 5 s is what Lightspeed's operator sets.
    client = MultiServerMCPClient({"aiops": {"transport": "streamable_http", "url": url, "timeout": 5}})
    declared = await schemas(client, report)
    tools = {tool.name: tool for tool in await client.get_tools()}
    report.count("tools", len(tools))
    for name in arguments.compare(list(tools), report):
        call = {"type": "tool_call", "id": name, "name": name, "args": arguments.tools[name]}
        message = await tools[name].ainvoke(call)
        artifact = message.artifact or {}
        check_answer(
            report, name, message.status == "error", text_of(message.content), artifact.get("structured_content"), declared.get(name)
        )
        # Lightspeed asks for a person's consent wherever this hint is not true.
        if (tools[name].metadata or {}).get("readOnlyHint") is None:
            report.fail(f"{name}: readOnlyHint did not reach the client")


async def main() -> int:
    report = Report("langchain-mcp-adapters")
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await run(sys.argv[1], Arguments(sys.argv[2]), report)
    except* TimeoutError:
        report.fail(f"not done within {DEADLINE_SECONDS} s")
    except* Exception as group:
        report.fail_each(group)
    return report.finish(("tools", "calls"))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: langchain_mcp.py URL ARGUMENTS.json")
    sys.exit(asyncio.run(main()))
