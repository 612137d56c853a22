//! The head of a message: finding its end, reading a request's, writing a response's.

mod fields;
mod host;
mod request;
mod request_line;
mod response;
mod scan;
mod target;

pub(super) use request::{read, read_again, read_whole};
pub use response::{CommonHeaders, ResponseHead};
pub(super) use response::{ResponseFraming, write_head, write_interim};
pub(super) use scan::HeadScan;
