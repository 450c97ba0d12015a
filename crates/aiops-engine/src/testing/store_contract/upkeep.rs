//! Audit chains and anchors, controls, messages, retention.

use std::sync::Arc;

use super::{Bench, Found, holds, listed, same, samples::*};
use crate::{
    audit::{self, ANCHORS, CONTROL},
    model::{
        incident::IncidentStatus,
        phase::{Direction, Phase},
    },
    ports::store::{Control, Cooldown, Horizon, StoreError, Taken, Write},
};

listed![
    chains_are_linked_and_apart,
    heads_are_anchored_when_they_moved,
    heads_are_anchored_so_many_at_a_time,
    lines_written_at_once_are_one_chain,
    a_control_is_set_with_its_line_and_its_message,
    what_was_decided_under_other_controls_is_refused,
    nothing_decided_before_a_control_is_kept_once_it_is_set,
    messages_wait_until_they_are_delivered,
    what_is_over_goes_and_its_audit_stays,
    retention_takes_no_more_than_asked,
    how_far_retention_came_is_kept,
];

async fn chains_are_linked_and_apart(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let web = keep(&*store, "web", now).await?;
    keep(&*store, "db", now).await?;
    for n in 0..5 {
        let writes = [Write::Audit(entry(&format!("a{n}"), now)), Write::Audit(entry(&format!("b{n}"), now))];
        store.commit(&web.id, None, &writes).await?;
    }
    let lines = store.audit("wf-web", 0, 100).await?;
    same("lines", lines.len(), 11)?;
    let head = audit::verify(&lines)?;
    let page = store.audit("wf-web", 4, 3).await?;
    same("a page", page.iter().map(|line| line.seq).collect(), vec![5, 6, 7])?;
    same("it is the same", page.first(), lines.get(4))?;
    let heads = store.audit_heads().await?;
    same("chains", heads.iter().map(|(chain, ..)| chain.as_str()).collect(), vec!["wf-db", "wf-web"])?;
    same("the head", heads.last().cloned(), Some(("wf-web".to_owned(), head.seq, head.hash)))
}

async fn heads_are_anchored_when_they_moved(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    same("of nothing", store.anchor(now).await?, None)?;
    let web = keep(&*store, "web", now).await?;
    keep(&*store, "db", now).await?;
    let (seq, hash) = store.anchor(now + 1).await?.ok_or("nothing was anchored")?;
    same("the first", seq, 1)?;
    same("and again", store.anchor(now + 2).await?, None)?;
    store.commit(&web.id, None, &[Write::Audit(entry("x", now))]).await?;
    let second = store.anchor(now + 3).await?.ok_or("nothing was anchored")?;
    same("the second", second.0, 2)?;
    let lines = store.audit(ANCHORS, 0, 9).await?;
    same("the head", audit::verify(&lines)?.hash, second.1)?;
    let first = lines.first().ok_or("the anchor is not there")?;
    same("the hash", &first.hash, &hash)?;
    same(
        "both chains",
        audit::anchored(first).into_keys().collect(),
        vec!["wf-db".to_owned(), "wf-web".to_owned()],
    )?;
    let moved = audit::anchored(lines.get(1).ok_or("the second anchor is not there")?);
    same("the one that moved", moved.keys().map(String::as_str).collect(), vec!["wf-web"])?;
    let chain = store.audit("wf-web", 0, 9).await?;
    same("its head", moved.get("wf-web").cloned(), Some(audit::verify(&chain)?))
}

async fn heads_are_anchored_so_many_at_a_time(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let most = usize::try_from(audit::MOST_HEADS)?;
    for n in 0..most + 1 {
        keep(&*store, &format!("w{n}"), now).await?;
    }
    holds("a first line", store.anchor(now + 1).await?.is_some())?;
    let last = store.anchor(now + 2).await?.ok_or("the rest was not anchored")?;
    same("nothing is left", store.anchor(now + 3).await?, None)?;
    let lines = store.audit(ANCHORS, 0, 9).await?;
    same("the head", audit::verify(&lines)?.hash, last.1)?;
    let heads: Vec<_> = lines.iter().map(audit::anchored).collect();
    same("heads of each line", heads.iter().map(|of| of.len()).collect(), vec![most, 1])?;
    let all: std::collections::BTreeMap<_, _> = heads.into_iter().flatten().collect();
    let mut kept = store.audit_heads().await?;
    kept.retain(|(chain, ..)| chain != ANCHORS);
    same("each once", all.len(), most + 1)?;
    let found: Vec<_> = all.into_iter().map(|(chain, head)| (chain, head.seq, head.hash)).collect();
    same("as they are", found, kept)?;
    let head = store.audit_head("wf-w0").await?.ok_or("a chain has no head")?;
    same("the head of one", head.1, audit::verify(&store.audit("wf-w0", 0, 9).await?)?.hash)?;
    same("the head of none", store.audit_head("wf-none").await?, None)
}

