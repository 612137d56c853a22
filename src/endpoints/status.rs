//! `/status` and `/unstable`: responses whose status is specified by the request or drawn at random.

use std::collections::VecDeque;

use super::generator::draw;
use super::params::decimal;
use super::replies::EndpointError;
use super::routes::EndpointCall;
use crate::http::Status;
use crate::service::{Reply, Response};

/// The value of `WWW-Authenticate` in every 401 response.
pub(super) const CHALLENGE: &str = "Basic realm=\"Fake Realm\"";

/// The maximum number of counters, one for each combination of an endpoint and a seed. A further counter replaces the
/// oldest one.
const MOST_SEEDS: usize = 256;

/// Counts the random draws for each endpoint and seed, so that the n-th request with the same seed gets the n-th draw.
#[derive(Debug, Default)]
pub(super) struct DrawCounters(VecDeque<(&'static str, u64, u64)>);

impl DrawCounters {
    /// Returns the index of the next random draw for this endpoint and seed, and counts that draw.
    fn next(&mut self, endpoint: &'static str, seed: u64) -> u64 {
        let known = self.0.iter_mut().find(|(name, other, _)| *name == endpoint && *other == seed);
        if let Some((_, _, count)) = known {
            *count += 1;
            return *count - 1;
        }
        if self.0.len() == MOST_SEEDS {
            self.0.pop_front();
        }
        self.0.push_back((endpoint, seed, 1));
        0
    }
}

/// `/status/{code}`: responds with this status. `/status/200:0.9,503:0.1?seed=&n=`: responds with a status drawn
/// according to the weights.
pub(super) fn status(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let text = call.text();
    let weighted = text.split(',').map(weighted_status).collect::<Result<Vec<_>, _>>()?;
    let status = match weighted[..] {
        // A single status needs no random draw, so the draw counter of this seed does not change.
        [(only, weight)] if weight > 0.0 => only,
        _ => pick(&weighted, next_draw(call, "status")?)?,
    };
    let mut response = Response::new(status);
    match status.code() {
        301 | 302 | 303 | 307 | 308 => response.head.put("Location", format_args!("{}/redirect/1", call.prefix)),
        401 => response.head.put("WWW-Authenticate", CHALLENGE),
        _ => {}
    }
    Ok(response.into())
}

/// `/unstable?failure_rate=&seed=&n=`: responds with 500 with the probability `failure_rate`, and otherwise with 200.
pub(super) fn unstable(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let rate = call.params.rate("failure_rate", 0.5)?;
    let fails = next_draw(call, "unstable")? < rate;
    Ok(Response::new(if fails { Status::INTERNAL_SERVER_ERROR } else { Status::OK }).into())
}

/// Parses a final status, from 200 to 599.
pub(crate) fn final_status(text: &str) -> Result<Status, EndpointError> {
    let code = Some(text).filter(|text| text.len() == 3).and_then(|text| text.parse().ok());
    let status = code.filter(|code| (200..600).contains(code)).and_then(Status::new);
    status.ok_or_else(|| EndpointError::bad_request(format!("a status must be a number from 200 to 599, not {text:?}")))
}

/// Parses `CODE` or `CODE:WEIGHT`.
fn weighted_status(text: &str) -> Result<(Status, f64), EndpointError> {
    let (code, weight) = text.split_once(':').unwrap_or((text, "1"));
    let refused = || EndpointError::bad_request(format!("a weight must be a number of 0 or more, not {weight:?}"));
    let weight = decimal(weight).filter(|weight| weight.is_finite()).ok_or_else(refused)?;
    Ok((final_status(code)?, weight))
}

/// Picks a status: the first one at which the running sum of the weights exceeds `draw` times the total weight.
fn pick(weighted: &[(Status, f64)], draw: f64) -> Result<Status, EndpointError> {
    let sum: f64 = weighted.iter().map(|(_, weight)| weight).sum();
    if sum <= 0.0 {
        return Err(EndpointError::bad_request("the sum of the weights must be more than 0"));
    }
    let mut running = 0.0;
    let exceeds = |(_, weight): &&(Status, f64)| {
        running += weight;
        draw * sum < running
    };
    // The last running sum equals the total. Even so, it does not exceed the product if the total is infinite, or so
    // small that the product is rounded up to it. A status of weight 0 is never picked.
    let picked = weighted.iter().find(exceeds).or_else(|| weighted.iter().rfind(|(_, weight)| *weight > 0.0));
    picked.map(|(status, _)| *status).ok_or_else(|| EndpointError::bad_request("there is no status"))
}

/// Returns the random draw with the index in the parameter `n`, or the next draw for this endpoint and seed if there is
/// no such parameter.
fn next_draw(call: &EndpointCall<'_>, endpoint: &'static str) -> Result<f64, EndpointError> {
    let seed = call.params.seed()?;
    let index = match call.params.get("n") {
        Some(_) => call.params.number("n", 0, 0..=u64::MAX)?,
        None => call.state.draws().next(endpoint, seed),
    };
    Ok(draw(seed, index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_weight_0_is_not_picked_when_the_sum_of_the_weights_overflows() {
        let weighted = [(Status::OK, f64::MAX), (Status::NOT_FOUND, f64::MAX), (Status::SERVICE_UNAVAILABLE, 0.0)];
        assert_eq!(pick(&weighted, 0.5).ok(), Some(Status::NOT_FOUND));
    }

    #[test]
    fn the_oldest_of_257_seeds_is_forgotten() {
        let mut counters = DrawCounters::default();
        for seed in 0..MOST_SEEDS as u64 {
            assert_eq!(counters.next("status", seed), 0);
        }
        assert_eq!(counters.next("status", 0), 1);
        assert_eq!(counters.next("unstable", 0), 0, "each endpoint has its own draws");
        assert_eq!(counters.next("status", 0), 0, "this seed was the oldest");
        assert_eq!(counters.next("status", 2), 1);
    }
}
