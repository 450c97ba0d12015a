//! Commits: fenced, all or nothing, once for each thing that can be taken.

use std::{sync::Arc, time::Duration};

use super::{Bench, Found, holds, listed, same, samples::*};
use crate::{
    model::{
        incident::IncidentStatus,
        phase::{Direction, Phase},
        workflow::{ApprovalRecord, ApprovalState},
    },
    ports::store::{Cooldown, Fence, Resource, StoreError, Taken, Write},
};

listed![
    a_fence_lets_through_only_who_holds_the_lease,
    a_commit_is_whole_or_not_there,
    a_version_is_written_once,
    without_a_fence_the_version_guards,
    a_commit_to_nothing_is_refused,
    an_approval_is_answered_once,
    what_has_ended_is_not_approved_any_more,
    a_lock_is_one_workflows_until_it_gives_it_back,
    places_are_counted_and_given_back,
    a_budget_ends_at_its_limit,
    only_a_fence_gives_back_a_lease,
    an_effect_key_belongs_to_one_step,
    an_attempt_follows_its_step,
    a_foreign_workflow_is_not_written,
    a_workflow_does_not_come_back_beside_another,
    the_last_commit_writes_everything_together,
];

fn write(workflow: crate::model::workflow::Workflow) -> Write {
    Write::Workflow(Box::new(workflow))
}

const TTL: Duration = Duration::from_secs(60);

async fn a_fence_lets_through_only_who_holds_the_lease(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let kept = keep(&*store, "web", now).await?;
    let lease = store.claim("me", Duration::from_millis(400)).await?.ok_or("nothing to claim")?;
    let id = &kept.id;
    store.commit(id, Some(&lease), &[write(next(&kept)), Write::Audit(entry("a", now))]).await?;
    let wrong = [
        Fence { owner: "other".to_owned(), ..lease.clone() },
        Fence { epoch: lease.epoch - 1, ..lease.clone() },
        Fence { epoch: lease.epoch + 1, ..lease.clone() },
        Fence { workflow: wf("other"), ..lease.clone() },
    ];
    for fence in &wrong {
        let done = store.commit(id, Some(fence), &[Write::Audit(entry("b", now))]).await;
        holds(&format!("{fence:?} is fenced"), matches!(done, Err(StoreError::Fenced)))?;
    }
    bench.pass(Duration::from_millis(800)).await;
    let late = store.commit(id, Some(&lease), &[Write::Audit(entry("late", now))]).await;
    holds("a lease that has ended is fenced", matches!(late, Err(StoreError::Fenced)))?;
    let second = store.claim("you", TTL).await?.ok_or("what has ended cannot be claimed")?;
    holds("the epoch has grown", second.epoch > lease.epoch)?;
    let old = store.commit(id, Some(&lease), &[Write::Audit(entry("old", now))]).await;
    holds("the old lease is fenced", matches!(old, Err(StoreError::Fenced)))?;
    let actions: Vec<String> =
        store.audit(id.as_str(), 0, 9).await?.into_iter().map(|line| line.entry.action).collect();
    same("what was written", actions, vec!["accepted".to_owned(), "a".to_owned()])
}

async fn a_commit_is_whole_or_not_there(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let kept = keep(&*store, "web", now).await?;
    let lease = store.claim("me", TTL).await?.ok_or("nothing to claim")?;
    let before = store.workflow(&kept.id).await?;
    let writes = [
        write(next(&kept)),
        Write::Step(Box::new(step(0, Direction::Do, "e0", now))),
        Write::Attempt(Box::new(attempt(0, Direction::Do, 1, now))),
        Write::Check(check(0, "rollout", now)),
        Write::Approval(approval("a", now)),
        Write::Lock("another".to_owned()),
        Write::Slot { scope: "cluster".to_owned(), max: 5 },
        Write::Spend { scope: "cluster".to_owned(), bucket: 1, max: 5 },
        Write::Cooldown(Cooldown { fingerprint: "fp-web".to_owned(), ..Cooldown::default() }),
        Write::Incident { id: kept.incident.clone(), status: IncidentStatus::Failed, closed_at: None },
        Write::Audit(entry("x", now)),
        Write::Notice(notice("parked", now)),
        // And this one cannot be.
        Write::Spend { scope: "none".to_owned(), bucket: 1, max: 0 },
    ];
    let refused = store.commit(&kept.id, Some(&lease), &writes).await;
    let what = Resource::Budget("none".to_owned());
    holds("it is refused", matches!(refused, Err(StoreError::Taken { what: w, .. }) if w == what))?;
    same("the workflow", store.workflow(&kept.id).await?, before)?;
    same("the audit", store.audit(kept.id.as_str(), 0, 9).await?.len(), 1)?;
    same("messages", store.due_notices(now + 1, 9).await?.len(), 0)?;
    same("the cooldown", store.cooldown("fp-web").await?, None)?;
    let incident = store.incident(&kept.incident).await?.ok_or("the incident is gone")?;
    same("the incident", incident.status, IncidentStatus::Remediating)?;
    let mut other = acceptance("db", now);
    other.lock = Some("another".to_owned());
    same("the lock is free", store.accept(&other).await?, Taken::New { incident: inc("db") })?;
    // The place and the budget are whole, too.
    let one = [
        Write::Slot { scope: "cluster".to_owned(), max: 1 },
        Write::Spend { scope: "cluster".to_owned(), bucket: 1, max: 1 },
    ];
    store.commit(&wf("db"), None, &one).await?;
    Ok(())
}

