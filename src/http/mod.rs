//! The types of HTTP: method, status, version, header fields, request, response head, date, path.
//!
//! They are shared by every other module: the protocol fills a [`Request`], a service reads it and answers with a
//! status and a [`FieldBlock`], the connection sends that. Nothing here reads a socket or opens a file. Only a
//! [`Request`] that is made without a connection reads the clock, for the time of its arrival.
//!
//! Invariant: a [`FieldBlock`] can only hold field lines that are well formed (RFC 9110 section 5.5), so nothing that
//! is written to the wire from one can split a response.

mod date;
mod error_page;
mod escape;
mod field_block;
mod field_value;
mod fields;
mod list;
mod method;
mod path;
mod request;
mod request_fields;
mod response_constraints;
mod span;
mod status;
mod version;

pub use date::{HttpDate, format_http_date, parse_http_date};
pub use error_page::{ErrorInfo, ErrorPage, ErrorTemplate};
pub use escape::{escape_html, percent_decode, percent_encode_segment};
pub(crate) use field_block::is_field_value;
pub use field_block::{FieldBlock, InvalidHeader};
pub(crate) use field_value::latin1;
pub use field_value::{FieldValue, NotLatin1};
pub(crate) use fields::{Field, Fields};
pub use list::list_elements;
pub(crate) use list::trim_ows;
pub use method::{Method, is_token, is_token_byte};
pub use path::{BadPath, UrlPath};
pub use request::{BodyLength, Request, RequestBuilder};
pub use request_fields::RequestFields;
pub use response_constraints::Expect;
pub(crate) use response_constraints::ResponseConstraints;
pub(crate) use span::Span;
pub use status::{Status, StatusClass};
pub use version::Version;
