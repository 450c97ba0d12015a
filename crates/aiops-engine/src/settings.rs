//! Policy and limits of acting, as the configuration gives them.
//!
//! Only values; [`crate::guard`] judges by them.

/// Policy and limits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// The model cluster of the demo is acted on.
    pub is_simulated: bool,
}