async fn a_version_is_written_once(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let kept = keep(&*store, "web", now).await?;
    let lease = store.claim("me", TTL).await?.ok_or("nothing to claim")?;
    store.commit(&kept.id, Some(&lease), &[write(next(&kept))]).await?;
    for version in [1, 2, 4] {
        let wrong = crate::model::workflow::Workflow { version, ..kept.clone() };
        let refused = store.commit(&kept.id, Some(&lease), &[write(wrong)]).await;
        holds(&format!("version {version} is refused"), matches!(refused, Err(StoreError::Changed(_))))?;
    }
    let record = store.workflow(&kept.id).await?.ok_or("it is gone")?;
    same("the version", record.workflow.version, 2)
}

async fn without_a_fence_the_version_guards(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let kept = keep(&*store, "web", now).await?;
    let lease = store.claim("me", TTL).await?.ok_or("nothing to claim")?;
    let mut cancelled = next(&kept);
    cancelled.cancel_requested = true;
    store.commit(&kept.id, None, &[write(cancelled.clone()), Write::Audit(entry("cancel", now))]).await?;
    // Its executor has read the version before, and must read again.
    let executor = store.commit(&kept.id, Some(&lease), &[write(next(&kept))]).await;
    holds("the executor's is refused", matches!(executor, Err(StoreError::Changed(_))))?;
    store.commit(&kept.id, Some(&lease), &[write(next(&cancelled))]).await?;
    let record = store.workflow(&kept.id).await?.ok_or("it is gone")?;
    holds("the wish to cancel is kept", record.workflow.cancel_requested)
}

async fn a_commit_to_nothing_is_refused(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let writes = [Write::Audit(entry("x", now))];
    let refused = store.commit(&wf("none"), None, &writes).await;
    holds("without a fence it is Changed", matches!(refused, Err(StoreError::Changed(_))))?;
    let fence = Fence { workflow: wf("none"), owner: "me".to_owned(), epoch: 1 };
    let refused = store.commit(&wf("none"), Some(&fence), &writes).await;
    holds("with one it is Fenced", matches!(refused, Err(StoreError::Fenced)))?;
    same("the audit", store.audit("wf-none", 0, 9).await?.len(), 0)
}

async fn an_approval_is_answered_once(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let kept = keep(&*store, "web", now).await?;
    keep(&*store, "db", now).await?;
    let asked = approval("a", now);
    store.commit(&kept.id, None, &[Write::Approval(asked.clone())]).await?;
    let mut given = asked.clone();
    given.state = ApprovalState::Approved;
    given.decided_by = Some("ann".to_owned());
    given.decided_at = Some(now + 1);
    given.channel = Some("rest".to_owned());
    given.reason = Some("go".to_owned());
    let foreign = store.commit(&wf("db"), None, &[Write::Approval(given.clone())]).await;
    holds("another workflow's is refused", matches!(foreign, Err(StoreError::Changed(_))))?;
    store.commit(&kept.id, None, &[Write::Approval(given.clone())]).await?;
    for state in [ApprovalState::Denied, ApprovalState::Approved, ApprovalState::Requested] {
        let mut second = given.clone();
        second.state = state;
        second.decided_by = Some("bob".to_owned());
        let writes = [Write::Audit(entry("second", now)), Write::Approval(second)];
        let refused = store.commit(&kept.id, None, &writes).await;
        holds(&format!("{state:?} is refused"), matches!(refused, Err(StoreError::Changed(_))))?;
    }
    let record = store.workflow(&kept.id).await?.ok_or("it is gone")?;
    same("the approvals", record.approvals, vec![given])?;
    same("the audit", store.audit(kept.id.as_str(), 0, 9).await?.len(), 1)
}

