//! `/json/{count}`: the first items of the dataset, each with its computed total.

use std::io::Write;

use super::params::{integer, number};
use super::replies::{EndpointError, json};
use super::routes::EndpointCall;
use crate::http::Status;
use crate::service::Reply;

/// `/json/{count}?m=`: responds with `count` items, each with `total = price * quantity * m`.
pub(super) fn items(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let all = call.state.items();
    let count = number("the number of items", &call.text(), 1..=all.len() as u64)?;
    let factor = call.params.get("m").map_or(Ok(1), |text| integer("m", text))?;
    let mut body = b"{\"items\":[".to_vec();
    for (at, item) in all[..count as usize].iter().enumerate() {
        let total = item.price.checked_mul(item.quantity).and_then(|total| total.checked_mul(factor));
        let total = total.ok_or_else(|| EndpointError::bad_request("a total has more than 64 bits"))?;
        let comma = if at == 0 { "" } else { "," };
        // The result is ignored, because writing to a vector cannot fail.
        _ = write!(body, "{comma}{},\"total\":{total}}}", item.members);
    }
    _ = write!(body, "],\"count\":{count}}}");
    Ok(json(Status::OK, body).into())
}
