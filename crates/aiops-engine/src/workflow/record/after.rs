//! A record as it is after a commit, without reading it again.
//!
//! It follows what the store does with the same writes, and nothing else.

use crate::{model::workflow::Record, ports::store::Write};

/// Makes the record what it is once these writes are there: what the next event is judged by, without reading it again.
pub fn apply(record: &mut Record, writes: &[Write]) {
    for write in writes {
        match write {
            Write::Workflow(workflow) => record.workflow = (**workflow).clone(),
            Write::Step(step) => put(&mut record.steps, (**step).clone(), |s| (s.direction, s.order)),
            Write::Attempt(attempt) => {
                put(&mut record.attempts, (**attempt).clone(), |a| (a.direction, a.order, a.number));
            }
            Write::Check(check) => {
                put(&mut record.checks, check.clone(), |c| (c.after_order, c.name.clone()));
            }
            Write::Approval(approval) => put(&mut record.approvals, approval.clone(), |a| a.id.clone()),
            Write::Lock(_)
            | Write::Slot { .. }
            | Write::Spend { .. }
            | Write::Under(_)
            | Write::Release
            | Write::Cooldown(_)
            | Write::Incident { .. }
            | Write::Audit(_)
            | Write::Notice(_)
            | Write::Yield => {}
        }
    }
}

fn put<T, K: PartialEq>(rows: &mut Vec<T>, row: T, key: impl Fn(&T) -> K) {
    let wanted = key(&row);
    match rows.iter_mut().find(|held| key(held) == wanted) {
        Some(held) => *held = row,
        None => rows.push(row),
    }
}
