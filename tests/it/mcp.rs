//! The MCP door: in-process clients of both eras, HTTP without sockets, and other people's clients.

mod calls;
mod catalogue;
mod clients;
mod completion;
mod http;
mod lifecycle;
mod resources;
mod subscriptions;
mod tools;
mod world;
