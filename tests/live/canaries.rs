//! What must never leave: data of Secrets, literals of environments, credentials of our own and of others.
//!
//! Canaries are planted in a real cluster, everything that can be asked is asked as a user who may read it all, and every
//! byte that leaves (answers, resources, prompts, logs, metrics, spans) is searched in every form.

mod collector;
mod corpus;
#[path = "../../crates/aiops-engine/src/redact/tests/dice.rs"]
mod dice;
mod needles;
mod objects;
mod planted;
mod questions;
#[path = "../../crates/aiops-engine/src/redact/tests/shapes.rs"]
mod shapes;

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::{Aiops, Dice, Plane, SOON};
use collector::Collector;

#[tokio::test]
async fn no_canary_leaves_by_any_door() {
    let plane = Plane::shared().await;
    let mut dice = Dice::new();
    let planted = objects::plant(&plane, &mut dice).await;
    let bearer = dice.canary();

    let mut secret = planted.never.clone();
    secret.add("a client's bearer token", &bearer);
    for kubeconfig in ["admin", "viewer"].map(|user| plane.kubeconfig(user)) {
        secret.add_kubeconfig(&std::fs::read_to_string(kubeconfig).unwrap());
    }

    let collector = Collector::start();
    let environment =
        [("RUST_LOG", "trace"), ("AIOPS_TELEMETRY__OTLP_ENDPOINT", collector.endpoint.as_str())];
    let (mut asked, mut leaks) = (0, BTreeSet::new());
    let mut config_shown = 0;
    // One signs in by certificate and may read every Secret, the other by token.
    for user in ["admin", "viewer"] {
        let aiops = Aiops::serve(plane.kubeconfig(user), &environment).await;
        let seen = json!({"namespace": planted.namespace});
        aiops
            .until("list-pods", &seen, "there", SOON, |list| list.structured["total"].as_u64() >= Some(5))
            .await;
        let answers = questions::ask(&aiops, &plane, &planted, &bearer, user == "admin").await;
        for (question, answer) in &answers {
            for found in secret.found_in(answer) {
                leaks.insert(format!("{found} in the answer to {question}"));
            }
            let shown = planted.config.found_in(answer);
            if questions::asks_for_config(question) {
                config_shown += shown.len();
            } else {
                leaks.extend(shown.into_iter().map(|found| format!("{found} in the answer to {question}")));
            }
        }
        asked += answers.len();
        let log = aiops.log();
        assert!(log.contains("\"level\":\"TRACE\""), "the log is not that of RUST_LOG=trace");
        println!("{} answers, {} bytes of log", answers.len(), log.len());
        for (where_to, text) in [("the log", &log), ("/metrics", &aiops.get("/metrics").await)] {
            leaks.extend(secret.found_in(text).into_iter().map(|found| format!("{found} in {where_to}")));
            // A log of everything holds the answers too, and with them what was asked for.
            if user != "admin" {
                leaks.extend(
                    planted.config.found_in(text).into_iter().map(|found| format!("{found} in {where_to}")),
                );
            }
        }
    }
    let spans = collector.received("get-resource");
    let found = secret.found_in(&spans).into_iter().chain(planted.config.found_in(&spans));
    leaks.extend(found.map(|found| format!("{found} in the spans")));
    plane.delete(&format!("/api/v1/namespaces/{}", planted.namespace)).await;
    println!(
        "{} canaries, {asked} questions, {} bytes of spans, {} leaks; values of ConfigMaps shown when asked for: {config_shown}",
        secret.len(),
        spans.len(),
        leaks.len()
    );
    assert!(config_shown > 0, "a value of a ConfigMap that is asked for by name must be shown");
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.into_iter().collect::<Vec<_>>().join("\n"));
}
