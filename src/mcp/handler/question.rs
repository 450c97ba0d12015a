//! The question about a plan that waits: what it says, and the forms in which the two eras and a task ask it.
//!
//! Who agrees to a plan has to know what of it they did not see: a plan that is too long for the question is shown from its
//! beginning, what of it cannot be undone is named before, and the end says that something is missing and where it is whole.

use aiops_engine::{
    coordination::{Awaiting, WorkflowView},
    model::action::UndoClass,
    redact::Redactor,
    text,
};
use rmcp::model::{ElicitRequestParams, InputRequest, InputRequiredResult};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The one question's key.
pub(super) const QUESTION: &str = "approval";
/// The longest question, in bytes.
const LONGEST: usize = 2_000;
/// What of it is kept for saying that something is missing.
const END: usize = 250;
/// What names that cannot be undone, and all that stands before them, may take where not everything fits.
const HALF: usize = LONGEST / 2;
/// The longest line, in bytes.
const LINE: usize = 500;
/// How a step begins; what it changes is indented.
const STEP: &str = "\n- ";

/// What is asked about. It goes to the client and comes back, so it is nothing that a client could not have sent by
/// itself: whether this caller may decide about that plan is judged when it comes back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Subject {
    pub(super) workflow: String,
    pub(super) digest: String,
}

/// A question about a plan that waits.
pub(super) struct Asking {
    pub(super) subject: Subject,
    message: String,
}

impl Asking {
    /// About the plan of this workflow.
    pub(super) fn of(workflow: &WorkflowView, awaiting: &Awaiting) -> Self {
        let subject = Subject { workflow: workflow.id.clone(), digest: awaiting.digest.clone() };
        Self { subject, message: message(workflow, awaiting) }
    }

    fn form() -> Value {
        json!({
            "type": "object",
            "properties": {
                "approve": {"type": "boolean", "title": "Approve", "description": "Whether the plan is executed"},
                "reason": {"type": "string", "title": "Reason", "description": "Why; kept with the decision"},
            },
            "required": ["approve"],
        })
    }

    /// The question for a client that is asked while its call runs.
    pub(super) fn as_request(&self) -> Option<ElicitRequestParams> {
        Some(ElicitRequestParams::FormElicitationParams {
            meta: None,
            message: self.message.clone(),
            requested_schema: serde_json::from_value(Self::form()).ok()?,
        })
    }

    /// The question for a client that is answered with it.
    pub(super) fn as_input(&self) -> Option<InputRequest> {
        let request = json!({
            "method": "elicitation/create",
            "params": {"mode": "form", "message": self.message, "requestedSchema": Self::form()},
        });
        serde_json::from_value(request).ok()
    }

    /// The question as an answer.
    pub(super) fn as_answer(&self) -> Option<InputRequiredResult> {
        let questions = std::iter::once((QUESTION.to_owned(), self.as_input()?)).collect();
        Some(InputRequiredResult::new(Some(questions), serde_json::to_string(&self.subject).ok()))
    }
}

fn message(workflow: &WorkflowView, awaiting: &Awaiting) -> String {
    let id = &workflow.id;
    let mut lines = Vec::new();
    let mut lasting = Vec::new();
    let mut is_cut = false;
    // It does not go through the answer, which is shortened already; so it is redacted here, and no text of others makes
    // a line of its own.
    let mut line = |before: &str, words: &str| {
        let mut words = Value::from(words);
        Redactor::new().redact_json(&mut words);
        let shown = text::clean(words.as_str().unwrap_or_default(), LINE);
        is_cut |= shown.truncated;
        format!("{before}{}", shown.text)
    };
    let mut message = format!("Approve {id}? Its plan {} waits by", awaiting.digest);
    message.push_str(&line(" rule ", &awaiting.rule));
    message.push('.');
    for step in &workflow.steps {
        let mut named = line(STEP, &step.description);
        if step.undo == UndoClass::Irreversible {
            lasting.push(named.clone());
            named.push_str("\n    This step cannot be undone.");
        }
        lines.push(named);
        let diff = step.proof.iter().flat_map(|proof| &proof.diff);
        lines.extend(diff.map(|change| line("\n    ", change)));
    }
    if !is_cut && message.len() + lines.iter().map(String::len).sum::<usize>() <= LONGEST {
        message.extend(lines);
        return message;
    }
    if !lasting.is_empty() {
        message.push_str(&format!(
            "\nOf its {} steps {} cannot be undone:",
            workflow.steps.len(),
            lasting.len()
        ));
        let more = lasting.len() - fill(&mut message, &lasting, HALF);
        if more > 0 {
            message.push_str(&format!("{STEP}and {more} more"));
        }
        message.push_str("\nIt begins with:");
    }
    let shown = fill(&mut message, &lines, LONGEST - END);
    let (steps, changes): (Vec<_>, Vec<_>) =
        lines.iter().skip(shown).partition(|line| line.starts_with(STEP));
    message.push_str(&format!(
        "\nNot all of the plan is shown ({} steps and {} lines of changes are left out, long lines are cut): read \
         cluster://workflows/{id} before you approve.",
        steps.len(),
        changes.len()
    ));
    message
}

/// Adds those of the first lines that fit; how many they are.
fn fill(message: &mut String, lines: &[String], most: usize) -> usize {
    let fitting = lines.iter().take_while(|line| {
        let fits = message.len() + line.len() <= most;
        if fits {
            message.push_str(line);
        }
        fits
    });
    fitting.count()
}
