//! Ids: well formed, sorted by their making, and nobody's before.

use std::collections::BTreeSet;

use aiops::ids::SystemIds;
use aiops_engine::{model::ids::WorkflowId, ports::Ids as _};

#[test]
fn ids_are_unique_sorted_and_well_formed() {
    let made: Vec<String> = (0..20_000).map(|_| SystemIds.unique()).collect();
    assert!(made.is_sorted(), "later ones sort behind earlier ones");
    assert_eq!(made.iter().collect::<BTreeSet<_>>().len(), made.len());
    for id in &made {
        assert!(id.len() >= 16 && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{id}");
        assert!(WorkflowId::parse(WorkflowId::of(id).as_str()).is_ok(), "{id}");
    }
}

#[test]
fn threads_do_not_make_the_same_id() {
    let makers: Vec<_> = (0..4)
        .map(|_| std::thread::spawn(|| (0..5_000).map(|_| SystemIds.unique()).collect::<Vec<_>>()))
        .collect();
    let made: Vec<String> = makers.into_iter().flat_map(|maker| maker.join().unwrap()).collect();
    assert_eq!(made.iter().collect::<BTreeSet<_>>().len(), 20_000);
}
