//! The list of all tools. A new tool is a file in `tools/`, and one line here.

use super::tool::{AnyTool, Erased};

macro_rules! tools {
    ($($file:ident :: $tool:ident),+ $(,)?) => {
        $(mod $file;)+

        /// Every tool, by name.
        pub const TOOLS: &[&dyn AnyTool] = &[$(&Erased::<$file::$tool>::TOOL),+];
    };
}

tools! {
    analyze_scaling_impact::AnalyzeScalingImpact,
    calculate_pod_capacity::CalculatePodCapacity,
    diagnose_pod::DiagnosePod,
    get_cluster_health::GetClusterHealth,
    get_pod_logs::GetPodLogs,
    get_resource::GetResource,
    get_workload::GetWorkload,
    list_events::ListEvents,
    list_namespaces::ListNamespaces,
    list_nodes::ListNodes,
    list_pods::ListPods,
    list_resources::ListResources,
    list_workloads::ListWorkloads,
}
