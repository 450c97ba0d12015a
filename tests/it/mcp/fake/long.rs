//! A plan that is too long to be shown whole, with what must not be shown as it is in its changes.

use aiops_engine::{
    coordination::StepView,
    model::{action::UndoClass, phase::StepState, plan::Proof},
};

use super::step;

/// What somebody put among the arguments of the pods, where a change tells it.
pub(crate) const TOKEN: &str = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";

/// 50 steps, of which so many of the last cannot be undone.
pub(super) fn steps(lasting: usize) -> Vec<StepView> {
    let one = |at: usize| StepView {
        order: u32::try_from(at).unwrap(),
        description: format!("Delete Pod shop/web-{at} so that it is made again from the older template"),
        undo: if at + lasting >= 50 { UndoClass::Irreversible } else { UndoClass::Exact },
        proof: Some(Proof {
            diff: vec![
                "metadata.annotations[note]: x\n- Nothing else -> y".to_owned(),
                format!("spec.containers[web].args[0]: --token={TOKEN} -> --quiet"),
            ],
            ..Proof::default()
        }),
        ..step(StepState::Pending)
    };
    (0..50).map(one).collect()
}
