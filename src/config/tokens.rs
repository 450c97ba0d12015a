//! Bearer tokens: a file of names, SHA-256 hashes and groups.
//!
//! Tokens themselves are never stored, printed or compared byte by byte: only their hashes are, in constant time.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Who presented a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The entry's name.
    pub name: String,
    /// Its groups.
    pub groups: Vec<String>,
}

/// Why a token file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// It cannot be read.
    #[error("the token file {path} of http.tokenFile cannot be read; check the path and its permissions")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not what it should be.
    #[error("the token file {path} cannot be used: {problem}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong and what would be right.
        problem: String,
    },
}

/// The tokens of a file.
#[derive(Default)]
pub struct Tokens {
    entries: Vec<Entry>,
}

struct Entry {
    principal: Principal,
    hash: [u8; 32],
    expires: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    sha256: String,
    #[serde(default)]
    groups: Vec<String>,
    expires: Option<String>,
}

impl Tokens {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, is not TOML of that form, or two entries share a name or a token.
    pub fn read(path: &Path) -> Result<Self, TokenFileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| TokenFileError::Read { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|problem| TokenFileError::Content { path: path.to_owned(), problem })
    }

    /// Reads the text of such a file.
    ///
    /// # Errors
    /// A sentence that says what is wrong, without the hashes.
    pub fn parse(text: &str) -> Result<Self, String> {
        // The full message of the parser quotes the line, which holds the hash.
        let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        if file.token.is_empty() {
            return Err("it has no [[token]] entry; each needs name and sha256 \
                        (printf %s TOKEN | sha256sum)"
                .to_owned());
        }
        let mut tokens = Self::default();
        for line in file.token {
            let entry = line.entry()?;
            if tokens.entries.iter().any(|other| other.principal.name == entry.principal.name) {
                return Err(format!(
                    "two entries are called {:?}; give each a name of its own",
                    entry.principal.name
                ));
            }
            if tokens.entries.iter().any(|other| other.hash == entry.hash) {
                return Err(format!(
                    "{:?} has the same token as another entry; make a new one",
                    entry.principal.name
                ));
            }
            tokens.entries.push(entry);
        }
        Ok(tokens)
    }

    /// Who this token is, at this time. Every entry is compared, whatever was found before.
    pub fn find(&self, token: &str, now: Timestamp) -> Option<&Principal> {
        let hash = Sha256::digest(token.as_bytes());
        let mut found = None;
        for entry in &self.entries {
            let same = bool::from(entry.hash.as_slice().ct_eq(hash.as_slice()));
            if same && entry.expires.is_none_or(|expires| now < expires) {
                found = Some(&entry.principal);
            }
        }
        found
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Names of entries that are over at this time.
    pub fn expired(&self, now: Timestamp) -> Vec<&str> {
        let over = |entry: &&Entry| entry.expires.is_some_and(|expires| expires <= now);
        self.entries.iter().filter(over).map(|entry| entry.principal.name.as_str()).collect()
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|entry| &entry.principal.name)).finish()
    }
}

impl Line {
    fn entry(self) -> Result<Entry, String> {
        let name = self.name.trim().to_owned();
        if name.is_empty() || name.len() > 128 || name.chars().any(char::is_control) {
            return Err("a name must have 1 to 128 characters and no control characters".to_owned());
        }
        if name == "anonymous" {
            return Err("the name anonymous is for callers without a token; choose another".to_owned());
        }
        let hash = unhex(self.sha256.trim()).ok_or_else(|| {
            format!("sha256 of {name:?} must be 64 hexadecimal digits, the hash of the token and not the token itself")
        })?;
        let expires = self
            .expires
            .map(|text| {
                text.parse::<Timestamp>().map_err(|_| {
                    format!("expires of {name:?} must be a time in quotes such as \"2027-01-31T00:00:00Z\"")
                })
            })
            .transpose()?;
        Ok(Entry { principal: Principal { name, groups: self.groups }, hash, expires })
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits
        .chunks(2)
        .filter_map(|pair| if let [high, low] = pair { Some(high << 4 | low) } else { None })
        .collect();
    (digits.len() == 64).then(|| bytes.try_into().ok()).flatten()
}
