//! Finds the end of a message's head, parses heads and writes them. The scan and the framing fields are the same for
//! requests and responses.
//!
//! | | a request | a response |
//! |---|---|---|
//! | first line | `request_line`, `target`, `host` | `status_line` |
//! | fields that affect the protocol | `request_fields` | `response_fields` |
//! | read | `request` | `received` |
//! | written | `sent` | `response` |

mod fields;
mod host;
mod received;
mod request;
mod request_fields;
mod request_line;
mod response;
mod response_fields;
mod scan;
mod sent;
mod start_line;
mod status_line;
mod target;

pub use received::ReceivedHead;
pub(super) use received::ResponseProgress;
pub use request::HeadProgress;
pub use response::{CommonHeaders, ResponseHead};
pub(super) use response::{ResponseFraming, write_head, write_interim};
pub(super) use response_fields::{ResponseBody, ResponseControls};
pub(crate) use sent::SentFraming;
pub(super) use sent::write_request_head;
pub use sent::{InvalidRequest, RequestHead};
