//! Files that were cut, flipped, swapped or lost: either everything that was acknowledged is there, or the store says
//! why it may not be written to. Never is anything that is there touched.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use aiops_engine::{
    model::{ids::WorkflowId, incident::Incident, workflow::Record},
    ports::store::{IncidentFilter, Store as _, WorkflowFilter, Write},
    testing::store_contract::Bench as _,
};

use super::bench::{SqliteBench, entry, keep, reopened};

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }
}

/// What a reader of the store can see.
type Seen = (BTreeMap<WorkflowId, Record>, Vec<Incident>, Vec<usize>);

async fn seen(store: &aiops::store::SqlStore) -> Result<Seen, String> {
    let told = |error: aiops_engine::ports::store::StoreError| error.to_string();
    let all =
        store.workflows(&WorkflowFilter { limit: 999, ..WorkflowFilter::default() }).await.map_err(told)?;
    let mut records = BTreeMap::new();
    let mut audits = Vec::new();
    for workflow in all.rows {
        let record = store.workflow(&workflow.id).await.map_err(told)?;
        let record = record.ok_or_else(|| format!("{} is listed and not there", workflow.id))?;
        let lines = store.audit(workflow.id.as_str(), 0, 999).await.map_err(told)?;
        aiops_engine::audit::verify(&lines).map_err(|broken| broken.to_string())?;
        audits.push(lines.len());
        records.insert(workflow.id, record);
    }
    let incidents =
        store.incidents(&IncidentFilter { limit: 999, ..IncidentFilter::default() }).await.map_err(told)?;
    Ok((records, incidents.rows, audits))
}

/// Fills a store and leaves its files as a process that was killed does.
async fn killed(workflows: usize) -> (tempfile::TempDir, Seen) {
    let bench = SqliteBench::new().await;
    for n in 0..workflows {
        let kept = keep(&*bench.store, &format!("w{n}"), bench.now()).await.unwrap();
        bench.store.commit(&kept.id, None, &[Write::Audit(entry("more", 1))]).await.unwrap();
    }
    let seen = seen(&bench.store).await.unwrap();
    let copy = tempfile::tempdir().unwrap();
    for name in ["aiops.db", "aiops.db-wal", "aiops.mark"] {
        fs::copy(bench.folder.path().join(name), copy.path().join(name)).unwrap();
    }
    (copy, seen)
}

fn copied(from: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(from).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for name in ["aiops.db", "aiops.db-wal", "aiops.mark"] {
        if let Ok(bytes) = fs::read(folder.join(name)) {
            all.insert(PathBuf::from(name), bytes);
        }
    }
    all
}

/// Opens what was damaged: either it may be written to and everything is there, or it says why and nothing changed.
async fn judged(folder: &Path, whole: &Seen, what: &str) -> bool {
    let before = contents(folder);
    let store = reopened(folder).await;
    let refused = store.writable().err();
    let got = seen(&store).await;
    match (&refused, &got) {
        (None, Ok(got)) => assert!(got == whole, "{what}: it may be written to, and something is missing"),
        // Found when it was read: from then on nothing may be written.
        (None, Err(why)) => {
            assert!(store.writable().is_err(), "{what}: {why}, and it may still be written to");
        }
        (Some(why), _) => {
            assert!(keep(&*store, "new", 1).await.is_err(), "{what}: {why}, and it was written to");
            store.close().await;
            drop(store);
            assert!(contents(folder) == before, "{what}: {why}, and its files were changed");
            return false;
        }
    }
    store.close().await;
    got.is_ok()
}

#[tokio::test]
async fn a_log_that_is_cut_anywhere_is_noticed() {
    let (files, whole) = killed(6).await;
    let log = fs::read(files.path().join("aiops.db-wal")).unwrap();
    let frame = 24 + 4096;
    let mut cuts: Vec<usize> = vec![0, 1, 31, 32, 33, log.len() - 1];
    let mut at = 32;
    while at < log.len() {
        cuts.extend([at, at + 1, at + 24, at + frame - 1]);
        at += frame;
    }
    let mut dice = Dice(0x5eed);
    cuts.extend((0..30).map(|_| dice.below(log.len())));
    cuts.retain(|cut| *cut < log.len());
    cuts.sort_unstable();
    cuts.dedup();
    assert!(cuts.len() > 60, "{} cuts", cuts.len());
    let mut refused = 0;
    for cut in &cuts {
        let folder = copied(files.path());
        fs::write(folder.path().join("aiops.db-wal"), &log[..*cut]).unwrap();
        if !judged(folder.path(), &whole, &format!("cut at {cut} of {}", log.len())).await {
            refused += 1;
        }
    }
    assert_eq!(refused, cuts.len(), "each cut loses the last commit at least");
    // And uncut it is whole.
    let folder = copied(files.path());
    assert!(judged(folder.path(), &whole, "uncut").await);
}

