"""Drives a server with the MCP Inspector's command line: strict schema check, then every tool, in both eras.

    .cache/clients/mcp/bin/python tests/clients/inspector.py URL ARGUMENTS.json

Runs the inspector as one process a request, each with a deadline.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from checks import Arguments, Report, check_answer

DEADLINE_SECONDS = 60
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "clients"
BIN = CACHE / "node" / "node_modules" / ".bin"


def inspect(url: str, era: str, *flags: str) -> tuple[int, str, str]:
    home = CACHE / "home"
    home.mkdir(exist_ok=True)
    # The inspector keeps a catalog in the home directory; ours must not be touched.
    environment = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "HOME": str(home), "NO_COLOR": "1"}
    command = [str(BIN / "mcp-inspector"), "--cli", url, "--protocol-era", era, "--format", "json", *flags]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return -1, "", f"no answer within {DEADLINE_SECONDS} s"
    return done.returncode, done.stdout, done.stderr


def run_era(url: str, era: str, arguments: Arguments, report: Report) -> None:
    status, out, err = inspect(url, era, "--method", "tools/list", "--strict")
    if status != 0:
        report.fail(f"{era}: tools/list --strict ended with {status}: {err.strip()[:2000]}")
        return
    envelope = json.loads(out)
    # Exit 0 with findings means warnings; a client that trips over one does not care how it is called.
    for finding in envelope.get("schemaFindings", []):
        report.fail(f"{era}: strict mode: {json.dumps(finding)[:500]}")
    tools = {tool["name"]: tool for tool in envelope["result"]["tools"]}
    report.count("tools", len(tools))
    for name in arguments.compare(list(tools), report):
        call = ("--method", "tools/call", "--tool-name", name, "--tool-args-json", json.dumps(arguments.tools[name]), "-q")
        status, out, err = inspect(url, era, *call)
        if status != 0:
            report.fail(f"{era}: {name} ended with {status}: {(err or out).strip()[:500]}")
            continue
        result = json.loads(out)["result"]
        text = "\n".join(block["text"] for block in result["content"] if block["type"] == "text")
        check_answer(report, name, result.get("isError", False), text, result.get("structuredContent"), tools[name].get("outputSchema"))


def main() -> int:
    if len(sys.argv) != 3:
        sys.exit("usage: inspector.py URL ARGUMENTS.json")
    report = Report("inspector")
    arguments = Arguments(sys.argv[2])
    for era in ("auto", "legacy"):
        run_era(sys.argv[1], era, arguments, report)
    return report.finish(("tools", "calls"))


if __name__ == "__main__":
    sys.exit(main())
