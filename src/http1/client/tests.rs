//! Unit tests of `ClientMachine`. Exchanges for individual responses are tested in `tests/wire/client`.

use super::*;

/// A client machine, the input that it has not consumed, and the last head that it has read.
#[derive(Default)]
struct Client {
    machine: ClientMachine,
    input: Buffer,
    head: ReceivedHead,
    out: Buffer,
}

impl Client {
    fn new() -> Client {
        Client::default()
    }

    /// A client that has sent a request with this method and without a body.
    fn sent(method: &str) -> Client {
        let mut client = Client::new();
        assert_eq!(client.request(method, &[]), Ok(None));
        client
    }

    fn request(&mut self, method: &str, fields: &[(&str, &str)]) -> Result<Option<Encoder>, InvalidRequest> {
        let mut list = HeaderList::new();
        fields.iter().for_each(|(name, value)| list.add(name, *value).unwrap());
        let head = RequestHead { method, target: "/", fields: &list, encode_chunked: true };
        self.machine.request(&head, &mut self.out)
    }

    /// Adds bytes to the input, and returns all events until more bytes are needed. Body bytes are consumed.
    fn receive(&mut self, bytes: &[u8]) -> Result<Vec<ResponseEvent>, Violation> {
        self.input.extend(bytes);
        let mut events = Vec::new();
        loop {
            let event = self.machine.receive(&mut self.input, &MessageLimits::default(), &mut self.head)?;
            if let ResponseEvent::Data(length) = event {
                self.machine.take(&mut self.input, length);
            }
            if matches!(event, ResponseEvent::More | ResponseEvent::Paused | ResponseEvent::Cut) {
                events.extend((event != ResponseEvent::More).then_some(event));
                return Ok(events);
            }
            events.push(event);
        }
    }

    fn is_reusable(&self) -> bool {
        self.machine.is_reusable(&self.input)
    }
}

use ResponseEvent::{Cut, Data, End, Head, Interim, Paused};

#[test]
fn a_connection_carries_one_exchange_after_the_other() {
    let mut client = Client::new();
    for body in 1..4 {
        assert!(client.machine.can_request() && client.is_reusable());
        client.request("GET", &[]).unwrap();
        assert!(!client.is_reusable() && !client.machine.has_begun());
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {body}\r\n\r\n{}", "x".repeat(body));
        assert_eq!(client.receive(text.as_bytes()), Ok(vec![Head, Data(body), End, Paused]));
    }
}

#[test]
fn a_body_of_the_request_ends_before_the_next_request() {
    let mut client = Client::new();
    assert_eq!(client.request("PUT", &[("Content-Length", "3")]), Ok(Some(Encoder::Counted(3))));
    assert!(client.machine.is_sending() && !client.machine.can_request());
    client.machine.body_sent();
    assert!(!client.machine.is_sending() && client.machine.can_request());
    assert_eq!(client.request("PUT", &[("Transfer-Encoding", "chunked")]), Ok(Some(Encoder::Chunked)));
    client.machine.abandon_body();
    assert!(!client.machine.can_request() && !client.machine.persists());
    assert_eq!(client.machine.awaited(), 2);
}

#[test]
fn responses_come_in_the_order_of_their_requests() {
    let mut client = Client::sent("HEAD");
    client.request("GET", &[]).unwrap();
    let events = client.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 204 No\r\n\r\n");
    assert_eq!(events, Ok(vec![Head, End, Head, End, Paused]));
    assert!(client.is_reusable());
}