#[tokio::test]
async fn a_flipped_bit_is_never_read_as_if_it_had_been_written() {
    let (files, whole) = killed(6).await;
    // Once with everything in the log, once with everything in the database.
    let folded = copied(files.path());
    reopened(folded.path()).await.close().await;
    let mut dice = Dice(0xb17);
    let (mut refused, mut unharmed) = (0, 0);
    for (of, names) in [(&files, &["aiops.db-wal", "aiops.mark"][..]), (&folded, &["aiops.db", "aiops.mark"])]
    {
        for name in names {
            for _ in 0..60 {
                let folder = copied(of.path());
                let path = folder.path().join(name);
                let mut bytes = fs::read(&path).unwrap();
                let (at, bit) = (dice.below(bytes.len()), dice.below(8));
                bytes[at] ^= 1 << bit;
                fs::write(&path, bytes).unwrap();
                let what = format!("bit {bit} of byte {at} of {name}");
                if judged(folder.path(), &whole, &what).await { unharmed += 1 } else { refused += 1 }
            }
        }
    }
    // Both happen: some bits are of free pages and of records that hold nothing.
    assert!(refused > 60 && unharmed > 0, "{refused} refused, {unharmed} unharmed");
}

#[tokio::test]
async fn a_database_that_is_cut_is_noticed() {
    let (files, whole) = killed(6).await;
    reopened(files.path()).await.close().await;
    let bytes = fs::read(files.path().join("aiops.db")).unwrap();
    let mut cuts = vec![0, 1, 15, 16, 100, 4095, 4096, bytes.len() - 1];
    let mut dice = Dice(7);
    cuts.extend((0..20).map(|_| dice.below(bytes.len())));
    for cut in cuts {
        let folder = copied(files.path());
        fs::write(folder.path().join("aiops.db"), &bytes[..cut]).unwrap();
        let is_whole = judged(folder.path(), &whole, &format!("cut at {cut}")).await;
        // Of the last page SQLite needs what is used.
        assert!(!is_whole || cut > bytes.len() - 4096, "cut at {cut} of {} and not noticed", bytes.len());
    }
}

#[tokio::test]
async fn a_store_that_is_gone_is_not_begun_again_beside_what_remains() {
    let (files, _) = killed(2).await;
    for remains in [&["aiops.mark"][..], &["aiops.db-wal"], &["aiops.mark", "aiops.db-wal"]] {
        let folder = tempfile::tempdir().unwrap();
        for name in remains {
            fs::copy(files.path().join(name), folder.path().join(name)).unwrap();
        }
        let store = reopened(folder.path()).await;
        let why = store.writable().unwrap_err().to_string();
        assert!(why.contains("is gone"), "{why}");
        assert!(!folder.path().join("aiops.db").exists());
    }
}

#[tokio::test]
async fn an_older_copy_put_in_the_place_by_hand_is_noticed() {
    let (files, _) = killed(3).await;
    let older = copied(files.path());
    let store = reopened(files.path()).await;
    keep(&*store, "later", 1).await.unwrap();
    store.close().await;
    drop(store);
    for name in ["aiops.db", "aiops.db-wal"] {
        fs::copy(older.path().join(name), files.path().join(name)).unwrap();
    }
    let why = reopened(files.path()).await.writable().unwrap_err().to_string();
    assert!(why.contains("is behind") && why.contains("aiops.mark"), "{why}");
    // Whoever knows what that means may go on.
    fs::remove_file(files.path().join("aiops.mark")).unwrap();
    let store = reopened(files.path()).await;
    store.writable().unwrap();
    keep(&*store, "after", 1).await.unwrap();
}

#[tokio::test]
async fn another_stores_mark_is_noticed() {
    let (one, _) = killed(1).await;
    let (other, _) = killed(1).await;
    fs::copy(other.path().join("aiops.mark"), one.path().join("aiops.mark")).unwrap();
    let why = reopened(one.path()).await.writable().unwrap_err().to_string();
    assert!(why.contains("another store"), "{why}");
}
