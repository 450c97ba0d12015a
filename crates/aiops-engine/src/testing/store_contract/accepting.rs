//! Triggers: kept whole or not at all, once for a fingerprint, once for a key.

use std::{sync::Arc, time::Duration};

use super::{Bench, Found, holds, listed, same, samples::*};
use crate::{
    model::{incident::IncidentStatus, phase::Phase},
    ports::store::{Acceptance, IncidentFilter, Report, StoreError, Taken, WorkflowFilter},
};

listed![
    a_trigger_is_kept_with_its_incident_its_lock_and_its_audit,
    a_second_trigger_of_a_fingerprint_gets_the_active_workflow_and_writes_nothing,
    a_fingerprint_is_free_again_when_its_workflow_has_ended,
    a_target_is_locked_whatever_the_issue,
    the_same_key_and_request_give_the_same_workflow_again,
    the_same_key_for_another_request_is_a_contradiction,
    what_only_joins_takes_nothing_on_and_keeps_its_key,
    a_key_that_met_a_duplicate_keeps_its_answer,
    a_key_is_forgotten_when_it_expires,
    what_was_asked_under_a_key_is_known_to_who_asked,
    a_dry_run_takes_neither_fingerprint_nor_lock_nor_incident,
    an_id_is_used_once,
    a_workflow_that_is_neither_over_nor_not_is_refused,
    of_many_triggers_at_once_one_is_kept,
];

async fn a_trigger_is_kept_with_its_incident_its_lock_and_its_audit(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let taken = store.accept(&acceptance("web", now)).await?;
    same("the answer", taken, Taken::New { incident: inc("web") })?;
    let record = store.workflow(&wf("web")).await?.ok_or("the workflow is not there")?;
    same("the workflow", record.workflow, workflow("web", now))?;
    let kept = store.incident(&inc("web")).await?.ok_or("the incident is not there")?;
    same("its workflow", kept.workflow, Some(wf("web")))?;
    same("its status", kept.status, IncidentStatus::Remediating)?;
    let lines = store.audit("wf-web", 0, 10).await?;
    same(
        "the audit",
        lines.iter().map(|line| &line.entry).collect::<Vec<_>>(),
        vec![&entry("accepted", now)],
    )?;
    crate::audit::verify(&lines)?;
    let mut other = acceptance("other", now);
    other.lock = Some(target("web").key());
    same("a trigger for the same target", store.accept(&other).await?, Taken::Locked(wf("web")))?;
    Ok(())
}

async fn a_second_trigger_of_a_fingerprint_gets_the_active_workflow_and_writes_nothing(
    bench: Arc<dyn Bench>,
) -> Found {
    let (store, now) = (bench.store(), bench.now());
    keep(&*store, "web", now).await?;
    let mut second = acceptance("web", now + 5);
    second.workflow.id = wf("second");
    same("the answer", store.accept(&second).await?, Taken::Duplicate(wf("web")))?;
    same("the second workflow", store.workflow(&wf("second")).await?, None)?;
    same("its audit", store.audit("wf-second", 0, 9).await?.len(), 0)?;
    let kept = store.incident(&inc("web")).await?.ok_or("the incident is gone")?;
    same("the incident's count", kept.occurrences, 1)
}

async fn a_fingerprint_is_free_again_when_its_workflow_has_ended(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let first = keep(&*store, "web", now).await?;
    let over = ended(&first, Phase::Failed, now + 1);
    let writes = [crate::ports::store::Write::Workflow(Box::new(over)), crate::ports::store::Write::Release];
    store.commit(&first.id, None, &writes).await?;
    let mut second = acceptance("web", now + 5);
    second.workflow.id = wf("second");
    same("the answer", store.accept(&second).await?, Taken::New { incident: inc("web") })?;
    let kept = store.incident(&inc("web")).await?.ok_or("the incident is gone")?;
    same("the incident's count", kept.occurrences, 2)?;
    same("the incident's workflow", kept.workflow, Some(wf("second")))?;
    let record = store.workflow(&wf("second")).await?.ok_or("the second is not there")?;
    same("the second's incident", record.workflow.incident, inc("web"))
}

