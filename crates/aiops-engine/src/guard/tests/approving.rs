//! Which answers to a request for approval count.

use super::*;

fn workflow(approval: Approval) -> Workflow {
    let world = World::new();
    let plan = json!({
        "cluster": "c", "problem": world.problem, "deployed": crate::model::method::Deployed::unknown(""),
        "layers": [], "remedy": "restart", "remedy_version": 1, "why": "", "steps": [], "checkpoints": [],
        "risk": "low", "expected": "", "estimated_seconds": 1, "approval": approval,
        "rule": "policy/with-approval", "at": 0,
    });
    Workflow {
        id: WorkflowId::of("1"),
        incident: IncidentId::of("1"),
        cluster: "c".to_owned(),
        problem: world.problem,
        order: Order::default(),
        phase: Phase::AwaitingApproval,
        plan: Some(serde_json::from_value(plan).unwrap()),
        digest: Some("d1".to_owned()),
        dry_run: false,
        requested_by: Caller::identified("ann", Vec::new(), Via::Rest),
        cancel_requested: false,
        cursor: 0,
        recoveries: 0,
        wake_at: 0,
        deadline: 0,
        created_at: 0,
        started_at: None,
        finished_at: None,
        reason: None,
        rule: None,
        version: 1,
    }
}

struct Case {
    settings: Settings,
    caller: Caller,
    requester: Caller,
    approval: Approval,
    record: ApprovalRecord,
    decision: Decision,
}

fn case(change: impl FnOnce(&mut Case)) -> Result<(), RuleVerdict> {
    let mut case = Case {
        settings: Settings::default(),
        caller: Caller::identified("bob", Vec::new(), Via::Cli),
        requester: Caller::identified("ann", Vec::new(), Via::Rest),
        approval: Approval::Approve,
        record: ApprovalRecord {
            id: ApprovalId::of("1"),
            digest: "d1".to_owned(),
            state: ApprovalState::Requested,
            requested_at: NOW - MINUTE,
            expires_at: NOW + MINUTE,
            decided_by: None,
            decided_at: None,
            channel: None,
            reason: None,
        },
        decision: Decision { digest: "d1".to_owned(), approve: true, reason: None, by_elicitation: false },
    };
    change(&mut case);
    let workflow = Workflow { requested_by: case.requester, ..workflow(case.approval) };
    may_decide(&case.settings, &case.caller, &workflow, &case.record, &case.decision, NOW)
}

fn ann(case: &mut Case) {
    case.caller = Caller::identified("ann", Vec::new(), Via::Rest);
}

#[test]
fn any_entitled_person_approves_the_requester_included() {
    assert_eq!(case(|_| {}), Ok(()));
    assert_eq!(case(ann), Ok(()));
}

#[test]
fn two_persons_are_two() {
    assert_eq!(case(|c| c.approval = Approval::TwoPerson), Ok(()));
    let own = case(|c| {
        c.approval = Approval::TwoPerson;
        ann(c);
    });
    assert!(own.unwrap_err().why.contains("somebody else"));
    // Nobody knows whether a nameless order was bob's own.
    let nameless = case(|c| {
        c.approval = Approval::TwoPerson;
        c.requester = Caller::anonymous(Via::Rest);
    });
    assert!(nameless.unwrap_err().why.contains("proves who they are"));
    // An incident that triggered by itself, and a person, are two.
    let automatic = case(|c| {
        c.approval = Approval::TwoPerson;
        c.requester = Caller::system(Via::Alert);
    });
    assert_eq!(automatic, Ok(()));
    // To deny, one is enough.
    let denied = case(|c| {
        c.approval = Approval::TwoPerson;
        c.decision.approve = false;
        ann(c);
    });
    assert_eq!(denied, Ok(()));
}

