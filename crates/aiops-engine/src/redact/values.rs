//! Judges values: placeholders, words of prose, names of objects, paths, random strings.
//!
//! Decides only whether a value can be a credential at all; where it stands in the text is not its business.

/// The tags this crate writes. A tag of any other name is somebody's text.
const TAGS: &[&str] = &[
    "account-key",
    "api-key",
    "auth",
    "basic-auth",
    "bearer",
    "blob",
    "certificate",
    "cloud-key",
    "cookie",
    "credential",
    "env",
    "gzip",
    "jwt",
    "nested",
    "password",
    "password-hash",
    "private-key",
    "secret",
    "secret-data",
    "session",
    "signature",
    "token",
    "unchecked",
    "url-password",
    "webhook",
];

/// Values that stand for an absent, hidden or computed one.
const PLACEHOLDERS: &[&str] = &[
    "",
    "null",
    "nil",
    "none",
    "true",
    "false",
    "yes",
    "no",
    "undefined",
    "unset",
    "empty",
    "redacted",
    "hidden",
    "masked",
    "omitted",
    "sensitive",
    "removed",
    "n/a",
    "na",
    "nan",
    "<nil>",
    "~",
];

/// Words that follow a key and a separator in prose and in errors, and never are credentials.
const PROSE: &[&str] = &[
    "a",
    "about",
    "accepted",
    "access",
    "added",
    "already",
    "allow",
    "allowed",
    "alwaysallow",
    "an",
    "and",
    "api",
    "are",
    "at",
    "auth",
    "authentication",
    "authorized",
    "available",
    "bad",
    "be",
    "bearer",
    "because",
    "before",
    "being",
    "but",
    "by",
    "can",
    "cannot",
    "can't",
    "changed",
    "check",
    "connection",
    "connect",
    "context",
    "could",
    "couldn't",
    "created",
    "credential",
    "credentials",
    "crypto",
    "decode",
    "delete",
    "deleted",
    "denied",
    "deny",
    "detected",
    "dial",
    "disabled",
    "does",
    "doesn't",
    "each",
    "eof",
    "error",
    "err",
    "errors",
    "expected",
    "expired",
    "expires",
    "failed",
    "failure",
    "fetch",
    "file",
    "files",
    "for",
    "forbidden",
    "found",
    "from",
    "generated",
    "get",
    "go",
    "has",
    "have",
    "head",
    "http",
    "https",
    "if",
    "illegal",
    "in",
    "incorrect",
    "internal",
    "invalid",
    "io",
    "is",
    "issued",
    "it",
    "its",
    "key",
    "keys",
    "login",
    "lookup",
    "malformed",
    "mismatch",
    "missing",
    "must",
    "name",
    "needs",
    "net",
    "network",
    "new",
    "no",
    "node",
    "not",
    "nothing",
    "of",
    "off",
    "ok",
    "okay",
    "on",
    "only",
    "operation",
    "optional",
    "or",
    "parse",
    "parsing",
    "password",
    "passwords",
    "permission",
    "please",
    "post",
    "present",
    "provided",
    "put",
    "rbac",
    "read",
    "received",
    "refresh",
    "refreshed",
    "refused",
    "rejected",
    "remote",
    "renewed",
    "request",
    "required",
    "requires",
    "reset",
    "retry",
    "retrying",
    "revoked",
    "rotated",
    "rpc",
    "secret",
    "secrets",
    "see",
    "server",
    "service",
    "session",
    "set",
    "should",
    "signature",
    "skip",
    "skipped",
    "skipping",
    "something",
    "square",
    "still",
    "string",
    "stored",
    "success",
    "successful",
    "successfully",
    "sync",
    "synced",
    "the",
    "their",
    "this",
    "timeout",
    "tls",
    "to",
    "token",
    "tokens",
    "too",
    "unable",
    "unauthorized",
    "unauthenticated",
    "unchanged",
    "unexpected",
    "unknown",
    "unsupported",
    "until",
    "update",
    "updated",
    "user",
    "username",
    "using",
    "valid",
    "validated",
    "validation",
    "value",
    "verification",
    "verified",
    "verify",
    "verifying",
    "was",
    "webhook",
    "when",
    "while",
    "will",
    "with",
    "without",
    "wrong",
    "x509",
    "you",
    "your",
    "type",
    "basic",
    "kubernetes",
    "secretref",
];

/// Whether a name between `[redacted:` and `]` is one of ours.
pub(super) fn is_tag(name: &[u8]) -> bool {
    TAGS.iter().any(|tag| tag.as_bytes() == name)
}

