//! `list-incidents`: incidents, open ones before closed ones and the worst first, with the predecessor's words and members.
//! With a limit it is the predecessor's list: the newest first.
//!
//! It closes and hides nothing: what an answer has no room for is counted, and stands behind `next_offset`.

use std::sync::Arc;

use aiops_engine::{
    Error, budget,
    coordination::{Coordination, IncidentList, IncidentQuery, IncidentSummary},
    model::caller::Caller,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mcp::{
    remediation::{IncidentLine, fitting, word},
    tool::{CallContext, CoordinatedTool, Hints, Meta, Toolset},
};

/// The tool.
#[derive(Debug)]
pub(super) struct ListIncidents;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// all, open (active or failed), active, completed or failed.
    status: Option<Status>,
    /// all, low, medium, high or critical.
    severity: Option<SeverityFilter>,
    /// Namespace; all when absent.
    #[schemars(length(max = 253))]
    namespace: Option<String>,
    /// Rows at most; absent: as many as fit a short answer.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// Rows to skip.
    #[schemars(range(min = 0, max = 1_000_000))]
    offset: Option<u32>,
}

/// Which states.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum Status {
    #[default]
    All,
    Open,
    Active,
    Completed,
    Failed,
}

/// Which severities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum SeverityFilter {
    #[default]
    All,
    Low,
    Medium,
    High,
    Critical,
}

/// Its answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    /// success.
    status: &'static str,
    /// How many there are, in a sentence.
    message: String,
    /// Open ones first, of these the worst; with a limit, newest first.
    incidents: Vec<IncidentLine>,
    /// Rows in this answer.
    count: usize,
    /// Matching incidents that this answer does not show: before offset, and after its rows.
    #[serde(skip_serializing_if = "is_zero")]
    omitted: u64,
    /// The offset that goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
    /// Counts over all that pass the filters.
    summary: IncidentSummary,
    /// The filters that were applied.
    filters: Filters,
}

/// Filters, as they were applied.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Filters {
    /// Status.
    status: Status,
    /// Severity.
    severity: SeverityFilter,
    /// Rows at most.
    limit: u32,
    /// Rows that were skipped.
    offset: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What the predecessor's limit was when nobody named one.
const LIMIT: u32 = 100;
/// Incidents of one state among which the most severe are looked for: as many as may be asked for at once. Those beyond
/// follow, newest first.
const MOST: u32 = 1_000;

impl CoordinatedTool for ListIncidents {
    const META: Meta = Meta {
        name: "list-incidents",
        title: "List incidents",
        description: "List incidents, open and worst first (with limit: newest first): severity, object, issue, how often seen, what acted on it. Then plan-remediation.",
        toolset: Toolset::Remediation,
        hints: Hints::READ,
        needs_live: false,
    };
    type Input = Input;
    type Output = Output;

    async fn call(
        coordination: &Arc<dyn Coordination>,
        context: &CallContext,
        input: Input,
    ) -> Result<Output, Error> {
        let (status, severity) = (input.status.unwrap_or_default(), input.severity.unwrap_or_default());
        let (limit, offset) = (input.limit.unwrap_or(LIMIT), input.offset.unwrap_or(0));
        let query = IncidentQuery {
            namespace: input.namespace,
            severity: Some(word(&severity)),
            status: Some(word(&status)),
            limit: Some(input.limit.unwrap_or(MOST)),
            offset: Some(offset),
        };
        let listed = match input.limit {
            Some(_) => coordination.incidents(&context.caller, query).await?,
            None => worst_first(&**coordination, &context.caller, query, status).await?,
        };
        let row = if input.limit.is_some() { IncidentLine::with_old_members } else { IncidentLine::of };
        let rows = listed.incidents.into_iter().map(row).collect();
        let (incidents, _) = fitting(rows, budget::of(input.limit));
        let shown = u64::try_from(incidents.len()).unwrap_or(u64::MAX);
        let reached = u64::from(offset).saturating_add(shown);
        Ok(Output {
            status: "success",
            message: format!("{shown} of {} incidents", listed.total),
            count: incidents.len(),
            incidents,
            omitted: listed.total.saturating_sub(shown),
            next_offset: (reached < listed.total && shown > 0).then_some(reached),
            summary: listed.summary,
            filters: Filters { status, severity, limit, offset },
        })
    }
}

/// Rows from the query's offset on in the order of a short answer: what is open before what is closed, and of each the most
/// severe first; of equals the newest stay first.
async fn worst_first(
    coordination: &dyn Coordination,
    caller: &Caller,
    query: IncidentQuery,
    status: Status,
) -> Result<IncidentList, Error> {
    let parts = match status {
        Status::All => vec!["open".to_owned(), "closed".to_owned()],
        one => vec![word(&one)],
    };
    let mut offset = u64::from(query.offset.unwrap_or(0));
    let mut whole = IncidentList { incidents: Vec::new(), total: 0, summary: IncidentSummary::default() };
    let mut is_behind = false;
    for part in parts {
        // Behind the sorted ones the store's own order goes on.
        let from = if offset < u64::from(MOST) { 0 } else { offset };
        let query = IncidentQuery {
            status: Some(part),
            offset: Some(u32::try_from(from).unwrap_or(u32::MAX)),
            ..query.clone()
        };
        let mut listed = coordination.incidents(caller, query).await?;
        let reached = from.saturating_add(u64::try_from(listed.incidents.len()).unwrap_or(u64::MAX));
        if from == 0 {
            listed.incidents.sort_by_key(|incident| incident.severity);
        }
        let skipped = usize::try_from(offset - from).unwrap_or(usize::MAX).min(listed.incidents.len());
        // Rows that follow a gap would be told in the place of those that stand in it.
        if !is_behind {
            whole.incidents.extend(listed.incidents.into_iter().skip(skipped));
        }
        is_behind |= reached < listed.total;
        offset = offset.saturating_sub(listed.total);
        whole.total = whole.total.saturating_add(listed.total);
        add(&mut whole.summary, &listed.summary);
    }
    Ok(whole)
}

/// Counts of two groups that have nothing in common.
fn add(whole: &mut IncidentSummary, part: &IncidentSummary) {
    whole.total += part.total;
    whole.active += part.active;
    whole.completed += part.completed;
    whole.failed += part.failed;
    for (severity, count) in &part.by_severity {
        *whole.by_severity.entry(severity.clone()).or_default() += count;
    }
}
