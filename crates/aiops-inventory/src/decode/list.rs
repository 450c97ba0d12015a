//! Lists and watch lines: where the objects stand in what the API server (or kubectl) wrote.
//!
//! It finds objects and does not read them; what an object holds is for the functions that make rows of it.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{self, DeserializeSeed},
};
use serde_json::value::RawValue;

use super::{
    DecodeError,
    json::{Int, Present, Text, slim},
};
use crate::Kind;

/// What a list says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListHead {
    /// `apiVersion`, empty when absent.
    pub api_version: String,
    /// `kind`: `List`, `PodList` …; empty when absent.
    pub kind: String,
    /// `metadata.resourceVersion`, empty when absent (as in kubectl's output).
    pub resource_version: String,
    /// `metadata.continue`: where the next page begins; empty on the last.
    pub continue_token: String,
    /// `metadata.remainingItemCount`, when the server counts.
    pub remaining: Option<i64>,
}

/// One line of a watch.
#[derive(Debug)]
pub struct WatchLine<'a> {
    /// What happened.
    pub kind: WatchKind,
    /// The object it happened to: its last state when it is gone, a `Status` in an error.
    pub object: &'a RawValue,
}

/// What a watch line tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchKind {
    /// ADDED.
    Added,
    /// MODIFIED.
    Modified,
    /// DELETED.
    Deleted,
    /// BOOKMARK: nothing happened up to here.
    Bookmark {
        /// A watch may be begun again from here.
        resource_version: String,
        /// A streaming list is complete with this line.
        initial_events_end: bool,
    },
    /// ERROR: the watch ends.
    Error {
        /// HTTP status code: 410 means that the list must be read again. 0 when absent.
        code: u16,
        /// `reason`, such as `Expired`; empty when absent.
        reason: String,
        /// `message`; empty when absent.
        message: String,
    },
}

slim! {
    Line<'a> {
        r#type "type": Text<'a>,
        object "object": Option<&'a RawValue>,
    }
    BookmarkObject<'a> { metadata "metadata": BookmarkMeta<'a> }
    BookmarkMeta<'a> { resource_version "resourceVersion": Text<'a>, annotations "annotations": BookmarkNotes<'a> }
    BookmarkNotes<'a> {
        initial_events_end "k8s.io/initial-events-end": Text<'a>,
    }
    Status<'a> { code "code": Int, reason "reason": Text<'a>, message "message": Text<'a> }
    ListMeta<'a> {
        resource_version "resourceVersion": Text<'a>,
        r#continue "continue": Text<'a>,
        remaining_item_count "remainingItemCount": Option<Int>,
    }
    Manifest<'a> { api_version "apiVersion": Text<'a>, kind "kind": Text<'a>, metadata "metadata": Present }
    Versioned<'a> { metadata "metadata": VersionedMeta<'a> }
    VersionedMeta<'a> { resource_version "resourceVersion": Text<'a> }
}

/// Reads one line of a watch. A line of a type that no API server sends is an error.
pub fn watch_line(line: &[u8]) -> Result<WatchLine<'_>, DecodeError> {
    const KIND: &str = "WatchEvent";
    let wrong = |why: &str| DecodeError { kind: KIND, source: de::Error::custom(why) };
    let read: Line<'_> = serde_json::from_slice(line).map_err(|source| DecodeError { kind: KIND, source })?;
    let object = read.object.ok_or_else(|| wrong("the line has no object"))?;
    let failed = |source| DecodeError { kind: KIND, source };
    let kind = match &*read.r#type {
        "ADDED" => WatchKind::Added,
        "MODIFIED" => WatchKind::Modified,
        "DELETED" => WatchKind::Deleted,
        "BOOKMARK" => {
            let mark: BookmarkObject<'_> = serde_json::from_str(object.get()).map_err(failed)?;
            WatchKind::Bookmark {
                resource_version: mark.metadata.resource_version.to_string(),
                initial_events_end: &*mark.metadata.annotations.initial_events_end == "true",
            }
        }
        "ERROR" => {
            let status: Status<'_> = serde_json::from_str(object.get()).map_err(failed)?;
            WatchKind::Error {
                code: u16::try_from(status.code.0).unwrap_or(0),
                reason: status.reason.to_string(),
                message: status.message.to_string(),
            }
        }
        _ => return Err(wrong("its type is none of ADDED, MODIFIED, DELETED, BOOKMARK, ERROR")),
    };
    Ok(WatchLine { kind, object })
}

/// The objects of a list, one by one, without building the list: of a typed one (`PodList`, whose items carry neither
/// kind nor apiVersion) as of a mixed `List`. On an error the objects before it have been handed out.
pub fn items<'a>(json: &'a [u8], each: impl FnMut(&'a RawValue)) -> Result<ListHead, DecodeError> {
    let failed = |source| DecodeError { kind: "List", source };
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let head = deserializer.deserialize_map(ListVisitor { each }).map_err(failed)?;
    deserializer.end().map_err(failed)?;
    Ok(head)
}

struct ListVisitor<F> {
    each: F,
}

