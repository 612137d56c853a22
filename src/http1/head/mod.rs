//! The head of a message: finding its end, reading a request's, writing a response's. The scan and the framing fields are
//! the same for requests and responses; the files whose names begin with `request` or `response` are not.

mod fields;
mod host;
mod request;
mod request_fields;
mod request_line;
mod response;
mod scan;
mod start_line;
mod target;

pub use request::HeadProgress;
pub use response::{CommonHeaders, ResponseHead};
pub(super) use response::{ResponseFraming, write_head, write_interim};
