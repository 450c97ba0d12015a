//! Audit chains in a transaction: lines are linked, heads move, heads are anchored.
//!
//! A chain's head is one row that whoever appends holds until its transaction ends, so that the order of lines is the
//! order of commits. Nothing here takes a line away.

use std::collections::BTreeMap;

use aiops_engine::{
    audit::{self, ANCHORS, Head},
    model::Millis,
    ports::store::Entry,
};
use async_trait::async_trait;

use super::{
    db::{Done, Tx, Unit},
    failure::Stop,
    rows::records::audit_values,
    values::{Reader, V},
};

/// Holds the head and gives it as it was.
const HOLD: &str = "INSERT INTO audit_head (chain, seq, hash) VALUES ($1, 0, '') \
                    ON CONFLICT (chain) DO UPDATE SET seq = audit_head.seq RETURNING seq, hash";
/// Makes the head of a chain that has none.
const BEGIN: &str = "INSERT INTO audit_head (chain, seq, hash) VALUES ($1, $2, $3) \
                     ON CONFLICT DO NOTHING RETURNING chain";
const MOVE: &str = "UPDATE audit_head SET seq = $2, hash = $3 WHERE chain = $1";
pub(super) const INSERT: &str = "INSERT INTO audit (chain, seq, at, actor, via, action, object, body, prev_hash, hash) \
                                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
/// Takes some heads that moved, and gives each as it is in the commit in which it counts as anchored.
const MOVED: &str = "UPDATE audit_head SET anchored = seq WHERE chain IN (SELECT chain FROM audit_head \
                     WHERE seq > anchored AND chain <> 'anchors' ORDER BY chain LIMIT $1) RETURNING chain, seq, hash";

/// Begins a chain that is not expected to have lines yet, with one statement less than to append; it appends to one that
/// has.
pub(super) async fn begin(tx: &mut Tx, chain: &str, entries: &[Entry]) -> Result<(), Stop> {
    let mut head = Head::empty();
    let mut lines = Vec::with_capacity(entries.len());
    for entry in entries {
        let line = audit::next(chain, &head, entry);
        head = Head::of(&line);
        lines.push(line);
    }
    if lines.is_empty() {
        return Ok(());
    }
    let values: [V; 3] = [chain.into(), head.seq.into(), (&head.hash).into()];
    if tx.optional(BEGIN, values).await?.is_none() {
        return append(tx, chain, entries).await.map(drop);
    }
    for line in &lines {
        tx.execute(INSERT, audit_values(line)).await?;
    }
    Ok(())
}

/// Appends lines to a chain; the head after them.
pub(super) async fn append(tx: &mut Tx, chain: &str, entries: &[Entry]) -> Result<Head, Stop> {
    if entries.is_empty() {
        return Ok(Head::empty());
    }
    let row = tx.optional(HOLD, [chain.into()]).await?.ok_or(Stop::Race)?;
    let mut row = Reader::plain("audit head", &row)?;
    let mut head = Head { seq: row.int()?, hash: row.text()? };
    for entry in entries {
        let line = audit::next(chain, &head, entry);
        tx.execute(INSERT, audit_values(&line)).await?;
        head = Head::of(&line);
    }
    let values: [V; 3] = [chain.into(), head.seq.into(), (&head.hash).into()];
    tx.execute(MOVE, values).await?;
    Ok(head)
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
