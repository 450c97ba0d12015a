"""Turns the log of a conformance run into one line of figures and an exit status.

Reads what the suite printed; it never decides by itself what counts as passed: that is the suite's exit status.
"""

import pathlib
import re
import sys

SCENARIO = re.compile(r"^[✓✗] ([\w./-]+): (\d+) passed, (\d+) failed")
REQUIRED = re.compile(r"^  - ([\w./-]+)$")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def read(path: pathlib.Path) -> list[str]:
    return COLOUR.sub("", path.read_text(encoding="utf-8", errors="replace")).splitlines()


def main() -> int:
    results, revision, status = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    lines = read(results / "log")
    # Extension and pending scenarios are run too but stand apart in the list: the revision does not require them.
    scored = {m[1] for m in map(REQUIRED.match, read(results / "list")) if m}
    found = {m[1]: (int(m[2]), int(m[3])) for m in map(SCENARIO.match, lines) if m}
    required = {name: counts for name, counts in found.items() if name in scored}
    unscored = found.keys() - scored
    failed = sorted(name for name, (_, bad) in required.items() if bad)
    failed_unscored = sorted(name for name in unscored if found[name][1])
    checks = sum(good for good, _ in found.values()), sum(bad for _, bad in found.values())
    print(
        f"conformance {revision}: {len(required) - len(failed)} of {len(required)} required scenarios passed, "
        f"{len(unscored) - len(failed_unscored)} of {len(unscored)} unscored; {checks[0]} checks passed, {checks[1]} failed"
    )
    print(f"failed: {', '.join(failed) or 'none'}; unscored failed: {', '.join(failed_unscored) or 'none'}")
    if status in (124, 137):
        print(f"conformance: stopped at its deadline; log: {results}/log", file=sys.stderr)
        return 1
    if not required:
        print(f"conformance: the suite ran no scenario (status {status}); log: {results}/log", file=sys.stderr)
        sys.stderr.write("\n".join(lines[-15:]) + "\n")
        return 1
    if status != 0:
        print(f"conformance: not as expected (status {status}); log: {results}/log", file=sys.stderr)
        sys.stderr.write("\n".join(line for line in lines[-40:] if line.strip()) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