fn listed(value: &str, list: &[&str]) -> bool {
    list.iter().any(|entry| value.eq_ignore_ascii_case(entry))
}

/// Whether the value stands for an absent, hidden or computed one: `null`, `****`, `$(NAME)`, `{{ .Values.x }}`.
pub(super) fn is_placeholder(value: &str) -> bool {
    let value = value.trim_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '.' | ')' | '}'));
    if value.len() > 64 {
        return false;
    }
    if listed(value, PLACEHOLDERS) {
        return true;
    }
    let bytes = value.as_bytes();
    let first = bytes.first().copied().unwrap_or(0);
    if bytes.len() > 1
        && matches!(first, b'*' | b'x' | b'X' | b'.' | b'-' | b'#' | b'?')
        && bytes.iter().all(|byte| *byte == first)
    {
        return true;
    }
    let wrapped = |open: &str, close: &str| {
        value.starts_with(open) && value.ends_with(close.trim_end_matches([')', '}']))
    };
    let reference = |open: &str| {
        value.strip_prefix(open).is_some_and(|rest| {
            rest.trim_end_matches([')', '}']).bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b' ' | b'|' | b'"' | b'$')
            })
        })
    };
    reference("$(")
        || reference("${")
        || wrapped("{{", "}}")
        || matches!(value, "%s" | "%v" | "%q" | "%+v" | "%d")
}

/// Whether the first word of the value is one of prose.
pub(super) fn is_prose(value: &str) -> bool {
    let first = value.split([' ', '\t', ',', ';', '\n']).next().unwrap_or_default();
    let word = first.trim_matches(|c: char| !c.is_alphanumeric());
    word.is_empty() && first.len() < 3 || listed(word, PROSE)
}

/// Whether the value is a lower-case name of an object, perhaps with its namespace: `team-a/db-credentials`.
pub(super) fn is_object_name(value: &str) -> bool {
    if value.is_empty() || value.len() > 128 {
        return false;
    }
    let shaped = value
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'/'));
    if !shaped || !value.starts_with(|c: char| c.is_ascii_lowercase()) {
        return false;
    }
    let mut words = 0;
    for part in value.split(['-', '.', '/']) {
        // A word, a number, or the short hash that a controller appends.
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        let word = digits == 0 || digits == part.len() || part.len() <= 5 || (part.len() <= 10 && words > 0);
        if part.is_empty() || part.len() > 24 || !word {
            return false;
        }
        words += 1;
    }
    words > 1
}

/// Whether the value is a path of plain names.
pub(super) fn is_path(value: &str) -> bool {
    let rooted =
        ["/", "./", "../", "~/", "file:/", "projects/", "arn:"].iter().any(|root| value.starts_with(root));
    rooted && value.len() <= 256 && !looks_random(value.rsplit('/').next().unwrap_or_default(), 24)
}

/// Whether the value is a number, with sign, point, or a unit.
pub(super) fn is_number(value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    value.len() <= 16
        && digits > 0
        && value.len() - digits <= 2
        && !value.contains(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '%'))
}

/// Whether the value has at least `min` characters and mixes digits with letters as random strings do.
pub(super) fn looks_random(value: &str, min: usize) -> bool {
    if value.len() < min {
        return false;
    }
    let mut shape = Shape::default();
    for byte in value.bytes() {
        shape.push(byte);
    }
    let classes = usize::from(shape.upper > 0) + usize::from(shape.lower > 0) + usize::from(shape.digit > 0);
    classes >= 2 && shape.digit > 0 && shape.changes * 100 >= shape.letters() * 15
}

/// How often the classes of letters change along a string: seldom in words and paths, at two of three characters
/// in random base64.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Shape {
    pub(super) upper: usize,
    pub(super) lower: usize,
    pub(super) digit: usize,
    pub(super) changes: usize,
    last: u8,
}

impl Shape {
    pub(super) fn push(&mut self, byte: u8) {
        let class = if byte.is_ascii_lowercase() {
            self.lower += 1;
            1
        } else if byte.is_ascii_uppercase() {
            self.upper += 1;
            2
        } else if byte.is_ascii_digit() {
            self.digit += 1;
            3
        } else {
            // Separators do not count as a change, or every path and name would look random.
            self.last = 0;
            return;
        };
        if self.last != 0 && self.last != class {
            self.changes += 1;
        }
        self.last = class;
    }

    pub(super) const fn letters(&self) -> usize {
        self.upper + self.lower + self.digit
    }
}
