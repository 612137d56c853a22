//! The header fields that a handler sets and reads: their encoding. How the bodies of handlers are framed must stay out.

use super::*;
use crate::service::ErrorText;

/// The answer as bytes, which may be no UTF-8.
fn bytes_of(service: impl Service + Send + 'static, request: &[u8]) -> Vec<u8> {
    let bench = Bench::new(service);
    let mut client = bench.connect();
    client.send(request);
    client.take()
}

fn has(answer: &[u8], field: &[u8]) -> bool {
    let line = [b"\r\n", field, b"\r\n"].concat();
    answer.windows(line.len()).any(|window| window == line)
}

#[test]
fn a_text_is_sent_as_latin1_and_bytes_as_they_are() {
    let handler = || {
        does(|x| {
            x.send_response_only(103)?;
            x.send_header("X-Hint", "caf\u{e9}")?;
            x.end_headers()?;
            x.send_header("X-Text", "caf\u{e9}\u{ff}")?;
            x.send_header("X-Owned", String::from("\u{80}"))?;
            x.send_header("X-Shown", format_args!("{}{}", '\u{fc}', 5))?;
            x.send_header("X-Bytes", "caf\u{e9}".as_bytes())?;
            x.send_header("X-Array", b"\xe9")?;
            x.respond(Response::text("ok").header("X-Service", "\u{e9}").unwrap())
        })
    };
    let answer = bytes_of(handler(), GET);
    let fields: [&[u8]; 7] = [
        b"X-Hint: caf\xe9",
        b"X-Text: caf\xe9\xff",
        b"X-Owned: \x80",
        b"X-Shown: \xfc5",
        b"X-Bytes: caf\xc3\xa9",
        b"X-Array: \xe9",
        b"X-Service: \xe9",
    ];
    for field in fields {
        assert!(has(&answer, field), "{}: {}", field.escape_ascii(), answer.escape_ascii());
    }
}

#[test]
fn a_character_above_latin1_is_a_clear_error_and_nothing_of_it_is_sent() {
    let bench = Bench::new(does(|x| {
        let refused = x.send_header("X-Price", "5 \u{20ac}").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(refused.to_string(), "invalid value for header \"X-Price\": '\u{20ac}' is not in Latin-1");
        // U+010D and U+010A would be CR and LF if they were cut to eight bits, U+0100 would be NUL.
        for value in ["a\u{10d}\u{10a}X-Split: 1", "\u{100}", "a\r\nX-Split: 1", "a\nX-Split: 1", "a\rb", "a\0b"] {
            assert!(x.send_header("X-Refused", value).is_err(), "{value:?}");
            assert!(x.send_header("X-Refused", format_args!("{value}")).is_err(), "{value:?}");
            assert!(Response::text("").header("X-Refused", value).is_err(), "{value:?}");
        }
        for value in [&b"a\r\nX-Split: 1"[..], b"a\nb", b"a\rb", b"a\0b", b"\x7f"] {
            assert!(x.send_header("X-Refused", value).is_err(), "{value:?}");
        }
        ok(x, "fine")
    }));
    let answer = get(&mut bench.connect());
    assert!(answer.ends_with("\r\n\r\nfine"), "{answer}");
    assert!(!answer.contains("X-"), "{answer}");
}

#[test]
fn the_message_of_an_error_is_latin1_in_the_status_line_and_whole_on_the_page() {
    let ways: [fn(&Exchange<'_>) -> io::Result<()>; 3] = [
        |x| x.send_error(404, Some("caf\u{e9} \u{20ac}\u{10a}\r\nX-Split: 1"), None),
        |_| Err(HttpError::new(Status::NOT_FOUND).message("caf\u{e9} \u{20ac}\u{10a}\r\nX-Split: 1").into()),
        |x| {
            let message = Some("caf\u{e9} \u{20ac}\u{10a}\r\nX-Split: 1".into());
            let error = Some(ErrorText { message, explain: None });
            x.respond(Response { error, ..Response::new(Status::NOT_FOUND) })
        },
    ];
    for way in ways {
        let answer = bytes_of(does(move |x| way(x)), GET);
        assert!(answer.starts_with(b"HTTP/1.1 404 caf\xe9 ????X-Split: 1\r\n"), "{}", answer.escape_ascii());
        let page = "<p>Message: caf\u{e9} \u{20ac}\u{10a}\r\nX-Split: 1.</p>".as_bytes();
        assert!(answer.windows(page.len()).any(|window| window == page), "{}", answer.escape_ascii());
    }
}

#[test]
fn a_field_of_a_request_is_read_as_latin1() {
    let answer = bytes_of(
        does(|x| {
            let value = x.headers().get_str("X-Name").expect("the field is there").into_owned();
            assert_eq!(value, "caf\u{e9}\u{80}\u{ff}");
            assert_eq!(x.headers().get("x-name"), Some(&b"caf\xe9\x80\xff"[..]));
            x.send_header("X-Back", value)?;
            ok(x, "fine")
        }),
        b"GET / HTTP/1.1\r\nHost: h\r\nX-Name: caf\xe9\x80\xff\r\n\r\n",
    );
    assert!(has(&answer, b"X-Back: caf\xe9\x80\xff"), "{}", answer.escape_ascii());
}

#[cfg(feature = "cookie")]
#[test]
fn a_cookie_comes_back_from_the_client_as_it_was_set() {
    let bench = Bench::new(does(|x| {
        assert_eq!(x.cookies().get("name"), (x.path() == "/back").then_some("caf\u{e9}; 5"));
        x.set_cookie(Cookie::build(("name", "caf\u{e9}; 5")).path("/caf\u{e9}"))?;
        assert!(x.set_cookie(Cookie::new("name", "5 \u{20ac}")).is_err());
        assert!(x.set_cookie(Cookie::build(("name", "5")).path("/\u{20ac}")).is_err());
        ok(x, "fine")
    }));
    let mut client = bench.connect();
    client.send(GET);
    let set = b"Set-Cookie: name=\"caf\\351\\073 5\"; Path=/caf\xe9";
    let answer = client.take();
    assert!(has(&answer, set), "{}", answer.escape_ascii());
    client.send(b"GET /back HTTP/1.1\r\nHost: h\r\nCookie: name=\"caf\\351\\073 5\"\r\n\r\n");
    assert!(client.take().ends_with(b"fine"));
}

#[test]
fn the_name_of_a_server_is_latin1() {
    let server = || HttpServer::bind("127.0.0.1:0").unwrap().log(AccessLog::off());
    assert!(server().server_name("\u{20ac}").is_err());
    let named = server().server_name("caf\u{e9}").unwrap();
    let server = TestServer::start(named.service(does(|x| ok(x, x.version_string()))));
    let mut client = TcpStream::connect(server.address()).unwrap();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert!(has(&answer, b"Server: caf\xe9"), "{}", answer.escape_ascii());
    assert!(answer.ends_with("caf\u{e9}".as_bytes()), "{}", answer.escape_ascii());
}