async fn what_has_ended_is_not_approved_any_more(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let kept = keep(&*store, "web", now).await?;
    let mut asked = approval("a", now);
    asked.expires_at = now + 300;
    store.commit(&kept.id, None, &[Write::Approval(asked.clone())]).await?;
    bench.pass(Duration::from_millis(800)).await;
    let given = ApprovalRecord { state: ApprovalState::Approved, ..asked.clone() };
    let late = store.commit(&kept.id, None, &[Write::Approval(given)]).await;
    holds("it comes too late", matches!(late, Err(StoreError::Changed(_))))?;
    let over = ApprovalRecord { state: ApprovalState::Expired, ..asked };
    store.commit(&kept.id, None, &[Write::Approval(over.clone())]).await?;
    let record = store.workflow(&kept.id).await?.ok_or("it is gone")?;
    same("the approvals", record.approvals, vec![over])
}

async fn a_lock_is_one_workflows_until_it_gives_it_back(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let web = keep(&*store, "web", now).await?;
    let db = keep(&*store, "db", now).await?;
    let lock = || [Write::Lock("k".to_owned())];
    store.commit(&web.id, None, &lock()).await?;
    store.commit(&web.id, None, &lock()).await?;
    let refused = store.commit(&db.id, None, &lock()).await;
    let is_told = matches!(
        &refused,
        Err(StoreError::Taken { what: Resource::Target, holder: Some(holder) }) if *holder == web.id
    );
    holds(&format!("the holder is told: {refused:?}"), is_told)?;
    store.commit(&web.id, None, &[Write::Release]).await?;
    store.commit(&db.id, None, &lock()).await?;
    // The lock of the trigger is given back too.
    let mut again = acceptance("x", now);
    again.lock = Some(target("web").key());
    same("the target", store.accept(&again).await?, Taken::New { incident: inc("x") })
}

async fn places_are_counted_and_given_back(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    for name in ["a", "b", "c", "d"] {
        keep(&*store, name, now).await?;
    }
    let slot = |max: u32| [Write::Slot { scope: "cluster".to_owned(), max }];
    store.commit(&wf("a"), None, &slot(3)).await?;
    store.commit(&wf("a"), None, &slot(3)).await?;
    store.commit(&wf("b"), None, &slot(3)).await?;
    store.commit(&wf("c"), None, &slot(3)).await?;
    let full = Resource::Slot("cluster".to_owned());
    let refused = store.commit(&wf("d"), None, &slot(3)).await;
    holds("the fourth is refused", matches!(refused, Err(StoreError::Taken { what, .. }) if what == full))?;
    store.commit(&wf("d"), None, &[Write::Slot { scope: "nodes".to_owned(), max: 1 }]).await?;
    // Fewer than are taken: nobody comes in until they are below the new limit.
    store.commit(&wf("a"), None, &[Write::Release]).await?;
    let refused = store.commit(&wf("d"), None, &slot(2)).await;
    holds("two of two are taken", matches!(refused, Err(StoreError::Taken { what, .. }) if what == full))?;
    store.commit(&wf("b"), None, &[Write::Release]).await?;
    store.commit(&wf("d"), None, &slot(2)).await?;
    let none = store.commit(&wf("a"), None, &slot(0)).await;
    holds("none is none", matches!(none, Err(StoreError::Taken { .. })))
}

async fn a_budget_ends_at_its_limit(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let web = keep(&*store, "web", now).await?;
    let spend = |scope: &str, bucket: i64, max: u32| [Write::Spend { scope: scope.to_owned(), bucket, max }];
    for _ in 0..3 {
        store.commit(&web.id, None, &spend("cluster", 7, 3)).await?;
    }
    let refused = store.commit(&web.id, None, &spend("cluster", 7, 3)).await;
    let what = Resource::Budget("cluster".to_owned());
    holds("the fourth is refused", matches!(refused, Err(StoreError::Taken { what: w, .. }) if w == what))?;
    holds("it tells what is used up", store.budget_used("cluster", 7).await? == 3)?;
    holds("nothing of a bucket to come is", store.budget_used("cluster", 8).await? == 0)?;
    store.commit(&web.id, None, &spend("cluster", 7, 4)).await?;
    store.commit(&web.id, None, &spend("cluster", 8, 1)).await?;
    store.commit(&web.id, None, &spend("namespace/shop", 7, 1)).await?;
    let twice = [spend("two", 1, 1), spend("two", 1, 1)].concat();
    let refused = store.commit(&web.id, None, &twice).await;
    holds("twice in one commit counts twice", matches!(refused, Err(StoreError::Taken { .. })))?;
    store.commit(&web.id, None, &spend("two", 1, 1)).await?;
    let none = store.commit(&web.id, None, &spend("three", 1, 0)).await;
    holds("nothing is nothing", matches!(none, Err(StoreError::Taken { .. })))
}

