//! The list of all tools. A new tool is a file in `tools/`, and one line here: `Erased` for one that asks the engine,
//! `Coordinated` for one that asks the coordination, `Membered` for one that an engine elsewhere calls, `Action` for one of
//! the table in `tools/actions.rs`.

use super::tool::{AnyTool, Coordinated, Erased, Membered};

mod actions;

macro_rules! tools {
    ($($file:ident :: $tool:ident : $asks:ident),+ $(,)?) => {
        $(tools!(@file $asks $file);)+

        /// Every tool, by name.
        pub const TOOLS: &[&dyn AnyTool] = &[$(&<tools!(@type $asks $file $tool)>::TOOL),+];
    };
    (@file Action $file:ident) => { use self::actions::$file; };
    (@file $asks:ident $file:ident) => { mod $file; };
    (@type Action $file:ident $tool:ident) => { Coordinated::<$file::$tool> };
    (@type $asks:ident $file:ident $tool:ident) => { $asks::<$file::$tool> };
}

tools! {
    analyze_scaling_impact::AnalyzeScalingImpact: Erased,
    approve_workflow::ApproveWorkflow: Coordinated,
    await_pool::AwaitPool: Action,
    calculate_pod_capacity::CalculatePodCapacity: Erased,
    cancel_workflow::CancelWorkflow: Coordinated,
    cordon_node::CordonNode: Action,
    create_incident::CreateIncident: Coordinated,
    delete_pod::DeletePod: Action,
    detect_deployment_method::DetectDeploymentMethod: Coordinated,
    diagnose_pod::DiagnosePod: Erased,
    drain_node::DrainNode: Action,
    evict_pod::EvictPod: Action,
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
    nudge_operator::NudgeOperator: Action,
    observe_object::ObserveObject: Membered,
    perform_action::PerformAction: Membered,
    plan_remediation::PlanRemediation: Coordinated,
    resolve_incident::ResolveIncident: Coordinated,
    restart_workload::RestartWorkload: Action,
    rollback_application::RollbackApplication: Action,
    rollback_release::RollbackRelease: Action,
    rollback_workload::RollbackWorkload: Action,
    scale_workload::ScaleWorkload: Action,
    set_resources::SetResources: Action,
    sync_application::SyncApplication: Action,
    trigger_remediation::TriggerRemediation: Coordinated,
    uncordon_node::UncordonNode: Action,
}
