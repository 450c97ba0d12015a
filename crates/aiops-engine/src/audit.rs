//! The audit chain: how a line is linked to the one before it, and how a chain and its anchors are proven whole.
//!
//! There is one chain for each workflow, one for acts that concern the whole engine ([`CONTROL`]) and one that anchors
//! the heads of all the others ([`ANCHORS`]), so that cutting off the end of a chain is seen too. It keeps nothing and
//! judges nobody: it redacts nothing either, whoever makes an entry has done so.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    fingerprint::sha256,
    model::{Millis, caller::Via},
    ports::store::{AuditLine, Entry},
};

/// The chain of what concerns the whole engine: controls, incidents that people close.
pub const CONTROL: &str = "control";
/// The chain whose lines hold the heads of the others.
pub const ANCHORS: &str = "anchors";

/// The end of a chain: the place and the hash of its last line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Place of the last line, 0 when there is none.
    pub seq: i64,
    /// Its hash, empty when there is none.
    pub hash: String,
}

/// Where a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the audit chain {chain} is broken at line {seq}: {why}")]
pub struct Broken {
    /// The chain.
    pub chain: String,
    /// The first line that is not right.
    pub seq: i64,
    /// What is not right.
    pub why: String,
}

/// SHA-256, hexadecimal, over the hash before and the line in canonical JSON (members sorted, no blanks). The chain's
/// name and the place are part of the line, so that no line can stand anywhere else.
pub fn link(chain: &str, prev_hash: &str, seq: i64, entry: &Entry) -> String {
    let line = json!({
        "chain": chain,
        "seq": seq,
        "at": entry.at,
        "actor": entry.actor,
        "via": entry.via.as_str(),
        "action": entry.action,
        "object": entry.object,
        "body": entry.body,
    });
    sha256(&format!("{prev_hash}{line}"))
}

/// The line that follows `head` in its chain.
pub fn next(chain: &str, head: &Head, entry: &Entry) -> AuditLine {
    let entry = Entry { body: settled(entry.body.clone()), ..entry.clone() };
    let seq = head.seq + 1;
    let hash = link(chain, &head.hash, seq, &entry);
    AuditLine { chain: chain.to_owned(), seq, entry, prev_hash: head.hash.clone(), hash }
}

impl Head {
    /// The head of a chain without lines.
    pub const fn empty() -> Self {
        Self { seq: 0, hash: String::new() }
    }

    /// The head after this line.
    pub fn of(line: &AuditLine) -> Self {
        Self { seq: line.seq, hash: line.hash.clone() }
    }

    /// Checks that `line` follows in `chain`, and moves on to it.
    ///
    /// # Errors
    /// A line is missing or out of order, does not follow from the one before, or was changed after it was written.
    pub fn follow(&mut self, chain: &str, line: &AuditLine) -> Result<(), Broken> {
        let broken = |why: String| Broken { chain: chain.to_owned(), seq: self.seq + 1, why };
        if line.chain != chain {
            return Err(broken(format!("a line of the chain {} stands here", line.chain)));
        }
        if line.seq != self.seq + 1 {
            return Err(broken(format!("it is missing; line {} stands in its place", line.seq)));
        }
        if line.prev_hash != self.hash {
            return Err(broken("it does not follow from the line before it".to_owned()));
        }
        if link(chain, &line.prev_hash, line.seq, &line.entry) != line.hash {
            return Err(broken("it is not what was written: its hash does not fit its content".to_owned()));
        }
        *self = Self::of(line);
        Ok(())
    }
}

/// Proves a whole chain, from its first line.
///
/// # Errors
/// The first place where it is broken.
pub fn verify(lines: &[AuditLine]) -> Result<Head, Broken> {
    let mut head = Head::empty();
    for line in lines {
        head.follow(&lines.first().unwrap_or(line).chain, line)?;
    }
    Ok(head)
}

/// Most heads that one line anchors. It bounds the line (about 120 bytes a head) and what is held to write it.
pub const MOST_HEADS: u32 = 100;

/// The entry that anchors these heads.
pub fn anchor(at: Millis, heads: &BTreeMap<String, Head>) -> Entry {
    let heads: BTreeMap<&String, Value> =
        heads.iter().map(|(chain, head)| (chain, json!({"seq": head.seq, "hash": head.hash}))).collect();
    Entry {
        at,
        actor: "aiops".to_owned(),
        via: Via::System,
        action: "anchor".to_owned(),
        object: format!("{} chains", heads.len()),
        body: json!({ "heads": heads }),
    }
}

