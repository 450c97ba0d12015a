//! The MCP door: tools, resources and prompts over streamable HTTP and standard streams, in both eras of the protocol.
//!
//! It decides nothing about clusters: a tool decodes its input, asks the engine or the coordination one question and
//! wraps the answer. It listens nowhere; whoever serves HTTP nests [`Server::http`].

mod answers;
mod calls;
mod catalogue;
mod completion;
mod desk;
mod error;
#[cfg(feature = "conformance-fixtures")]
mod fixtures;
#[cfg(not(feature = "conformance-fixtures"))]
#[path = "mcp/no_fixtures.rs"]
mod fixtures;
mod handler;
mod instructions;
mod prompts;
mod remediation;
mod request;
mod resources;
mod schema;
mod server;
mod session;
mod subscriptions;
pub mod tool;
pub mod tools;
mod transport;

pub use desk::Desk;
pub use server::Server;
pub use transport::McpService;
