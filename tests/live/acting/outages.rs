//! An API server that is away, or silent: what was certainly not sent, what nobody knows, and that a look decides it.
//!
//! It has a control plane of its own, whose API server it takes away.

use super::*;
use crate::support::Options;

#[tokio::test]
async fn a_lost_answer_is_decided_by_looking_and_never_by_sending_again_blindly() {
    let plane = Plane::own(&Options { nodes: 2, ..Options::default() }).await;
    let hand = Hand::of(&plane, "admin").await;
    let workload = Workload::make(&plane, "default", "Deployment", json!({})).await;
    let scale = |replicas| Action::ScaleWorkload { target: workload.target.clone(), replicas };
    let place = plane.audit_end();
    let first = plane.get(&workload.path).await.unwrap()["metadata"]["generation"].as_u64().unwrap();

    // Silent: the request lies in its socket and may be read when it wakes.
    for round in 0..3_u32 {
        let (action, key) = (scale(3 + round), format!("key-{round}"));
        let mutation = hand.ready(&action, &key).await.mutation;
        plane.api_freeze().await;
        let begun = Instant::now();
        let not_done = hand.send(&mutation).await.unwrap_err();
        let took = begun.elapsed();
        plane.api_thaw().await;
        // The feed may have found out first, and then nothing is sent.
        assert!(matches!(not_done.kind, NotDoneKind::Unknown | NotDoneKind::NotSent), "{not_done}");
        assert!(took < Duration::from_secs(7), "{took:?}");
        let deadline = Instant::now() + SOON;
        loop {
            match deeds::see(&*hand.cluster, &deeds::looks(&action)).await {
                Ok(seen) => match deeds::observe(&action, &key, &hand.workflow, &seen) {
                    Observation::Applied { .. } => break,
                    // The old request may still arrive: then this one is refused by its version, and the next look shows it.
                    Observation::Ready(ready) => drop(hand.send(&ready.mutation).await),
                    other => panic!("{other:?}"),
                },
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let found = plane.get(&workload.path).await.unwrap();
        assert_eq!(found["metadata"]["annotations"][EFFECT], key.as_str());
        // Each change of what is wanted counts once there, whatever was told to whom.
        let steps = round + 1;
        assert_eq!(found["metadata"]["generation"], first + u64::from(steps), "one effect a step");
        // The audit log has its line only after the effect can be seen.
        let steps = usize::try_from(steps).unwrap();
        loop {
            let sent: Vec<u64> = ours(&plane, &hand, place).iter().map(|request| request.status).collect();
            let accepted = sent.iter().filter(|status| **status < 300).count();
            assert!(accepted <= steps, "one effect a step: {sent:?} after {steps} steps");
            if ours(&plane, &hand, place).iter().filter(|request| request.is_accepted_or_lost()).count()
                >= steps
            {
                break;
            }
            assert!(Instant::now() < deadline, "answers in the audit log after {steps} steps: {sent:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    // Away: nothing is sent, and nothing is there afterwards.
    let action = scale(1);
    let mutation = hand.ready(&action, "key-away").await.mutation;
    plane.api_down().await;
    let deadline = Instant::now() + SOON;
    while hand.send(&mutation).await.unwrap_err().kind != NotDoneKind::NotSent {
        assert!(
            Instant::now() < deadline,
            "a connection that was in use may end as unknown, the next is not made"
        );
    }
    plane.api_up().await;
    let found = plane.get(&workload.path).await.unwrap();
    assert_eq!(found["spec"]["replicas"], 5);
    assert_eq!(found["metadata"]["generation"], first + 3);
}
