//! Label sets and the selectors over them, as the API server reads them.
//!
//! Parses what people type into `-l`; a selector that does not parse is an error that names the part at fault.

use crate::Name;

/// Labels, sorted by key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct LabelSet(pub Box<[(Name, Name)]>);

impl LabelSet {
    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Name> {
        let at = self.0.binary_search_by(|(k, _)| k.as_str().cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// All pairs in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Requirements that must all hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Selector(pub Box<[Requirement]>);

/// One requirement on a label.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Requirement {
    /// Label key.
    pub key: Name,
    /// What must hold.
    pub test: Test,
}

/// What must hold for a label.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Test {
    /// It is there and one of these.
    In(Box<[Name]>),
    /// It is absent or none of these.
    NotIn(Box<[Name]>),
    /// It is there.
    Exists,
    /// It is absent.
    Absent,
}

/// Why a selector was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "label selector {text:?} is not valid: {why}; write it as kubectl -l does, such as app=web,tier in (a,b),!canary"
)]
pub struct SelectorError {
    /// What was given, cut at 200 characters.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

impl Selector {
    /// Parses `app=web,tier!=db,env in (a,b),!canary`.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let fail = |why: &str| SelectorError { text: text.chars().take(200).collect(), why: why.to_owned() };
        if text.len() > 4_096 {
            return Err(fail("it is longer than 4,096 bytes"));
        }
        let mut requirements = Vec::new();
        for part in split_outside_parentheses(text).ok_or_else(|| fail("its parentheses do not match"))? {
            let part = part.trim();
            if part.is_empty() {
                if text.trim().is_empty() {
                    continue;
                }
                return Err(fail("it has an empty requirement"));
            }
            requirements.push(requirement(part).map_err(|why| fail(&why))?);
        }
        Ok(Self(requirements.into()))
    }

    /// Whether all requirements hold. An empty selector matches everything.
    pub fn matches(&self, labels: &LabelSet) -> bool {
        self.0.iter().all(|r| {
            let value = labels.get(&r.key);
            match &r.test {
                Test::In(values) => value.is_some_and(|v| values.contains(v)),
                Test::NotIn(values) => value.is_none_or(|v| !values.contains(v)),
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
            }
        })
    }

    /// Whether it has no requirement.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn split_outside_parentheses(text: &str) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
        if !(0..=1).contains(&depth) {
            return None;
        }
    }
    parts.push(text.get(start..)?);
    (depth == 0).then_some(parts)
}

fn requirement(part: &str) -> Result<Requirement, String> {
    if let Some(key) = part.strip_prefix('!') {
        return Ok(Requirement { key: key_of(key)?, test: Test::Absent });
    }
    if let Some((left, values)) = part.split_once('(') {
        let values = values.trim_end().strip_suffix(')').ok_or("text follows the closing parenthesis")?;
        let values = values.split(',').map(|v| value_of(v.trim())).collect::<Result<Box<[_]>, _>>()?;
        let mut words = left.split_whitespace();
        let key = key_of(words.next().unwrap_or_default())?;
        let test = match (words.next(), words.next()) {
            (Some("in"), None) => Test::In(values),
            (Some("notin"), None) => Test::NotIn(values),
            _ => return Err("a list in parentheses needs `in` or `notin` before it".to_owned()),
        };
        return Ok(Requirement { key, test });
    }
    for (operator, negated) in [("!=", true), ("==", false), ("=", false)] {
        if let Some((key, value)) = part.split_once(operator) {
            let values = Box::new([value_of(value.trim())?]);
            let test = if negated { Test::NotIn(values) } else { Test::In(values) };
            return Ok(Requirement { key: key_of(key)?, test });
        }
    }
    Ok(Requirement { key: key_of(part)?, test: Test::Exists })
}

fn key_of(text: &str) -> Result<Name, String> {
    let text = text.trim();
    let (prefix, name) = text.split_once('/').map_or((None, text), |(p, n)| (Some(p), n));
    if prefix.is_none_or(is_domain) && is_label_name(name) && !name.is_empty() {
        Ok(Name::from(text))
    } else {
        Err(format!("{:?} is not a label key", text.chars().take(80).collect::<String>()))
    }
}

/// A DNS subdomain, as the part before the slash of a key is one.
fn is_domain(text: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.chars().all(is_inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

fn value_of(text: &str) -> Result<Name, String> {
    if is_label_name(text) {
        Ok(Name::from(text))
    } else {
        Err(format!("{:?} is not a label value", text.chars().take(80).collect::<String>()))
    }
}

/// At most 63 letters, digits, `-`, `_`, `.`, beginning and ending with a letter or digit; may be empty.
fn is_label_name(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && edge(text.chars().next())
        && edge(text.chars().next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> LabelSet {
        let mut pairs: Vec<_> = pairs.iter().map(|(k, v)| (Name::from(*k), Name::from(*v))).collect();
        pairs.sort();
        LabelSet(pairs.into())
    }

    #[test]
    fn selectors_match_as_the_api_server_does() {
        let web = set(&[("app", "web"), ("tier", "front"), ("example.com/x", "1")]);
        for (text, want) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier=front", true),
            ("app!=web", false),
            ("missing!=web", true),
            ("tier in (front, back)", true),
            ("tier notin (front)", false),
            ("missing notin (front)", true),
            ("example.com/x", true),
            ("!example.com/x", false),
            ("!missing", true),
        ] {
            assert_eq!(Selector::parse(text).expect(text).matches(&web), want, "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_the_part_at_fault() {
        for text in [
            "=web",
            "app in web",
            "app in (a",
            "a,,b",
            "app=we b",
            "-a",
            "a=b)",
            "((",
            "a=\u{0}",
            "x(y)",
            "../x",
            "/x",
            "a..b/x=1",
            "-a/x",
            "A.b/x",
        ] {
            assert!(Selector::parse(text).is_err(), "{text:?}");
        }
        assert!(Selector::parse("app=../x").unwrap_err().to_string().contains("not a label value"));
    }
}
