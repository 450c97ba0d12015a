//! The cluster as a process sees it through a member: every look and every change passes both ends and JSON.
//!
//! The member dies and comes back with its process. It changes nothing else about a run, so every fault between the member
//! and the API server is met as before.

use std::{cell::Cell, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{cluster::Reach, hands::Counted};
use crate::{
    Engine,
    member::{Line, Member, MemberCluster, OBSERVE, Parts, Reply},
    model::caller::{Caller, Via},
    ports::{
        Cluster, Ids as _,
        acting::{Acting, NotDone},
    },
    settings::Settings,
};

thread_local! {
    static IS_ON: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, processes that begin on this thread reach the cluster through a member.
pub(crate) struct ThroughMember(());

impl ThroughMember {
    pub(crate) fn new() -> Self {
        IS_ON.set(true);
        Self(())
    }
}

impl Drop for ThroughMember {
    fn drop(&mut self) {
        IS_ON.set(false);
    }
}

/// The name by which the engine is known to the member.
const ENGINE: &str = "hub";

struct Wire(Member);

fn written<T: serde::Serialize>(done: Result<T, crate::Error>) -> Reply {
    match done {
        Ok(answer) => {
            let text = serde_json::to_string(&answer).unwrap();
            Reply { structured: serde_json::from_str(&text).unwrap(), ..Reply::default() }
        }
        Err(error) => Reply {
            is_error: true,
            code: Some(error.code().to_owned()),
            text: error.to_string(),
            structured: None,
        },
    }
}

#[async_trait]
impl Line for Wire {
    async fn call(
        &self,
        tool: &'static str,
        arguments: Map<String, Value>,
        _: Duration,
        _: bool,
    ) -> Result<Reply, NotDone> {
        let caller = Caller::identified(ENGINE, Vec::new(), Via::Mcp);
        let text = Value::Object(arguments).to_string();
        Ok(if tool == OBSERVE {
            written(self.0.observe(&caller, serde_json::from_str(&text).unwrap()).await)
        } else {
            written(self.0.perform(&caller, serde_json::from_str(&text).unwrap()).await)
        })
    }

    fn place(&self) -> &str {
        "the run"
    }
}

/// The two ports over this reach; through a member, when that is asked for.
pub(crate) fn ports(
    reach: Arc<Reach>,
    rows: impl FnOnce(Arc<dyn Cluster>) -> Engine,
    ids: &Arc<Counted>,
) -> (Arc<dyn Cluster>, Arc<dyn Acting>) {
    if !IS_ON.get() {
        return (Arc::clone(&reach) as Arc<dyn Cluster>, reach);
    }
    let member = Member::new(Parts {
        engine: rows(Arc::clone(&reach) as Arc<dyn Cluster>),
        timer: Arc::clone(&reach.hands) as Arc<_>,
        acting: reach,
        process: ids.unique(),
        settings: Settings { granted_to: vec![ENGINE.to_owned()], ..Settings::default() },
    });
    let far = Arc::new(MemberCluster::new(Arc::new(Wire(member)), Arc::clone(ids) as Arc<_>));
    (Arc::clone(&far) as Arc<dyn Cluster>, far)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{
        super::{
            faults::{Call, Fate, Faults},
            rollback,
            run::{Base, Options, Sim},
            scene, settings, verdict,
        },
        ThroughMember,
    };
    use crate::model::{
        action::Action,
        phase::{Direction, Phase, StepState},
        plan::Approval,
    };

    fn run(base: &Base, actions: &[Action], faults: std::sync::Arc<Faults>) -> Sim {
        let options = Options {
            seed: 1,
            processes: 2,
            defect: None,
            settings: settings(),
            jumps: false,
            sweeps: false,
        };
        let mut sim = Sim::new(base, faults, options);
        sim.order(actions, Approval::Auto);
        sim.rush(4_000);
        sim.calm();
        sim
    }

    #[test]
    fn through_a_member_every_action_comes_to_its_end_with_one_effect() {
        let base = Base::new();
        let _through = ThroughMember::new();
        for (name, action) in scene::catalogue(&base.model) {
            let sim = run(&base, &[action], Faults::script([]));
            verdict(&sim, name).unwrap();
            let history = sim.history();
            let workflow = &history.records[0].workflow;
            assert_eq!(workflow.phase, Phase::Completed, "{name}: {:?}", workflow.reason);
            let effects = history.journal.iter().filter(|e| e.actor == "aiops" && e.is_effect()).count();
            // A pool is waited for; a release's record is two Secrets.
            let expected = match name {
                "await-pool" => 0,
                "record-release" => 2,
                _ => 1,
            };
            assert_eq!(effects, expected, "{name}");
        }
    }

    #[test]
    fn through_a_member_every_fault_of_a_request_leaves_one_effect_and_an_honest_record() {
        every_fault(5);
    }

    #[test]
    #[ignore = "long: make proof-engine"]
    fn through_a_member_the_whole_matrix_of_requests() {
        every_fault(1);
    }

    /// Every so manieth fault.
    fn every_fault(stride: u64) {
        let base = Base::new();
        let _through = ThroughMember::new();
        let (mut turn, mut runs, mut broken) = (0_u64, 0_u64, Vec::new());
        let mut met: BTreeMap<Fate, u64> = BTreeMap::new();
        for (name, action) in scene::catalogue(&base.model) {
            let plain = run(&base, std::slice::from_ref(&action), Faults::script([]));
            let sends = (0_u64..).zip(plain.faults.calls()).filter(|(_, made)| made.call == Call::Send);
            for (at, made) in sends {
                for fate in made.call.fates() {
                    turn += 1;
                    if turn % stride != 0 {
                        continue;
                    }
                    let sim = run(&base, std::slice::from_ref(&action), Faults::script([(at, *fate)]));
                    runs += 1;
                    *met.entry(*fate).or_default() += 1;
                    if let Err(why) = verdict(&sim, &format!("{name}, {fate:?} at call {at}")) {
                        broken.push(why);
                    }
                }
            }
        }
        println!("through a member: {runs} of {turn} runs, {met:?}");
        assert!(runs > 20, "only {runs} runs");
        assert!(broken.is_empty(), "{} broke an invariant:\n{}", broken.len(), broken[0]);
    }

    #[test]
    fn through_a_member_plans_that_fail_are_undone() {
        undone(20);
    }

    #[test]
    #[ignore = "long: make proof-engine"]
    fn through_a_member_three_hundred_plans_that_fail_are_undone() {
        undone(300);
    }

    fn undone(plans_run: u64) {
        let base = Base::new();
        let _through = ThroughMember::new();
        let mut undone: BTreeMap<&str, u32> = BTreeMap::new();
        for seed in 0..plans_run {
            let (mut sim, actions, _) = rollback::failing(&base, seed);
            sim.order(&actions, Approval::Auto);
            sim.rush(20_000);
            verdict(&sim, &format!("seed {seed}: {actions:?}")).unwrap();
            let history = sim.history();
            for step in &history.records[0].steps {
                if step.direction == Direction::Undo && step.state == StepState::Verified {
                    *undone.entry(step.action.name()).or_default() += 1;
                }
            }
        }
        println!("through a member: {plans_run} plans, undone: {undone:?}");
        for name in ["scale-workload", "rollback-workload", "set-resources", "cordon-node"] {
            assert!(undone.contains_key(name), "{name} was never undone");
        }
    }
}
