//! Every pair of phase and move, of phase and phase, and of state and move, against tables written by hand.

use super::*;

/// The words of the automaton: everything that is not here is illegal.
const TABLE: &[(Phase, Move, Phase)] = {
    use Move as M;
    use Phase as P;
    &[
        (P::Planning, M::Note, P::Planning),
        (P::Planning, M::Allow, P::Queued),
        (P::Planning, M::Ask, P::AwaitingApproval),
        (P::Planning, M::Refuse, P::Refused),
        (P::Planning, M::Fail, P::Failed),
        (P::Planning, M::Park, P::NeedsOperator),
        (P::Planning, M::Cancel, P::Cancelled),
        (P::AwaitingApproval, M::Note, P::AwaitingApproval),
        (P::AwaitingApproval, M::Approve, P::Queued),
        (P::AwaitingApproval, M::Deny, P::Rejected),
        (P::AwaitingApproval, M::Expire, P::Expired),
        (P::AwaitingApproval, M::Park, P::NeedsOperator),
        (P::AwaitingApproval, M::Cancel, P::Cancelled),
        (P::Queued, M::Note, P::Queued),
        (P::Queued, M::Start, P::Running),
        (P::Queued, M::Refuse, P::Refused),
        (P::Queued, M::Fail, P::Failed),
        (P::Queued, M::Park, P::NeedsOperator),
        (P::Queued, M::Cancel, P::Cancelled),
        (P::Running, M::Note, P::Running),
        (P::Running, M::Advance, P::Running),
        (P::Running, M::AskCancel, P::Running),
        (P::Running, M::Watch, P::Verifying),
        (P::Running, M::Unwind, P::RollingBack),
        (P::Running, M::Fail, P::Failed),
        (P::Running, M::Park, P::NeedsOperator),
        (P::Running, M::Cancel, P::Cancelled),
        (P::Verifying, M::Note, P::Verifying),
        (P::Verifying, M::AskCancel, P::Verifying),
        (P::Verifying, M::Pass, P::Completed),
        (P::Verifying, M::Unwind, P::RollingBack),
        (P::Verifying, M::Fail, P::Failed),
        (P::Verifying, M::Park, P::NeedsOperator),
        (P::Verifying, M::Cancel, P::Cancelled),
        (P::RollingBack, M::Note, P::RollingBack),
        (P::RollingBack, M::Back, P::RollingBack),
        (P::RollingBack, M::Undone, P::RolledBack),
        (P::RollingBack, M::Fail, P::Failed),
        (P::RollingBack, M::Park, P::NeedsOperator),
        (P::NeedsOperator, M::Note, P::NeedsOperator),
        (P::NeedsOperator, M::ResolveCompleted, P::Completed),
        (P::NeedsOperator, M::ResolveRolledBack, P::RolledBack),
        (P::NeedsOperator, M::ResolveFailed, P::Failed),
    ]
};

#[test]
fn every_pair_of_phase_and_move_is_in_the_table_or_illegal() {
    for phase in Phase::ALL {
        for event in Move::ALL {
            let want = TABLE.iter().find(|(from, by, _)| *from == phase && *by == event);
            match (follow(phase, event), want) {
                (Ok(got), Some((_, _, to))) => assert_eq!(got, *to, "{phase} {event:?}"),
                (Err(illegal), None) => {
                    assert!(illegal.to_string().contains(phase.as_str()), "{illegal}");
                }
                (got, want) => panic!("{phase} {event:?}: {got:?}, wanted {want:?}"),
            }
        }
    }
}

#[test]
fn every_pair_of_phases_is_reachable_exactly_where_the_design_says() {
    use Phase as P;
    let allowed: &[(P, &[P])] = &[
        (
            P::Planning,
            &[P::Queued, P::AwaitingApproval, P::Refused, P::Failed, P::NeedsOperator, P::Cancelled],
        ),
        (P::Queued, &[P::Running, P::Refused, P::Failed, P::NeedsOperator, P::Cancelled]),
        (P::AwaitingApproval, &[P::Queued, P::Rejected, P::Expired, P::NeedsOperator, P::Cancelled]),
        (P::Running, &[P::Verifying, P::RollingBack, P::Failed, P::NeedsOperator, P::Cancelled]),
        (P::Verifying, &[P::Completed, P::RollingBack, P::Failed, P::NeedsOperator, P::Cancelled]),
        (P::RollingBack, &[P::RolledBack, P::Failed, P::NeedsOperator]),
        (P::NeedsOperator, &[P::Completed, P::RolledBack, P::Failed]),
    ];
    for from in Phase::ALL {
        for to in Phase::ALL {
            let reached = Move::ALL.iter().any(|event| follow(from, *event) == Ok(to)) && from != to;
            let want = allowed.iter().any(|(phase, next)| *phase == from && next.contains(&to));
            assert_eq!(reached, want, "{from} to {to}");
        }
    }
}

#[test]
fn nothing_follows_an_end_and_every_other_phase_can_be_parked_or_resolved() {
    for phase in Phase::ALL {
        let moves = Move::ALL.iter().filter(|event| follow(phase, **event).is_ok()).count();
        assert_eq!(moves == 0, phase.is_terminal(), "{phase}");
        let parks = follow(phase, Move::Park).is_ok();
        assert_eq!(parks, !phase.is_terminal() && phase != Phase::NeedsOperator, "{phase}");
    }
}

#[test]
fn a_step_takes_only_the_moves_of_its_table() {
    use StepMove as M;
    use StepState as S;
    let table = [
        (S::Pending, M::Intend, S::Intent),
        (S::Pending, M::Apply, S::Applied),
        (S::Pending, M::Skip, S::Skipped),
        (S::Pending, M::Fail, S::Failed),
        (S::Intent, M::Intend, S::Intent),
        (S::Intent, M::Apply, S::Applied),
        (S::Intent, M::Skip, S::Skipped),
        (S::Intent, M::Fail, S::Failed),
        (S::Intent, M::Lose, S::Indeterminate),
        (S::Applied, M::Verify, S::Verified),
    ];
    for state in S::ALL {
        for event in M::ALL {
            let want = table.iter().find(|(from, by, _)| *from == state && *by == event);
            assert_eq!(follow_step(state, event).ok(), want.map(|(_, _, to)| *to), "{state:?} {event:?}");
        }
    }
}
