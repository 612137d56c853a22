//! `--assert 'p99<2ms'`: a bound on a measured value.

use std::fmt;

use super::figures::LoadSummary;
use super::units::{parse_time, time_text};

/// A bound on one measured value of a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Assertion {
    text: String,
    metric: Metric,
    relation: Relation,
    bound: f64,
}

/// A measured value for which a bound can be set.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Metric {
    /// A percentile of the latencies, which are in microseconds. The corrected latencies are used if the `bool` is
    /// true.
    Percentile(f64, bool),
    Mean,
    /// Responses per second.
    Rate,
    /// The number of requests without a complete response.
    Errors,
    /// The number of responses with a status of 400 or above.
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

/// The relations and their spellings. `<=` and `>=` must come before `<` and `>`, which are their prefixes.
const RELATIONS: [(&str, Relation); 4] =
    [("<=", Relation::LessOrEqual), (">=", Relation::MoreOrEqual), ("<", Relation::Less), (">", Relation::More)];

/// The result of an assertion: true if it holds, and the line for the report.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Checked {
    pub(super) holds: bool,
    text: String,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.holds { "ok" } else { "FAILED" };
        write!(f, "assert {}: {verdict}", self.text)
    }
}

impl Assertion {
    /// Parses a figure, a relation and a bound, such as `p99<2ms`, `corrected.p99.9<=20ms`, `rps>10000`, `errors<=0`.
    pub(super) fn parse(text: &str) -> Result<Assertion, String> {
        let found = RELATIONS.iter().find_map(|(sign, relation)| {
            let (metric, bound) = text.split_once(sign)?;
            Some((metric.trim(), *relation, bound.trim()))
        });
        let (metric, relation, bound) =
            found.ok_or_else(|| format!("{text:?} is not a figure, one of < <= > >=, and a bound"))?;
        let metric = Metric::parse(metric).ok_or_else(|| {
            format!("{text:?}: {metric:?} is not a figure: p50, p99.9, corrected.p99, max, mean, rps, errors, refused")
        })?;
        let bound = match metric {
            Metric::Percentile(..) | Metric::Mean => {
                parse_time(bound).map(|time| time.as_secs_f64() * 1e6).map_err(|error| format!("{text:?}: {error}"))?
            }
            _ => bound.parse().map_err(|_| format!("{text:?}: {bound:?} is not a number"))?,
        };
        Ok(Assertion { text: text.to_owned(), metric, relation, bound })
    }

    /// Compares the value in `summary` with the bound.
    pub(super) fn check(&self, summary: &LoadSummary<'_>) -> Checked {
        let value = self.metric.value(summary);
        let holds = match self.relation {
            Relation::Less => value < self.bound,
            Relation::LessOrEqual => value <= self.bound,
            Relation::More => value > self.bound,
            Relation::MoreOrEqual => value >= self.bound,
        };
        let shown = match self.metric {
            Metric::Percentile(..) | Metric::Mean => time_text(value),
            _ => format!("{value:.0}"),
        };
        Checked { holds, text: format!("{} ({shown})", self.text) }
    }
}

impl Metric {
    fn parse(text: &str) -> Option<Metric> {
        let (text, corrected) = text.strip_prefix("corrected.").map_or((text, false), |text| (text, true));
        let metric = match text {
            "max" => Metric::Percentile(100.0, corrected),
            _ if text.starts_with('p') => {
                let percentile = text[1..].parse().ok().filter(|percentile| (0.0..=100.0).contains(percentile))?;
                Metric::Percentile(percentile, corrected)
            }
            _ if corrected => return None,
            "mean" => Metric::Mean,
            "rps" => Metric::Rate,
            "errors" => Metric::Errors,
            "refused" => Metric::Refused,
            _ => return None,
        };
        Some(metric)
    }

    fn value(self, summary: &LoadSummary<'_>) -> f64 {
        match self {
            // An open loop needs no correction. Its raw latencies are also used as the corrected ones.
            Metric::Percentile(percentile, corrected) => {
                let corrected = summary.corrected.as_ref().filter(|_| corrected);
                corrected.unwrap_or(&summary.figures.latency).value_at_percentile(percentile) as f64
            }
            Metric::Mean => summary.figures.latency.mean(),
            Metric::Rate => summary.rate,
            Metric::Errors => summary.errors as f64,
            Metric::Refused => summary.refused() as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::figures::{Figures, record};
    use super::*;

    #[test]
    fn a_figure_is_compared_with_its_bound() {
        let mut figures = Figures::new(1, false);
        figures.measured = Duration::from_secs(1);
        (1..=1000).for_each(|micros| record(&mut figures.latency, Duration::from_micros(micros)));
        figures.responses = 1000;
        figures.fail("Timeout", 3);
        figures.statuses.extend([(200, 990), (404, 10)]);
        let summary = LoadSummary::new(&figures);
        for (text, holds) in [
            ("p50<501us", true),
            ("p50 < 500us", false),
            ("p99.9<=1ms", true),
            ("max>0.9ms", true),
            ("max>1.1ms", false),
            ("mean<0.6ms", true),
            ("corrected.p50<1s", true),
            ("rps>=1000", true),
            ("rps>1000", false),
            ("errors<=3", true),
            ("errors<3", false),
            ("refused<=10", true),
            ("refused<10", false),
        ] {
            assert_eq!(Assertion::parse(text).unwrap().check(&summary).holds, holds, "{text}");
        }
        let checked = Assertion::parse("p50<1us").unwrap().check(&summary).to_string();
        assert_eq!(checked, "assert p50<1us (500 us): FAILED");
    }

    #[test]
    fn a_wrong_assertion_is_named() {
        for text in [
            "",
            "p99",
            "p99=1ms",
            "p101<1ms",
            "px<1ms",
            "p99<",
            "p99<1 parsec",
            "rps>many",
            "speed>1",
            "corrected.rps>1",
        ] {
            assert!(Assertion::parse(text).unwrap_err().contains(&format!("{text:?}")), "{text}");
        }
    }
}
