//! Parses the description of a fault: its kind and its keys, given in an option or a query.

use std::time::Duration;

use crate::endpoints::{EndpointError, final_status, generator, number};
use crate::http::Status;
use crate::service::{CutEnd, CutPoint, Fault, FaultKind, WireEffect};

/// The maximum value of a key that is a duration, in milliseconds.
const MOST_MILLIS: u64 = 60_000;

/// The maximum number of bytes that the `garbage` fault sends: 1 MiB.
const MOST_GARBAGE: u64 = 1 << 20;

/// The maximum size in bytes of the valid chunk before a malformed one. No chunk that a connection writes is larger.
const MOST_CHUNK: u64 = 32 * 1024;

/// The parsed description of a fault.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FaultSpec {
    pub(super) kind: FaultKind,
    pub(super) action: FaultAction,
}

/// The effect of a fault, with the values of its keys.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum FaultAction {
    /// The bytes of the response are corrupted, cut or delayed while the connection sends them.
    Wire(WireEffect),
    /// The connection sends a valid chunk of at most this number of bytes, and then a malformed chunk.
    BadChunk(u64),
    /// The response is delayed by a fixed time plus a random fraction of `jitter`.
    Latency { least: Duration, jitter: Duration },
    /// A response with this status is sent instead of the original one.
    Status { status: Status, retry_after: Option<u64> },
    /// An interim 103 (Early Hints) response is sent before the final response.
    EarlyHints,
    /// The server never reads from the connection.
    Deaf,
}

impl FaultSpec {
    /// Parses the kind and the keys of a fault. Returns `None` if there is no such kind.
    pub(super) fn parse(kind: &str, keys: &[(String, String)]) -> Option<Result<FaultSpec, EndpointError>> {
        let kind = FaultKind::ALL.into_iter().find(|known| known.name() == kind)?;
        let action = Keys(keys).action(kind);
        Some(action.map(|action| FaultSpec { kind, action }))
    }

    /// Converts the fault to the type that the connection uses.
    pub(super) fn fault(&self) -> Fault {
        let effect = match &self.action {
            FaultAction::Wire(effect) => Some(effect.clone()),
            FaultAction::BadChunk(_) => Some(WireEffect::BadChunk),
            _ => None,
        };
        Fault { kind: self.kind, effect }
    }
}

/// The keys of a fault, with their values.
struct Keys<'k>(&'k [(String, String)]);

impl Keys<'_> {
    fn action(&self, kind: FaultKind) -> Result<FaultAction, EndpointError> {
        self.allow(match kind {
            FaultKind::Reset | FaultKind::Close | FaultKind::Stall | FaultKind::BadChunk => &["after", "body"],
            FaultKind::Garbage => &["seed", "bytes"],
            FaultKind::Drip => &["bytes", "every"],
            FaultKind::Rate => &["bytes"],
            FaultKind::Latency => &["ms", "jitter"],
            FaultKind::Status => &["code", "retry-after"],
            FaultKind::Length => &["by"],
            _ => &[],
        })?;
        let millis = |name, default, least| self.number(name, default, least, MOST_MILLIS).map(Duration::from_millis);
        Ok(match kind {
            FaultKind::Reset => self.cut(CutEnd::Reset)?,
            FaultKind::Close => self.cut(CutEnd::Close)?,
            FaultKind::Stall => self.cut(CutEnd::Stall)?,
            FaultKind::Empty => FaultAction::Wire(WireEffect::Cut(CutPoint::Response(0), CutEnd::Close)),
            FaultKind::BadChunk => {
                self.exclude("after", "body")?;
                let name = if self.get("after").is_some() { "after" } else { "body" };
                FaultAction::BadChunk(self.number(name, Some(0), 0, MOST_CHUNK)?)
            }
            FaultKind::Garbage => {
                let seed = self.number("seed", Some(0), 0, u64::MAX)?;
                let mut bytes = vec![0; self.number("bytes", Some(1024), 0, MOST_GARBAGE)? as usize];
                generator::fill(seed, 0, &mut bytes);
                FaultAction::Wire(WireEffect::Garbage(bytes))
            }
            FaultKind::Drip => {
                let bytes = self.number("bytes", Some(1), 1, u64::MAX)?;
                FaultAction::Wire(WireEffect::Paced { bytes, every: millis("every", Some(10), 1)? })
            }
            FaultKind::Rate => FaultAction::Wire(pace(self.number("bytes", None, 1, u64::MAX)?)),
            FaultKind::Latency => {
                let (least, jitter) = (millis("ms", None, 0)?, millis("jitter", Some(0), 0)?);
                FaultAction::Latency { least, jitter }
            }
            FaultKind::Status => {
                let status = self.get("code").map_or(Ok(Status::SERVICE_UNAVAILABLE), final_status)?;
                let retry_after = match self.get("retry-after") {
                    Some(_) => Some(self.number("retry-after", None, 0, u64::from(u32::MAX))?),
                    None => None,
                };
                FaultAction::Status { status, retry_after }
            }
            FaultKind::Length => FaultAction::Wire(WireEffect::Length(self.difference()?)),
            FaultKind::DuplicateHead => FaultAction::Wire(WireEffect::DuplicateHead),
            FaultKind::Late100 => FaultAction::Wire(WireEffect::Late100),
            FaultKind::EarlyHints => FaultAction::EarlyHints,
            FaultKind::Deaf => FaultAction::Deaf,
        })
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The value of the key `name`, a number from `least` to `most`. If the key is missing, returns `default`, or an
    /// error if `default` is `None`.
    fn number(&self, name: &str, default: Option<u64>, least: u64, most: u64) -> Result<u64, EndpointError> {
        match self.get(name) {
            Some(text) => number(name, text, least..=most),
            None => default.ok_or_else(|| EndpointError::bad_request(format!("{name} is missing"))),
        }
    }

    fn difference(&self) -> Result<i64, EndpointError> {
        let text = self.get("by").unwrap_or("1");
        let by = text.parse().ok().filter(|by| *by != 0);
        by.ok_or_else(|| EndpointError::bad_request(format!("by must be a number other than 0, not {text:?}")))
    }

    fn cut(&self, end: CutEnd) -> Result<FaultAction, EndpointError> {
        self.exclude("after", "body")?;
        let point = match self.get("body") {
            Some(_) => CutPoint::Body(self.number("body", None, 0, u64::MAX)?),
            None => CutPoint::Response(self.number("after", Some(0), 0, u64::MAX)?),
        };
        Ok(FaultAction::Wire(WireEffect::Cut(point, end)))
    }

    fn exclude(&self, one: &str, other: &str) -> Result<(), EndpointError> {
        match self.get(one).is_some() && self.get(other).is_some() {
            true => Err(EndpointError::bad_request(format!("{one} and {other} exclude each other"))),
            false => Ok(()),
        }
    }

    /// Returns an error if a key is not in `allowed`, or is repeated.
    fn allow(&self, allowed: &[&str]) -> Result<(), EndpointError> {
        for (at, (name, _)) in self.0.iter().enumerate() {
            if !allowed.contains(&name.as_str()) {
                return Err(EndpointError::bad_request(format!("this fault has no key {name:?}")));
            }
            if self.0[..at].iter().any(|(other, _)| other == name) {
                return Err(EndpointError::bad_request(format!("the key {name:?} occurs twice")));
            }
        }
        Ok(())
    }
}

