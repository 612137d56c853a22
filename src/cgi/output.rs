//! The head of a script's output (RFC 3875 section 6).
//!
//! The output is read in `run`, and the body after the head in `source`.

use std::fmt;

use crate::http::{FieldBlock, InvalidHeader, Status, is_token, trim_ows};

/// The head of a script's output (RFC 3875 section 6.2), without the fields that the server sets itself.
#[derive(Debug)]
pub struct ScriptHead {
    /// The code in the `Status` field or in an HTTP status line. If the head has neither, the status is 302 if there is
    /// a `Location` field, and otherwise 200.
    pub status: Status,
    /// The reason phrase that follows the code, if there is one. Bytes that are not UTF-8 are replaced by U+FFFD.
    pub reason: Option<String>,
    /// The fields that are sent to the client, including `Location` and `Content-Length`.
    pub fields: FieldBlock,
    /// The redirect that the `Location` field requests, if the head has such a field.
    pub destination: Option<Destination>,
    /// The length of the head in bytes, including the empty line that ends it.
    pub length: usize,
}

/// The two kinds of redirect that a `Location` field can request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A local redirect (RFC 3875 section 6.2.2): the server responds as if the client had requested this path and
    /// query.
    Here(Vec<u8>),
    /// A client redirect (RFC 3875 section 6.2.3).
    Elsewhere,
}

/// The reason why a script's output is not a valid CGI response.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadOutput {
    /// The output ended after this number of bytes, before its head was complete.
    Cut(usize),
    /// The head is longer than [`CgiLimits::head`](super::CgiLimits::head).
    TooLong,
    /// The line with this 1-based number is not a header field.
    Line(usize),
    /// A field cannot be sent to the client: it contains CR, NUL or another control character, or it is a second
    /// `Content-Length`.
    Field(InvalidHeader),
    /// A field appears twice but is allowed only once. The variant contains its name.
    Twice(&'static str),
    /// `Status` is not a final status from 200 to 599.
    Status,
    /// The head has none of the fields `Content-Type`, `Location` and `Status`. A CGI response needs at least one of
    /// them.
    NoCgiField,
}

impl fmt::Display for BadOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadOutput::Cut(0) => f.write_str("no output"),
            BadOutput::Cut(length) => write!(f, "output ends after {length} bytes, within its head"),
            BadOutput::TooLong => f.write_str("head of the output is too long"),
            BadOutput::Line(number) => write!(f, "line {number} of the output is not a header field"),
            BadOutput::Field(invalid) => write!(f, "{invalid}"),
            BadOutput::Twice(name) => write!(f, "{name} appears twice"),
            BadOutput::Status => f.write_str("Status is not a code from 200 to 599"),
            BadOutput::NoCgiField => f.write_str("neither Content-Type nor Location nor Status in the output"),
        }
    }
}

impl std::error::Error for BadOutput {}

impl From<InvalidHeader> for BadOutput {
    fn from(invalid: InvalidHeader) -> BadOutput {
        BadOutput::Field(invalid)
    }
}

/// The fields that the server sets itself, because they concern the connection or every response. They are removed from
/// a script's head.
const OURS: [&str; 9] =
    ["Connection", "Date", "Keep-Alive", "Proxy-Connection", "Server", "TE", "Trailer", "Transfer-Encoding", "Upgrade"];

/// The first line of the error page of Python's `cgitb`. If the script has already printed a head, this line opens an
/// HTML comment, so that a browser does not show the second head, which `cgitb` prints next.
const CGITB: &[u8] = b"<!--: spam";

