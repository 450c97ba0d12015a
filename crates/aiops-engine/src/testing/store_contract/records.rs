//! Records: read back as they were written, in order, and listed.

use std::sync::Arc;

use super::{Bench, Found, listed, same, samples::*};
use crate::{
    model::{
        phase::{Direction, Phase},
        workflow::Workflow,
    },
    ports::store::{Active, WorkflowFilter, Write},
};

listed![
    everything_is_read_back_as_it_was_written,
    records_are_replaced_by_their_place,
    workflows_are_listed_by_filter_newest_first,
    what_is_not_over_is_told_newest_first,
    outcomes_are_told_newest_first,
    when_workflows_began_is_told_of_those_that_did,
];

async fn everything_is_read_back_as_it_was_written(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let web = keep(&*store, "web", now).await?;
    let full = Workflow {
        phase: Phase::NeedsOperator,
        plan: Some(plan("web", now)),
        digest: Some("abc".to_owned()),
        cancel_requested: true,
        cursor: 3,
        recoveries: 2,
        wake_at: now + 77,
        deadline: now + 99,
        started_at: Some(now + 1),
        reason: Some("tabs\tand 'quotes' and ünïcode".to_owned()),
        rule: Some("budget.cluster".to_owned()),
        ..next(&web)
    };
    let steps = [
        step(0, Direction::Do, "d0", now),
        step(0, Direction::Undo, "u0", now),
        step(1, Direction::Do, "d1", now),
    ];
    let attempts = [
        attempt(0, Direction::Do, 1, now),
        attempt(0, Direction::Do, 2, now),
        attempt(0, Direction::Undo, 1, now),
    ];
    let checks = [check(0, "pods", now), check(0, "rollout", now), check(1, "pods", now)];
    let approvals = [approval("a", now), approval("b", now + 1)];
    let mut writes = vec![Write::Workflow(Box::new(full.clone()))];
    // In no order.
    writes.extend(steps.iter().rev().map(|step| Write::Step(Box::new(step.clone()))));
    writes.extend(attempts.iter().rev().map(|attempt| Write::Attempt(Box::new(attempt.clone()))));
    writes.extend(checks.iter().rev().cloned().map(Write::Check));
    writes.extend(approvals.iter().rev().cloned().map(Write::Approval));
    store.commit(&web.id, None, &writes).await?;
    let record = store.workflow(&web.id).await?.ok_or("it is gone")?;
    same("the workflow", record.workflow, full)?;
    same("the steps", record.steps, steps.to_vec())?;
    same("the attempts", record.attempts, attempts.to_vec())?;
    same("the checks", record.checks, checks.to_vec())?;
    same("the approvals", record.approvals, approvals.to_vec())?;
    same("another", store.workflow(&wf("none")).await?, None)
}

async fn records_are_replaced_by_their_place(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let web = keep(&*store, "web", now).await?;
    let first = [
        Write::Step(Box::new(step(0, Direction::Do, "d0", now))),
        Write::Attempt(Box::new(attempt(0, Direction::Do, 1, now))),
        Write::Check(check(0, "pods", now)),
    ];
    store.commit(&web.id, None, &first).await?;
    let bare = crate::model::workflow::StepRecord {
        pre_image: None,
        post_image: None,
        result: None,
        started_at: None,
        finished_at: None,
        state: crate::model::phase::StepState::Indeterminate,
        ..step(0, Direction::Do, "d0", now)
    };
    let open = crate::model::workflow::Attempt {
        outcome: None,
        http_status: None,
        observed: None,
        observed_at: None,
        epoch: 7,
        ..attempt(0, Direction::Do, 1, now)
    };
    let unseen = crate::model::workflow::CheckRecord {
        verdict: crate::model::phase::Verdict::Pending,
        evidence: None,
        at: None,
        ..check(0, "pods", now)
    };
    let second = [
        Write::Step(Box::new(bare.clone())),
        Write::Attempt(Box::new(open.clone())),
        Write::Check(unseen.clone()),
    ];
    store.commit(&web.id, None, &second).await?;
    let record = store.workflow(&web.id).await?.ok_or("it is gone")?;
    same("the steps", record.steps, vec![bare])?;
    same("the attempts", record.attempts, vec![open])?;
    same("the checks", record.checks, vec![unseen])
}