#[test]
fn bytes_that_no_request_has_asked_for_make_the_connection_useless() {
    let mut client = Client::sent("GET");
    let events = client.receive(b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n");
    assert_eq!(events, Ok(vec![Head, End, Paused]));
    assert!(!client.is_reusable() && client.machine.persists());
}

#[test]
fn a_refused_request_changes_nothing() {
    let mut client = Client::new();
    assert!(client.request("G\nET", &[]).is_err());
    assert!(client.request("PUT", &[("Content-Length", "x")]).is_err());
    assert!(client.out.is_empty() && client.is_reusable());
}

#[test]
fn either_side_may_end_the_connection() {
    let mut client = Client::new();
    client.request("GET", &[("Connection", "close")]).unwrap();
    assert!(!client.machine.can_request());
    assert_eq!(client.receive(b"HTTP/1.1 204 No Content\r\n\r\n"), Ok(vec![Head, End, Paused]));
    assert!(!client.is_reusable());
    for (fields, persists) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: not-closed", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: foo\r\nConnection: Close", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive", true),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nProxy-Connection: keep-alive", true),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nX-Any-Connection: keep-alive", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nKeep-Alive: timeout=5", true),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive, close", false),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive", false),
    ] {
        let mut client = Client::sent("GET");
        client.receive(format!("{fields}\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(client.machine.persists(), persists, "{fields}");
    }
}

#[test]
fn a_response_without_a_length_ends_with_the_connection() {
    let mut client = Client::sent("GET");
    assert_eq!(client.receive(b"HTTP/1.1 200 OK\r\n\r\nabc"), Ok(vec![Head, Data(3)]));
    assert!(!client.machine.persists());
    assert_eq!(client.machine.body_left(), None);
    client.input.extend(b"de");
    client.machine.end_of_input();
    assert_eq!(client.receive(b""), Ok(vec![Data(2), End, Paused]));
    // The end of the connection can be known before the head has been read.
    let mut client = Client::sent("GET");
    client.input.extend(b"HTTP/1.0 200 OK\r\n\r\nabc");
    client.machine.end_of_input();
    assert_eq!(client.receive(b""), Ok(vec![Head, Data(3), End, Paused]));
}

#[test]
fn a_response_that_ends_with_the_connection_has_the_limit_of_bodies() {
    let limits = MessageLimits { body: 2, ..MessageLimits::default() };
    let mut client = Client::sent("GET");
    client.input.extend(b"HTTP/1.0 200 OK\r\n\r\nabc");
    client.machine.end_of_input();
    let next = |client: &mut Client| client.machine.receive(&mut client.input, &limits, &mut client.head);
    assert_eq!([next(&mut client), next(&mut client)], [Ok(Head), Ok(Data(2))]);
    client.machine.take(&mut client.input, 2);
    assert_eq!(next(&mut client), Err(Violation::LargeBody));
}

#[test]
fn any_other_response_is_cut_by_the_end_of_the_connection() {
    for (bytes, events, left) in [
        (&b""[..], vec![Cut], Some(0)),
        (b"HTTP/1.1 2", vec![Cut], Some(0)),
        (b"HTTP/1.1 100 Continue\r\n\r\n", vec![Interim, Cut], Some(0)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", vec![Head, Data(3), Cut], Some(6)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", vec![Head, Data(3), Cut], None),
    ] {
        let mut client = Client::sent("GET");
        client.input.extend(bytes);
        client.machine.end_of_input();
        assert_eq!(client.receive(b""), Ok(events), "{}", bytes.escape_ascii());
        assert_eq!(client.machine.body_left(), left);
        assert_eq!(client.receive(b""), Ok(vec![Cut]), "the end stays the end");
        assert!(!client.machine.can_request());
    }
}

#[test]
fn a_request_after_the_last_response_is_cut() {
    let mut client = Client::sent("GET");
    client.request("GET", &[]).unwrap();
    let events = client.receive(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    assert_eq!(events, Ok(vec![Head, End, Cut]));
}

#[test]
fn interim_responses_come_before_the_final_one_and_have_a_limit() {
    let mut client = Client::sent("GET");
    let interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    assert_eq!(client.receive(interim), Ok(vec![Interim]));
    assert_eq!((client.head.status(), client.machine.has_begun()), (Status::EARLY_HINTS, true));
    let all = interim.repeat(MOST_INTERIM - 1);
    assert_eq!(client.receive(&all), Ok(vec![Interim; MOST_INTERIM - 1]));
    assert_eq!(client.receive(interim), Err(Violation::ManyInterim(MOST_INTERIM)));
}

#[test]
fn a_tunnel_and_another_protocol_end_http_on_the_connection() {
    for (method, head) in
        [("CONNECT", "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: x"), ("GET", "HTTP/1.1 101 Switching")]
    {
        let mut client = Client::sent(method);
        let events = client.receive(format!("{head}\r\n\r\nother bytes").as_bytes());
        assert_eq!(events, Ok(vec![Head, End, Paused]), "{head}");
        assert!(!client.machine.can_request() && client.machine.has_left_http());
        assert_eq!(client.input.bytes(), b"other bytes");
    }
    let mut client = Client::sent("CONNECT");
    let events = client.receive(b"HTTP/1.1 407 Auth\r\nContent-Length: 2\r\n\r\nno");
    assert_eq!(events, Ok(vec![Head, Data(2), End, Paused]), "a refusal is an ordinary response");
    assert!(client.is_reusable() && !client.machine.has_left_http());
}

#[test]
fn the_state_shows_the_part_of_the_response_that_is_read() {
    let mut client = Client::sent("GET");
    let state = |client: &Client| (client.machine.has_begun(), client.machine.in_head(), client.machine.is_chunked());
    assert_eq!(client.receive(b""), Ok(vec![]));
    assert_eq!(state(&client), (false, false, false), "no byte has arrived");
    client.receive(b"HTTP/1.1 200 OK\r\n").unwrap();
    assert_eq!(state(&client), (true, true, false));
    client.receive(b"Transfer-Encoding: chunked\r\n\r\n").unwrap();
    assert_eq!(state(&client), (true, false, true));
    client.receive(b"0\r\n\r\n").unwrap();
    assert_eq!(state(&client), (false, false, false));
    client.request("GET", &[]).unwrap();
    client.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n").unwrap();
    assert_eq!(state(&client), (true, false, false), "a body with a length is not chunked");
}

#[test]
fn a_repeated_request_awaits_a_response_and_may_be_the_last() {
    let mut client = Client::new();
    client.machine.repeat_request("HEAD", false);
    assert!(client.machine.can_request() && client.machine.awaited() == 1);
    let events = client.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
    assert_eq!(events, Ok(vec![Head, End, Paused]), "a response to HEAD has no body");
    client.machine.repeat_request("GET", true);
    assert!(!client.machine.can_request() && client.machine.awaited() == 1);
    // Repeating a request does not make a connection reusable after the server has ended it.
    let mut client = Client::sent("GET");
    client.receive(b"HTTP/1.1 204 No Content\r\n").unwrap();
    client.machine.repeat_request("GET", false);
    client.machine.end_of_input();
    assert!(!client.machine.persists());
}

#[test]
fn trailers_are_kept_until_the_next_response_and_apart_from_the_header() {
    let mut client = Client::sent("GET");
    let chunks =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum:  1 \r\nContent-Length: 9\r\n\r\n";
    assert_eq!(client.receive(chunks), Ok(vec![Head, Data(1), End, Paused]));
    assert_eq!(client.machine.trailers().lines(), b"X-Sum: 1\r\nContent-Length: 9\r\n");
    assert!(!client.head.headers().contains("x-sum") && client.is_reusable());
    client.request("GET", &[]).unwrap();
    client.receive(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    assert!(client.machine.trailers().is_empty());
}

#[test]
fn nothing_is_read_after_a_violation() {
    let mut client = Client::sent("GET");
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(client.receive(head), Err(Violation::TwoFramings));
    assert!(!client.machine.can_request());
    assert_eq!(client.receive(b"HTTP/1.1 204 No Content\r\n\r\n"), Err(Violation::TwoFramings));
}
