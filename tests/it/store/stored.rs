//! The stored format of each release, as it was left: every later binary opens it and reads everything back.
//!
//! `AIOPS_WRITE_FIXTURE=1 cargo test --test it stored` writes the fixture of a new schema; one that is there is never
//! written again.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use aiops::store::{SqlStore, schema};
use aiops_engine::{
    model::{
        action::{Action, UndoClass},
        ids::ApprovalId,
        incident::IncidentStatus,
        layer::Layer,
        method::Deployed,
        phase::{Direction, Phase, StepState, Verdict},
        plan::{Approval, Checkpoint, Plan, Risk, Step},
        workflow::{
            ApprovalRecord, ApprovalState, Attempt, CheckRecord, Outcome, Record, StepRecord, Workflow,
        },
    },
    ports::store::{
        AuditLine, Control, Cooldown, DueNotice, Idempotency, IncidentFilter, Notice, Store as _,
        WorkflowFilter, Write,
    },
};
use serde_json::json;

use super::bench::{SqliteBench, acceptance, entry, keep, reopened};

/// Everything was written at this moment.
const AT: i64 = 1_788_220_800_000;

fn fixture(schema: i64) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/store/v{schema}.sqlite"))
}

/// A store with every kind of record in it.
async fn fill(store: &SqlStore) {
    let mut first = acceptance("full", AT);
    first.idempotency = Some(Idempotency {
        principal: "ann".to_owned(),
        key: "k".to_owned(),
        request_hash: "h".to_owned(),
        expires_at: AT + 86_400_000,
    });
    store.accept(&first).await.unwrap();
    let full = first.workflow;
    let action = Action::ScaleWorkload { target: full.problem.target.clone(), replicas: 3 };
    let plan = Plan {
        cluster: "c1".to_owned(),
        problem: full.problem.clone(),
        deployed: Deployed::unknown("nobody looked"),
        layers: vec![Layer::Application],
        remedy: "scale".to_owned(),
        remedy_version: 1,
        why: "too few".to_owned(),
        steps: vec![Step {
            order: 0,
            layer: Layer::Application,
            description: "scale it".to_owned(),
            action: action.clone(),
            undo: UndoClass::Exact,
            required: true,
            planned_on: std::collections::BTreeMap::new(),
            deploys_to: Vec::new(),
            takes_down: None,
            proof: None,
        }],
        checkpoints: vec![Checkpoint {
            layer: Layer::Application,
            after_step: 0,
            checks: vec!["ready".to_owned()],
            timeout_seconds: 300,
            required: true,
        }],
        risk: Risk::Low,
        expected: "three run".to_owned(),
        left_alone: None,
        estimated_seconds: 60,
        approval: Approval::TwoPerson,
        rule: "test".to_owned(),
        at: AT,
    };
    let step = |direction, effect_key: &str| StepRecord {
        order: 0,
        direction,
        action: action.clone(),
        state: StepState::Indeterminate,
        effect_key: effect_key.to_owned(),
        pre_image: Some(json!({"replicas": 1})),
        post_image: Some(json!({"replicas": 3})),
        result: Some("who knows".to_owned()),
        started_at: Some(AT),
        finished_at: Some(AT + 1),
    };
    let attempt = |direction, outcome| Attempt {
        order: 0,
        direction,
        number: 1,
        epoch: 1,
        intent: json!({"verb": "patch"}),
        intent_at: AT,
        outcome,
        http_status: Some(200),
        observed: Some("audit-1".to_owned()),
        observed_at: Some(AT),
    };
    let parked = Workflow {
        phase: Phase::NeedsOperator,
        plan: Some(plan),
        digest: Some("d".to_owned()),
        reason: Some("it cannot be told".to_owned()),
        rule: Some("test".to_owned()),
        started_at: Some(AT),
        cursor: 1,
        recoveries: 2,
        version: 2,
        ..full.clone()
    };
    let approval = ApprovalRecord {
        id: ApprovalId::of("full"),
        digest: "d".to_owned(),
        state: ApprovalState::Approved,
        requested_at: AT,
        expires_at: AT + 3_600_000,
        decided_by: Some("bob".to_owned()),
        decided_at: Some(AT + 5),
        channel: Some("rest".to_owned()),
        reason: Some("go".to_owned()),
    };
    let check = CheckRecord {
        after_order: 0,
        name: "ready".to_owned(),
        verdict: Verdict::Unknown,
        evidence: Some("1 of 3".to_owned()),
        at: Some(AT),
    };
    let writes = [
        Write::Workflow(Box::new(parked)),
        Write::Step(Box::new(step(Direction::Do, "e-do"))),
        Write::Step(Box::new(step(Direction::Undo, "e-undo"))),
        Write::Attempt(Box::new(attempt(Direction::Do, Some(Outcome::Indeterminate)))),
        Write::Attempt(Box::new(attempt(Direction::Undo, None))),
        Write::Check(check),
        Write::Approval(approval),
        Write::Slot { scope: "cluster".to_owned(), max: 5 },
        Write::Spend { scope: "cluster".to_owned(), bucket: 7, max: 5 },
        Write::Audit(entry("parked", AT)),
        Write::Notice(Notice {
            kind: "parked".to_owned(),
            workflow: Some(full.id.clone()),
            at: AT,
            body: json!({"text": "look"}),
        }),
    ];
    store.commit(&full.id, None, &writes).await.unwrap();
    let over = keep(store, "over", AT).await.unwrap();
    let done = Workflow { phase: Phase::Completed, finished_at: Some(AT + 9), version: 2, ..over.clone() };
    let cooldown =
        Cooldown { fingerprint: "fp-over".to_owned(), failures: 1, not_before: AT + 60, window_start: AT };
    let incident =
        Write::Incident { id: over.incident, status: IncidentStatus::Remediated, closed_at: Some(AT + 9) };
    let writes = [Write::Workflow(Box::new(done)), Write::Release, Write::Cooldown(cooldown), incident];
    store.commit(&over.id, None, &writes).await.unwrap();
    keep(store, "waiting", AT).await.unwrap();
    let control = Control {
        name: "kill_switch".to_owned(),
        mode: "pause".to_owned(),
        reason: Some("a test".to_owned()),
        set_by: "ann".to_owned(),
        at: AT,
    };
    store.set_control(&control, &entry("paused", AT), None).await.unwrap();
    store.anchor(AT).await.unwrap().unwrap();
}

