//! How Helm 3 writes a release into a Secret: JSON, compressed with gzip, in base64, which the API encodes in base64 once
//! more (`pkg/storage/driver/util.go`).
//!
//! What is not so is no release; what would unfold to more than a release may have is not unfolded.

use std::io::{Read as _, Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::Value;

/// Most bytes of a release in JSON. A Secret has at most 1 MiB; charts compress about tenfold.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Reads what stands in `data.release`.
pub(super) fn decode(data: &str) -> Result<Value, String> {
    let unread = |error: &dyn std::fmt::Display| format!("its content cannot be read ({error})");
    let inner = STANDARD.decode(data).map_err(|error| unread(&error))?;
    let packed = STANDARD.decode(inner.trim_ascii()).map_err(|error| unread(&error))?;
    // Helm 2.7 wrote releases that were not compressed; Helm 3 reads them still.
    let json = if packed.starts_with(&[0x1f, 0x8b, 0x08]) {
        let mut json = Vec::new();
        let mut unpacked = GzDecoder::new(packed.as_slice()).take(LARGEST + 1);
        unpacked.read_to_end(&mut json).map_err(|error| unread(&error))?;
        if u64::try_from(json.len()).unwrap_or(u64::MAX) > LARGEST {
            return Err(format!("it unfolds to more than {} MiB", LARGEST >> 20));
        }
        json
    } else {
        packed
    };
    // serde_json's message would hold pieces of what is not ours to tell.
    let release: Value = serde_json::from_slice(&json).map_err(|_| "its content is no JSON".to_owned())?;
    if release.get("version").and_then(Value::as_i64).is_none() {
        return Err("its content is no Helm release".to_owned());
    }
    Ok(release)
}

/// Writes a release as `data.release` holds it.
pub(in crate::cluster) fn encode(release: &Value) -> Result<String, String> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    let packed = packed
        .write_all(release.to_string().as_bytes())
        .and_then(|()| packed.finish())
        .map_err(|error| format!("the release cannot be compressed ({error})"))?;
    Ok(STANDARD.encode(STANDARD.encode(packed)))
}
