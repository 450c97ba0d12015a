//! Audit chains in a transaction: lines are linked, heads move, heads are anchored.
//!
//! A chain's head is one row that whoever appends holds until its transaction ends, so that the order of lines is the
//! order of commits. Nothing here takes a line away.

use std::collections::BTreeMap;

use aiops_engine::{
    audit::{self, ANCHORS, Head},
    model::Millis,
    ports::store::{AuditLine, Entry},
};
use async_trait::async_trait;

use super::{
    db::{Done, Tx, Unit},
    failure::Stop,
    rows::records::audit_values,
    values::{Reader, V},
};

/// The head as it is. On PostgreSQL it is held until the transaction ends.
const HEAD: &str = "SELECT seq, hash FROM audit_head WHERE chain = $1";
const HEAD_HELD: &str = "SELECT seq, hash FROM audit_head WHERE chain = $1 FOR UPDATE";
/// Makes the head of a chain that has none.
const BEGIN: &str = "INSERT INTO audit_head (chain, seq, hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const MOVE: &str = "UPDATE audit_head SET seq = $2, hash = $3 WHERE chain = $1";
pub(super) const INSERT: &str = "INSERT INTO audit (chain, seq, at, actor, via, action, object, body, prev_hash, hash) \
                                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
/// Takes some heads that moved, and gives each as it is in the commit in which it counts as anchored.
const MOVED: &str = "UPDATE audit_head SET anchored = seq WHERE chain IN (SELECT chain FROM audit_head \
                     WHERE seq > anchored AND chain <> 'anchors' ORDER BY chain LIMIT $1) RETURNING chain, seq, hash";

/// Begins a chain that is not expected to have lines yet, with one statement less than to append; it appends to one that
/// has.
pub(super) async fn begin(tx: &mut Tx, chain: &str, entries: &[Entry]) -> Result<(), Stop> {
    if entries.is_empty() {
        return Ok(());
    }
    let (lines, head) = linked(chain, Head::empty(), entries);
    if set(tx, BEGIN, chain, &head).await? {
        return insert(tx, &lines).await;
    }
    append(tx, chain, entries).await.map(drop)
}

/// Appends lines to a chain; the head after them.
pub(super) async fn append(tx: &mut Tx, chain: &str, entries: &[Entry]) -> Result<Head, Stop> {
    if entries.is_empty() {
        return Ok(Head::empty());
    }
    let statement = if tx.is_shared() { HEAD_HELD } else { HEAD };
    let held = match tx.optional(statement, [chain.into()]).await? {
        Some(row) => {
            let mut row = Reader::plain("audit head", &row)?;
            Some(Head { seq: row.int()?, hash: row.text()? })
        }
        None => None,
    };
    let statement = if held.is_some() { MOVE } else { BEGIN };
    let (lines, head) = linked(chain, held.unwrap_or_else(Head::empty), entries);
    if !set(tx, statement, chain, &head).await? {
        // Somebody began it since: the next turn appends.
        return Err(Stop::Race);
    }
    insert(tx, &lines).await?;
    Ok(head)
}

/// Entries as the lines behind a head, and the head after them.
fn linked(chain: &str, mut head: Head, entries: &[Entry]) -> (Vec<AuditLine>, Head) {
    let mut lines = Vec::with_capacity(entries.len());
    for entry in entries {
        let line = audit::next(chain, &head, entry);
        head = Head::of(&line);
        lines.push(line);
    }
    (lines, head)
}

/// Whether a statement set the head.
async fn set(tx: &mut Tx, statement: &'static str, chain: &str, head: &Head) -> Result<bool, Stop> {
    let values: [V; 3] = [chain.into(), head.seq.into(), (&head.hash).into()];
    Ok(tx.execute(statement, values).await? > 0)
}

async fn insert(tx: &mut Tx, lines: &[AuditLine]) -> Result<(), Stop> {
    for line in lines {
        tx.execute(INSERT, audit_values(line)).await?;
    }
    Ok(())
}

/// Anchors heads that moved, so many as one line may hold.
pub(super) struct Anchor(pub(super) Millis);

#[async_trait]
impl Unit for Anchor {
    type Out = Option<(i64, String)>;

    async fn run(&self, tx: &mut Tx) -> Result<Done<Self::Out>, Stop> {
        let mut moved = BTreeMap::new();
        for row in tx.all(MOVED, [audit::MOST_HEADS.into()]).await? {
            let mut row = Reader::plain("audit head", &row)?;
            let chain = row.text()?;
            moved.insert(chain, Head { seq: row.int()?, hash: row.text()? });
        }
        if moved.is_empty() {
            return Ok(Done::Nothing(None));
        }
        let head = append(tx, ANCHORS, &[audit::anchor(self.0, &moved)]).await?;
        Ok(Done::Written(Some((head.seq, head.hash))))
    }
}
