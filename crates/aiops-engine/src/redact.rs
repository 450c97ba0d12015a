//! Replaces credentials in other people's text by a tag such as `[redacted:jwt]`, in linear time.
//!
//! Knows the written forms of credentials (prefixes, armour, key and value pairs, URLs, encoded blobs) and the
//! Kubernetes members that hold them. It refuses to decide who may see what, to keep or log what it found, and to
//! guess at short random words that nothing around them calls a secret.

mod armor;
mod blobs;
mod commands;
mod headers;
mod json;
mod keys;
mod lines;
mod pairs;
mod prefixes;
mod quotes;
mod urls;
mod values;
mod view;

use std::borrow::Cow;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

pub use lines::{LineRedactor, LineState};
use prefixes::PREFIXES;
use view::{Span, View};

/// How often a text is scanned again after a change, so that a second call changes nothing.
const PASSES: usize = 4;

/// What an anchor found in the text leads to.
#[derive(Debug, Clone, Copy)]
enum Rule {
    Prefix(usize),
    Pair,
    Bearer,
    Basic,
    Armor,
    Jwt,
    Url,
    MysqlDsn,
    Webhook,
    AtlasToken,
    AzureSecret,
    Telegram,
    Mailchimp,
    Bootstrap,
    Crypt,
    Command,
    Flag,
    SecretObject,
}

/// Anchors that do not come from the prefix table.
const ANCHORS: &[(&str, Rule)] = &[
    ("pass", Rule::Pair),
    ("pwd", Rule::Pair),
    ("secret", Rule::Pair),
    ("token", Rule::Pair),
    ("key", Rule::Pair),
    ("cred", Rule::Pair),
    ("auth", Rule::Pair),
    ("cookie", Rule::Pair),
    ("sess", Rule::Pair),
    ("connect.sid", Rule::Pair),
    ("jwt", Rule::Pair),
    ("signature", Rule::Pair),
    ("sig=", Rule::Pair),
    ("sig%3d", Rule::Pair),
    ("code=", Rule::Pair),
    ("otp", Rule::Pair),
    ("bearer", Rule::Bearer),
    ("basic", Rule::Basic),
    ("begin", Rule::Armor),
    ("eyJ", Rule::Jwt),
    ("://", Rule::Url),
    ("%3a%2f%2f", Rule::Url),
    (":\\", Rule::Url),
    ("@tcp(", Rule::MysqlDsn),
    ("@unix(", Rule::MysqlDsn),
    ("hooks.slack.com/", Rule::Webhook),
    ("discord.com/api/webhooks/", Rule::Webhook),
    ("discordapp.com/api/webhooks/", Rule::Webhook),
    ("webhook.office.com/", Rule::Webhook),
    ("outlook.office.com/webhook", Rule::Webhook),
    ("hooks.zapier.com/hooks/", Rule::Webhook),
    ("api.telegram.org/bot", Rule::Webhook),
    (".atlasv1.", Rule::AtlasToken),
    ("q~", Rule::AzureSecret),
    (":aa", Rule::Telegram),
    ("-us", Rule::Mailchimp),
    (".", Rule::Bootstrap),
    ("$2a$", Rule::Crypt),
    ("$2b$", Rule::Crypt),
    ("$2y$", Rule::Crypt),
    ("$5$", Rule::Crypt),
    ("$6$", Rule::Crypt),
    ("$y$", Rule::Crypt),
    ("$apr1$", Rule::Crypt),
    ("$argon2", Rule::Crypt),
    ("scram-sha-", Rule::Crypt),
    ("mysql", Rule::Command),
    ("mariadb", Rule::Command),
    ("sshpass", Rule::Command),
    ("login", Rule::Command),
    ("mongo", Rule::Command),
    ("redis-cli", Rule::Command),
    ("curl", Rule::Command),
    ("wget", Rule::Command),
    ("-p", Rule::Flag),
    ("stringdata", Rule::SecretObject),
    ("\"data", Rule::SecretObject),
    ("data:", Rule::SecretObject),
];

struct Engine {
    anchors: AhoCorasick,
    rules: Vec<Rule>,
}

static ENGINE: LazyLock<Option<Engine>> = LazyLock::new(Engine::new);

impl Engine {
    fn new() -> Option<Self> {
        let mut words = Vec::with_capacity(ANCHORS.len() + PREFIXES.len());
        let mut rules = Vec::with_capacity(ANCHORS.len() + PREFIXES.len());
        for (word, rule) in ANCHORS {
            words.push(*word);
            rules.push(*rule);
        }
        for (index, prefix) in PREFIXES.iter().enumerate() {
            words.push(prefix.lead);
            rules.push(Rule::Prefix(index));
        }
        let anchors = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&words)
            .ok()?;
        Some(Self { anchors, rules })
    }
}