#[test]
fn replayed_expired_forged_and_foreign_answers_do_not_count() {
    type Change = fn(&mut Case);
    let ways: [(Change, &str); 9] = [
        (|c| c.record.state = ApprovalState::Approved, "answered before"),
        (|c| c.record.state = ApprovalState::Expired, "answered before"),
        (|c| c.record.expires_at = NOW, "ended at"),
        (|c| c.decision.digest = "d2".to_owned(), "for the plan d2"),
        (|c| (c.decision.digest, c.record.digest) = ("d2".to_owned(), "d2".to_owned()), "look at it again"),
        (
            |c| {
                c.record.digest =
                    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned();
                c.decision.digest = "9f86d081884c7d65".to_owned();
            },
            "cut off after 16 of its 64 characters",
        ),
        (|c| c.caller = Caller::anonymous(Via::Mcp), "anonymous"),
        (|c| c.settings.granted_to = vec!["carl".to_owned()], "acting.grantedTo"),
        (|c| c.approval = Approval::Deny, "nobody may approve"),
    ];
    for (change, part) in ways {
        let verdict = case(change).unwrap_err();
        assert_eq!(verdict.rule, names::APPROVAL);
        assert!(verdict.why.contains(part), "{part:?} is missing in {}", verdict.why);
    }
}

#[test]
fn a_process_that_may_not_act_denies_and_does_not_approve() {
    let answer = |approve: bool| {
        case(|c| {
            c.settings.is_enabled = false;
            c.decision.approve = approve;
        })
    };
    assert_eq!(answer(true).unwrap_err().rule, names::ACTING);
    assert_eq!(answer(false), Ok(()));
}

#[test]
fn an_answer_that_may_be_a_models_counts_only_where_the_policy_says_so() {
    let by_model = |takes: bool| {
        case(|c| {
            c.decision.by_elicitation = true;
            c.settings.policy.rules[1].elicitation = takes;
        })
    };
    assert!(by_model(false).unwrap_err().why.contains("elicitation = true"));
    assert_eq!(by_model(true), Ok(()));
}

/// Two rules that say `approve` to the two halves of a drain, of which each takes other answers.
fn halves(cordon: (bool, bool), evict: (bool, bool)) -> World {
    World::with(|w| {
        let rule = |name: &str, action: &str, (elicitation, annotation)| PolicyRule {
            name: name.to_owned(),
            namespaces: Vec::new(),
            severities: Vec::new(),
            actions: vec![action.to_owned()],
            then: Approval::Approve,
            autonomy: false,
            elicitation,
            annotation,
        };
        w.settings.policy.rules =
            vec![rule("cordons", "cordon-node", cordon), rule("evictions", "evict-pod", evict)];
        w.actions = vec![
            Action::CordonNode { target: Target::known("Node", "", "n1") },
            Action::EvictPod { target: Target::known("Pod", "shop", "web-a") },
        ];
    })
}

#[test]
fn an_answer_counts_for_a_plan_only_where_every_rule_takes_it_that_asks_for_as_much() {
    let (none, model, object, both) = ((false, false), (true, false), (false, true), (true, true));
    for (cordon, evict, rule, takes) in [
        (model, model, "cordons", model),
        (model, none, "evictions", none),
        (none, model, "cordons", none),
        (both, model, "evictions", model),
        (object, both, "cordons", object),
        (model, object, "cordons and evictions", none),
    ] {
        let world = halves(cordon, evict);
        let ruling = world.is(Approval::Approve, &format!("policy/{rule}"));
        let named = ruling.rule.strip_prefix("policy/").unwrap();
        let policy = &world.settings.policy;
        assert_eq!((policy.takes_elicitation(named), policy.takes_annotation(named)), takes, "{rule}");
    }
}

#[test]
fn where_a_limit_asks_for_a_person_the_policy_does_not_say_who_may_answer_for_one() {
    let down_to_none = |takes: bool| {
        let mut world = World::doing(Action::ScaleWorkload {
            target: Target::known("Deployment", "shop", "web"),
            replicas: 0,
        });
        world.settings.policy.rules[2].then = Approval::Approve;
        world.settings.policy.rules[2].elicitation = takes;
        let target = world.problem.target.clone();
        world.fact(&target).replicas = Some(3);
        world.rule().rule
    };
    assert_eq!(down_to_none(true), names::BLAST_RADIUS);
    assert_eq!(down_to_none(false), "policy/ordinary");
}
