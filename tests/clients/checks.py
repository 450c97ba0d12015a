"""What every client checks of a tool's answer, and how the clients report.

The JSON Schema library here is Python's, so it shares no code with the server under test. Knows no MCP library.
"""

import json
import re
import sys
from decimal import Decimal
from pathlib import Path

from jsonschema import Draft202012Validator

NUMBER = re.compile(r"\d+(?:\.\d+)?")
THOUSANDS = re.compile(r"(?<![\d.])\d{1,3}(?:,\d{3})+(?![\d])")


class Report:
    """Collects failures; a run with no call or any failure is not a success."""

    def __init__(self, client: str) -> None:
        self.client = client
        self.failures: list[str] = []
        self.counts: dict[str, int] = {}

    def fail(self, what: str) -> None:
        self.failures.append(what)

    def fail_each(self, group: BaseExceptionGroup) -> None:
        """The errors within a task group's error, which by itself says nothing."""
        for error in group.exceptions:
            if isinstance(error, BaseExceptionGroup):
                self.fail_each(error)
            else:
                self.fail(f"{type(error).__name__}: {error}")

    def count(self, what: str, more: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + more

    def finish(self, needed: tuple[str, ...]) -> int:
        for what in needed:
            if not self.counts.get(what):
                self.fail(f"the client did not get as far as one of: {what}")
        figures = ", ".join(f"{number} {what}" for what, number in self.counts.items())
        print(f"{self.client}: {figures}; {len(self.failures)} failures")
        for failure in self.failures:
            print(f"{self.client}: {failure}", file=sys.stderr)
        return 1 if self.failures else 0


class Arguments:
    """The file of arguments: {"tools": {name: arguments}, "coordinated": {name: arguments}, "prompts": {name: arguments},
    "completions": [...]}.

    Coordinated tools are those of the coordination engine. The ones that ask about a record of it by its id cannot be
    called with an argument that a file knows; they are listed here, and called in tests/it.
    """

    def __init__(self, path: str) -> None:
        read = json.loads(Path(path).read_text(encoding="utf-8"))
        self.tools: dict[str, dict] = read["tools"]
        coordinated: dict[str, dict] = read.get("coordinated", {})
        self.of_records = {name for name, given in coordinated.items() if {"workflow_id", "incident_id"} & given.keys()}
        self.coordinated = {name: given for name, given in coordinated.items() if name not in self.of_records}
        self.prompts: dict[str, dict] = read.get("prompts", {})
        self.completions: list[dict] = read.get("completions", [])

    def compare(self, listed: list[str], report: Report) -> list[str]:
        """The tools to call: those in both lists. A tool in one of them only is a failure."""
        self.tools |= {name: given for name, given in self.coordinated.items() if name in listed}
        for name in listed:
            if name not in self.tools and name not in self.of_records:
                report.fail(f"{name}: listed by the server, but the file has no arguments for it")
        for name in self.tools:
            if name not in listed:
                report.fail(f"{name}: has arguments in the file, but the server does not list it")
        return [name for name in listed if name in self.tools]


def check_answer(report: Report, name: str, is_error: bool, text: str, structured: object, schema: dict | None) -> None:
    """One tool's answer: no error, text, structured content that its own schema allows, the same numbers in both."""
    report.count("calls")
    if is_error:
        report.fail(f"{name}: isError, {text[:300]}")
        return
    if not text.strip():
        report.fail(f"{name}: no text")
    if schema is None:
        report.fail(f"{name}: declares no outputSchema")
        return
    if not isinstance(structured, dict):
        report.fail(f"{name}: structuredContent is {type(structured).__name__}, not an object")
        return
    Draft202012Validator.check_schema(schema)
    for error in sorted(Draft202012Validator(schema).iter_errors(structured), key=lambda error: list(error.absolute_path)):
        where = "/".join(map(str, error.absolute_path)) or "the root"
        report.fail(f"{name}: structuredContent breaks outputSchema at {where}: {error.message[:300]}")
    missing = numbers_missing(text, structured)
    if missing:
        report.fail(f"{name}: numbers in the text and not in structuredContent: {', '.join(missing[:12])}")


def numbers_missing(text: str, structured: object) -> list[str]:
    """Numbers that the text shows and the structured content lacks, in the order of the text."""
    known = set(numbers_in_json(structured))
    plain = THOUSANDS.sub(lambda found: found[0].replace(",", ""), text)
    wanted = dict.fromkeys(NUMBER.findall(plain))
    return [shown for shown in wanted if not found_in(shown, known)]


def found_in(shown: str, known: set[Decimal]) -> bool:
    # `10.0` of an address `10.0.3.7`, or `7.1` of a version, need not stand as one number on the other side.
    return Decimal(shown) in known or ("." in shown and all(Decimal(part) in known for part in shown.split(".")))


def numbers_in_json(value: object):
    """Every number of a JSON value: its numbers, and the digits within its strings and member names."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, (int, float)):
        number = Decimal(str(value))
        yield number
        yield abs(number)
    elif isinstance(value, str):
        for digits in NUMBER.findall(value):
            yield Decimal(digits)
            for part in digits.split("."):
                yield Decimal(part)
    elif isinstance(value, list):
        for item in value:
            yield from numbers_in_json(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from numbers_in_json(key)
            yield from numbers_in_json(item)
