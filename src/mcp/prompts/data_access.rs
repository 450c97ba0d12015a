//! `optimize-data-access`: how to get an answer with few and short calls.
//!
//! It knows no figures but those that hold for every cluster.

use rmcp::ErrorData;

use super::{Template, Values};

pub(super) const PROMPT: Template = Template {
    name: "optimize-data-access",
    title: "Ask with few calls",
    description: "How to use these tools and resources with few calls and short answers",
    arguments: &[],
    needs: "",
    text,
};

fn text(values: &Values<'_>) -> Result<String, ErrorData> {
    let mut text = String::from(
        "Use this server so that answers are short and true.\n\n\
         What comes from memory (answers within milliseconds, at most a second old, costs the cluster nothing):\n",
    );
    values.tool(
        &mut text,
        "get-cluster-health",
        "- {}: begin here; it names the worst issues and one pod of each.",
    );
    values.tool(
        &mut text,
        "list-pods",
        "- {}: narrow with namespace, label_selector or troubled_only instead of paging through all.",
    );
    values.tool(
        &mut text,
        "list-workloads",
        "- {}: replicas and rollout of what owns the pods; shorter than their pods.",
    );
    values.tool(&mut text, "list-nodes", "- {}");
    values.tool(&mut text, "list-namespaces", "- {}");
    values.tool(&mut text, "list-events", "- {}: grouped; narrow by object or since_minutes.");
    text.push_str(
        "- the resources cluster://health, cluster://nodes, cluster://namespaces and their templates: the same facts as \
         documents; subscribe instead of reading again and again.\n\nWhat asks the API server (slower, use it for one object):\n",
    );
    values.tool(&mut text, "diagnose-pod", "- {}: one pod, the whole chain of evidence in one call.");
    values.tool(&mut text, "get-workload", "- {}: one workload in full.");
    values.tool(&mut text, "get-resource", "- {}: any kind; name the fields you need.");
    values.tool(&mut text, "list-resources", "- {}: any kind; name the fields you need.");
    values.tool(&mut text, "get-pod-logs", "- {}: ask with tail, since or grep.");
    text.push_str(
        "\nRules:\n\
         - A list without `limit` is cut to a short answer, worst first; `omitted` counts the rest and `next_cursor` goes on.\n\
         - `as_of` says when it was true, `missing` what could not be seen, `stale_since` that the watch is broken. null is \
         not known; it is never 0.\n\
         - Do not ask the same question twice within a second, and do not list pods to count them: health has the counts.\n\
         - A call ends after some seconds with an error that says what to ask instead.\n",
    );
    Ok(text)
}