/// Parses the head at the beginning of a script's output. Lines end in LF or CRLF. `None` if the head is incomplete.
///
/// An HTTP status line may come before the fields, as in scripts whose names begin with `nph-`. Python's `cgitb` prints
/// the line `<!--: spam` before a traceback. That line and the lines before it are dropped, because the page of `cgitb`
/// has its own head.
///
/// ```
/// use serve_forever::cgi::read_head;
/// use serve_forever::http::Status;
/// let head = read_head(b"Status: 404 Not here\nContent-Type: text/plain\n\nsorry").unwrap().unwrap();
/// assert_eq!((head.status, head.length), (Status::NOT_FOUND, 47));
/// assert!(read_head(b"Content-Type: text/plain\n").unwrap().is_none());
/// assert!(read_head(b"hello\n\n").is_err());
/// ```
///
/// # Errors
/// Returns the first error in a complete head. An incomplete head is not an error, so the caller must limit its length.
pub fn read_head(output: &[u8]) -> Result<Option<ScriptHead>, BadOutput> {
    let Some(length) = find_end(output, 0) else { return Ok(None) };
    let mut reading = HeadReader::default();
    for (number, line) in output[..length].split(|byte| *byte == b'\n').enumerate() {
        match line.strip_suffix(b"\r").unwrap_or(line) {
            [] => break,
            CGITB => reading = HeadReader::default(),
            line if number == 0 && line.starts_with(b"HTTP/") => reading.status_line(line)?,
            line => reading.field(line, number + 1)?,
        }
    }
    reading.finish(length).map(Some)
}

/// Finds the first empty line, and returns the position after it. The search begins at `seen`, because an earlier call
/// has searched the bytes before that position.
pub(super) fn find_end(output: &[u8], seen: usize) -> Option<usize> {
    let is_empty = |end: &usize| matches!(&output[..*end], [] | [b'\r'] | [.., b'\n'] | [.., b'\n', b'\r']);
    memchr::memchr_iter(b'\n', &output[seen..]).map(|at| seen + at).find(is_empty).map(|end| end + 1)
}

/// The fields of a head, collected line by line.
#[derive(Default)]
struct HeadReader {
    status: Option<(Status, Option<String>)>,
    location: Option<Vec<u8>>,
    content_type: bool,
    fields: FieldBlock,
    /// True if the head has any field besides `Location`, `Status`, `Content-Type` and `Content-Length`.
    more: bool,
}

impl HeadReader {
    fn status_line(&mut self, line: &[u8]) -> Result<(), BadOutput> {
        let code = line.splitn(2, |byte| *byte == b' ').nth(1).unwrap_or_default();
        self.status = Some(final_status(code)?);
        Ok(())
    }

    fn field(&mut self, line: &[u8], number: usize) -> Result<(), BadOutput> {
        let colon = memchr::memchr(b':', line).ok_or(BadOutput::Line(number))?;
        let (name, value) = (&line[..colon], trim_ows(&line[colon + 1..]));
        let name = std::str::from_utf8(name).ok().filter(|name| is_token(name.as_bytes()));
        let name = name.ok_or(BadOutput::Line(number))?;
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("Status") {
            return once("Status", &mut self.status, final_status(value)?);
        } else if OURS.iter().any(|ours| is(ours)) {
            return Ok(());
        } else if is("Location") {
            once("Location", &mut self.location, value.to_vec())?;
        } else if is("Content-Type") {
            if std::mem::replace(&mut self.content_type, true) {
                return Err(BadOutput::Twice("Content-Type"));
            }
        } else {
            self.more |= !is("Content-Length");
        }
        Ok(self.fields.add(name, value)?)
    }

    fn finish(self, length: usize) -> Result<ScriptHead, BadOutput> {
        if self.status.is_none() && self.location.is_none() && !self.content_type {
            return Err(BadOutput::NoCgiField);
        }
        // A local redirect would lose the status and all other fields. A head that contains any of them therefore
        // results in a client redirect.
        let destination = self.location.map(|location| match self.status {
            None if !self.more && is_local(&location) => Destination::Here(location),
            _ => Destination::Elsewhere,
        });
        let implied = if destination.is_some() { Status::FOUND } else { Status::OK };
        let (status, reason) = self.status.unwrap_or((implied, None));
        Ok(ScriptHead { status, reason, fields: self.fields, destination, length })
    }
}