async fn lines_written_at_once_are_one_chain(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    keep(&*store, "web", now).await?;
    let mut running = tokio::task::JoinSet::new();
    for n in 0..30 {
        let store = Arc::clone(&store);
        running.spawn(async move {
            let control = control(&format!("c{}", n % 3), "run", now);
            store.set_control(&control, &entry(&format!("e{n}"), now), None).await?;
            store.commit(&wf("web"), None, &[Write::Audit(entry(&format!("w{n}"), now))]).await
        });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    for (chain, wanted) in [(CONTROL, 30), ("wf-web", 31)] {
        let lines = store.audit(chain, 0, 100).await?;
        same(chain, audit::verify(&lines)?.seq, wanted)?;
    }
    Ok(())
}

async fn a_control_is_set_with_its_line_and_its_message(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    same("controls", store.controls().await?, vec![])?;
    let stop = control("kill_switch", "stop", now);
    store.set_control(&stop, &entry("stopped", now), Some(&notice("stopped", now))).await?;
    let breaker = Control { reason: None, ..control("breaker", "open", now) };
    store.set_control(&breaker, &entry("opened", now), None).await?;
    same("controls", store.controls().await?, vec![breaker.clone(), stop])?;
    let run = control("kill_switch", "run", now + 1);
    store.set_control(&run, &entry("released", now + 1), None).await?;
    same("controls", store.controls().await?, vec![breaker, run])?;
    let lines = store.audit(CONTROL, 0, 9).await?;
    audit::verify(&lines)?;
    same("lines", lines.len(), 3)?;
    same("messages", store.due_notices(now, 9).await?.len(), 1)
}

async fn what_was_decided_under_other_controls_is_refused(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let web = keep(&*store, "web", now).await?;
    let set = async |control: Control| store.set_control(&control, &entry("set", now), None).await;
    let under = async |controls: &[Control]| {
        let writes = [Write::Audit(entry("kept", now)), Write::Under(controls.to_vec())];
        store.commit(&web.id, None, &writes).await
    };
    let is_changed = |done: Result<(), StoreError>| matches!(done, Err(StoreError::Changed(_)));
    under(&[]).await?;
    let run = control("kill_switch", "run", now);
    set(run.clone()).await?;
    holds("one that was not there", is_changed(under(&[]).await))?;
    under(std::slice::from_ref(&run)).await?;
    // The same word again is a new decision of somebody.
    let again = Control { at: now + 1, ..run.clone() };
    set(again.clone()).await?;
    holds("one that was set again", is_changed(under(&[run]).await))?;
    let breaker = control("breaker", "open", now);
    set(breaker.clone()).await?;
    holds("one more", is_changed(under(std::slice::from_ref(&again)).await))?;
    let other = Control { mode: "pause".to_owned(), ..again.clone() };
    holds("another word", is_changed(under(&[breaker.clone(), other]).await))?;
    // In whatever order they were read.
    under(&[again.clone(), breaker.clone()]).await?;
    under(&[breaker, again]).await?;
    let lines = store.audit(web.id.as_str(), 0, 9).await?;
    same("what was kept", lines.iter().filter(|line| line.entry.action == "kept").count(), 4)
}

async fn nothing_decided_before_a_control_is_kept_once_it_is_set(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let kept = keep(&*store, "web", now).await?;
    for turn in 0..20_i64 {
        let controls = store.controls().await?;
        let before = store.audit(kept.id.as_str(), 0, 100).await?.len();
        let decided = {
            let (store, id) = (Arc::clone(&store), kept.id.clone());
            let writes = [Write::Under(controls), Write::Audit(entry("kept", now))];
            async move { store.commit(&id, None, &writes).await }
        };
        let switched = {
            let (store, id) = (Arc::clone(&store), kept.id.clone());
            async move {
                let control = control("kill_switch", if turn % 2 == 0 { "pause" } else { "run" }, now + turn);
                store.set_control(&control, &entry("set", now), None).await?;
                // Who was told that it is set sees all that was decided before it.
                store.audit(id.as_str(), 0, 100).await.map(|lines| lines.len() > before)
            }
        };
        let (decided, switched) = futures_util::future::join(decided, switched).await;
        let was_there = switched?;
        match decided {
            Ok(()) => holds(&format!("turn {turn}: it was kept before the switch was set"), was_there)?,
            Err(StoreError::Changed(_)) => holds("what was refused is not there", !was_there)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn messages_wait_until_they_are_delivered(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let web = keep(&*store, "web", now).await?;
    for (kind, at) in [("first", now), ("second", now), ("later", now + 100)] {
        store.commit(&web.id, None, &[Write::Notice(notice(kind, at))]).await?;
    }
    let due = store.due_notices(now, 9).await?;
    same(
        "due",
        due.iter().map(|d| d.notice.clone()).collect(),
        vec![notice("first", now), notice("second", now)],
    )?;
    same("at most", store.due_notices(now + 100, 1).await?.len(), 1)?;
    let [first, second] = due.as_slice() else { return Err("two were due".into()) };
    store.settle_notice(first.seq, None).await?;
    store.settle_notice(second.seq, Some(now + 50)).await?;
    same("now", store.due_notices(now, 9).await?.len(), 0)?;
    let later = store.due_notices(now + 50, 9).await?;
    same("later", later.iter().map(|d| (d.seq, d.attempts)).collect(), vec![(second.seq, 1)])?;
    // Settling what is gone does nothing.
    store.settle_notice(first.seq, Some(now)).await?;
    same("all", store.due_notices(now + 100, 9).await?.len(), 2)
}

async fn what_is_over_goes_and_its_audit_stays(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let old = keep(&*store, "old", now).await?;
    let mut writes = vec![
        Write::Step(Box::new(step(0, Direction::Do, "e", now))),
        Write::Attempt(Box::new(attempt(0, Direction::Do, 1, now))),
        Write::Check(check(0, "c", now)),
        Write::Approval(approval("a", now)),
        Write::Slot { scope: "cluster".to_owned(), max: 1 },
        Write::Cooldown(Cooldown { fingerprint: "fp-old".to_owned(), ..Cooldown::default() }),
        Write::Incident { id: inc("old"), status: IncidentStatus::Remediated, closed_at: Some(now + 1) },
    ];
    writes.push(Write::Workflow(Box::new(ended(&old, Phase::Completed, now + 1))));
    store.commit(&old.id, None, &writes).await?;
    let active = keep(&*store, "active", now).await?;
    let young = keep(&*store, "young", now).await?;
    let over = Write::Workflow(Box::new(ended(&young, Phase::Failed, now + 50)));
    let closed =
        Write::Incident { id: inc("young"), status: IncidentStatus::Remediated, closed_at: Some(now + 1) };
    store.commit(&young.id, None, &[over, closed]).await?;
    same("gone", store.retain(now + 10, 100).await?, (1, 1))?;
    same("the old workflow", store.workflow(&old.id).await?, None)?;
    same("the old incident", store.incident(&inc("old")).await?, None)?;
    same("its audit", store.audit("wf-old", 0, 9).await?.len(), 1)?;
    same("the cooldown", store.cooldown("fp-old").await?, None)?;
    holds("the active one is there", store.workflow(&active.id).await?.is_some())?;
    holds("the young one is there", store.workflow(&young.id).await?.is_some())?;
    holds("and so is its incident", store.incident(&inc("young")).await?.is_some())?;
    same("again", store.retain(now + 10, 100).await?, (0, 0))?;
    // What it held is free, its marker too.
    store.commit(&active.id, None, &[Write::Slot { scope: "cluster".to_owned(), max: 1 }]).await?;
    store.commit(&active.id, None, &[Write::Step(Box::new(step(0, Direction::Do, "e", now)))]).await?;
    let mut again = acceptance("x", now);
    again.lock = Some(target("old").key());
    same("its target", store.accept(&again).await?, Taken::New { incident: inc("x") })
}

async fn retention_takes_no_more_than_asked(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    for n in 0..5_i64 {
        let kept = keep(&*store, &format!("w{n}"), now).await?;
        let writes = [
            Write::Workflow(Box::new(ended(&kept, Phase::Completed, now + n))),
            Write::Incident {
                id: kept.incident.clone(),
                status: IncidentStatus::Remediated,
                closed_at: Some(now + n),
            },
        ];
        store.commit(&kept.id, None, &writes).await?;
    }
    same("the first turn", store.retain(now + 100, 2).await?, (2, 2))?;
    same("the oldest", store.workflow(&wf("w0")).await?, None)?;
    holds("a younger one is there", store.workflow(&wf("w2")).await?.is_some())?;
    same("the second", store.retain(now + 100, 2).await?, (2, 2))?;
    same("the third", store.retain(now + 100, 2).await?, (1, 1))?;
    let missing = store.commit(&wf("w0"), None, &[Write::Audit(entry("x", now))]).await;
    holds("what is gone takes no writes", matches!(missing, Err(StoreError::Changed(_))))
}

async fn how_far_retention_came_is_kept(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    same("at first", store.horizon().await?, None)?;
    for horizon in [
        Horizon { seen: now, since: now - 5, before: -7 },
        Horizon { seen: now - 3, since: now, before: now - 9 },
    ] {
        store.keep_horizon(&horizon).await?;
        same("kept", store.horizon().await?, Some(horizon))?;
    }
    Ok(())
}
