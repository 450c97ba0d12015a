//! The whole proof: every part with all its runs, and one table at the end.
//!
//! `make proof-engine`. It takes minutes, so plain `cargo test` leaves it out.

use std::time::Instant;

use super::{coverage, double, matrix, part::Part, random, rollback, seeded};

fn row(part: &Part) -> String {
    let (between, faults) = coverage::between(&part.met);
    let of = if part.of > 0 { part.of } else { part.runs };
    let verdict = if part.broken.is_empty() { "0".to_owned() } else { part.broken.len().to_string() };
    format!(
        "| {} | {} of {of} | {} | {faults} | {between} | {verdict} | {:.0} s |",
        part.name,
        part.runs,
        part.effects,
        part.took.as_secs_f64()
    )
}

#[test]
#[ignore = "minutes long: make proof-engine"]
fn the_whole_proof() {
    let began = Instant::now();
    let mut parts = Vec::new();
    for run in [seeded::seeded, rollback::rollback, matrix::matrix, double::double, random::random] {
        let part = run(true);
        // At once: a run that is ended before its end has said what it found.
        println!("{}: done after {:.0} s\n{}", part.name, began.elapsed().as_secs_f64(), row(&part));
        parts.push(part);
    }
    for part in &parts {
        println!("\n{}", part.name);
        println!("  ends: {:?}", part.ends);
        part.counts.iter().for_each(|(what, count)| println!("  {what}: {count}"));
        part.lines.iter().for_each(|line| println!("  {line}"));
        part.broken.iter().for_each(|broken| println!("  BROKEN {broken}"));
    }
    println!("\n| part | runs | effects | faults | between an intent and its outcome | violations | took |");
    println!("|---|---|---|---|---|---|---|");
    parts.iter().for_each(|part| println!("{}", row(part)));
    println!("{:.0} s in all", began.elapsed().as_secs_f64());
    let broken = parts.iter().filter(|part| !part.broken.is_empty()).count();
    assert_eq!(broken, 0, "{broken} parts found something");
}
