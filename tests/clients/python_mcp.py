"""Drives a server with the Python `mcp` 2.x client: every tool, resource, prompt and completion, in both eras.

    .cache/clients/mcp/bin/python tests/clients/python_mcp.py URL ARGUMENTS.json
"""

import re
import sys

import anyio
from mcp import Client
from mcp.types import PromptReference, ResourceTemplateReference

from checks import Arguments, Report, check_answer

DEADLINE_SECONDS = 120
REVISIONS = {"auto": "2026-07-28", "legacy": "2025-11-25"}
VARIABLE = re.compile(r"\{(\w+)\}")


async def pages(ask, member: str) -> list:
    """All items of a list method, over its cursors."""
    items, cursor = [], None
    while True:
        page = await ask(cursor=cursor)
        items += getattr(page, member)
        cursor = page.next_cursor
        if not cursor:
            return items


def text_of(result) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


async def call_tools(client: Client, arguments: Arguments, report: Report) -> None:
    tools = {tool.name: tool for tool in await pages(client.list_tools, "tools")}
    report.count("tools", len(tools))
    for name in arguments.compare(list(tools), report):
        result = await client.call_tool(name, arguments.tools[name])
        check_answer(report, name, result.is_error, text_of(result), result.structured_content, tools[name].output_schema)


async def read_resources(client: Client, report: Report) -> None:
    uris = [str(resource.uri) for resource in await pages(client.list_resources, "resources")]
    for template in await pages(client.list_resource_templates, "resource_templates"):
        known: dict[str, str] = {}
        for variable in VARIABLE.findall(template.uri_template):
            reference = ResourceTemplateReference(type="ref/resource", uri=template.uri_template)
            answer = await client.complete(reference, {"name": variable, "value": ""}, known or None)
            if not answer.completion.values:
                # Nothing was triggered, so there is no workflow to offer.
                if template.uri_template != "cluster://workflows/{id}":
                    report.fail(f"{template.uri_template}: no completion offered for {variable} with {known}")
                break
            known[variable] = answer.completion.values[0]
            report.count("completions")
        else:
            uris.append(VARIABLE.sub(lambda found, known=known: known[found[1]], template.uri_template))
    for uri in uris:
        contents = (await client.read_resource(uri)).contents
        if not contents or not all(getattr(part, "text", None) or getattr(part, "blob", None) for part in contents):
            report.fail(f"{uri}: read as nothing")
        report.count("resources")


async def get_prompts(client: Client, arguments: Arguments, report: Report) -> None:
    for prompt in await pages(client.list_prompts, "prompts"):
        given = arguments.prompts.get(prompt.name, {})
        known: dict[str, str] = dict(given)
        for argument in prompt.arguments or []:
            if argument.name in known or not argument.required:
                continue
            reference = PromptReference(type="ref/prompt", name=prompt.name)
            answer = await client.complete(reference, {"name": argument.name, "value": ""}, known or None)
            if not answer.completion.values:
                report.fail(f"{prompt.name}: {argument.name} is required, not in the file, and no completion is offered")
                break
            known[argument.name] = answer.completion.values[0]
            report.count("completions")
        else:
            result = await client.get_prompt(prompt.name, known)
            if not any(getattr(message.content, "text", "").strip() for message in result.messages):
                report.fail(f"{prompt.name}: a prompt without text")
            report.count("prompts")


async def complete(client: Client, arguments: Arguments, report: Report) -> None:
    for case in arguments.completions:
        if "prompt" in case:
            reference = PromptReference(type="ref/prompt", name=case["prompt"])
        else:
            reference = ResourceTemplateReference(type="ref/resource", uri=case["resource"])
        answer = await client.complete(reference, case["argument"], case.get("context"))
        if case["offers"] not in answer.completion.values:
            report.fail(f"completion of {case}: offered {answer.completion.values}")
        report.count("completions")


async def run(url: str, arguments: Arguments, report: Report) -> None:
    for mode, revision in REVISIONS.items():
        async with Client(url, mode=mode) as client:
            if client.protocol_version != revision:
                report.fail(f"mode {mode} negotiated {client.protocol_version}, expected {revision}")
            if client.server_info.name != "aiops":
                report.fail(f"serverInfo.name is {client.server_info.name!r}, expected 'aiops'")
            await call_tools(client, arguments, report)
            await read_resources(client, report)
            await get_prompts(client, arguments, report)
            await complete(client, arguments, report)
            report.count("eras")


async def main() -> int:
    report = Report("python mcp")
    with anyio.move_on_after(DEADLINE_SECONDS) as scope:
        try:
            await run(sys.argv[1], Arguments(sys.argv[2]), report)
        except* Exception as group:
            report.fail_each(group)
    if scope.cancelled_caught:
        report.fail(f"not done within {DEADLINE_SECONDS} s")
    return report.finish(("tools", "calls", "resources", "prompts", "completions"))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python_mcp.py URL ARGUMENTS.json")
    sys.exit(anyio.run(main))
