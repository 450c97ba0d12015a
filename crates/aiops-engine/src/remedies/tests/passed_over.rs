//! Owners that can only go to what was before, where that was no better: the revision that the evidence calls good lies
//! further back, and a person is told so.

use serde_json::json;

use super::{super::*, misfits};
use crate::planner::{
    Neighbourhood,
    fixtures::{World, refused},
};

const GOOD: &str = "revision 1 still has 1 pods that are well";

fn rollback() -> &'static dyn Remedy {
    *REMEDIES.iter().find(|remedy| remedy.name() == "rollback-release").unwrap()
}

fn of_release(world: World) -> World {
    world.mark("annotations", "meta.helm.sh/release-name", "web")
}

/// What stands around the workload, with what was read of its release: the revisions of the workload whose template the
/// earlier manifest says.
async fn read(world: World, issue: &str, holds: &[i64]) -> Neighbourhood {
    let mut near = of_release(world).near("Deployment", "web", issue).await;
    near.release = Some(HelmRelease {
        current: 3,
        earlier: Some(2),
        holds: holds.to_vec(),
        changed: vec![near.target().clone()],
        obstacle: None,
    });
    near
}

#[tokio::test]
async fn a_release_is_not_put_back_to_a_revision_that_was_no_better() {
    // The manifest says so, or it says nothing and the count does.
    for holds in [&[2][..], &[]] {
        let why = rollback().fits(&read(World::twice_wrong(), "crash_loop", holds).await).unwrap_err();
        assert!(why.contains(GOOD) && why.contains("back to where it ran shop/web:1"), "{why}");
        assert!(why.contains("helm history web -n shop") && why.contains("helm rollback web N"), "{why}");
    }
    // The last upgrade left the template as it was: the one before has what fails, too.
    let near = read(World::crashing(), "crash_loop", &[2, 1]).await;
    let why = rollback().fits(&near).unwrap_err();
    assert!(why.contains("its revision 2 has the very template"), "{why}");
}

#[tokio::test]
async fn a_release_whose_earlier_manifest_is_that_of_the_good_revision_is_put_back() {
    // Failed upgrades or changes by hand made the workload's revision in between; Helm goes past them.
    let draft = rollback().fits(&read(World::twice_wrong(), "crash_loop", &[1]).await).unwrap();
    assert!(draft.why.contains(GOOD), "{}", draft.why);
    assert!(matches!(&draft.moves[0].action, Action::RevertManifest { release, .. } if release.to == 2));
    rollback().fits(&read(World::crashing(), "crash_loop", &[]).await).unwrap();
    rollback().fits(&read(World::crashing(), "crash_loop", &[1]).await).unwrap();
    // Who orders it says to which revision by ordering it.
    let draft = rollback().fits(&read(World::twice_wrong(), "release_rollback", &[2]).await).unwrap();
    assert_eq!(draft.why, "ordered by the caller");
}

#[tokio::test]
async fn no_command_names_a_revision_of_a_release_that_was_no_better() {
    let world = of_release(World::twice_wrong());
    for (version, status) in [("1", "superseded"), ("2", "superseded"), ("3", "deployed")] {
        world.put(
            "secrets",
            json!({"metadata": {"name": format!("sh.helm.release.v1.web.v{version}"), "namespace": "shop",
                "labels": {"owner": "helm", "name": "web", "version": version, "status": status}}}),
        );
    }
    for world in [world, of_release(World::twice_wrong())] {
        let why = refused(world.plan("Deployment", "web", "image_pull").await);
        assert!(why.contains("helm rollback web N -n shop --wait"), "{why}");
        assert!(!why.contains("helm rollback web 2") && !why.contains("helm rollback web -n"), "{why}");
    }
}

#[tokio::test]
async fn a_restart_in_between_is_no_other_revision() {
    // Revision 2 is revision 1 after a restart that was not through when the bad one came.
    let world = World::twice_wrong();
    world.edit("replicasets", "web-2", |set| {
        let template = &mut set["spec"]["template"];
        template["metadata"]["annotations"] =
            json!({"kubectl.kubernetes.io/restartedAt": "2026-01-01T11:55:00Z"});
        template["spec"]["containers"][0]["image"] = json!("shop/web:1");
    });
    rollback().fits(&read(world, "crash_loop", &[]).await).unwrap();
}

#[tokio::test]
async fn an_application_is_not_put_back_to_an_entry_that_was_no_better() {
    let deployed = |automated: bool| {
        let id = "store:apps/Deployment:shop/web";
        let world = World::twice_wrong().mark("annotations", "argocd.argoproj.io/tracking-id", id);
        let policy = if automated { json!({"automated": {}}) } else { json!({}) };
        world.put(
            "applications",
            json!({
                "metadata": {"name": "store", "namespace": "argocd", "uid": "u-app"},
                "spec": {"syncPolicy": policy},
                "status": {"sync": {"status": "Synced"}, "health": {"status": "Degraded"}, "history": [
                    {"id": 5, "revision": "aaaa", "deployedAt": "2026-01-01T09:55:00Z"},
                    {"id": 6, "revision": "bbbb", "deployedAt": "2026-01-01T11:55:00Z"},
                    {"id": 7, "revision": "cccc", "deployedAt": "2026-01-01T11:59:00Z"},
                ]},
            }),
        );
        world
    };
    for (automated, says) in [
        (false, "run `argocd app rollback store ID` with its id"),
        (true, "revert its source to that, for it syncs by itself"),
    ] {
        misfits(deployed(automated), "Deployment", "web", "rollback-application", says).await;
        let why = refused(deployed(automated).plan("Deployment", "web", "image_pull").await);
        assert!(why.contains(GOOD) && why.contains("the one that deployed shop/web:1"), "{why}");
        assert!(!why.contains("rollback store 6"), "{why}");
    }
}
