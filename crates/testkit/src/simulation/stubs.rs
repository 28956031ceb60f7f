//! Documents that the broker rejected.

use std::collections::BTreeMap;

use pipewarden_engine::{DeadLetter, DeadLetterReason};
use serde_json::Value;

use super::verdict::Records;

/// Puts the whole documents, which dead letters hold, in the place of their stubs, and drops those letters: what is left must be
/// what an undisturbed run writes. With the number of letters.
///
/// # Errors
/// A stub whose document is in no dead letter, or the reverse.
pub(super) fn made_whole(found: [Records; 3]) -> Result<([Records; 3], u64), String> {
    let [alerts, suppressed, letters] = found;
    let mut whole: BTreeMap<(Vec<u8>, u64), Vec<u8>> = BTreeMap::new();
    let mut others = Records::new();
    for (key, value) in letters {
        let letter: DeadLetter = serde_json::from_slice(&value).map_err(|error| error.to_string())?;
        if letter.reason == DeadLetterReason::RecordRejected {
            let document = letter.original().ok_or("a payload is not what it claims to be")?;
            let (alert, revision, _) = identity(&document)?;
            whole.insert((alert, revision), document);
        } else {
            others.push((key, value));
        }
    }
    let number = whole.len() as u64;
    let restored = |records: Records| -> Result<(Records, u64), String> {
        let (mut all, mut stubs) = (Records::new(), 0);
        for (key, value) in records {
            let (alert, revision, is_stub) = identity(&value)?;
            if is_stub {
                stubs += 1;
                let document = whole.get(&(alert, revision));
                all.push((key, document.ok_or("a stub stands for nothing")?.clone()));
            } else {
                all.push((key, value));
            }
        }
        Ok((all, stubs))
    };
    let (alerts, stubs) = restored(alerts)?;
    let (suppressed, more) = restored(suppressed)?;
    if stubs + more < number {
        return Err(format!(
            "{number} documents were rejected, and {stubs} and {more} are stubs"
        ));
    }
    Ok(([alerts, suppressed, others], number))
}

/// The alert's id and the revision of a document, and whether it is a stub.
fn identity(document: &[u8]) -> Result<(Vec<u8>, u64, bool), String> {
    let document: Value = serde_json::from_slice(document).map_err(|error| error.to_string())?;
    let own = &document["pipewarden"];
    let (id, revision) = (own["alert_id"].as_str(), own["revision"].as_u64());
    let (id, revision) = id.zip(revision).ok_or("a document without id and revision")?;
    let is_stub = own["omitted"]["rejected"] == "record_too_large";
    Ok((id.as_bytes().to_vec(), revision, is_stub))
}