async fn a_target_is_locked_whatever_the_issue(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    keep(&*store, "web", now).await?;
    let mut other = acceptance("other", now);
    other.lock = Some(target("web").key());
    other.idempotency = Some(key("k", "h", now + 60_000));
    same("the answer", store.accept(&other).await?, Taken::Locked(wf("web")))?;
    same("its workflow", store.workflow(&wf("other")).await?, None)?;
    same("its incident", store.incident(&inc("other")).await?, None)?;
    // Nothing was written, so the same request may be made again.
    other.lock = None;
    same("without the lock", store.accept(&other).await?, Taken::New { incident: inc("other") })
}

fn with_key(name: &str, id: &str, now: i64, of: &str, hash: &str) -> Acceptance {
    let mut acceptance = acceptance(name, now);
    acceptance.workflow.id = wf(id);
    acceptance.idempotency = Some(key(of, hash, now + 60_000));
    acceptance
}

async fn the_same_key_and_request_give_the_same_workflow_again(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    same(
        "the first answer",
        store.accept(&with_key("web", "one", now, "k", "h")).await?,
        Taken::New { incident: inc("web") },
    )?;
    let again = with_key("web", "two", now + 1, "k", "h");
    same("the second", store.accept(&again).await?, Taken::Replayed(wf("one")))?;
    let mut other_person = with_key("db", "three", now + 1, "k", "h");
    if let Some(wish) = &mut other_person.idempotency {
        wish.principal = "bob".to_owned();
    }
    let taken = store.accept(&other_person).await?;
    same("another person's", taken, Taken::New { incident: inc("db") })
}

async fn the_same_key_for_another_request_is_a_contradiction(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    store.accept(&with_key("web", "one", now, "k", "h")).await?;
    let other = with_key("db", "two", now, "k", "other");
    same("the answer", store.accept(&other).await?, Taken::Contradiction(wf("one")))?;
    same("what it would have kept", store.incident(&inc("db")).await?, None)
}

async fn what_only_joins_takes_nothing_on_and_keeps_its_key(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let mut joins = with_key("web", "one", now, "k", "h");
    joins.only_joins = true;
    same("with nothing to join", store.accept(&joins).await?, Taken::Alone)?;
    same("its workflow", store.workflow(&wf("one")).await?, None)?;
    same("its incident", store.incident(&inc("web")).await?, None)?;
    let active = acceptance("web", now);
    store.accept(&active).await?;
    let id = active.workflow.id;
    same("beside an active one", store.accept(&joins).await?, Taken::Duplicate(id.clone()))?;
    same("the same request again", store.accept(&joins).await?, Taken::Replayed(id))
}

async fn a_key_that_met_a_duplicate_keeps_its_answer(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let first = keep(&*store, "web", now).await?;
    let same_trouble = with_key("web", "two", now, "k", "h");
    same("the answer", store.accept(&same_trouble).await?, Taken::Duplicate(wf("web")))?;
    let over = ended(&first, Phase::Completed, now + 1);
    let writes = [crate::ports::store::Write::Workflow(Box::new(over)), crate::ports::store::Write::Release];
    store.commit(&first.id, None, &writes).await?;
    let again = store.accept(&same_trouble).await?;
    same("the same request later", again, Taken::Replayed(wf("web")))
}

async fn a_key_is_forgotten_when_it_expires(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let mut first = with_key("web", "one", now, "k", "h");
    first.idempotency = Some(key("k", "h", now + 300));
    store.accept(&first).await?;
    bench.pass(Duration::from_millis(600)).await;
    let other = with_key("db", "two", bench.now(), "k", "other");
    same("the answer", store.accept(&other).await?, Taken::New { incident: inc("db") })?;
    same("and again", store.accept(&other).await?, Taken::Replayed(wf("two")))
}

