//! Events, in the words of `core/v1` or of `events.k8s.io/v1`.

use super::json::{Int, Text, cut, sentence, slim, uid};
use crate::{Interner, Name, page::digest, rows::EventRow};

slim! {
    EventJson<'a> {
        metadata "metadata": EventMetaJson<'a>,
        involved_object "involvedObject": ObjectJson<'a>,
        regarding "regarding": ObjectJson<'a>,
        reason "reason": Text<'a>,
        r#type "type": Text<'a>,
        message "message": Text<'a>,
        note "note": Text<'a>,
        source "source": SourceJson<'a>,
        deprecated_source "deprecatedSource": SourceJson<'a>,
        reporting_component "reportingComponent": Text<'a>,
        reporting_controller "reportingController": Text<'a>,
        count "count": Int,
        deprecated_count "deprecatedCount": Int,
        first_timestamp "firstTimestamp": Text<'a>,
        deprecated_first_timestamp "deprecatedFirstTimestamp": Text<'a>,
        last_timestamp "lastTimestamp": Text<'a>,
        deprecated_last_timestamp "deprecatedLastTimestamp": Text<'a>,
        event_time "eventTime": Text<'a>,
        series "series": SeriesJson<'a>,
    }
    EventMetaJson<'a> {
        name "name": Text<'a>,
        namespace "namespace": Text<'a>,
        uid "uid": Text<'a>,
        creation_timestamp "creationTimestamp": Text<'a>,
    }
    ObjectJson<'a> { kind "kind": Text<'a>, name "name": Text<'a>, uid "uid": Text<'a> }
    SourceJson<'a> { component "component": Text<'a> }
    SeriesJson<'a> { count "count": Int, last_observed_time "lastObservedTime": Text<'a> }
}

/// Longest name of an object. The API server lets whoever writes an event put any text there.
const LONGEST_NAME: usize = 253;
/// Longest message kept, in bytes.
const LONGEST_MESSAGE: usize = 512;

pub(super) fn event(json: &[u8], interner: &mut Interner) -> Result<EventRow, serde_json::Error> {
    let event: EventJson<'_> = serde_json::from_slice(json)?;
    let meta = &event.metadata;
    if meta.name.is_empty() {
        return Err(serde::de::Error::custom("metadata.name is absent"));
    }
    let about = if event.involved_object.kind.is_empty() { &event.regarding } else { &event.involved_object };
    let source = [
        &event.source.component,
        &event.reporting_component,
        &event.reporting_controller,
        &event.deprecated_source.component,
    ];
    let message = sentence(first_of([&event.message, &event.note]), LONGEST_MESSAGE);
    let counts = [event.count.u32(), event.deprecated_count.u32(), event.series.count.u32(), 1];
    let created = meta.creation_timestamp.time();
    let first = [&event.first_timestamp, &event.deprecated_first_timestamp, &event.event_time];
    let first = first.into_iter().find_map(Text::time).or(created).unwrap_or(0);
    let last = [
        &event.last_timestamp,
        &event.deprecated_last_timestamp,
        &event.series.last_observed_time,
        &event.event_time,
    ];
    let last = last.into_iter().filter_map(Text::time).max().unwrap_or(first).max(first);
    let source = source.into_iter().find(|text| !text.is_empty());
    let own_uid = match uid(&meta.uid) {
        // Events are told apart by uid; one that was cut out of a recording still is itself.
        0 => u128::from(digest([meta.namespace.as_bytes(), meta.name.as_bytes()])),
        uid => uid,
    };
    Ok(EventRow {
        uid: own_uid,
        name: Name::from(&*meta.name),
        namespace: interner.name(&meta.namespace),
        kind: about.kind.word(interner),
        object: interner.name(&cut(&about.name, LONGEST_NAME)),
        object_uid: uid(&about.uid),
        reason: event.reason.word(interner),
        is_warning: &*event.r#type == "Warning",
        // What names its object is said of nothing else, so that sharing it would only cost.
        message: if !about.name.is_empty() && message.contains(&*about.name) {
            Name::from(message.as_ref())
        } else {
            interner.name(&message)
        },
        source: source.map(|text| text.word(interner)).unwrap_or_default(),
        count: counts.into_iter().max().unwrap_or(1),
        first,
        last,
    })
}

fn first_of<'t>(texts: [&'t Text<'_>; 2]) -> &'t str {
    texts.into_iter().find(|text| !text.is_empty()).map_or("", |text| text)
}
