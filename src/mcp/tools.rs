//! The list of all tools. A new tool is a file in `tools/`, and one line here.

use super::tool::{AnyTool, Erased};

mod list_namespaces;

/// Every tool, by name.
pub const TOOLS: &[&dyn AnyTool] = &[&Erased::<list_namespaces::ListNamespaces>::TOOL];
