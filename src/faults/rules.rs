//! The rules of `--fault`: faults with their rates, and the random selection of the requests that get a fault.

use std::fmt;

use super::spec::{FaultAction, FaultSpec};
use crate::endpoints::decimal;
use crate::endpoints::generator::{draw, output};

/// The error for a string that is not a valid fault rule. The error message states the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidFault(String);

impl fmt::Display for InvalidFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidFault {}

/// Checks the text of a rule, `KIND:RATE` or `KIND:RATE:KEY=VALUE,KEY=VALUE`.
#[cfg(feature = "cli")]
pub(crate) fn check_rule(text: &str) -> Result<(), InvalidFault> {
    FaultRules::default().add(text)
}

/// The rules, each with its fault and rate, in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub(super) struct FaultRules {
    rules: Vec<(FaultSpec, f64)>,
    pub(super) seed: u64,
}

impl FaultRules {
    /// Adds a rule: `KIND:RATE`, or `KIND:RATE:KEY=VALUE,KEY=VALUE`.
    pub(super) fn add(&mut self, text: &str) -> Result<(), InvalidFault> {
        let form = || InvalidFault("the form is KIND:RATE or KIND:RATE:KEY=VALUE,KEY=VALUE".to_owned());
        let (kind, rest) = text.split_once(':').ok_or_else(form)?;
        let (rate, keys) = rest.split_once(':').map_or((rest, None), |(rate, keys)| (rate, Some(keys)));
        let rate = decimal(rate).filter(|rate| (0.0..=1.0).contains(rate));
        let rate = rate.ok_or_else(|| InvalidFault("the rate must be a number from 0 to 1".to_owned()))?;
        let pair = |part: &str| part.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let keys = keys.map(|keys| keys.split(',').map(pair).collect::<Option<Vec<_>>>());
        let keys = keys.unwrap_or_else(|| Some(Vec::new())).ok_or_else(form)?;
        let spec = FaultSpec::parse(kind, &keys).ok_or_else(|| InvalidFault(format!("there is no fault {kind:?}")))?;
        self.rules.push((spec.map_err(|why| InvalidFault(why.detail().to_owned()))?, rate));
        Ok(())
    }

    /// The fault for the request with this 0-based index. It is that of the first rule for which the random number of
    /// the request is below the rate of the rule.
    pub(super) fn of_request(&self, request: u64) -> Option<&FaultSpec> {
        self.first(request, |action| *action != FaultAction::Deaf)
    }

    /// The fault for the connection with this 0-based index. The only fault of a whole connection is
    /// [`FaultAction::Deaf`].
    pub(super) fn of_connection(&self, connection: u64) -> Option<&FaultSpec> {
        self.first(connection, |action| *action == FaultAction::Deaf)
    }

    /// A random number from 0 to 1 for the request with this 0-based index. The delay of the response includes this
    /// fraction of the jitter.
    pub(super) fn jitter(&self, request: u64) -> f64 {
        // The random number of a rule depends on the index of the rule. No rule has the index `u64::MAX`, so the jitter
        // is independent of the rules.
        draw(output(self.seed, request), u64::MAX)
    }

    fn first(&self, number: u64, is_meant: impl Fn(&FaultAction) -> bool) -> Option<&FaultSpec> {
        let seed = output(self.seed, number);
        // The index counts rules of all kinds. A rule therefore still selects the same requests if the kind of another
        // rule is changed.
        let fires = |(place, (spec, rate)): &(usize, &(FaultSpec, f64))| {
            is_meant(&spec.action) && draw(seed, *place as u64) < *rate
        };
        self.rules.iter().enumerate().find(fires).map(|(_, (spec, _))| spec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(texts: &[&str]) -> Result<FaultRules, InvalidFault> {
        let mut rules = FaultRules { seed: 21, ..FaultRules::default() };
        texts.iter().try_for_each(|text| rules.add(text))?;
        Ok(rules)
    }

    #[test]
    fn the_first_rule_whose_draw_is_below_its_rate_counts() {
        let rules = rules(&["status:0.3:code=500", "deaf:1", "empty:0.5"]).unwrap();
        for request in 0..200 {
            let draws = [0, 2].map(|place| draw(output(21, request), place));
            let expected = if draws[0] < 0.3 { Some("status") } else { (draws[1] < 0.5).then_some("empty") };
            assert_eq!(rules.of_request(request).map(|spec| spec.kind.name()), expected);
            assert_eq!(rules.of_connection(request).map(|spec| spec.kind.name()), Some("deaf"));
        }
    }

    #[test]
    fn a_text_that_is_not_a_fault_is_refused() {
        for text in [
            "",
            "empty",
            "empty:",
            "empty:1.5",
            "empty:-1",
            "empty:nan",
            "empty:1:",
            "empty:1:x",
            "none:1",
            "close:1:after=x",
        ] {
            assert!(rules(&[text]).is_err(), "{text}");
        }
        assert!(rules(&["empty:0", "empty:1", "drip:.5:bytes=2,every=3"]).is_ok());
    }
}
