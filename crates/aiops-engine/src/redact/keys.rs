//! Decides from a key's name alone whether its value is a credential: `DB_PASSWORD`, `spring.datasource.password`,
//! `clientSecret`, `x-api-key`.
//!
//! Looks at the last words of the name, in any spelling. It refuses to look at the value and to call a reference
//! (`secretName`, `passwordFile`, `tokenExpirationSeconds`) a credential.

/// What a key promises about its value; how a value is judged depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Any value is a credential.
    Password,
    /// A token or key: any value that is not a word of prose, a number or a path.
    Token,
    /// As a token, and no Kubernetes object's name either.
    Secret,
    /// `Authorization`: scheme and credential.
    Header,
    /// `Cookie`: the whole line.
    Cookie,
    /// A session id: a long random value.
    Session,
    /// `auth`: base64 of user and password, or a long random value.
    Auth,
    /// A signature or a bare `key=` or `code=` of a URL: a long random value.
    Random,
}

/// Words that say how a value is written, which one it is or where it is used.
const NEUTRAL: &[&str] = &[
    "data",
    "value",
    "val",
    "string",
    "str",
    "text",
    "plain",
    "plaintext",
    "cleartext",
    "base",
    "b",
    "encoded",
    "raw",
    "current",
    "new",
    "old",
    "previous",
    "default",
    "prod",
    "production",
    "dev",
    "staging",
    "stage",
    "test",
    "live",
    "literal",
    "v",
    "confirm",
    "confirmation",
    "primary",
    "secondary",
    "hash",
    "md",
    "sha",
    "header",
];

const PASSWORDS: &[&str] =
    &["password", "passwords", "passwd", "passphrase", "passwort", "passcode", "passw", "pswd", "userpass"];
const SHORT_PASSWORDS: &[&str] =
    &["pwd", "pass", "psw", "dbpass", "dbpwd", "pgpass", "sshpass", "rootpass", "mysqlpwd"];
const KEYS: &[&str] = &[
    "apikey",
    "secretkey",
    "accesskey",
    "privatekey",
    "authkey",
    "signingkey",
    "encryptionkey",
    "accountkey",
    "sharedkey",
    "masterkey",
    "clientkey",
    "storagekey",
    "licensekey",
    "sshkey",
    "webhookkey",
];
/// What makes a following `key` a credential.
const KEY_OWNERS: &[&str] = &[
    "api",
    "access",
    "secret",
    "private",
    "signing",
    "encryption",
    "decryption",
    "account",
    "shared",
    "master",
    "client",
    "license",
    "licence",
    "storage",
    "auth",
    "ssh",
    "deploy",
    "application",
    "admin",
    "webhook",
    "hmac",
    "crypto",
    "aes",
    "rsa",
    "session",
    "cookie",
    "jwt",
    "subscription",
    "ingest",
    "ingestion",
    "integration",
    "unseal",
    "root",
    "instrumentation",
    "sas",
    "tls",
    "app",
    "preshared",
    "psk",
    "storekey",
];
/// What makes a following `token` a mark of position or a count.
const NOT_TOKENS: &[&str] = &[
    "page",
    "next",
    "continue",
    "continuation",
    "cursor",
    "sync",
    "resume",
    "pagination",
    "fencing",
    "stop",
    "eos",
    "bos",
    "pad",
    "max",
    "min",
    "num",
    "total",
    "prompt",
    "completion",
    "input",
    "output",
    "unexpected",
    "per",
    "cached",
];
const GLUED_NOT_TOKENS: &[&str] =
    &["pagetoken", "nexttoken", "continuetoken", "synctoken", "maxtoken", "numtoken"];

/// The last words of a name, the last one first.
struct Words<'a> {
    words: [&'a str; 5],
}

impl<'a> Words<'a> {
    fn of(name: &'a str) -> Self {
        let bytes = name.as_bytes();
        let at = |index: usize| bytes.get(index).copied().unwrap_or(0);
        let mut words = [""; 5];
        let mut end = bytes.len();
        let mut filled = 0;
        while filled < words.len() {
            while end > 0 && !at(end - 1).is_ascii_alphanumeric() {
                end -= 1;
            }
            if end == 0 {
                break;
            }
            let mut start = end - 1;
            while start > 0 && joined(at(start - 1), at(start), at(start + 1)) {
                start -= 1;
            }
            let word = name.get(start..end).unwrap_or_default();
            end = start;
            let dropped = filled == 0
                && (word.bytes().all(|byte| byte.is_ascii_digit()) || one_of(word, NEUTRAL))
                && start > 0;
            if !dropped && let Some(slot) = words.get_mut(filled) {
                *slot = word;
                filled += 1;
            }
        }
        Self { words }
    }

