//! Lane B of the proof: the real binary on the real API server, killed where it hurts most, and the audit log asked what it
//! did.
//!
//! Nothing here is simulated: the process gets SIGKILL and SIGSTOP, its requests are held on their way, its database is
//! taken away. What happened to the cluster is counted from the API server's audit log, and seen in the objects themselves;
//! where each workflow was is read from the database. Nothing of it shares code with the engine.

mod alone;
mod backups;
mod books;
mod child;
mod gate;
mod oracle;
mod replicas;
mod standing;
mod targets;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use serde_json::Value;

use self::{
    books::{Books, Line},
    oracle::Effects,
    targets::Order,
};
use crate::support::Plane;

/// Longest for everything to come to its end once nothing is killed any more.
const END: Duration = Duration::from_secs(180);

/// Waits until every workflow in these books is over, and answers them.
async fn all_over(books: &mut Books) -> Vec<Line> {
    let deadline = Instant::now() + END;
    loop {
        let lines = books.lines().await.unwrap();
        let open: Vec<String> =
            lines.iter().filter(|line| !line.is_over()).map(|line| format!("{line:?}")).collect();
        if open.is_empty() {
            return lines;
        }
        assert!(Instant::now() < deadline, "not over: {}", open.join("\n"));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Waits for the ends, and counts: nothing that was acknowledged is lost, every effect was had once, and every object is as
/// its workflow says. Answers the ends.
async fn judge(
    plane: &Plane,
    place: u64,
    books: &mut Books,
    acknowledged: &BTreeMap<String, Order>,
) -> BTreeMap<String, usize> {
    let lines = all_over(books).await;
    let kept: BTreeSet<String> = lines.iter().map(|line| line.id.clone()).collect();
    let lost: Vec<&String> = acknowledged.keys().filter(|id| !kept.contains(*id)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let ends = histogram("ends", lines.iter().map(|line| line.phase.clone()));
    let mut bad: Vec<String> = Vec::new();
    for line in &lines {
        if !matches!(line.phase.as_str(), "completed" | "rolled_back" | "cancelled") {
            bad.push(format!("{line:?}\n  {}", books.trail(&line.id).await.unwrap().join("\n  ")));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    let of = |phase: &str| -> BTreeSet<String> {
        lines.iter().filter(|line| line.phase == phase).map(|line| line.id.clone()).collect()
    };
    let acted: BTreeSet<String> = of("completed").union(&of("rolled_back")).cloned().collect();
    let effects = Effects::with_all(plane, place, &acted).await;
    println!("{} effects of {} workflows in the audit log", effects.all(), effects.workflows().len());
    assert_eq!(effects.twice(), Vec::<String>::new(), "effects that happened twice");
    for id in of("completed") {
        assert_eq!(effects.of(&id), 1, "{id} is completed");
    }
    for id in of("rolled_back") {
        assert_eq!(effects.of(&id), 2, "{id} was done and undone");
    }
    let strange: Vec<&str> = effects.workflows().into_iter().filter(|id| !kept.contains(*id)).collect();
    assert!(strange.is_empty(), "effects of workflows that nobody knows: {strange:?}");
    standing::agrees(plane, &lines, acknowledged).await;
    ends
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// A count of words, one a line.
fn histogram(title: &str, words: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    println!("{title}:");
    for (word, count) in &counts {
        println!("{count:>6}  {word}");
    }
    counts
}

/// The value below which so many percent of the values lie, and the largest.
fn percentile(times: &mut [Duration], percent: usize) -> Option<(Duration, Duration)> {
    times.sort();
    let at = (times.len() * percent).div_ceil(100).saturating_sub(1);
    Some((*times.get(at)?, *times.last()?))
}
