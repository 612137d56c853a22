//! Tests of the server's machine, without a connection.

use super::*;
use crate::http1::CommonHeaders;

/// A machine that has read a request with this HTTP version and has not responded to it.
fn machine_after_request(protocol: Version, version: &str) -> ServerMachine {
    let (mut machine, mut request, mut input) = (ServerMachine::new(protocol), Request::default(), Buffer::default());
    input.extend(format!("GET / {version}\r\nHost: h\r\n\r\n").as_bytes());
    assert_eq!(machine.receive(&mut input, &MessageLimits::default(), &mut request), Ok(RequestEvent::Head));
    machine
}

/// Responds with 200 and announces a body of `length` bytes. Returns the head and the encoder.
fn respond(machine: &mut ServerMachine, length: u64) -> (String, Option<Encoder>) {
    let (mut out, fields, common) = (Buffer::default(), FieldBlock::new(), CommonHeaders::default());
    let length = Some(length);
    let head = ResponseHead { status: Status::OK, reason: None, fields: &fields, length, common: &common };
    let encoder = machine.respond(&head, &mut out);
    (String::from_utf8_lossy(out.bytes()).into_owned(), encoder)
}

#[test]
fn the_states_follow_a_request_and_its_response() {
    let (mut machine, mut request, mut input) =
        (ServerMachine::new(Version::Http11), Request::default(), Buffer::default());
    let mut receive = |machine: &mut ServerMachine, bytes: &str| {
        input.extend(bytes.as_bytes());
        let event = machine.receive(&mut input, &MessageLimits::default(), &mut request);
        if let Ok(RequestEvent::Data(length)) = event {
            machine.take(&mut input, length);
        }
        event
    };
    assert!(machine.wants_input() && machine.is_idle() && machine.send_state() == SendState::Idle);
    assert_eq!(receive(&mut machine, "PUT / HTTP/1.1\r\nHost: h\r\n"), Ok(RequestEvent::More));
    assert!(machine.wants_input() && matches!(machine.receive_state(), ReceiveState::Head(_)));
    assert_eq!(receive(&mut machine, "Content-Length: 1\r\n\r\n"), Ok(RequestEvent::Head));
    assert!(machine.wants_input() && matches!(machine.receive_state(), ReceiveState::Body(_)));
    assert_eq!(machine.send_state(), SendState::Due);
    assert_eq!(receive(&mut machine, "x"), Ok(RequestEvent::Data(1)));
    assert_eq!(receive(&mut machine, ""), Ok(RequestEvent::End));
    assert!(!machine.wants_input() && matches!(machine.receive_state(), ReceiveState::Done));
    let (_, encoder) = respond(&mut machine, 5);
    assert_eq!((machine.send_state(), encoder), (SendState::Body(Encoder::Counted(5)), Some(Encoder::Counted(5))));
    machine.body_sent();
    assert!(machine.wants_input() && machine.is_idle());
}

#[test]
fn a_response_with_a_body_of_zero_bytes_ends_with_its_head() {
    let mut machine = machine_after_request(Version::Http11, "HTTP/1.1");
    let (head, encoder) = respond(&mut machine, 0);
    assert!(head.ends_with("Content-Length: 0\r\n\r\n"), "{head}");
    assert_eq!(encoder, None);
    assert!(machine.is_idle());
}

#[test]
fn a_response_that_rules_a_body_out_ends_with_its_head_whatever_its_length() {
    for (status, length) in [(204, None), (204, Some(3)), (304, None), (304, Some(3))] {
        let mut machine = machine_after_request(Version::Http11, "HTTP/1.1");
        let (fields, common, status) = (FieldBlock::new(), CommonHeaders::default(), Status::new(status).unwrap());
        let head = ResponseHead { status, reason: None, fields: &fields, length, common: &common };
        assert_eq!(machine.respond(&head, &mut Buffer::default()), None, "{status} {length:?}");
        assert!(machine.is_idle());
    }
}

#[test]
fn the_line_of_a_request_that_is_not_complete_can_be_noted() {
    let (mut machine, mut input) = (ServerMachine::new(Version::Http11), Buffer::default());
    let mut request = Request::builder("GET", "/before").build();
    machine.note_line(&input, &mut request);
    assert_eq!(request.request_line(), b"", "the next request has not begun");
    input.extend(b"PUT /slow HTTP/1.1\r\nHost: h\r\n");
    let event = machine.receive(&mut input, &MessageLimits::default(), &mut Request::default());
    assert_eq!(event, Ok(RequestEvent::More));
    machine.note_line(&input, &mut request);
    assert_eq!(request.request_line(), b"PUT /slow HTTP/1.1");
}

#[test]
fn the_response_to_an_incomplete_head_is_constrained_by_its_own_method() {
    for (before, line, is_head) in [("HEAD", "GET / HTTP", false), ("GET", "HEAD / HTTP", true), ("HEAD", "HE", false)]
    {
        let (mut machine, mut input) = (ServerMachine::new(Version::Http11), Buffer::default());
        let (limits, mut request) = (MessageLimits::default(), Request::default());
        input.extend(format!("{before} / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n{line}").as_bytes());
        assert_eq!(machine.receive(&mut input, &limits, &mut request), Ok(RequestEvent::Head));
        respond(&mut machine, 0);
        assert_eq!(machine.receive(&mut input, &limits, &mut request), Ok(RequestEvent::More));
        machine.note_line(&input, &mut request);
        machine.refuse();
        assert_eq!(machine.is_head(), is_head, "{line} after {before}");
    }
}

