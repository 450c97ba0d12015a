//! Policy and limits of acting, as the configuration gives them, with the defaults of this version.
//!
//! Only values; [`crate::guard`] judges by them, the runner keeps their durations. A limit may be lowered freely; raising
//! one above its default is for the configuration to refuse unless it is asked for explicitly.

pub mod limits;
pub mod policy;

pub use self::{
    limits::{BreakerLimits, Limits, Timing},
    policy::Policy,
};

/// Policy and limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The model cluster of the demo is acted on.
    pub is_simulated: bool,
    /// Whether anything may be changed at all.
    pub is_enabled: bool,
    /// Only in these namespaces, with `*` as a wildcard; empty for all. Objects of the cluster are not narrowed by it.
    pub namespaces: Vec<String>,
    /// Only these callers may trigger and approve, by name or by `group:NAME`; empty for every identified one, and then
    /// an anonymous one may trigger what policy calls `auto`.
    pub granted_to: Vec<String>,
    /// The namespace aiops itself runs in, where it is known.
    pub own_namespace: Option<String>,
    /// Namespace and name of the ConfigMap whose `mode` is a kill switch too.
    pub kill_switch: Option<(String, String)>,
    /// Who has to agree to what.
    pub policy: Policy,
    /// How much at once, and how often.
    pub limits: Limits,
    /// How long what may take.
    pub timing: Timing,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            is_simulated: false,
            is_enabled: true,
            namespaces: Vec::new(),
            granted_to: Vec::new(),
            own_namespace: None,
            kill_switch: None,
            policy: Policy::default(),
            limits: Limits::default(),
            timing: Timing::default(),
        }
    }
}

/// Whether a pattern with `*` as a wildcard for any number of characters matches a name. Both are case-sensitive.
pub fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(head) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        // The earliest place leaves the most for what follows.
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, want) in [
            ("shop", "shop", true),
            ("shop", "shop2", false),
            ("kube-*", "kube-system", true),
            ("kube-*", "kube", false),
            ("*", "", true),
            ("*-prod", "shop-prod", true),
            ("*-prod", "shop-prod-eu", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*a", "a", false),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
    }
}
