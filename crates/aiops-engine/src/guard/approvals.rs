//! Who counts as entitled, and which answers to a request for approval count.

use super::{names, rules};
use crate::{
    coordination::{Decision, RuleVerdict},
    model::{
        Millis,
        caller::{Caller, Via},
        plan::Approval,
        wire_time,
        workflow::{ApprovalRecord, ApprovalState, Workflow},
    },
    settings::Settings,
};

/// Whether a caller may trigger at all, in a sentence. Whoever may not be named (nobody proved to be) may trigger where
/// nobody in particular is named.
pub(super) fn grant(settings: &Settings, caller: &Caller) -> Result<String, String> {
    if matches!(caller.via, Via::Alert | Via::Sweep | Via::System) {
        return Ok("aiops itself; the policy says what it may do".to_owned());
    }
    if settings.granted_to.is_empty() {
        return Ok("acting.grantedTo is empty: every caller may trigger".to_owned());
    }
    if caller.is_identified && is_named(settings, caller) {
        return Ok(format!("acting.grantedTo names {} or a group of it", caller.name));
    }
    Err(format!(
        "acting.grantedTo ({}) names neither {} nor a group of it; let one of them do it, or add the name",
        settings.granted_to.join(", "),
        caller.name
    ))
}

fn is_named(settings: &Settings, caller: &Caller) -> bool {
    settings.granted_to.iter().any(|entry| match entry.strip_prefix("group:") {
        Some(group) => caller.groups.iter().any(|own| own == group),
        None => *entry == caller.name,
    })
}

/// Whether a caller may approve, resolve and stop: somebody who proved to be one of those that are granted it.
pub fn is_entitled(settings: &Settings, caller: &Caller) -> bool {
    caller.is_identified && (settings.granted_to.is_empty() || is_named(settings, caller))
}

/// Why a caller is not entitled, and what to do about it.
pub fn not_entitled(settings: &Settings, caller: &Caller) -> String {
    match (caller.is_identified, settings.granted_to.as_slice()) {
        (false, _) => format!(
            "nobody in particular asked ({}); it takes a caller with a token of http.tokenFile, or an OS user over the socket",
            caller.name
        ),
        (true, []) => format!("{} is not entitled", caller.name),
        (true, granted) => format!(
            "acting.grantedTo ({}) names neither {} nor a group of it; let one of them do it, or add the name",
            granted.join(", "),
            caller.name
        ),
    }
}

/// Whether this answer to a request for approval counts. A denial needs no second person and no policy: whoever is
/// entitled may stop a plan, and so may its requester.
///
/// # Errors
/// The rule `approval` with what is wrong: it was answered, it is over, another digest, the wrong person, or an answer
/// that may be a model's.
pub fn may_decide(
    settings: &Settings,
    caller: &Caller,
    workflow: &Workflow,
    record: &ApprovalRecord,
    decision: &Decision,
    now: Millis,
) -> Result<(), RuleVerdict> {
    let no = |why: String| Err(RuleVerdict { rule: names::APPROVAL.to_owned(), passes: false, why });
    match record.state {
        ApprovalState::Requested => {}
        other => return no(format!("the request was answered before: {}", other.as_str())),
    }
    if now >= record.expires_at {
        let when = wire_time(record.expires_at).unwrap_or_default();
        return no(format!("the request ended at {when}; trigger again to get a new plan"));
    }
    if decision.digest != record.digest || workflow.digest.as_deref() != Some(record.digest.as_str()) {
        let is_shorter = (1..record.digest.len()).contains(&decision.digest.len());
        let begins_so = is_shorter && record.digest.starts_with(&decision.digest);
        return no(if begins_so {
            format!(
                "the digest {:.16}… is cut off after {} of its {} characters; send all of it",
                decision.digest,
                decision.digest.len(),
                record.digest.len()
            )
        } else {
            format!(
                "the answer is for the plan {:.16}, the one that waits is {:.16}…; look at it again, and send its whole digest",
                decision.digest, record.digest
            )
        });
    }
    let is_requester = caller.name == workflow.requested_by.name;
    if !decision.approve {
        if is_entitled(settings, caller) || is_requester {
            return Ok(());
        }
        return no(format!("it may not deny it: {}", not_entitled(settings, caller)));
    }
    // A stop may come from anywhere.
    if let rules::Finding::Refuses(why) = rules::acting(settings) {
        return Err(RuleVerdict { rule: names::ACTING.to_owned(), passes: false, why });
    }
    if !caller.is_identified {
        return no(
            "nobody in particular asked (anonymous); an approval needs a token or an OS user".to_owned()
        );
    }
    if !is_entitled(settings, caller) {
        return no(not_entitled(settings, caller));
    }
    let plan = workflow.plan.as_ref();
    match plan.map(|plan| plan.approval) {
        Some(Approval::TwoPerson) if is_requester => {
            return no(format!(
                "the policy says two_person, and {} asked for it: somebody else has to agree",
                caller.name
            ));
        }
        // Whoever ordered it without a name may be the one who agrees now.
        Some(Approval::TwoPerson) if !workflow.requested_by.is_identified => {
            return no(format!(
                "the policy says two_person, and nobody in particular ({}) asked for it: cancel it, and let somebody who \
                 proves who they are ask for it",
                workflow.requested_by.name
            ));
        }
        Some(Approval::Deny) => return no("the policy denies the plan; nobody may approve it".to_owned()),
        _ => {}
    }
    let rule = plan.map(|plan| plan.rule.as_str()).unwrap_or_default();
    let policy_rule = rule.strip_prefix(names::POLICY).and_then(|rest| rest.strip_prefix('/'));
    if decision.by_elicitation && !policy_rule.is_some_and(|rule| settings.policy.takes_elicitation(rule)) {
        return no(format!(
            "a model may have given this answer, and {rule} does not take it (elicitation = true); a person approves \
             with `aiops workflow approve {}` or over REST",
            workflow.id
        ));
    }
    Ok(())
}