async fn workflows_are_listed_by_filter_newest_first(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    for (n, name) in ["a", "b", "c"].into_iter().enumerate() {
        let mut one = acceptance(name, now + i64::try_from(n)?);
        if name == "c" {
            one.workflow.problem.target.namespace = "pay".to_owned();
        }
        store.accept(&one).await?;
    }
    let b = store.workflow(&wf("b")).await?.ok_or("it is gone")?.workflow;
    let over = ended(&b, Phase::RolledBack, now + 9);
    store.commit(&b.id, None, &[Write::Workflow(Box::new(over.clone()))]).await?;
    let all = WorkflowFilter { limit: 100, ..WorkflowFilter::default() };
    let names = |filter: WorkflowFilter| {
        let store = Arc::clone(&store);
        async move {
            let listed = store.workflows(&filter).await?;
            let names = listed.rows.iter().map(|w| w.id.to_string()).collect::<Vec<_>>();
            Ok::<_, crate::ports::store::StoreError>((listed.total, names.join(" ")))
        }
    };
    let wanted = |total: u64, names: &str| (total, names.to_owned());
    same("all", names(all.clone()).await?, wanted(3, "wf-c wf-b wf-a"))?;
    let page = WorkflowFilter { limit: 1, offset: 1, ..all.clone() };
    same("a page", names(page).await?, wanted(3, "wf-b"))?;
    let none = WorkflowFilter { limit: 0, ..all.clone() };
    same("none of all", names(none).await?, wanted(3, ""))?;
    let shop = WorkflowFilter { namespace: Some("shop".to_owned()), ..all.clone() };
    same("in shop", names(shop).await?, wanted(2, "wf-b wf-a"))?;
    let phases = WorkflowFilter { phase: vec![Phase::RolledBack, Phase::Queued], ..all.clone() };
    same("by phase", names(phases).await?, wanted(1, "wf-b"))?;
    let of = WorkflowFilter { incident: Some(inc("a")), ..all.clone() };
    same("of an incident", names(of).await?, wanted(1, "wf-a"))?;
    let listed = store.workflows(&WorkflowFilter { phase: vec![Phase::RolledBack], ..all }).await?;
    same("the row", listed.rows, vec![over])
}

async fn what_is_not_over_is_told_newest_first(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    for (n, name) in ["a", "b", "c"].into_iter().enumerate() {
        store.accept(&acceptance(name, now + i64::try_from(n)?)).await?;
    }
    let b = store.workflow(&wf("b")).await?.ok_or("it is gone")?.workflow;
    let over = ended(&b, Phase::Failed, now + 9);
    store.commit(&b.id, None, &[Write::Workflow(Box::new(over))]).await?;
    let mut dry = acceptance("dry", now + 5);
    dry.workflow.dry_run = true;
    store.accept(&dry).await?;
    let c = store.workflow(&wf("c")).await?.ok_or("it is gone")?.workflow;
    let active = store.active(9).await?;
    same("who", active.iter().map(|a| a.id.as_str()).collect::<Vec<_>>(), vec!["wf-c", "wf-a"])?;
    let first = active.into_iter().next().ok_or("there is none")?;
    let Active { id, phase, target, issue } = first;
    same("the row", (id, phase, target, issue), (c.id, c.phase, c.problem.target, c.problem.issue))?;
    same("one of them", store.active(1).await?.len(), 1)
}

async fn outcomes_are_told_newest_first(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let ends = [
        ("a", Phase::Completed, 5),
        ("b", Phase::Failed, 9),
        ("c", Phase::RolledBack, 7),
        ("d", Phase::Expired, 1),
    ];
    for (name, phase, after) in ends {
        let kept = keep(&*store, name, now).await?;
        let over = ended(&kept, phase, now + after);
        store.commit(&kept.id, None, &[Write::Workflow(Box::new(over))]).await?;
    }
    keep(&*store, "e", now).await?;
    let mut dry = acceptance("dry", now);
    dry.workflow.dry_run = true;
    dry.workflow.phase = Phase::Completed;
    dry.workflow.finished_at = Some(now + 20);
    store.accept(&dry).await?;
    let wanted = vec![Phase::Failed, Phase::RolledBack, Phase::Completed];
    same("the outcomes", store.outcomes_since(now + 5).await?, wanted)
}

async fn when_workflows_began_is_told_of_those_that_did(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let (mut asked, mut wanted) = (vec![wf("nobody")], Vec::new());
    // More than are looked up at once.
    for n in 0..40 {
        let kept = keep(&*store, &format!("n{n}"), now).await?;
        if n % 3 == 0 {
            let begun = Workflow { started_at: Some(now + n), version: kept.version + 1, ..kept.clone() };
            store.commit(&kept.id, None, &[Write::Workflow(Box::new(begun))]).await?;
            wanted.push((kept.id.clone(), now + n));
        }
        asked.push(kept.id);
    }
    let mut told = store.began(&asked).await?;
    told.sort();
    wanted.sort();
    same("when", told, wanted)?;
    same("of none", store.began(&[]).await?, Vec::new())
}