/// Everything that a reader can see.
#[derive(Debug, PartialEq)]
struct Everything {
    workflows: Vec<Option<Record>>,
    incidents: Vec<aiops_engine::model::incident::Incident>,
    controls: Vec<Control>,
    cooldown: Option<Cooldown>,
    notices: Vec<DueNotice>,
    chains: BTreeMap<String, Vec<AuditLine>>,
}

async fn everything(store: &SqlStore) -> Everything {
    let all = store.workflows(&WorkflowFilter { limit: 99, ..WorkflowFilter::default() }).await.unwrap();
    let mut workflows = Vec::new();
    for workflow in all.rows {
        workflows.push(store.workflow(&workflow.id).await.unwrap());
    }
    let incidents =
        store.incidents(&IncidentFilter { limit: 99, ..IncidentFilter::default() }).await.unwrap();
    let mut chains = BTreeMap::new();
    for (chain, seq, hash) in store.audit_heads().await.unwrap() {
        let lines = store.audit(&chain, 0, 99).await.unwrap();
        let head = aiops_engine::audit::verify(&lines).unwrap();
        assert_eq!((head.seq, head.hash), (seq, hash), "{chain}");
        chains.insert(chain, lines);
    }
    Everything {
        workflows,
        incidents: incidents.rows,
        controls: store.controls().await.unwrap(),
        cooldown: store.cooldown("fp-over").await.unwrap(),
        notices: store.due_notices(i64::MAX, 9).await.unwrap(),
        chains,
    }
}

#[tokio::test]
async fn every_stored_format_opens_is_read_whole_and_goes_on() {
    let bench = SqliteBench::new().await;
    fill(&bench.store).await;
    let today = everything(&bench.store).await;
    assert_eq!((today.workflows.len(), today.incidents.len(), today.chains.len()), (3, 3, 5));
    bench.store.close().await;
    let newest = fixture(schema());
    if std::env::var_os("AIOPS_WRITE_FIXTURE").is_some() && !newest.exists() {
        fs::create_dir_all(newest.parent().unwrap()).unwrap();
        fs::copy(bench.folder.path().join("aiops.db"), &newest).unwrap();
    }
    for schema in 1..=schema() {
        let folder = tempfile::tempdir().unwrap();
        let stored = fixture(schema);
        fs::copy(&stored, folder.path().join("aiops.db"))
            .unwrap_or_else(|error| panic!("{}: {error}; see the top of this file", stored.display()));
        let store = reopened(folder.path()).await;
        store.writable().unwrap();
        assert_eq!(everything(&store).await, today, "schema {schema}");
        // Locks, places, budgets, requests and markers hold.
        let mut same = acceptance("other", AT);
        same.lock = Some("apps/Deployment/shop/full".to_owned());
        let taken = store.accept(&same).await.unwrap();
        assert!(matches!(taken, aiops_engine::ports::store::Taken::Locked(_)), "{taken:?}");
        let new = keep(&*store, "new", AT).await.unwrap();
        for write in [
            Write::Slot { scope: "cluster".to_owned(), max: 1 },
            Write::Spend { scope: "cluster".to_owned(), bucket: 7, max: 1 },
        ] {
            assert!(store.commit(&new.id, None, &[write]).await.is_err());
        }
        assert!(store.claim("me", Duration::from_secs(9)).await.unwrap().is_some());
        store.close().await;
    }
}