async fn what_was_asked_under_a_key_is_known_to_who_asked(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let mut first = with_key("web", "one", now, "k", "h");
    let wish = key("k", "h", now + 300);
    first.idempotency = Some(wish.clone());
    same("before", store.request(&wish.principal, "k").await?, None)?;
    store.accept(&first).await?;
    let known = Some((wish.clone(), wf("one")));
    same("after", store.request(&wish.principal, "k").await?, known.clone())?;
    same("another key", store.request(&wish.principal, "K").await?, None)?;
    same("another caller", store.request("somebody else", "k").await?, None)?;
    bench.pass(Duration::from_millis(600)).await;
    same("past its time, which is told", store.request(&wish.principal, "k").await?, known)?;
    // Used again, it is what it was used for last.
    let mut second = with_key("db", "two", bench.now(), "k", "other");
    let wish = key("k", "other", bench.now() + 60_000);
    second.idempotency = Some(wish.clone());
    store.accept(&second).await?;
    same("used again", store.request(&wish.principal, "k").await?, Some((wish.clone(), wf("two"))))
}

async fn a_dry_run_takes_neither_fingerprint_nor_lock_nor_incident(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let mut dry = acceptance("web", now);
    dry.workflow.dry_run = true;
    dry.workflow.id = wf("dry");
    same("the dry run", store.accept(&dry).await?, Taken::New { incident: inc("web") })?;
    let kept = store.incident(&inc("web")).await?.ok_or("the incident is not there")?;
    same("the incident's workflow", kept.workflow, None)?;
    let real = store.accept(&acceptance("web", now)).await?;
    same("the real one", real, Taken::New { incident: inc("web") })?;
    dry.workflow.id = wf("dry-2");
    same("another dry run", store.accept(&dry).await?, Taken::New { incident: inc("web") })
}

async fn an_id_is_used_once(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    keep(&*store, "web", now).await?;
    let mut other = acceptance("db", now);
    other.workflow.id = wf("web");
    let refused = store.accept(&other).await;
    holds("a used id is refused", matches!(refused, Err(StoreError::Changed(_))))?;
    same("what it would have kept", store.incident(&inc("db")).await?, None)
}

async fn a_workflow_that_is_neither_over_nor_not_is_refused(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let mut wrong = acceptance("web", now);
    wrong.workflow.finished_at = Some(now);
    let refused = store.accept(&wrong).await;
    holds("it is refused", matches!(refused, Err(StoreError::Internal(_))))?;
    wrong.workflow.phase = Phase::Refused;
    same("one that is over", store.accept(&wrong).await?, Taken::New { incident: inc("web") })
}

async fn of_many_triggers_at_once_one_is_kept(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let mut running = tokio::task::JoinSet::new();
    for n in 0..40 {
        let store = Arc::clone(&store);
        let mut one = acceptance("web", now);
        one.workflow.id = wf(&format!("w{n}"));
        one.incident = Report { incident: incident("web", now), into: None, line: None };
        running.spawn(async move { store.accept(&one).await });
    }
    let mut new = 0;
    let mut ids = std::collections::BTreeSet::new();
    while let Some(done) = running.join_next().await {
        match done?? {
            Taken::New { .. } => new += 1,
            Taken::Duplicate(id) => {
                ids.insert(id);
            }
            other => return Err(format!("one was taken as {other:?}").into()),
        }
    }
    same("new ones", new, 1)?;
    same("ids that the others got", ids.len(), 1)?;
    let all = store.workflows(&WorkflowFilter { limit: 50, ..WorkflowFilter::default() }).await?;
    same("workflows", all.total, 1)?;
    same("the one", all.rows.first().map(|w| w.id.clone()), ids.into_iter().next())?;
    let incidents = store.incidents(&IncidentFilter { limit: 50, ..IncidentFilter::default() }).await?;
    same("incidents", incidents.total, 1)
}
