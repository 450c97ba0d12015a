//! What a commit costs, roughly, so that a change that makes it ten times slower is seen.

use std::time::{Duration, Instant};

use aiops_engine::testing::store_contract::Bench as _;

use super::bench::{SqliteBench, acceptance};
use aiops_engine::ports::store::Store as _;

#[tokio::test]
async fn a_trigger_is_kept_in_milliseconds() {
    let bench = SqliteBench::new().await;
    let mut took = Vec::new();
    for n in 0..200 {
        let acceptance = acceptance(&format!("w{n}"), bench.now());
        let begun = Instant::now();
        bench.store.accept(&acceptance).await.unwrap();
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    let median = took[took.len() / 2];
    // Ten times what it takes, unoptimised, on a machine that does other things too.
    let worst = took[took.len() * 99 / 100];
    assert!(median < Duration::from_millis(50), "p50 {median:?}, p99 {worst:?}");
}
