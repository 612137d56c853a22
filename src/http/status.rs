//! Status codes with the names, phrases and descriptions of Python's `http.HTTPStatus`.
//!
//! An individual response can set another reason phrase.

use std::fmt;
use std::io;

/// The status code of a response: any number from 100 to 999. Of these codes, 62 have the name, phrase and description
/// from Python's `http.HTTPStatus`.
///
/// ```
/// use serve_forever::http::Status;
/// assert_eq!(Status::NOT_FOUND.code(), 404);
/// assert_eq!(Status::NOT_FOUND.phrase(), "Not Found");
/// assert_eq!(Status::new(999).unwrap().phrase(), "");
/// assert!(Status::new(99).is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(u16);

/// The five classes of status codes (RFC 9110 section 15), and a sixth for all other codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusClass {
    /// 1xx: the request was received, and a final response follows.
    Informational,
    /// 2xx: the request succeeded.
    Success,
    /// 3xx: further action is needed.
    Redirection,
    /// 4xx: the request is invalid, or the server cannot fulfil it.
    ClientError,
    /// 5xx: the server failed to fulfil a valid request.
    ServerError,
    /// 600 to 999: these can be sent, but have no meaning in RFC 9110.
    Unassigned,
}

impl Status {
    /// The status with this code; `None` if the code is not in the range from 100 to 999.
    pub const fn new(code: u16) -> Option<Status> {
        if code >= 100 && code <= 999 { Some(Status(code)) } else { None }
    }

    /// The code as a number of three digits.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// The class, which is determined by the first digit.
    pub const fn class(self) -> StatusClass {
        match self.0 / 100 {
            1 => StatusClass::Informational,
            2 => StatusClass::Success,
            3 => StatusClass::Redirection,
            4 => StatusClass::ClientError,
            5 => StatusClass::ServerError,
            _ => StatusClass::Unassigned,
        }
    }

    /// The reason phrase. It is empty for a code without a name.
    pub fn phrase(self) -> &'static str {
        self.texts().0
    }

    /// The sentence that explains the code on an error page. It is empty for a code without a name.
    pub fn description(self) -> &'static str {
        self.texts().1
    }

    /// True if a response with this code has no body: 1xx, 204 and 304 (RFC 9112 section 6.3), and 205, whose body is
    /// empty (RFC 9110 section 15.3.6).
    pub const fn is_bodiless(self) -> bool {
        matches!(self.0, 100..=199 | 204 | 205 | 304)
    }
}

/// Declares the constants, their documentation, the texts and the list of all statuses from one table.
macro_rules! statuses {
    ($($code:literal $name:ident $phrase:literal $description:literal)*) => {
        impl Status {
            $(#[doc = concat!("`", $code, " ", $phrase, "`: ", $description, ".")]
            pub const $name: Status = Status($code);)*

            /// All statuses that have a name, in ascending order.
            pub const NAMED: &'static [Status] = &[$(Status::$name),*];

            fn texts(self) -> (&'static str, &'static str) {
                match self.0 {
                    $($code => ($phrase, $description),)*
                    _ => ("", ""),
                }
            }
        }
    };
}

