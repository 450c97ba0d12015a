//! What `aiops doctor` is told about the cluster.

use aiops::cluster::doctor::{Check, Verdict, doctor};
use tokio::time::Instant;

use super::stub::{Room, Stub, kubeconfig};

fn find<'c>(checks: &'c [Check], name: &str) -> &'c Check {
    checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no {name} in {checks:?}"))
}

#[tokio::test]
async fn everything_is_well() {
    let stub = Stub::start().await;
    let room = Room::on(&stub);
    let begun = Instant::now();
    let checks = doctor(&room.loaded).await;
    assert!(begun.elapsed().as_secs() < 5);
    assert!(checks.iter().all(|check| check.verdict == Verdict::Ok && check.fix.is_none()), "{checks:?}");
    for (name, part) in [
        ("kubeconfig", "context \"test\""),
        ("connection", "answers in"),
        ("version", "v1.36.0"),
        ("clock", "within"),
        ("rights", "all 17 kinds"),
    ] {
        assert!(find(&checks, name).detail.contains(part), "{checks:?}");
    }
    assert!(!format!("{checks:?}").contains("secret-token"));
}

#[tokio::test]
async fn missing_rights_come_with_the_command_that_grants_them() {
    let stub = Stub::start().await;
    stub.story.lock().forbidden.insert("jobs".into());
    let room = Room::on(&stub);
    let checks = doctor(&room.loaded).await;
    let rights = find(&checks, "rights");
    assert_eq!(
        (rights.verdict, rights.detail.starts_with("may not list or watch jobs.batch")),
        (Verdict::Warn, true)
    );
    assert!(
        rights.fix.as_ref().unwrap().contains("--verb=get,list,watch --resource=jobs.batch"),
        "{rights:?}"
    );
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_one_line_with_a_fix() {
    let room = Room::with(&kubeconfig("http://127.0.0.1:1"), "");
    let checks = doctor(&room.loaded).await;
    let connection = find(&checks, "connection");
    assert_eq!(connection.verdict, Verdict::Fail);
    assert!(connection.detail.contains("nothing listens") && connection.fix.is_some(), "{connection:?}");
    assert_eq!(checks.len(), 2);
}

#[tokio::test]
async fn no_kubeconfig_is_one_line() {
    let room = Room::with("", "");
    let checks = doctor(&room.loaded).await;
    assert_eq!((checks.len(), find(&checks, "kubeconfig").verdict), (1, Verdict::Fail));
}
