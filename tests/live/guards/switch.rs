//! The kill switch, by each of its ways, while workflows are changing things.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{act, changes, deployment, within};
use crate::support::{Actor, Audited, Dice, Full, Plane};

/// After a switch was thrown, nothing new reaches the API server later than this.
const PROMISED: Duration = Duration::from_secs(1);
/// Changes that are ordered before each way is tried; one a second is made.
const WAVE: usize = 20;
/// Changes that must have been made before the next switch is thrown.
const BEFORE: usize = 4;

struct Scene<'a> {
    plane: &'a Plane,
    actor: &'a Actor,
    full: &'a Full,
    namespace: &'a str,
    place: u64,
}

impl Scene<'_> {
    fn changes(&self) -> Vec<Audited> {
        changes(self.plane, self.place, self.actor, self.namespace)
    }

    /// Orders so many more changes, and waits until some of them, or of those before, were made.
    async fn wave(&self, number: usize) {
        for n in number * WAVE..(number + 1) * WAVE {
            let more = json!({"action": "scale-workload", "replicas": 2});
            act(self.full, "ann", self.namespace, &format!("app-{n}"), more).await;
        }
        self.flows(&format!("wave {number}"), BEFORE).await;
    }

    /// When the switch was set last, as the audit chain has it.
    async fn thrown(&self) -> Timestamp {
        let chain = self.full.get("ann", "/api/v1/audit/control?limit=1000").await;
        let lines = chain["lines"].as_array().unwrap().iter().rev();
        let mut set = lines.filter(|line| line["object"] == "kill_switch" && line["body"]["mode"] == "stop");
        set.next().unwrap_or_else(|| panic!("{chain:#}"))["at"].as_str().unwrap().parse().unwrap()
    }

    /// Waits until so many more changes were made than there are now.
    async fn flows(&self, what: &str, more: usize) {
        let before = self.changes().len();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(240);
        while self.changes().len() < before + more {
            assert!(
                tokio::time::Instant::now() < deadline,
                "{what}: {} changes, then none: {:#}",
                self.changes().len(),
                self.workflows().await
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn workflows(&self) -> Value {
        self.full.get("ann", &format!("/api/v1/workflows?limit=200&namespace={}", self.namespace)).await
    }

    /// Waits until workflows say that they hold because of the switch, and a while longer: then nothing came after it.
    async fn stands(&self, what: &str, thrown: Timestamp) {
        let held = |all: &Value| {
            let rows = all["workflows"].as_array().unwrap().clone();
            rows.iter().filter(|row| row["reason"].to_string().contains("kill-switch")).count()
        };
        let path = format!("/api/v1/workflows?limit=200&namespace={}", self.namespace);
        let all = self.full.until("ann", &path, "held by the switch", |all| held(all) > 0).await;
        println!("{what}: {} of {} workflows hold", held(&all), all["total"]);
        tokio::time::sleep(Duration::from_secs(3)).await;
        let late = self.changes().into_iter().filter(|request| request.at > thrown);
        let last = late.map(|request| request.at.duration_since(thrown)).max();
        let last = last.map_or(Duration::ZERO, |last| last.try_into().unwrap());
        println!("{what}: the last change came {last:?} after it was thrown; promised {PROMISED:?}");
        assert!(last <= within(PROMISED), "{what}: {last:?}");
    }

    async fn set(&self, mode: &str) {
        let body = json!({"mode": mode, "reason": "a test"});
        let set = self.full.ask("ann", "PUT", "/api/v1/control", Some(&body)).await;
        assert_eq!((set.status, &set.body["kill_switch"]), (200, &json!(mode)), "{}", set.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kill_switch_stops_what_runs_by_each_of_its_ways() {
    let plane = Plane::apart().await;
    let home = tempfile::tempdir().unwrap();
    let actor = Actor::of(&plane, home.path()).await;
    let namespace = plane.namespace(&mut Dice::new()).await;
    // So many at once that most of them wait for their turn when it is thrown, and are still there for the next way.
    let settings = format!(
        "acting.killSwitchConfigMap = \"{namespace}/aiops-control\"\nacting.limits.raised = true\n\
         acting.limits.workflowsPerNamespace = 100\nacting.limits.workflowsPerCluster = 100\n\
         acting.limits.budgetPerNamespace = 1000\nacting.limits.budgetPerCluster = 1000\n\
         acting.limits.mutationsPerSecond = 1\nacting.limits.mutationBurst = 1",
    );
    for n in 0..3 * WAVE {
        deployment(&plane, &namespace, &format!("app-{n}"), &[], "64Mi").await;
    }
    let full = Full::start(home.path(), &actor, &settings).await;
    full.synced().await;
    let place = plane.audit_end();
    let scene = Scene { plane: &plane, actor: &actor, full: &full, namespace: &namespace, place };

    scene.wave(0).await;
    scene.set("stop").await;
    scene.stands("REST", scene.thrown().await).await;
    scene.set("run").await;

    scene.wave(1).await;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "aiops-control"},
        "data": {"mode": "stop", "reason": "a test"}});
    let thrown = Timestamp::now();
    plane.post(&format!("/api/v1/namespaces/{namespace}/configmaps"), &map).await;
    scene.stands("ConfigMap", thrown).await;
    let control = full.get("ann", "/api/v1/control").await;
    assert_eq!(control["kill_switch"], "stop", "{control}");
    plane.delete(&format!("/api/v1/namespaces/{namespace}/configmaps/aiops-control")).await;
    full.until("ann", "/api/v1/control", "run", |control| control["kill_switch"] == "run").await;

    scene.wave(2).await;
    let done = full.cli("ann", &["control", "stop", "--reason", "a test"]).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    scene.stands("aiops control stop", scene.thrown().await).await;
    let made = scene.changes().len();
    assert!(made < 3 * WAVE, "{made}: nothing was left to be stopped");
    // It holds over a crash.
    full.kill();
    let full = Full::start(home.path(), &actor, &settings).await;
    full.synced().await;
    let scene = Scene { plane: &plane, actor: &actor, full: &full, namespace: &namespace, place };
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(scene.changes().len(), made, "after a crash");
    let done = full.cli("ann", &["control", "run"]).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    scene.flows("after the command line", 1).await;
    drop(full);
    plane.delete(&format!("/api/v1/namespaces/{namespace}")).await;
}