/// Replaces credentials by tags. Copying it is free: its tables are shared by the whole process and built at the
/// first use.
#[derive(Debug, Clone, Copy, Default)]
pub struct Redactor;

impl Redactor {
    /// The redactor every output channel shares.
    pub const fn new() -> Self {
        Self
    }

    /// The text with every credential replaced by a tag; borrowed when nothing was found. Calling it on its own
    /// result changes nothing.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut current = match pass(text, true) {
            None => return Cow::Borrowed(text),
            Some(changed) => changed,
        };
        for _ in 1..PASSES {
            match pass(&current, true) {
                None => break,
                Some(changed) => current = changed,
            }
        }
        Cow::Owned(current)
    }

    /// Redacts every key and string of a JSON value in place and removes what Kubernetes objects must never show
    /// (managed fields, last-applied copies, the data of Secrets, literal environment values). Returns whether
    /// anything changed.
    pub fn redact_json(&self, value: &mut serde_json::Value) -> bool {
        json::redact(*self, value)
    }
}

/// One scan of the text; `None` when nothing had to change.
fn pass(text: &str, blobs: bool) -> Option<String> {
    let spans = spans(text, blobs);
    if spans.is_empty() {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for span in spans {
        let start = text.floor_char_boundary(span.start.max(done));
        let end = text.ceil_char_boundary(span.end);
        out.push_str(text.get(done..start).unwrap_or_default());
        out.push_str("[redacted:");
        out.push_str(span.tag);
        out.push(']');
        done = end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    (out != text).then_some(out)
}

/// Whether the text holds a credential that its own form gives away; blobs inside it are not opened again.
fn holds_credential(text: &str) -> bool {
    !spans(text, false).is_empty()
}

/// The places to replace, in order and disjoint.
fn spans(text: &str, blobs: bool) -> Vec<Span> {
    if text.len() < 5 {
        return Vec::new();
    }
    let view = View::new(text);
    let mut found = Vec::new();
    let Some(engine) = ENGINE.as_ref() else {
        // Without its tables nothing may pass.
        return vec![Span::new(0, text.len(), "unchecked")];
    };
    let mut covered = 0;
    let mut command_until = 0;
    for hit in engine.anchors.find_overlapping_iter(text) {
        if hit.start() < covered || view.inside_tag(hit.start()) {
            continue;
        }
        let Some(rule) = engine.rules.get(hit.pattern().as_usize()) else { continue };
        let (start, end) = (hit.start(), hit.end());
        let span = match *rule {
            Rule::Prefix(index) => PREFIXES.get(index).and_then(|prefix| prefix.find(view, start)),
            Rule::Pair => pairs::find(view, start, end),
            Rule::Bearer => headers::bearer(view, end),
            Rule::Basic => headers::basic(view, end),
            Rule::Armor => armor::find(view, start, end),
            Rule::Jwt => armor::jwt(view, start),
            Rule::Url => urls::userinfo(view, start, end),
            Rule::MysqlDsn => urls::mysql_dsn(view, start),
            Rule::Webhook => urls::webhook(view, end),
            Rule::AtlasToken => prefixes::atlas(view, start, end),
            Rule::AzureSecret => prefixes::azure_secret(view, start, end),
            Rule::Telegram => prefixes::telegram(view, start, end),
            Rule::Mailchimp => prefixes::mailchimp(view, start, end),
            Rule::Bootstrap => prefixes::bootstrap(view, start),
            Rule::Crypt => prefixes::crypt(view, start),
            Rule::Flag => commands::flag(view, start),
            Rule::Command if start < command_until => None,
            Rule::Command => {
                let (until, span) = commands::find(view, start, end);
                command_until = until;
                span
            }
            Rule::SecretObject => {
                armor::secret_data(view, start, end, &mut found);
                None
            }
        };
        if let Some(span) = span {
            covered = covered.max(span.end);
            found.push(span);
        }
    }
    if blobs {
        blobs::find(text, view, &mut found);
    }
    merge(found)
}

/// Sorts the spans and joins those that overlap; the one that begins first keeps its tag.
fn merge(mut found: Vec<Span>) -> Vec<Span> {
    found.sort_by(|a, b| a.start.cmp(&b.start).then(b.end.cmp(&a.end)));
    let mut merged: Vec<Span> = Vec::with_capacity(found.len());
    for span in found {
        match merged.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}

#[cfg(test)]
mod tests;
