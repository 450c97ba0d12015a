//! Which lines look like errors, which belong to the line before, and which are repetitions of each other.
//!
//! Guesses by form alone, in linear time. A level that a line states goes before the words in it: an INFO line may speak
//! of errors.

use std::sync::LazyLock;

use regex::Regex;

/// How much a line looks like an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sign {
    /// Not at all, or it states a harmless level.
    None,
    /// It speaks of something that did not work.
    Weak,
    /// It states an error level, or is an exception, a panic, a crash.
    Strong,
}

struct Patterns {
    stated: Regex,
    word: Regex,
    klog: Regex,
    strong: Regex,
    weak: Regex,
    harmless: Regex,
    clock: Regex,
}

static PATTERNS: LazyLock<Option<Patterns>> = LazyLock::new(|| {
    Some(Patterns {
        stated: Regex::new(r#"(?i)\b(?:level|lvl|severity|loglevel|log\.level)["']?\s*[:=]\s*["']?([a-z]+|\d+)"#).ok()?,
        word: Regex::new(r"\b(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|FATAL|PANIC|CRITICAL|CRIT|SEVERE|EMERG|ALERT)\b|\[(trace|debug|info|notice|warn|warning|error|err|fatal|panic|critical|crit|severe|emerg|alert)\]").ok()?,
        klog: Regex::new(r"^([IWEF])\d{4} \d\d:\d\d:\d\d").ok()?,
        strong: Regex::new(r#"(?i)\b(?:error|err|exception|fatal|panic|panicked|traceback|segfault|segmentation fault|core dumped|out ?of ?memory|oom|oom-?kill(?:ed|er)?|oomkilled|critical|unhandled|uncaught|sig(?:segv|kill|abrt|bus))\b|[a-z](?:Error|Exception)\b|HTTP/\d(?:\.\d)?" 5\d\d\b|^Killed$"#).ok()?,
        weak: Regex::new(r"(?i)\b(?:failed|failure|cannot|can't|could not|couldn't|unable to|refused|denied|no such file|not found|timed out|deadline exceeded|aborted|invalid|missing required|unauthorized|forbidden)\b").ok()?,
        harmless: Regex::new(r#"(?i)\b(?:0|no|without|zero|any) (?:errors?|failures?|exceptions?)\b|\b(?:errors?|err|failures?|failed|exceptions?)["']?\s*[:=]\s*["']?(?:0\b|null|none|nil|false|<nil>|["',]|$)"#).ok()?,
        clock: Regex::new(r"\b\d\d:\d\d:\d\d").ok()?,
    })
});

/// How far a level or a clock is looked for: levels stand near the beginning.
const HEAD: usize = 200;

/// How much the line looks like an error.
pub(super) fn sign(line: &str) -> Sign {
    let Some(patterns) = PATTERNS.as_ref() else { return Sign::None };
    // A line of a megabyte says what it is at its beginning.
    let line = line.get(..line.floor_char_boundary(4_000)).unwrap_or_default();
    if let Some(sign) = stated(patterns, line) {
        return sign;
    }
    let speaks = |pattern: &Regex| {
        pattern.find_iter(line).any(|hit| {
            !patterns.harmless.find_iter(line).any(|h| h.start() <= hit.start() && hit.end() <= h.end() + 1)
        })
    };
    if speaks(&patterns.strong) {
        Sign::Strong
    } else if speaks(&patterns.weak) {
        Sign::Weak
    } else {
        Sign::None
    }
}

/// What the level says that the line states.
fn stated(patterns: &Patterns, line: &str) -> Option<Sign> {
    let head = line.get(..line.floor_char_boundary(HEAD)).unwrap_or_default();
    let level = if let Some(found) = patterns.klog.captures(line) {
        found.get(1)
    } else if let Some(found) = patterns.stated.captures(line) {
        found.get(1)
    } else {
        patterns.word.captures(head).and_then(|found| found.get(1).or_else(|| found.get(2)))
    }?;
    Some(match level.as_str().to_ascii_lowercase().as_str() {
        "e" | "f" | "error" | "err" | "fatal" | "panic" | "critical" | "crit" | "severe" | "emerg"
        | "emergency" | "alert" | "dpanic" => Sign::Strong,
        "i" | "w" | "trace" | "debug" | "info" | "information" | "notice" | "warn" | "warning" => Sign::None,
        // Bunyan and pino count 10 to 60.
        number => match number.parse::<u32>() {
            Ok(50..=60) => Sign::Strong,
            Ok(_) => Sign::None,
            Err(_) => return None,
        },
    })
}

/// Whether the line shows a time of its own near its beginning.
pub(super) fn has_clock(line: &str) -> bool {
    let head = line.get(..line.floor_char_boundary(60)).unwrap_or_default();
    PATTERNS.as_ref().is_some_and(|patterns| patterns.clock.is_match(head))
}

/// What the lines before belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trace {
    None,
    Python,
    Go,
    /// The message of a Rust panic stands on the next line.
    Rust {
        lines: usize,
    },
}

/// Finds the lines that go on with the one before: stack traces, wrapped messages.
#[derive(Debug)]
pub(super) struct Grouper {
    trace: Trace,
    length: usize,
}

/// Longest entry, in lines.
const LONGEST: usize = 400;

impl Grouper {
    pub(super) const fn new() -> Self {
        Self { trace: Trace::None, length: 0 }
    }

    /// Takes the next line; whether it belongs to the entry before it.
    pub(super) fn continues(&mut self, line: &str) -> bool {
        let goes_on = self.length > 0 && self.length < LONGEST && self.belongs(line);
        self.length = if goes_on { self.length + 1 } else { 1 };
        if !goes_on {
            self.trace = Trace::None;
        }
        if line.starts_with("Traceback (most recent call last)") {
            self.trace = Trace::Python;
        } else if line.starts_with("panic: ") || line.starts_with("fatal error: ") {
            self.trace = Trace::Go;
        } else if line.starts_with("thread '") && line.contains("panicked at") {
            self.trace = Trace::Rust { lines: 0 };
        }
        goes_on
    }

    fn belongs(&mut self, line: &str) -> bool {
        let indented = line.starts_with([' ', '\t']) && !line.trim().is_empty() && !has_clock(line);
        let follows =
            ["Caused by: ", "Suppressed: ", "at ", "... "].iter().any(|start| line.starts_with(start));
        match self.trace {
            _ if indented || follows => true,
            Trace::Python => {
                // The first line that is not indented names the exception and ends the trace.
                self.trace = Trace::None;
                !line.trim().is_empty()
            }
            Trace::Go => {
                line.is_empty()
                    || ["goroutine ", "created by ", "[signal ", "exit status", "panic("]
                        .iter()
                        .any(|s| line.starts_with(s))
                    || (line.ends_with(')') && line.contains('(') && !line.contains(": ") && !has_clock(line))
            }
            Trace::Rust { lines } => {
                self.trace = Trace::Rust { lines: lines + 1 };
                lines == 0 || line.starts_with("note: ") || line.starts_with("stack backtrace:")
            }
            Trace::None => false,
        }
    }

    /// Whether the entry is a trace by its form.
    pub(super) fn is_trace(&self) -> bool {
        self.trace != Trace::None
    }
}

/// A digest of the line without its numbers, times, hashes and ids: equal for repetitions.
pub(super) fn shape(line: &str) -> u64 {
    let head = line.get(..line.floor_char_boundary(400)).unwrap_or_default();
    let mut masked = String::with_capacity(head.len());
    let mut run = String::new();
    for c in head.chars().chain(['\n']) {
        if c.is_alphanumeric() {
            run.push(c);
            continue;
        }
        if !run.is_empty() {
            let hash = run.len() >= 8 && run.bytes().all(|byte| byte.is_ascii_hexdigit());
            masked.push_str(if hash || run.bytes().any(|byte| byte.is_ascii_digit()) { "#" } else { &run });
            run.clear();
        }
        masked.push(c);
    }
    aiops_inventory::page::digest([masked.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_from_talk_about_errors() {
        for line in [
            "ERROR could not connect",
            r#"{"level":"error","msg":"x"}"#,
            r#"{"level":50,"msg":"x"}"#,
            "level=fatal msg=x",
            "E0701 12:00:00.000000       1 main.go:1] boom",
            "2026/07/01 12:00:00 [error] 7#7: *1 open() failed",
            "java.lang.NullPointerException: x",
            "TypeError: undefined is not a function",
            "panic: runtime error: index out of range",
            "Traceback (most recent call last):",
            "Error: Cannot find module 'x'",
            "Killed",
            r#"10.0.0.1 - - "GET / HTTP/1.1" 503 12"#,
            "fatal: repository not found",
            "Segmentation fault (core dumped)",
        ] {
            assert_eq!(sign(line), Sign::Strong, "{line}");
        }
        for line in ["connection refused", "failed to open x", "sh: foo: not found"] {
            assert_eq!(sign(line), Sign::Weak, "{line}");
        }
        for line in [
            "INFO no error so far",
            r#"{"level":"info","error":null}"#,
            "level=info msg=\"error budget is fine\"",
            "I0701 12:00:00.000000       1 main.go:1] retry after error",
            "done with 0 errors",
            "errors=0 warnings=2",
            "err=<nil>",
            r#"{"level":30,"msg":"error page served"}"#,
            r#"10.0.0.1 - - "GET /error.html HTTP/1.1" 200 12"#,
            "",
        ] {
            let allowed = line.contains("error.html");
            assert!(allowed || sign(line) == Sign::None, "{line}");
        }
    }

    fn entries(log: &str) -> Vec<usize> {
        let mut grouper = Grouper::new();
        let mut lengths: Vec<usize> = Vec::new();
        for line in log.lines() {
            if grouper.continues(line) {
                *lengths.last_mut().unwrap() += 1;
            } else {
                lengths.push(1);
            }
        }
        lengths
    }

    #[test]
    fn traces_stay_together() {
        for (log, want) in [
            (
                "INFO a\nException in thread \"main\" x.Y: z\n\tat a.b(C.java:1)\n\tat d.e(F.java:2)\nCaused by: q\n\t... 2 more\nINFO b",
                vec![1, 5, 1],
            ),
            (
                "start\nTraceback (most recent call last):\n  File \"a.py\", line 1\n    x()\nValueError: no\nnext",
                vec![1, 4, 1],
            ),
            (
                "x\npanic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:5 +0x1d\nexit status 2\n2026/07/01 12:00:00 restarted",
                vec![1, 6, 1],
            ),
            (
                "thread 'main' panicked at src/main.rs:2:5:\nboom\nnote: run with `RUST_BACKTRACE=1`\nnext",
                vec![3, 1],
            ),
            (
                "TypeError: x is not a function\n    at f (/app/a.js:1:2)\n    at g (/app/b.js:3:4)\nok",
                vec![3, 1],
            ),
        ] {
            assert_eq!(entries(log), want, "{log}");
        }
    }

    #[test]
    fn repetitions_have_one_shape() {
        let same = [
            "2026-07-01T12:00:01.123Z retry 1 of request 3f2a9c1e-7d1b-4c7e-9f3a-0123456789ab to 10.0.0.1:80",
            "2026-07-01T12:34:56.999Z retry 12 of request 99999999-aaaa-1b2c-9f3a-abcdef012345 to 10.9.8.7:8080",
        ];
        assert_ne!(shape("a"), shape("b"));
        // A group of a uuid may be all letters; then the shapes differ and the lines merely are not folded.
        assert_eq!(shape("GET /x 200 12ms deadbeef"), shape("GET /x 404 7ms cafebabe"));
        assert_ne!(shape(same[0]), shape("another line"));
        assert_eq!(shape("took 1.5s"), shape("took 22.75s"));
    }
}
