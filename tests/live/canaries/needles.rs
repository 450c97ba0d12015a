//! Finding a secret in a text, whatever form it has: as it is, URL- and JSON-escaped, hexadecimal, base64 of either
//! alphabet with anything before it, and gzip inside of base64, several times over.
//!
//! The heart of each secret is letters and digits, which no escaping changes.

use std::{io::Read as _, sync::LazyLock};

use serde_json::Value;

use super::shapes::encode;

/// How deep encodings are opened.
const DEEPEST: usize = 4;
/// The shortest run of base64 that could hold a canary.
const SHORTEST: usize = 20;

/// Secrets with the names by which a leak is told.
#[derive(Debug, Clone, Default)]
pub(super) struct Needles(Vec<(String, String)>);

impl Needles {
    pub(super) fn add(&mut self, what: &str, heart: &str) {
        assert!(heart.len() >= 12, "{what} is too short to be found for certain");
        self.0.push((what.to_owned(), heart.to_owned()));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Every token and key of a kubeconfig; of long ones a middle piece, as it stands and decoded.
    pub(super) fn add_kubeconfig(&mut self, text: &str) {
        let config: Value = serde_saphyr::from_str(text).unwrap();
        let mut found = 0;
        for user in config["users"].as_array().unwrap() {
            for key in ["token", "client-key-data", "password"] {
                let Some(value) = user["user"][key].as_str() else { continue };
                found += 1;
                self.add(&format!("{key} of the kubeconfig"), middle(value));
                if let Ok(pem) = String::from_utf8(base64(value.as_bytes())) {
                    let line = pem.lines().filter(|line| !line.contains("KEY")).max_by_key(|line| line.len());
                    self.add(&format!("{key} of the kubeconfig, decoded"), middle(line.unwrap()));
                }
            }
            assert!(found > 0, "no credential in {:?}", user["name"]);
        }
    }

    /// The names of those that are in a text.
    pub(super) fn found_in(&self, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        self.search(text.as_bytes(), "", 0, &mut found);
        found.sort();
        found.dedup();
        found
    }

    fn search(&self, bytes: &[u8], how: &str, depth: usize, found: &mut Vec<String>) {
        let contains = |needle: &str| memchr::memmem::find(bytes, needle.as_bytes()).is_some();
        // Canaries begin alike: one look tells whether it is worth to look for each.
        let (has_canary, has_hex) = (contains(CANARY), contains(&hex(CANARY)));
        for (what, heart) in &self.0 {
            let is_canary = heart.starts_with(CANARY);
            if (has_canary || !is_canary) && contains(heart) {
                found.push(format!("{what}{how}"));
            }
            if has_hex && is_canary && contains(&hex(heart)) {
                found.push(format!("{what}{how} in hex"));
            }
        }
        if depth == DEEPEST {
            return;
        }
        for run in runs(bytes) {
            // What stands before may belong to the run: try each of the four places of a group.
            for skipped in 0..4.min(run.len()) {
                let decoded = base64(&run[skipped..]);
                if let Some(text) = gunzip(&decoded) {
                    self.search(&text, &format!("{how} in gzip in base64"), depth + 1, found);
                } else {
                    self.search(&decoded, &format!("{how} in base64"), depth + 1, found);
                }
            }
        }
    }
}

/// How each canary of [`crate::support::Dice`] begins.
const CANARY: &str = "cnry";

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// What base64 that holds a canary or gzip holds for certain, once and twice encoded, wherever in a group it begins.
static MARKS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let encoded = |text: &str| -> Vec<String> {
        let places = (0..3).map(|before| {
            let all = encode([&vec![b'x'; before][..], text.as_bytes()].concat().as_slice());
            let first = (before * 8).div_ceil(6);
            let last = (before + text.len()) * 8 / 6;
            all.get(first..last).unwrap().to_owned()
        });
        places.collect()
    };
    let once = [encoded(CANARY), vec!["H4sI".to_owned()]].concat();
    let twice = once.iter().flat_map(|mark| encoded(mark));
    once.iter().cloned().chain(twice).collect()
});

fn middle(value: &str) -> &str {
    value.get(value.len() / 2..(value.len() / 2 + 40).min(value.len())).unwrap()
}

/// Stretches of base64 of either alphabet; escapes of URLs and of JSON inside them are undone first.
fn runs(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (byte, length) = match rest {
            [b'%', b'2', b'B' | b'b', ..] => (b'+', 3),
            [b'%', b'2', b'F' | b'f', ..] => (b'/', 3),
            [b'\\', b'/', ..] => (b'/', 2),
            [b'\\', b'u', b'0', b'0', b'2', b'b', ..] => (b'+', 6),
            // Long values are written in lines.
            [b'\\', b'n', ..] => (b'\n', 2),
            [byte, ..] => (*byte, 1),
            [] => break,
        };
        at += length;
        plain.push(byte);
    }
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    let whole = plain
        .split(|byte| !is_base64(byte) && *byte != b'\n')
        .map(|run| run.iter().copied().filter(|byte| *byte != b'\n').collect::<Vec<u8>>());
    let is_marked =
        |run: &[u8]| MARKS.iter().any(|mark| memchr::memmem::find(run, mark.as_bytes()).is_some());
    whole.filter(|run| run.len() >= SHORTEST && is_marked(run)).collect()
}

/// The bytes for which base64 stands; what is no symbol ends it.
fn base64(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut word, mut bits) = (0_u32, 0);
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => break,
        };
        word = (word << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from((word >> bits) & 0xff).unwrap());
        }
    }
    out
}

fn gunzip(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return None;
    }
    let mut out = Vec::new();
    // The beginning of a cut stream is read as far as it goes.
    let _ = flate2::read::GzDecoder::new(bytes).take(4 << 20).read_to_end(&mut out);
    Some(out)
}

/// What Helm does to a release before it stores it.
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::read::GzEncoder::new(bytes, flate2::Compression::best());
    let mut out = Vec::new();
    encoder.read_to_end(&mut out).unwrap();
    out
}

#[test]
fn a_needle_is_found_in_each_form() {
    use super::shapes::{encode, percent};
    let mut needles = Needles::default();
    needles.add("it", "cnry0123456789ab");
    let value = "x/\"cnry0123456789ab\"+y";
    let json = serde_json::json!({ "a": value }).to_string();
    let packed = encode(&gzip(format!("{{\"manifest\":{json}}}").as_bytes()));
    for text in [
        value.to_owned(),
        json.clone(),
        serde_json::json!({ "b": json }).to_string(),
        percent(value),
        encode(value.as_bytes()),
        format!("prefix{}", encode(value.as_bytes())),
        percent(&encode(value.as_bytes())),
        encode(value.as_bytes()).replace('/', "\\/"),
        encode(encode(value.as_bytes()).as_bytes()),
        packed.clone(),
        encode(packed.as_bytes()),
        value.bytes().map(|byte| format!("{byte:02x}")).collect(),
    ] {
        assert!(!needles.found_in(&format!("before {text} after")).is_empty(), "{text}");
    }
    assert!(needles.found_in("cnry0123456789aX and nothing else of it").is_empty());
}
