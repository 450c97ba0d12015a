//! Leases: one holder at a time, epochs that grow, ends that come by themselves, wake-ups that are not lost.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{Bench, Found, holds, listed, same, samples::*};
use crate::{
    model::{phase::Phase, workflow::Workflow},
    ports::store::{StoreError, Write},
};

listed![
    claims_at_once_get_different_workflows,
    who_waits_longest_comes_first,
    what_is_not_due_or_over_is_not_claimed,
    a_lease_is_held_by_renewing_and_ends_by_itself,
    a_wake_up_is_not_put_off_by_who_was_working,
    what_is_given_back_is_due_when_it_says,
    the_next_moment_is_when_something_can_be_claimed,
    a_duty_is_one_processs_at_a_time,
    its_time_is_the_one_that_leases_run_by,
];

const TTL: Duration = Duration::from_secs(60);

async fn claims_at_once_get_different_workflows(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    for n in 0..24 {
        keep(&*store, &format!("w{n}"), now).await?;
    }
    let mut running = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let store = Arc::clone(&store);
        running.spawn(async move {
            let mut got = Vec::new();
            while let Some(lease) = store.claim(&format!("worker-{worker}"), TTL).await? {
                got.push(lease);
            }
            Ok::<_, StoreError>(got)
        });
    }
    let mut ids = BTreeSet::new();
    let mut claims = 0;
    while let Some(got) = running.join_next().await {
        for lease in got?? {
            same("the first epoch", lease.epoch, 1)?;
            claims += 1;
            ids.insert(lease.workflow);
        }
    }
    same("claims", claims, 24)?;
    same("workflows", ids.len(), 24)
}

async fn who_waits_longest_comes_first(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    for (name, due) in [("b", now - 10), ("a", now - 10), ("c", now - 20)] {
        let mut one = acceptance(name, now);
        one.workflow.wake_at = due;
        store.accept(&one).await?;
    }
    let mut order = Vec::new();
    while let Some(lease) = store.claim("me", TTL).await? {
        order.push(lease.workflow);
    }
    same("the order", order, vec![wf("c"), wf("a"), wf("b")])
}

async fn what_is_not_due_or_over_is_not_claimed(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let mut later = acceptance("later", now);
    later.workflow.wake_at = now + 3_600_000;
    store.accept(&later).await?;
    let over = keep(&*store, "over", now).await?;
    let done = ended(&over, Phase::Cancelled, now);
    store.commit(&over.id, None, &[Write::Workflow(Box::new(done))]).await?;
    same("claims", store.claim("me", TTL).await?, None)?;
    // Made due, and not waited for: how fast a store answers says nothing about its time.
    let kept = store.workflow(&wf("later")).await?.ok_or("it is gone")?.workflow;
    let due = Workflow { wake_at: now, ..next(&kept) };
    store.commit(&kept.id, None, &[Write::Workflow(Box::new(due))]).await?;
    let lease = store.claim("me", TTL).await?.ok_or("what is due is not claimed")?;
    same("the one that is due", lease.workflow, wf("later"))
}

async fn a_lease_is_held_by_renewing_and_ends_by_itself(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    keep(&*store, "web", now).await?;
    let ttl = Duration::from_millis(500);
    let lease = store.claim("me", ttl).await?.ok_or("nothing to claim")?;
    for _ in 0..3 {
        bench.pass(Duration::from_millis(250)).await;
        holds("it is renewed in time", store.renew(&lease, ttl).await?)?;
        same("nobody else's claim", store.claim("you", ttl).await?, None)?;
    }
    bench.pass(Duration::from_millis(900)).await;
    holds("it is not renewed after its end", !store.renew(&lease, ttl).await?)?;
    let second = store.claim("you", TTL).await?.ok_or("what has ended is not claimed")?;
    same("the epoch", second.epoch, lease.epoch + 1)?;
    holds("the first one's renewal is refused", !store.renew(&lease, ttl).await?)?;
    let forged = crate::ports::store::Lease { owner: "me".to_owned(), ..second.clone() };
    holds("a forged one too", !store.renew(&forged, ttl).await?)?;
    holds("the second one's is not", store.renew(&second, TTL).await?)
}