/// The heads that a line of the chain [`ANCHORS`] holds. A line that holds none has been proven to have been written so.
pub fn anchored(line: &AuditLine) -> BTreeMap<String, Head> {
    let heads = line.entry.body.get("heads").and_then(Value::as_object);
    heads
        .into_iter()
        .flatten()
        .filter_map(|(chain, head)| {
            let seq = head.get("seq")?.as_i64()?;
            let hash = head.get("hash")?.as_str()?.to_owned();
            Some((chain.clone(), Head { seq, hash }))
        })
        .collect()
}

/// A body that reads back exactly as it was written. A floating-point number that does not becomes its text: a hash
/// over it would not be met again.
fn settled(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let text = number.to_string();
            match serde_json::from_str::<Value>(&text) {
                Ok(Value::Number(read)) if read.to_string() == text => Value::Number(number),
                _ => Value::String(text),
            }
        }
        Value::Array(items) => items.into_iter().map(settled).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name, settled(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(action: &str) -> Entry {
        Entry {
            at: 1_000,
            actor: "ann".to_owned(),
            via: Via::Rest,
            action: action.to_owned(),
            object: "Deployment shop/web".to_owned(),
            body: json!({"b": 0.1, "a": [1, {"x": 1e300}]}),
        }
    }

    fn chain(of: &str, words: &[&str]) -> Vec<AuditLine> {
        let mut head = Head::empty();
        let mut lines = Vec::new();
        for word in words {
            let line = next(of, &head, &entry(word));
            head = Head::of(&line);
            lines.push(line);
        }
        lines
    }

    #[test]
    fn a_whole_chain_is_proven_up_to_its_head() {
        let lines = chain("wf-1", &["accepted", "planned", "effect"]);
        let head = verify(&lines).unwrap();
        assert_eq!((head.seq, head.hash.as_str()), (3, lines[2].hash.as_str()));
        assert_eq!(verify(&[]).unwrap(), Head::empty());
    }

    #[test]
    fn every_member_is_covered_by_the_hash() {
        let lines = chain("wf-1", &["accepted", "planned", "effect"]);
        let changes: [fn(&mut AuditLine); 9] = [
            |l| l.entry.at += 1,
            |l| l.entry.actor.push('x'),
            |l| l.entry.via = Via::Mcp,
            |l| l.entry.action.push('x'),
            |l| l.entry.object.push('x'),
            |l| l.entry.body = Value::Null,
            |l| l.seq += 1,
            |l| l.prev_hash.push('0'),
            |l| l.hash.push('0'),
        ];
        for (at, change) in changes.iter().enumerate() {
            let mut forged = lines.clone();
            change(&mut forged[1]);
            assert_eq!(verify(&forged).unwrap_err().seq, 2, "change {at}");
        }
    }

    #[test]
    fn a_line_taken_out_swapped_or_borrowed_is_seen() {
        let lines = chain("wf-1", &["accepted", "planned", "effect"]);
        let without = [lines[0].clone(), lines[2].clone()];
        assert_eq!(verify(&without).unwrap_err().seq, 2);
        let swapped = [lines[1].clone(), lines[0].clone(), lines[2].clone()];
        assert_eq!(verify(&swapped).unwrap_err().seq, 1);
        let mut borrowed = lines.clone();
        borrowed[0] = chain("wf-2", &["accepted"]).remove(0);
        assert!(Head::empty().follow("wf-1", &borrowed[0]).is_err());
        // The end cut off is a whole chain by itself; the anchor tells.
        assert!(verify(&lines[..2]).is_ok());
    }

    #[test]
    fn an_anchor_gives_back_the_heads_it_was_made_of() {
        let lines = chain("wf-1", &["accepted"]);
        let heads = BTreeMap::from([("wf-1".to_owned(), Head::of(&lines[0]))]);
        let line = next(ANCHORS, &Head::empty(), &anchor(5, &heads));
        assert_eq!(anchored(&line), heads);
    }

    #[test]
    fn a_body_reads_back_as_it_was_hashed() {
        // A number whose shortest text is read back as its neighbour by a parser that rounds twice.
        for number in [0.1, 1e300, 1.7976931348623157e308, 2.2250738585072014e-308, 9007199254740993.0] {
            let line = next("wf-1", &Head::empty(), &Entry { body: json!({ "n": number }), ..entry("x") });
            let read: Value = serde_json::from_str(&line.entry.body.to_string()).unwrap();
            let read = AuditLine { entry: Entry { body: read, ..line.entry.clone() }, ..line };
            assert!(verify(&[read]).is_ok(), "{number}");
        }
    }
}
