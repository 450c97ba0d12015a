//! The list of all tools. A new tool is a file in `tools/`, and one line here: `Erased` for one that asks the engine,
//! `Coordinated` for one that asks the coordination, `Membered` for one that an engine elsewhere calls.

use super::tool::{AnyTool, Coordinated, Erased, Membered};

macro_rules! tools {
    ($($file:ident :: $tool:ident : $asks:ident),+ $(,)?) => {
        $(mod $file;)+

        /// Every tool, by name.
        pub const TOOLS: &[&dyn AnyTool] = &[$(&$asks::<$file::$tool>::TOOL),+];
    };
}

tools! {
    analyze_scaling_impact::AnalyzeScalingImpact: Erased,
    approve_workflow::ApproveWorkflow: Coordinated,
    calculate_pod_capacity::CalculatePodCapacity: Erased,
    cancel_workflow::CancelWorkflow: Coordinated,
    cordon_node::CordonNode: Coordinated,
    create_incident::CreateIncident: Coordinated,
    detect_deployment_method::DetectDeploymentMethod: Coordinated,
    diagnose_pod::DiagnosePod: Erased,
    drain_node::DrainNode: Coordinated,
    evict_pod::EvictPod: Coordinated,
    get_cluster_health::GetClusterHealth: Erased,
    get_incident::GetIncident: Coordinated,
    get_pod_logs::GetPodLogs: Erased,
    get_resource::GetResource: Erased,
    get_workflow::GetWorkflow: Coordinated,
    get_workload::GetWorkload: Erased,
    list_events::ListEvents: Erased,
    list_incidents::ListIncidents: Coordinated,
    list_namespaces::ListNamespaces: Erased,
    list_nodes::ListNodes: Erased,
    list_pods::ListPods: Erased,
    list_resources::ListResources: Erased,
    list_workflows::ListWorkflows: Coordinated,
    list_workloads::ListWorkloads: Erased,
    observe_object::ObserveObject: Membered,
    perform_action::PerformAction: Membered,
    plan_remediation::PlanRemediation: Coordinated,
    resolve_incident::ResolveIncident: Coordinated,
    restart_workload::RestartWorkload: Coordinated,
    rollback_workload::RollbackWorkload: Coordinated,
    scale_workload::ScaleWorkload: Coordinated,
    set_resources::SetResources: Coordinated,
    sync_application::SyncApplication: Coordinated,
    trigger_remediation::TriggerRemediation: Coordinated,
    uncordon_node::UncordonNode: Coordinated,
}
