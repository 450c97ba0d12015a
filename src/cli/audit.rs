//! `aiops audit verify`: proves from the store itself that no audit line was changed, taken out or cut off.
//!
//! It trusts no running aiops: it reads the store, also while one is executing, and writes nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use aiops_engine::{
    audit::{ANCHORS, Broken, Head, anchored},
    ports::store::Store,
};
use clap::{Args, Subcommand};

use super::{Failure, Global, print, run};
use crate::{
    clock::SystemClock,
    config::Environment,
    store::{self, Options},
};

/// The audit chains.
#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Prove that no line of the audit was changed, taken out or cut off
    ///
    /// Reads the store itself, also while aiops runs. Ends with 1 and names the place when something is wrong.
    Verify {
        /// Only this chain: a workflow's id, `control` or `anchors`
        chain: Option<String>,
    },
}

/// Lines that are read at once.
const PAGE: u32 = 1_000;

pub(super) fn audit(args: &AuditArgs, global: &Global, environment: Environment) -> Result<(), Failure> {
    let loaded = global.load(environment, Vec::new())?;
    run::within(2, async {
        let options = Options::of(&loaded)?;
        let store = store::look(&options, Arc::new(SystemClock)).await?;
        let What::Verify { chain } = &args.what;
        let proof = verify(&*store, chain.as_deref()).await;
        store.close().await;
        let proof = proof?;
        print::out(&proof.text())?;
        if proof.broken.is_empty() {
            return Ok(());
        }
        Err(anyhow::anyhow!(
            "the audit of {} is broken in {} places; compare it with a backup (`aiops db backup`)",
            options.location.shown(),
            proof.broken.len()
        )
        .into())
    })
}

/// What was proven.
#[derive(Debug, Default)]
pub struct Proof {
    /// Chains that are whole.
    pub chains: usize,
    /// Their lines.
    pub lines: i64,
    /// Heads that anchors hold and that were met again.
    pub anchored: usize,
    /// What is wrong.
    pub broken: Vec<String>,
}

impl Proof {
    fn text(&self) -> String {
        let mut lines = self.broken.clone();
        lines.push(format!(
            "{} chains with {} lines are whole; {} anchored heads were met again",
            self.chains, self.lines, self.anchored
        ));
        lines.join("\n")
    }

    fn note(&mut self, broken: &Broken) {
        self.broken.push(broken.to_string());
    }
}

/// Proves every chain, or one.
///
/// # Errors
/// The store cannot be read; what is wrong with the chains stands in the proof.
pub async fn verify(store: &dyn Store, only: Option<&str>) -> anyhow::Result<Proof> {
    let mut proof = Proof::default();
    let heads: BTreeMap<String, Head> = store
        .audit_heads()
        .await?
        .into_iter()
        .map(|(chain, seq, hash)| (chain, Head { seq, hash }))
        .collect();
    if let Some(only) = only
        && !heads.contains_key(only)
    {
        anyhow::bail!("there is no chain {only}; a chain is a workflow's id, control or anchors");
    }
    // First the anchors, because they say what the others must hold.
    let mut wanted: BTreeMap<String, BTreeSet<(i64, String)>> = BTreeMap::new();
    if heads.contains_key(ANCHORS) {
        one(store, ANCHORS, &heads, &mut proof, |line| {
            for (chain, head) in anchored(line) {
                wanted.entry(chain).or_default().insert((head.seq, head.hash));
            }
        })
        .await?;
    }
    let chains: BTreeSet<&String> = heads.keys().chain(wanted.keys()).collect();
    for chain in chains.into_iter().filter(|chain| *chain != ANCHORS) {
        if only.is_some_and(|only| only != chain) {
            continue;
        }
        let mut missing = wanted.get(chain).cloned().unwrap_or_default();
        let before = missing.len();
        let is_whole = one(store, chain, &heads, &mut proof, |line| {
            missing.remove(&(line.seq, line.hash.clone()));
        })
        .await?;
        if !is_whole {
            continue;
        }
        proof.anchored += before - missing.len();
        for (seq, _) in missing {
            proof.broken.push(format!(
                "the audit chain {chain} had another line {seq} when it was anchored: its end was cut off, or it was \
                 written anew"
            ));
        }
    }
    Ok(proof)
}

/// Proves one chain; whether it is whole.
async fn one(
    store: &dyn Store,
    chain: &str,
    heads: &BTreeMap<String, Head>,
    proof: &mut Proof,
    mut each: impl FnMut(&aiops_engine::ports::store::AuditLine),
) -> anyhow::Result<bool> {
    let mut at = Head::empty();
    loop {
        let page = store.audit(chain, at.seq, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for line in &page {
            if let Err(broken) = at.follow(chain, line) {
                proof.note(&broken);
                return Ok(false);
            }
            each(line);
        }
    }
    // A store in use may have grown since the heads were read.
    let head = heads.get(chain).cloned().unwrap_or_else(Head::empty);
    if at.seq < head.seq {
        proof.note(&Broken {
            chain: chain.to_owned(),
            seq: at.seq + 1,
            why: format!("it is missing; the chain had {} lines", head.seq),
        });
        return Ok(false);
    }
    proof.chains += 1;
    proof.lines += at.seq;
    Ok(true)
}