async fn a_wake_up_is_not_put_off_by_who_was_working(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let web = keep(&*store, "web", now).await?;
    let lease = store.claim("me", TTL).await?.ok_or("nothing to claim")?;
    store.wake(&web.id).await?;
    // It does not know of the wake-up and sleeps for an hour.
    let asleep = Workflow { wake_at: now + 3_600_000, ..next(&web) };
    store.commit(&web.id, Some(&lease), &[Write::Workflow(Box::new(asleep.clone())), Write::Yield]).await?;
    let again = store.claim("me", TTL).await?.ok_or("the wake-up was lost")?;
    // What it writes now it writes knowing.
    let asleep = Workflow { wake_at: now + 3_600_000, ..next(&asleep) };
    store.commit(&web.id, Some(&again), &[Write::Workflow(Box::new(asleep)), Write::Yield]).await?;
    same("then it sleeps", store.claim("me", TTL).await?, None)?;
    store.wake(&web.id).await?;
    holds("and wakes", store.claim("me", TTL).await?.is_some())?;
    let nobody = store.wake(&wf("none")).await;
    holds("nothing is not woken", matches!(nobody, Err(StoreError::Changed(_))))
}

async fn what_is_given_back_is_due_when_it_says(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let web = keep(&*store, "web", now).await?;
    let lease = store.claim("me", TTL).await?.ok_or("nothing to claim")?;
    let later = Workflow { wake_at: bench.now() + 700, ..next(&web) };
    store.commit(&web.id, Some(&lease), &[Write::Workflow(Box::new(later)), Write::Yield]).await?;
    same("before", store.claim("you", TTL).await?, None)?;
    bench.pass(Duration::from_millis(900)).await;
    let second = store.claim("you", TTL).await?.ok_or("it is not due")?;
    same("the epoch", second.epoch, lease.epoch + 1)?;
    let record = store.workflow(&web.id).await?.ok_or("it is gone")?;
    same("a claim is no new version", record.workflow.version, 2)
}

async fn the_next_moment_is_when_something_can_be_claimed(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    same("of nothing", store.next_due().await?, None)?;
    let mut later = acceptance("later", now);
    later.workflow.wake_at = now + 90_000;
    store.accept(&later).await?;
    same("of one", store.next_due().await?, Some(now + 90_000))?;
    keep(&*store, "web", now).await?;
    same("of two", store.next_due().await?, Some(now))?;
    store.claim("me", TTL).await?.ok_or("nothing to claim")?;
    let due = store.next_due().await?.ok_or("nothing is due")?;
    holds("one that is held is due when its lease ends", due > now + 50_000 && due < now + 80_000)
}

async fn a_duty_is_one_processs_at_a_time(bench: Arc<dyn Bench>) -> Found {
    let store = bench.store();
    let ttl = Duration::from_millis(600);
    holds("the first takes it", store.hold_duty("sweep", "me", ttl).await?)?;
    holds("the second does not", !store.hold_duty("sweep", "you", ttl).await?)?;
    holds("another duty is free", store.hold_duty("breaker", "you", ttl).await?)?;
    bench.pass(Duration::from_millis(300)).await;
    holds("the first holds it", store.hold_duty("sweep", "me", ttl).await?)?;
    bench.pass(Duration::from_millis(900)).await;
    holds("when it has ended, the second takes it", store.hold_duty("sweep", "you", TTL).await?)?;
    holds("and the first does not", !store.hold_duty("sweep", "me", ttl).await?)
}

async fn its_time_is_the_one_that_leases_run_by(bench: Arc<dyn Bench>) -> Found {
    let store = bench.store();
    let before = store.time().await?;
    bench.pass(Duration::from_millis(300)).await;
    let after = store.time().await?;
    holds("it goes on as time does", after >= before + 290 && after < before + 60_000)?;
    keep(&*store, "web", after).await?;
    let asked = store.time().await?;
    store.claim("me", TTL).await?.ok_or("nothing to claim")?;
    let told = store.time().await?;
    let ends = store.next_due().await?.ok_or("nothing is due")?;
    holds(
        "a lease ends its length after the moment of its claim",
        ends >= asked + 60_000 && ends <= told + 60_001,
    )
}