/// Converts a rate in bytes per second to the size of the pieces and the interval between them. There are about a
/// hundred pieces per second, or fewer pieces of one byte each if the rate is below 100.
fn pace(per_second: u64) -> WireEffect {
    let bytes = (per_second / 100).max(1);
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(per_second);
    WireEffect::Paced { bytes, every: Duration::from_nanos(nanos as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(kind: &str, keys: &str) -> Result<FaultAction, String> {
        let pair = |part: &str| part.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let keys: Vec<_> = keys.split(',').filter_map(pair).collect();
        let parsed = FaultSpec::parse(kind, &keys).ok_or("unknown")?;
        parsed.map(|spec| spec.action).map_err(|why| why.detail().to_owned())
    }

    #[test]
    fn each_kind_has_its_keys_and_defaults() {
        let cut = |point, end| Ok(FaultAction::Wire(WireEffect::Cut(point, end)));
        assert_eq!(action("reset", ""), cut(CutPoint::Response(0), CutEnd::Reset));
        assert_eq!(action("close", "after=5"), cut(CutPoint::Response(5), CutEnd::Close));
        assert_eq!(action("stall", "body=5"), cut(CutPoint::Body(5), CutEnd::Stall));
        assert_eq!(action("bad-chunk", "after=2"), Ok(FaultAction::BadChunk(2)));
        let paced = |bytes, millis| {
            let every = Duration::from_millis(millis);
            Ok(FaultAction::Wire(WireEffect::Paced { bytes, every }))
        };
        assert_eq!(action("drip", ""), paced(1, 10));
        assert_eq!(action("rate", "bytes=5000"), paced(50, 10));
        assert_eq!(action("rate", "bytes=2"), paced(1, 500));
        let status = Status::SERVICE_UNAVAILABLE;
        assert_eq!(action("status", ""), Ok(FaultAction::Status { status, retry_after: None }));
        assert_eq!(action("length", "by=-3"), Ok(FaultAction::Wire(WireEffect::Length(-3))));
        for kind in FaultKind::ALL {
            let needed = match kind {
                FaultKind::Rate => "bytes=1",
                FaultKind::Latency => "ms=1",
                _ => "",
            };
            assert!(action(kind.name(), needed).is_ok(), "{kind:?}");
            assert!(action(kind.name(), "other=1").is_err(), "{kind:?}");
        }
    }

    #[test]
    fn bad_keys_are_refused() {
        for (kind, keys) in [
            ("close", "after=x"),
            ("close", "after=1,body=1"),
            ("bad-chunk", "after=1,body=1"),
            ("bad-chunk", "body=32769"),
            ("close", "after=1,after=2"),
            ("length", "by=0"),
            ("length", "by=x"),
            ("status", "code=99"),
            ("status", "code=600"),
            ("rate", ""),
            ("rate", "bytes=0"),
            ("drip", "every=0"),
            ("latency", ""),
            ("latency", "ms=60001"),
            ("garbage", "bytes=1048577"),
            ("nothing", ""),
        ] {
            assert!(action(kind, keys).is_err(), "{kind} {keys}");
        }
    }
}