#[test]
fn after_101_the_bytes_of_the_other_protocol_end_with_the_connection() {
    let switch = |request: &str| {
        let (mut machine, mut input) = (ServerMachine::new(Version::Http11), Buffer::default());
        input.extend(request.as_bytes());
        machine.receive(&mut input, &MessageLimits::default(), &mut Request::default()).unwrap();
        let (mut out, mut fields, common) = (Buffer::default(), FieldBlock::new(), CommonHeaders::default());
        fields.put("Upgrade", "x");
        let status = Status::SWITCHING_PROTOCOLS;
        let head = ResponseHead { status, reason: None, fields: &fields, length: None, common: &common };
        let may_switch = machine.may_switch_protocols();
        let encoder = machine.respond(&head, &mut out);
        (may_switch, encoder, String::from_utf8_lossy(out.bytes()).into_owned(), machine)
    };
    let expected = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n";
    for option in ["upgrade", "close, upgrade"] {
        let (may_switch, encoder, head, mut machine) =
            switch(&format!("GET / HTTP/1.1\r\nHost: h\r\nConnection: {option}\r\n\r\n"));
        assert_eq!((may_switch, encoder, head.as_str()), (true, Some(Encoder::UntilClose), expected));
        assert!(!machine.client_has_finished(), "the client sends on");
        machine.body_sent();
        assert!(machine.is_closed());
    }
    for request in ["GET / HTTP/1.0\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"] {
        assert!(!switch(request).0, "{request}");
    }
}

#[test]
fn a_field_upgrade_is_named_in_connection() {
    for (version, connection) in [("HTTP/1.1", "Upgrade"), ("HTTP/1.0", "close, Upgrade")] {
        let mut machine = machine_after_request(Version::Http11, version);
        let (mut out, mut fields, common) = (Buffer::default(), FieldBlock::new(), CommonHeaders::default());
        fields.put("Upgrade", "x");
        let status = Status::UPGRADE_REQUIRED;
        let head = ResponseHead { status, reason: None, fields: &fields, length: Some(0), common: &common };
        machine.respond(&head, &mut out);
        let head = String::from_utf8_lossy(out.bytes()).into_owned();
        assert!(head.contains(&format!("\r\nConnection: {connection}\r\n")), "{head}");
    }
}

#[test]
fn after_the_end_of_input_only_a_complete_request_leaves_the_connection_open() {
    for (bytes, is_closed, closes) in [
        ("", true, None),
        ("PUT / HTTP/1.1\r\n", true, None),
        ("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nx", false, Some(true)),
        ("PUT / HTTP/1.1\r\nHost: h\r\n\r\n", false, Some(false)),
    ] {
        let (mut machine, mut input) = (ServerMachine::new(Version::Http11), Buffer::default());
        input.extend(bytes.as_bytes());
        machine.receive(&mut input, &MessageLimits::default(), &mut Request::default()).unwrap();
        machine.end_of_input();
        assert_eq!(machine.is_closed(), is_closed, "{bytes:?}");
        if let Some(closes) = closes {
            let (head, _) = respond(&mut machine, 0);
            assert_eq!((head.contains("Connection: close"), machine.is_closed()), (closes, closes), "{bytes:?}");
        }
    }
}

#[test]
fn a_connection_that_is_stopped_within_a_head_ends_after_the_response() {
    let (mut machine, mut request, mut input) =
        (ServerMachine::new(Version::Http11), Request::default(), Buffer::default());
    let mut receive = |machine: &mut ServerMachine, bytes: &[u8]| {
        input.extend(bytes);
        machine.receive(&mut input, &MessageLimits::default(), &mut request)
    };
    assert_eq!(receive(&mut machine, b"GET / HTTP/1.1\r\n"), Ok(RequestEvent::More));
    machine.stop();
    assert_eq!(receive(&mut machine, b"Host: h\r\n\r\n"), Ok(RequestEvent::Head));
    let (head, _) = respond(&mut machine, 0);
    assert!(head.contains("Connection: close") && machine.is_closed(), "{head}");
}

fn interim(machine: &mut ServerMachine, status: Status) -> String {
    let mut out = Buffer::default();
    machine.interim(status, &FieldBlock::new(), &mut out);
    String::from_utf8_lossy(out.bytes()).into_owned()
}

#[test]
fn an_interim_response_is_sent_before_the_response_and_only_in_http11() {
    let mut machine = machine_after_request(Version::Http11, "HTTP/1.1");
    for status in [Status::SWITCHING_PROTOCOLS, Status::OK, Status::NOT_FOUND] {
        assert_eq!(interim(&mut machine, status), "", "{status} is not interim");
    }
    assert_eq!(interim(&mut machine, Status::EARLY_HINTS), "HTTP/1.1 103 Early Hints\r\n\r\n");
    let (fields, common) = (FieldBlock::new(), CommonHeaders::default());
    let head = ResponseHead { status: Status::OK, reason: None, fields: &fields, length: Some(0), common: &common };
    machine.respond(&head, &mut Buffer::default());
    assert_eq!(interim(&mut machine, Status::EARLY_HINTS), "", "the response has begun");
    for (protocol, version) in [(Version::Http11, "HTTP/1.0"), (Version::Http10, "HTTP/1.1")] {
        assert_eq!(
            interim(&mut machine_after_request(protocol, version), Status::EARLY_HINTS),
            "",
            "{protocol:?} {version}"
        );
    }
}