impl<'de, F: FnMut(&'de RawValue)> de::Visitor<'de> for ListVisitor<F> {
    type Value = ListHead;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_map<A: de::MapAccess<'de>>(mut self, mut map: A) -> Result<ListHead, A::Error> {
        let mut head = ListHead::default();
        let mut has_items = false;
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match &*key {
                "apiVersion" => head.api_version = text(map.next_value()?),
                "kind" => head.kind = text(map.next_value()?),
                "metadata" => {
                    let meta: ListMeta<'_> = map.next_value::<Option<_>>()?.unwrap_or_default();
                    head.resource_version = meta.resource_version.to_string();
                    head.continue_token = meta.r#continue.to_string();
                    head.remaining = meta.remaining_item_count.map(|n| n.0);
                }
                "items" => {
                    has_items = true;
                    map.next_value_seed(ItemsSeed { each: &mut self.each })?;
                }
                _ => {
                    map.next_value::<de::IgnoredAny>()?;
                }
            }
        }
        if has_items || head.kind.ends_with("List") {
            Ok(head)
        } else {
            Err(de::Error::custom("it has no items"))
        }
    }
}

fn text(value: Option<Text<'_>>) -> String {
    value.map(|text| text.0.into_owned()).unwrap_or_default()
}

struct ItemsSeed<'f, F> {
    each: &'f mut F,
}

impl<'de, F: FnMut(&'de RawValue)> DeserializeSeed<'de> for ItemsSeed<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_option(self)
    }
}

impl<'de, F: FnMut(&'de RawValue)> de::Visitor<'de> for ItemsSeed<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    // Go writes an empty list as null.
    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_seq(self)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(item) = seq.next_element::<&'de RawValue>()? {
            (self.each)(item);
        }
        Ok(())
    }
}

/// The kind that an object says it is of; `None` when it says nothing, is of a kind that has no rows, or is no object.
pub fn kind_of(json: &[u8]) -> Option<Kind> {
    let manifest: Manifest<'_> = serde_json::from_slice(json).ok()?;
    manifest.metadata.0.then(|| Kind::of_manifest(&manifest.api_version, &manifest.kind)).flatten()
}

/// `metadata.resourceVersion` of an object or a list; `None` when it has none.
pub fn resource_version(json: &[u8]) -> Option<Cow<'_, str>> {
    let object: Versioned<'_> = serde_json::from_slice(json).ok()?;
    let version = object.metadata.resource_version.0;
    (!version.is_empty()).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watch_lines_are_told_apart() {
        let line =
            br#"{"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"a","resourceVersion":"7"}}}"#;
        let read = watch_line(line).expect("line");
        assert_eq!(read.kind, WatchKind::Added);
        assert_eq!(resource_version(read.object.get().as_bytes()).as_deref(), Some("7"));

        let line = br#"{"object":{"kind":"Pod","metadata":{"resourceVersion":"12","annotations":
            {"k8s.io/initial-events-end":"true"},"creationTimestamp":null}},"type":"BOOKMARK"}"#;
        let mark = WatchKind::Bookmark { resource_version: "12".to_owned(), initial_events_end: true };
        assert_eq!(watch_line(line).expect("line").kind, mark);

        let line =
            br#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",
            "message":"too old resource version: 1 (9)","reason":"Expired","code":410}}"#;
        let WatchKind::Error { code, reason, message } = watch_line(line).expect("line").kind else {
            panic!("not an error")
        };
        assert_eq!((code, reason.as_str()), (410, "Expired"));
        assert!(message.starts_with("too old"));
    }

    #[test]
    fn lines_that_are_none_are_refused() {
        for line in [
            "",
            "{}",
            "null",
            "[]",
            r#"{"type":"ADDED"}"#,
            r#"{"type":"ADDED","object":null}"#,
            r#"{"type":"added","object":{}}"#,
            r#"{"type":"ADDED","object":{}"#,
            r#"{"type":7,"object":{}}"#,
        ] {
            assert!(watch_line(line.as_bytes()).is_err(), "{line}");
        }
    }

    fn names(json: &str) -> Result<(ListHead, Vec<String>), DecodeError> {
        let mut found = Vec::new();
        items(json.as_bytes(), |item| found.push(item.get().to_owned())).map(|head| (head, found))
    }

    #[test]
    fn pages_and_mixed_lists_are_walked() {
        let (head, found) = names(
            r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"5","continue":"abc",
            "remainingItemCount":40},"items":[{"a":1}, {"b":[2]}]}"#,
        )
        .expect("page");
        assert_eq!(found, [r#"{"a":1}"#, r#"{"b":[2]}"#]);
        assert_eq!(
            (head.resource_version.as_str(), head.continue_token.as_str(), head.remaining),
            ("5", "abc", Some(40))
        );

        let (head, found) = names(
            r#"{"apiVersion":"v1","items":[{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"}},
            {"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"}}],"kind":"List",
            "metadata":{"resourceVersion":""}}"#,
        )
        .expect("mixed list");
        assert_eq!((head.kind.as_str(), head.remaining), ("List", None));
        let kinds: Vec<_> = found.iter().map(|item| kind_of(item.as_bytes())).collect();
        assert_eq!(kinds, [Some(Kind::Deployment), None]);

        let (_, found) = names(r#"{"kind":"PodList","items":null,"metadata":null}"#).expect("empty page");
        assert!(found.is_empty());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in
            ["", "[]", "null", r#"{"kind":"Pod","metadata":{}}"#, r#"{"items":{}}"#, r#"{"items":[1,}"#]
        {
            assert!(names(text).is_err(), "{text}");
        }
    }
}
