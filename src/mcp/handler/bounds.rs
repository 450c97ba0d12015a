//! What is refused before anything is looked at: cursors that nobody gave out, and URIs longer than any of ours.
//!
//! It knows no tool and no resource.

use rmcp::{ErrorData, model::PaginatedRequestParams};

use crate::mcp::resources;

/// Our lists are one page, so no cursor can be ours.
pub(super) fn whole(request: Option<PaginatedRequestParams>) -> Result<(), ErrorData> {
    match request.and_then(|request| request.cursor) {
        Some(_) => Err(ErrorData::invalid_params(
            "cursor is not one that this server gave out; list without it",
            None,
        )),
        None => Ok(()),
    }
}

pub(super) fn longest(uri: &str) -> Result<(), ErrorData> {
    if uri.len() > resources::LONGEST {
        let why = format!("uri must be at most {} bytes long, not {}", resources::LONGEST, uri.len());
        return Err(ErrorData::invalid_params(why, None));
    }
    Ok(())
}