/// Sets the value of a field that must not appear twice.
fn once<T>(name: &'static str, place: &mut Option<T>, value: T) -> Result<(), BadOutput> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(BadOutput::Twice(name)),
    }
}

/// Parses a status code and reason phrase, as in `404 Not Found`. An interim status is refused, because the client
/// would wait for another response after it.
fn final_status(value: &[u8]) -> Result<(Status, Option<String>), BadOutput> {
    let (digits, rest) = value.split_at_checked(3).ok_or(BadOutput::Status)?;
    let code = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_digit));
    let code = code.and_then(|code| code.parse().ok()).filter(|code| (200..=599).contains(code));
    let ended = matches!(rest, [] | [b' ' | b'\t', ..]);
    let status = code.filter(|_| ended).and_then(Status::new).ok_or(BadOutput::Status)?;
    let reason = trim_ows(rest);
    Ok((status, (!reason.is_empty()).then(|| String::from_utf8_lossy(reason).into_owned())))
}

/// True if the location is a path, with or without a query, that can be the target of a request. A location with a
/// fragment is not local, because only the client can process the fragment. A location that begins with two slashes
/// names another host.
fn is_local(location: &[u8]) -> bool {
    location.starts_with(b"/")
        && !location.starts_with(b"//")
        && location.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: &str) -> ScriptHead {
        read_head(output.as_bytes()).unwrap().unwrap()
    }

    fn refused(output: &str) -> BadOutput {
        read_head(output.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_document_has_a_status_fields_and_a_length() {
        let head = read("Content-Type: text/plain\r\nX-A:b \r\nSet-Cookie: 1\nset-cookie: 2\n\nbody\n\n");
        assert_eq!((head.status, head.destination), (Status::OK, None));
        assert_eq!(head.fields.lines(), b"Content-Type: text/plain\r\nX-A: b\r\nSet-Cookie: 1\r\nset-cookie: 2\r\n");
        assert_eq!(head.length, 63);
        assert_eq!(read("Status: 204\n\n").status, Status::NO_CONTENT);
        assert_eq!(read("status:404 Not Here\n\n").status, Status::NOT_FOUND);
        assert_eq!(read("Content-Type: a/b\nContent-Length: 5\n\n").fields.content_length(), Some(5));
    }

    #[test]
    fn the_reason_phrase_is_kept() {
        for (output, reason) in [
            ("Status: 404 Nothing Here\n\n", Some("Nothing Here")),
            ("status:404\tNothing  Here \r\n\r\n", Some("Nothing  Here")),
            ("HTTP/1.0 202 Fine\r\n\r\n", Some("Fine")),
            ("Status: 404\n\n", None),
            ("Status: 404 \n\n", None),
            ("HTTP/1.1 200\n\n", None),
            ("HTTP/1.1 200 \r\n\n", None),
            ("Content-Type: a/b\n\n", None),
            ("Location: http://x/\n\n", None),
        ] {
            assert_eq!(read(output).reason.as_deref(), reason, "{output}");
        }
    }

    #[test]
    fn a_page_of_cgitb_is_a_response() {
        let page = "<!--: spam\r\nContent-Type: text/html\r\n\r\n<body>";
        let head = read(page);
        assert_eq!((head.status, head.fields.lines()), (Status::OK, &b"Content-Type: text/html\r\n"[..]));
        assert_eq!(&page[head.length..], "<body>");
        assert_eq!(read(&page.replace('\r', "")).fields.lines(), b"Content-Type: text/html\r\n");
        // The script failed while it was printing its own head.
        let head =
            read("Status: 201\nContent-Type: text/plain\nSet-Cookie: a\n<!--: spam\nContent-Type: text/html\n\n");
        assert_eq!((head.status, head.fields.lines()), (Status::OK, &b"Content-Type: text/html\r\n"[..]));
        assert_eq!(refused("<!--: spam\n\n"), BadOutput::NoCgiField);
        assert_eq!(refused("<!--: eggs\nContent-Type: a/b\n\n"), BadOutput::Line(1));
        assert_eq!(refused(" <!--: spam\nContent-Type: a/b\n\n"), BadOutput::Line(1));
    }

    #[test]
    fn a_status_line_may_come_first() {
        let head = read("HTTP/1.0 404 Gone away\r\nContent-Type: a/b\r\n\r\n");
        assert_eq!((head.status, head.fields.lines()), (Status::NOT_FOUND, &b"Content-Type: a/b\r\n"[..]));
        assert_eq!(read("HTTP/1.1 200\n\n").status, Status::OK);
        assert_eq!(refused("HTTP/1.1\n\n"), BadOutput::Status);
        assert_eq!(refused("HTTP/1.1 100 Continue\n\n"), BadOutput::Status);
        assert_eq!(refused("HTTP/1.1 200 OK\nStatus: 200\n\n"), BadOutput::Twice("Status"));
    }

    #[test]
    fn a_location_redirects_within_the_server_or_the_client() {
        let to = |output: &str| {
            let head = read(output);
            (head.status.code(), head.destination)
        };
        let here = |path: &str| Some(Destination::Here(path.into()));
        assert_eq!(to("Location: /a?b\n\n"), (302, here("/a?b")));
        assert_eq!(to("Content-Type: text/html\nLocation: /a\n\n"), (302, here("/a")));
        let elsewhere = Some(Destination::Elsewhere);
        for sent in ["http://x/", "//x/", "a", "/a#b", "/a b", "/\u{e9}", ""] {
            assert_eq!(to(&format!("Location: {sent}\n\n")), (302, elsewhere.clone()), "{sent}");
        }
        assert_eq!(to("Status: 301\nLocation: /a\n\n"), (301, elsewhere.clone()));
        assert_eq!(to("Set-Cookie: a\nLocation: /a\n\n"), (302, elsewhere));
    }

    #[test]
    fn fields_that_the_server_sets_are_dropped() {
        let head = read("Transfer-Encoding: chunked\nConnection: x\nServer: s\ndate: d\nContent-Type: a/b\n\n");
        assert_eq!(head.fields.lines(), b"Content-Type: a/b\r\n");
        assert_eq!(head.fields.keep_alive(), None);
    }

    #[test]
    fn output_that_is_not_a_response_is_refused() {
        assert_eq!(refused("\nbody"), BadOutput::NoCgiField);
        assert_eq!(refused("X-A: b\n\n"), BadOutput::NoCgiField);
        assert_eq!(refused("Transfer-Encoding: chunked\n\n"), BadOutput::NoCgiField);
        assert_eq!(refused("just words\n\n"), BadOutput::Line(1));
        assert_eq!(refused("Content-Type: a/b\nX y: z\n\n"), BadOutput::Line(2));
        assert_eq!(refused("Content-Type: a/b\n folded\n\n"), BadOutput::Line(2));
        for value in ["b\rX-Evil: c", "b\0", "\x1b[1m"] {
            assert!(
                matches!(refused(&format!("Content-Type: a/b\nX-A: {value}\n\n")), BadOutput::Field(_)),
                "{value:?}"
            );
        }
        for status in ["", "20", "099", "100", "101", "600", "abc", "2000", "200OK", "+20"] {
            assert_eq!(refused(&format!("Status: {status}\n\n")), BadOutput::Status, "{status}");
        }
        assert_eq!(refused("Content-Type: a/b\ncontent-type: c/d\n\n"), BadOutput::Twice("Content-Type"));
        for length in ["x", "-1", "5\nContent-Length: 5"] {
            assert!(matches!(refused(&format!("Status: 200\nContent-Length: {length}\n\n")), BadOutput::Field(_)));
        }
    }

    #[test]
    fn a_head_is_none_until_it_is_complete() {
        let output = b"Content-Type: text/plain\r\nX: y\n\r\nbody\n\n";
        let length = 33;
        for end in 0..length {
            assert!(read_head(&output[..end]).unwrap().is_none(), "{end}");
        }
        for end in length..output.len() {
            assert_eq!(read_head(&output[..end]).unwrap().unwrap().length, length);
        }
    }
}