    fn back(&self, n: usize) -> &'a str {
        self.words.get(n).copied().unwrap_or_default()
    }
}

/// Whether two neighbouring characters belong to one word, given the one after them.
const fn joined(previous: u8, this: u8, next: u8) -> bool {
    if !previous.is_ascii_alphanumeric() {
        return false;
    }
    if previous.is_ascii_digit() != this.is_ascii_digit() {
        return false;
    }
    if previous.is_ascii_lowercase() && this.is_ascii_uppercase() {
        return false;
    }
    !(previous.is_ascii_uppercase() && this.is_ascii_uppercase() && next.is_ascii_lowercase())
}

fn one_of(word: &str, list: &[&str]) -> bool {
    list.iter().any(|entry| word.eq_ignore_ascii_case(entry))
}

fn ends_with(word: &str, end: &str) -> bool {
    word.len()
        .checked_sub(end.len())
        .and_then(|start| word.as_bytes().get(start..))
        .is_some_and(|tail| tail.eq_ignore_ascii_case(end.as_bytes()))
}

fn ends_with_any(word: &str, ends: &[&str]) -> bool {
    ends.iter().any(|end| ends_with(word, end))
}

/// What the name promises about its value; `None` when it is no credential.
pub(super) fn classify(name: &str) -> Option<Class> {
    let words = Words::of(name);
    let (last, owner) = (words.back(0), words.back(1));
    if ends_with_any(last, PASSWORDS) || one_of(last, SHORT_PASSWORDS) {
        return Some(Class::Password);
    }
    if ends_with(last, "token") || ends_with(last, "tokens") {
        let position =
            one_of(owner, NOT_TOKENS) || ends_with_any(last.trim_end_matches('s'), GLUED_NOT_TOKENS);
        return (!position).then_some(Class::Token);
    }
    if ends_with(last, "secret") {
        // `clientSecret` is a value; `pullSecret` and `secret` are as often the name of an object.
        let value = one_of(
            owner,
            &[
                "client", "app", "api", "shared", "consumer", "oauth", "hmac", "jwt", "signing", "cookie",
                "session",
            ],
        );
        return Some(if value || ends_with_any(last, &["clientsecret", "appsecret"]) {
            Class::Token
        } else {
            Class::Secret
        });
    }
    if ends_with_any(last, KEYS) || (last.eq_ignore_ascii_case("key") && one_of(owner, KEY_OWNERS)) {
        return Some(Class::Token);
    }
    if one_of(last, &["credential", "credentials", "creds", "cred"]) {
        return Some(Class::Secret);
    }
    if one_of(last, &["authorization"]) {
        return Some(Class::Header);
    }
    if one_of(last, &["cookie", "cookies"]) {
        return Some(Class::Cookie);
    }
    if one_of(last, &["jwt", "bearer", "otp", "psk"]) || ends_with(last, "jwt") {
        return Some(Class::Token);
    }
    let session_id = one_of(last, &["id", "sid"]) && one_of(owner, &["session", "sess", "connect"]);
    if session_id || ends_with_any(last, &["sessionid", "sessid"]) || one_of(last, &["session"]) {
        return Some(Class::Session);
    }
    if one_of(last, &["auth"]) {
        return Some(Class::Auth);
    }
    if one_of(last, &["signature", "sig"]) {
        return Some(Class::Random);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_credentials_are_told_from_names_of_references() {
        for name in [
            "DB_PASSWORD",
            "spring.datasource.password",
            "clientSecret",
            "x-api-key",
            "APIKey",
            "AWS_SECRET_ACCESS_KEY",
            "PGPASSWORD",
            "client-key-data",
            "password_base64",
            "GITHUB_TOKEN",
            "access_token2",
            "id-token",
            "_authToken",
            "REDISCLI_AUTH",
            "MYSQL_PWD",
            "JSESSIONID",
            "Proxy-Authorization",
        ] {
            assert!(classify(name).is_some(), "{name}");
        }
        for name in [
            "secretName",
            "password_file",
            "passwordSecretRef",
            "tokenExpirationSeconds",
            "nextPageToken",
            "max_tokens",
            "key",
            "keyId",
            "monkey",
            "compass",
            "bypass",
            "author",
            "authorization.k8s.io/decision",
            "accessKeyId",
            "public_key",
            "topologyKey",
            "imagePullSecrets",
        ] {
            assert_eq!(classify(name), None, "{name}");
        }
    }
}