async fn only_a_fence_gives_back_a_lease(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let web = keep(&*store, "web", now).await?;
    let lease = store.claim("me", TTL).await?.ok_or("nothing to claim")?;
    let refused = store.commit(&web.id, None, &[Write::Yield]).await;
    holds("without a fence it is refused", matches!(refused, Err(StoreError::Internal(_))))?;
    holds("the lease is held", store.renew(&lease, TTL).await?)?;
    store.commit(&web.id, Some(&lease), &[Write::Yield]).await?;
    holds("it was given back", !store.renew(&lease, TTL).await?)?;
    let after = store.commit(&web.id, Some(&lease), &[Write::Audit(entry("x", now))]).await;
    holds("and fences", matches!(after, Err(StoreError::Fenced)))
}

async fn an_effect_key_belongs_to_one_step(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let web = keep(&*store, "web", now).await?;
    let db = keep(&*store, "db", now).await?;
    let put = |order, key: &str| [Write::Step(Box::new(step(order, Direction::Do, key, now)))];
    store.commit(&web.id, None, &put(0, "e0")).await?;
    store.commit(&web.id, None, &put(0, "e0")).await?;
    for (workflow, order) in [(&web.id, 1), (&db.id, 0)] {
        let refused = store.commit(workflow, None, &put(order, "e0")).await;
        holds("another step's key is refused", matches!(refused, Err(StoreError::Internal(_))))?;
    }
    store.commit(&web.id, None, &put(0, "e1")).await?;
    store.commit(&db.id, None, &put(0, "e0")).await?;
    Ok(())
}

async fn an_attempt_follows_its_step(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let web = keep(&*store, "web", now).await?;
    let put = Write::Attempt(Box::new(attempt(0, Direction::Undo, 1, now)));
    let refused = store.commit(&web.id, None, std::slice::from_ref(&put)).await;
    holds("without its step it is refused", matches!(refused, Err(StoreError::Internal(_))))?;
    let both = [Write::Step(Box::new(step(0, Direction::Undo, "u0", now))), put];
    store.commit(&web.id, None, &both).await?;
    Ok(())
}

async fn a_foreign_workflow_is_not_written(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let web = keep(&*store, "web", now).await?;
    let db = keep(&*store, "db", now).await?;
    let refused = store.commit(&web.id, None, &[write(next(&db))]).await;
    holds("it is refused", matches!(refused, Err(StoreError::Internal(_))))?;
    let record = store.workflow(&db.id).await?.ok_or("it is gone")?;
    same("the other's version", record.workflow.version, 1)
}

async fn a_workflow_does_not_come_back_beside_another(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let web = keep(&*store, "web", now).await?;
    let over = ended(&web, Phase::Failed, now);
    store.commit(&web.id, None, &[write(over.clone()), Write::Release]).await?;
    let mut second = acceptance("web", now);
    second.workflow.id = wf("second");
    store.accept(&second).await?;
    let mut back = next(&over);
    back.phase = Phase::Queued;
    back.finished_at = None;
    let refused = store.commit(&web.id, None, &[write(back)]).await;
    let is_taken = matches!(refused, Err(StoreError::Taken { what: Resource::Fingerprint, .. }));
    holds("it is refused", is_taken)?;
    let record = store.workflow(&web.id).await?.ok_or("it is gone")?;
    same("its phase", record.workflow.phase, Phase::Failed)
}

async fn the_last_commit_writes_everything_together(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let web = keep(&*store, "web", now).await?;
    let lease = store.claim("me", TTL).await?.ok_or("nothing to claim")?;
    let rest = Cooldown {
        fingerprint: "fp-web".to_owned(),
        failures: 2,
        not_before: now + 7_200_000,
        window_start: now - 5,
    };
    let writes = [
        write(ended(&web, Phase::Completed, now + 9)),
        Write::Release,
        Write::Cooldown(rest.clone()),
        Write::Incident {
            id: web.incident.clone(),
            status: IncidentStatus::Remediated,
            closed_at: Some(now + 9),
        },
        Write::Audit(entry("completed", now + 9)),
        Write::Notice(notice("completed", now + 9)),
        Write::Yield,
    ];
    store.commit(&web.id, Some(&lease), &writes).await?;
    same("the cooldown", store.cooldown("fp-web").await?, Some(rest))?;
    let incident = store.incident(&web.incident).await?.ok_or("the incident is gone")?;
    same("its status", incident.status, IncidentStatus::Remediated)?;
    same("its end", incident.closed_at, Some(now + 9))?;
    same("outcomes", store.outcomes_since(now).await?, vec![Phase::Completed])?;
    same("what is due", store.next_due().await?, None)?;
    same("claims", store.claim("you", TTL).await?, None)?;
    let due = store.due_notices(now + 9, 9).await?;
    same("messages", due.into_iter().map(|due| due.notice).collect(), vec![notice("completed", now + 9)])
}
