//! Tools that exist in tests only: one panics, one never ends, one counts, one tells secrets, one reports progress, one
//! would change something, one needs the live cluster.

use std::sync::atomic::{AtomicUsize, Ordering};

use aiops::mcp::tool::{AnyTool, CallContext, Erased, Hints, Meta, Tool, Toolset};
use aiops_engine::{Engine, Error};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Said {
    said: String,
    next_cursor: Option<String>,
}

fn said(text: impl Into<String>) -> Said {
    Said { said: text.into(), next_cursor: None }
}

const fn meta(name: &'static str) -> Meta {
    Meta {
        name,
        title: "A test tool",
        description: "A test tool.",
        toolset: Toolset::Cluster,
        hints: Hints::READ,
        needs_live: false,
    }
}

macro_rules! tools {
    ($($tool:ident = $meta:expr, |$engine:ident, $context:ident| $answer:expr;)+) => {$(
        pub(crate) struct $tool;

        impl Tool for $tool {
            const META: Meta = $meta;
            type Input = Nothing;
            type Output = Said;

            async fn call($engine: &Engine, $context: &CallContext, _: Nothing) -> Result<Said, Error> {
                $answer
            }
        }
    )+

        /// All of them.
        pub(crate) const ALL: &[&'static dyn AnyTool] = &[$(&Erased::<$tool>::TOOL),+];
    };
}

/// A cursor as a list of 60 rows gives it out.
pub(crate) const CURSOR: &str =
    "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJAxY2Zt-_aZ3b";
/// A token of no one.
pub(crate) const TOKEN: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";

/// How often `counts` ran.
pub(crate) static COUNTED: AtomicUsize = AtomicUsize::new(0);
tools! {
    Panics = meta("panics"), |_engine, _context| {
        assert!(std::hint::black_box(false), "a panic that a test asks for");
        Ok(said("never"))
    };
    Hangs = Meta { needs_live: true, ..meta("hangs") }, |_engine, _context| {
        std::future::pending::<()>().await;
        Ok(said("never"))
    };
    Counts = meta("counts"), |_engine, _context| {
        let count = COUNTED.fetch_add(1, Ordering::SeqCst) + 1;
        // Callers that come meanwhile wait for this answer.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        Ok(said(format!("call {count}")))
    };
    Tells = meta("tells"), |_engine, _context| {
        Ok(Said { said: format!("the token is {TOKEN}"), next_cursor: Some(CURSOR.to_owned()) })
    };
    Steps = Meta { needs_live: true, ..meta("steps") }, |_engine, context| {
        for done in 1..=3 {
            context.report(f64::from(done), Some(3.0), format!("step {done}"));
        }
        Ok(said("done"))
    };
    Writes = Meta { hints: Hints { read_only: false, ..Hints::READ }, ..meta("writes") }, |_engine, _context| {
        Ok(said("changed"))
    };
    Fails = meta("fails"), |_engine, _context| {
        Err(Error::Unavailable {
            what: "reading the test".to_owned(),
            why: format!("the API server said \u{1b}[31mno\u{1b}[0m to Bearer {TOKEN}; try again later"),
            retry_after: Some(std::time::Duration::from_secs(3)),
        })
    };
}