statuses! {
    100 CONTINUE "Continue" "Request received, please continue"
    101 SWITCHING_PROTOCOLS "Switching Protocols" "Switching to new protocol; obey Upgrade header"
    102 PROCESSING "Processing" "Server is processing the request"
    103 EARLY_HINTS "Early Hints" "Headers sent to prepare for the response"
    200 OK "OK" "Request fulfilled, document follows"
    201 CREATED "Created" "Document created, URL follows"
    202 ACCEPTED "Accepted" "Request accepted, processing continues off-line"
    203 NON_AUTHORITATIVE_INFORMATION "Non-Authoritative Information" "Request fulfilled from cache"
    204 NO_CONTENT "No Content" "Request fulfilled, nothing follows"
    205 RESET_CONTENT "Reset Content" "Clear input form for further input"
    206 PARTIAL_CONTENT "Partial Content" "Partial content follows"
    207 MULTI_STATUS "Multi-Status" "Response contains multiple statuses in the body"
    208 ALREADY_REPORTED "Already Reported" "Operation has already been reported"
    226 IM_USED "IM Used" "Request completed using instance manipulations"
    300 MULTIPLE_CHOICES "Multiple Choices" "Object has several resources -- see URI list"
    301 MOVED_PERMANENTLY "Moved Permanently" "Object moved permanently -- see URI list"
    302 FOUND "Found" "Object moved temporarily -- see URI list"
    303 SEE_OTHER "See Other" "Object moved -- see Method and URL list"
    304 NOT_MODIFIED "Not Modified" "Document has not changed since given time"
    305 USE_PROXY "Use Proxy" "You must use proxy specified in Location to access this resource"
    307 TEMPORARY_REDIRECT "Temporary Redirect" "Object moved temporarily -- see URI list"
    308 PERMANENT_REDIRECT "Permanent Redirect" "Object moved permanently -- see URI list"
    400 BAD_REQUEST "Bad Request" "Bad request syntax or unsupported method"
    401 UNAUTHORIZED "Unauthorized" "No permission -- see authorization schemes"
    402 PAYMENT_REQUIRED "Payment Required" "No payment -- see charging schemes"
    403 FORBIDDEN "Forbidden" "Request forbidden -- authorization will not help"
    404 NOT_FOUND "Not Found" "Nothing matches the given URI"
    405 METHOD_NOT_ALLOWED "Method Not Allowed" "Specified method is invalid for this resource"
    406 NOT_ACCEPTABLE "Not Acceptable" "URI not available in preferred format"
    407 PROXY_AUTHENTICATION_REQUIRED "Proxy Authentication Required" "You must authenticate with this proxy before proceeding"
    408 REQUEST_TIMEOUT "Request Timeout" "Request timed out; try again later"
    409 CONFLICT "Conflict" "Request conflict"
    410 GONE "Gone" "URI no longer exists and has been permanently removed"
    411 LENGTH_REQUIRED "Length Required" "Client must specify Content-Length"
    412 PRECONDITION_FAILED "Precondition Failed" "Precondition in headers is false"
    413 CONTENT_TOO_LARGE "Content Too Large" "Content is too large"
    414 URI_TOO_LONG "URI Too Long" "URI is too long"
    415 UNSUPPORTED_MEDIA_TYPE "Unsupported Media Type" "Entity body in unsupported format"
    416 RANGE_NOT_SATISFIABLE "Range Not Satisfiable" "Cannot satisfy request range"
    417 EXPECTATION_FAILED "Expectation Failed" "Expect condition could not be satisfied"
    418 IM_A_TEAPOT "I'm a Teapot" "Server refuses to brew coffee because it is a teapot"
    421 MISDIRECTED_REQUEST "Misdirected Request" "Server is not able to produce a response"
    422 UNPROCESSABLE_CONTENT "Unprocessable Content" "Server is not able to process the contained instructions"
    423 LOCKED "Locked" "Resource of a method is locked"
    424 FAILED_DEPENDENCY "Failed Dependency" "Dependent action of the request failed"
    425 TOO_EARLY "Too Early" "Server refuses to process a request that might be replayed"
    426 UPGRADE_REQUIRED "Upgrade Required" "Server refuses to perform the request using the current protocol"
    428 PRECONDITION_REQUIRED "Precondition Required" "The origin server requires the request to be conditional"
    429 TOO_MANY_REQUESTS "Too Many Requests" "The user has sent too many requests in a given amount of time (\"rate limiting\")"
    431 REQUEST_HEADER_FIELDS_TOO_LARGE "Request Header Fields Too Large" "The server is unwilling to process the request because its header fields are too large"
    451 UNAVAILABLE_FOR_LEGAL_REASONS "Unavailable For Legal Reasons" "The server is denying access to the resource as a consequence of a legal demand"
    500 INTERNAL_SERVER_ERROR "Internal Server Error" "Server got itself in trouble"
    501 NOT_IMPLEMENTED "Not Implemented" "Server does not support this operation"
    502 BAD_GATEWAY "Bad Gateway" "Invalid responses from another server/proxy"
    503 SERVICE_UNAVAILABLE "Service Unavailable" "The server cannot process the request due to a high load"
    504 GATEWAY_TIMEOUT "Gateway Timeout" "The gateway server did not receive a timely response"
    505 HTTP_VERSION_NOT_SUPPORTED "HTTP Version Not Supported" "Cannot fulfill request"
    506 VARIANT_ALSO_NEGOTIATES "Variant Also Negotiates" "Server has an internal configuration error"
    507 INSUFFICIENT_STORAGE "Insufficient Storage" "Server is not able to store the representation"
    508 LOOP_DETECTED "Loop Detected" "Server encountered an infinite loop while processing a request"
    510 NOT_EXTENDED "Not Extended" "Request does not meet the resource access policy"
    511 NETWORK_AUTHENTICATION_REQUIRED "Network Authentication Required" "The client needs to authenticate to gain network access"
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({} {})", self.0, self.phrase())
    }
}

/// Writes the number, like Python's `str(HTTPStatus.OK)`.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl PartialEq<u16> for Status {
    fn eq(&self, code: &u16) -> bool {
        self.0 == *code
    }
}

impl TryFrom<u16> for Status {
    type Error = String;

    fn try_from(code: u16) -> Result<Status, String> {
        Status::new(code).ok_or_else(|| format!("status code {code} is not in 100..=999"))
    }
}

/// A value that can be converted to a status: a [`Status`] or a number.
pub trait IntoStatus {
    /// Converts the value to a [`Status`].
    ///
    /// # Errors
    /// Returns an error of kind [`InvalidInput`](io::ErrorKind::InvalidInput) if the number is below 100 or above 999.
    fn into_status(self) -> io::Result<Status>;
}

impl IntoStatus for Status {
    fn into_status(self) -> io::Result<Status> {
        Ok(self)
    }
}

impl IntoStatus for u16 {
    fn into_status(self) -> io::Result<Status> {
        Status::try_from(self).map_err(|text| io::Error::new(io::ErrorKind::InvalidInput, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_62_named_codes_have_a_phrase_and_a_description() {
        assert_eq!(Status::NAMED.len(), 62);
        for status in Status::NAMED {
            assert!(!status.phrase().is_empty() && !status.description().is_empty(), "{status:?}");
        }
        assert!([306, 427, 430, 509].into_iter().all(|code| Status(code).phrase().is_empty()));
    }

    #[test]
    fn the_class_is_the_first_digit_and_seven_named_codes_have_no_body() {
        assert_eq!(Status::CONTINUE.class(), StatusClass::Informational);
        assert_eq!(Status(999).class(), StatusClass::Unassigned);
        let bodiless: Vec<u16> = Status::NAMED.iter().filter(|s| s.is_bodiless()).map(|s| s.code()).collect();
        assert_eq!(bodiless, [100, 101, 102, 103, 204, 205, 304]);
        assert_eq!(Status::OK, 200);
        assert_eq!(Status::OK.to_string(), "200");
    }
}
