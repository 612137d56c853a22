//! A response that a client of this module has received. The clients are in `bench` and `server`.

use std::borrow::Cow;
use std::fmt;

use crate::http::{HeaderList, Status};
use crate::http1::{Buffer, ClientMachine, MessageLimits, ReceivedHead, RequestHead, ResponseEvent};

/// A response that a client has received: its status, fields and body.
pub struct TestResponse {
    head: ReceivedHead,
    body: Vec<u8>,
}

impl TestResponse {
    /// Parses the response to a request with this method at the beginning of `bytes`. Returns the response and its
    /// length in bytes, including any interim responses before it. Returns `None` if the response is incomplete.
    /// `has_ended` must be true if the server has closed the connection after `bytes`.
    ///
    /// # Panics
    /// Panics if the bytes are not a response.
    pub(super) fn read(method: &str, bytes: &[u8], has_ended: bool) -> Option<(TestResponse, usize)> {
        let (mut machine, mut head, limits) = (ClientMachine::new(), ReceivedHead::default(), MessageLimits::default());
        let (mut input, fields, mut body) = (Buffer::default(), HeaderList::new(), Vec::new());
        let request = RequestHead { method, target: "/", fields: &fields, encode_chunked: false };
        if let Err(error) = machine.request(&request, &mut Buffer::default()) {
            panic!("{method}: {error}");
        }
        input.extend(bytes);
        if has_ended {
            machine.end_of_input();
        }
        loop {
            match machine.receive(&mut input, &limits, &mut head) {
                Ok(ResponseEvent::Interim | ResponseEvent::Head) => {}
                Ok(ResponseEvent::Data(length)) => {
                    body.extend_from_slice(&input.bytes()[..length]);
                    machine.take(&mut input, length);
                }
                Ok(ResponseEvent::End) => return Some((TestResponse { head, body }, bytes.len() - input.len())),
                Ok(ResponseEvent::More | ResponseEvent::Cut | ResponseEvent::Paused) => return None,
                Err(violation) => panic!("{violation:?} in {:?}", String::from_utf8_lossy(bytes)),
            }
        }
    }

    /// The status of the response. It can be compared with a number.
    pub fn status(&self) -> Status {
        self.head.status()
    }

    /// The reason phrase, which may be empty.
    pub fn reason(&self) -> Cow<'_, str> {
        self.head.reason()
    }

    /// The value of the first field with this name; the case of the name is ignored. Invalid UTF-8 is replaced.
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.head.headers().get(name).map(String::from_utf8_lossy)
    }

    /// The header fields, in order.
    pub fn headers(&self) -> &HeaderList {
        self.head.headers()
    }

    /// The body, without its framing.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as text.
    ///
    /// # Panics
    /// Panics if the body is not UTF-8.
    pub fn text(&self) -> &str {
        match std::str::from_utf8(&self.body) {
            Ok(text) => text,
            Err(error) => panic!("{error} in {:?}", String::from_utf8_lossy(&self.body)),
        }
    }
}

/// Formats the status and the body, for the messages of failed assertions.
impl fmt::Debug for TestResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, reason, body) = (self.status(), self.reason(), String::from_utf8_lossy(&self.body));
        write!(f, "{status} {reason}: {body:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_however_it_is_framed() {
        let interim = "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n";
        for (head, body) in
            [("Content-Length: 5\r\n", "hello"), ("Transfer-Encoding: chunked\r\n", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")]
        {
            let whole = format!("{interim}HTTP/1.1 200 OK\r\nX-Y: z\r\n{head}\r\n{body}");
            for length in 0..whole.len() {
                assert!(TestResponse::read("GET", &whole.as_bytes()[..length], false).is_none(), "{length}");
            }
            let (response, length) = TestResponse::read("GET", format!("{whole}HTTP").as_bytes(), false).unwrap();
            assert_eq!((response.status().code(), response.text(), length), (200, "hello", whole.len()));
            assert_eq!(response.header("x-y").as_deref(), Some("z"));
        }
        let until_close = b"HTTP/1.0 404 No\r\n\r\nrest";
        assert!(TestResponse::read("GET", until_close, false).is_none());
        let (response, _) = TestResponse::read("GET", until_close, true).unwrap();
        assert_eq!(format!("{response:?}"), "404 No: \"rest\"");
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        assert!(TestResponse::read("HEAD", head, false).is_some_and(|(response, _)| response.body().is_empty()));
    }
}
