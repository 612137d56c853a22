//! The data types of HTTP: method, status, version, header fields, request, date, path and error page.
//!
//! `http1` parses a [`Request`]. A service responds to it with a [`Status`] and a [`FieldBlock`], which the connection
//! sends. This module uses no sockets, files or clocks, with one exception: `Request::default` reads a clock to set the
//! arrival time of a request that has no connection.
//!
//! Invariant: a [`FieldBlock`] contains only well-formed field lines (RFC 9110 section 5.5), so a service's field
//! cannot split a response.

mod date;
mod end_to_end;
mod error_page;
mod escape;
mod field_block;
mod field_value;
mod fields;
mod header_list;
mod http_error;
mod list;
mod method;
mod path;
mod query;
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
pub use header_list::HeaderList;
pub use http_error::HttpError;
pub(crate) use http_error::HttpErrorPage;
pub use list::list_elements;
pub(crate) use list::trim_ows;
pub use method::{Method, is_token, is_token_byte};
pub use path::{BadPath, UrlPath};
pub(crate) use query::query_pairs;
pub use request::{BodyLength, Request, RequestBuilder};
pub use request_fields::RequestFields;
pub use response_constraints::Expect;
pub(crate) use response_constraints::{Persistence, ResponseConstraints};
pub(crate) use span::Span;
pub use status::{IntoStatus, Status, StatusClass};
pub use version::Version;
