//! Whether Helm releases could be rolled back: the setting, and the rights on Secrets that go with it.
//!
//! It reads no Secret.

use super::{Check, Verdict, connect::Connection, reach};
use crate::config::Loaded;

/// What a rollback does with the Secrets that hold a release.
const VERBS: [&str; 4] = ["get", "list", "create", "patch"];

/// The line about Helm; none where nothing acts.
pub(super) async fn helm(connection: &Connection, loaded: &Loaded) -> Option<Check> {
    let config = &loaded.config;
    let is_on = config.acting.helm;
    if !is_on && !config.has_engine() {
        return None;
    }
    // Rights in one namespace stand for those in the others.
    let place = config.cluster.namespaces.first().map(String::as_str);
    let mut missing = Vec::new();
    for verb in VERBS {
        match reach::may(&connection.api, verb, "", "secrets", place).await {
            Ok(true) => {}
            Ok(false) => missing.push(verb),
            Err(failure) => return Some(Check::failed("helm", &failure.why)),
        }
    }
    Some(said(is_on, &missing))
}

fn said(is_on: bool, missing: &[&str]) -> Check {
    let needs = VERBS.join(", ");
    let lacks = missing.join(", ");
    match (is_on, missing.is_empty()) {
        (true, true) => {
            Check::ok("helm", format!("releases are rolled back: may {needs} Secrets (acting.helm)"))
        }
        (true, false) => Check::new(
            "helm",
            Verdict::Warn,
            format!(
                "acting.helm is set, but may not {lacks} Secrets: releases are answered with the helm command"
            ),
            Some(format!(
                "kubectl create clusterrole aiops-helm --verb={} --resource=secrets, and bind it to who runs aiops; or leave \
                 acting.helm out",
                VERBS.join(",")
            )),
        ),
        (false, true) => Check::ok(
            "helm",
            format!(
                "releases are answered with the helm command: acting.helm is off, though the rights are there ({needs} Secrets)"
            ),
        ),
        (false, false) => Check::ok(
            "helm",
            format!(
                "releases are answered with the helm command: acting.helm is off, and it may not {lacks} Secrets"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{Verdict, said};

    #[test]
    fn it_says_whether_the_rights_are_there_and_what_follows() {
        assert_eq!(said(true, &[]).verdict, Verdict::Ok);
        let lacking = said(true, &["create", "patch"]);
        assert_eq!(lacking.verdict, Verdict::Warn);
        assert!(lacking.detail.contains("may not create, patch Secrets"), "{}", lacking.detail);
        assert!(
            lacking.fix.is_some_and(|fix| fix.contains("--verb=get,list,create,patch --resource=secrets"))
        );
        for missing in [&[][..], &["get"]] {
            let off = said(false, missing);
            assert_eq!((off.verdict, &off.fix), (Verdict::Ok, &None));
            assert!(off.detail.contains("acting.helm is off"), "{}", off.detail);
        }
    }
}
