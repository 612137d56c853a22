//! Tests of the header fields that a handler sets and reads: their encoding, and the effect of the `Connection` field.
//! The framing of bodies is tested elsewhere.

use super::*;
use crate::http::{Request, Version};
use crate::service::ErrorText;

/// Returns the response as bytes, because a response need not be valid UTF-8.
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
fn of_fields_that_were_set_before_a_whole_response_all_values_are_sent() {
    const SET: [(&str, &str); 5] =
        [("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("X-A", "1"), ("X-A", "2"), ("Content-Type", "x/y")];
    fn page() -> Response {
        let page = Response::text("ok").header("Set-Cookie", "c=3");
        page.and_then(|page| page.header("Vary", "Accept")).unwrap()
    }
    const WAYS: [SendResponse; 2] = [|x| x.respond(page()), |x| x.serve(&|_: &Request| page())];
    for send in WAYS {
        let handler = does(move |x| {
            SET.iter().try_for_each(|(name, value)| x.send_header(name, *value))?;
            send(x)
        });
        let answer = bytes_of(handler, GET);
        for field in ["Set-Cookie: a=1", "set-cookie: b=2", "Set-Cookie: c=3", "X-A: 1", "X-A: 2", "Vary: Accept"] {
            assert!(has(&answer, field.as_bytes()), "{field} is not in {}", text(answer.clone()));
        }
        assert!(has(&answer, b"Content-type: text/plain; charset=utf-8"), "the response's own field is sent");
        assert!(!has(&answer, b"Content-Type: x/y"));
    }
}

/// A function that sends a response. The tests set the `Connection` field before they call it.
type SendResponse = fn(&Exchange<'_>) -> io::Result<()>;

/// Every way to send a response that includes the fields set before.
const WAYS: [(&str, SendResponse); 5] = [
    ("send_response", |x| {
        x.send_response(200)?;
        x.send_header("Content-Length", 2)?;
        x.end_headers()?;
        x.wfile().write_all(b"ok")
    }),
    ("respond", |x| x.respond(Response::text("ok"))),
    ("send_error", |x| x.send_error(404, None, None)),
    ("serve", |x| x.serve(&|_: &Request| Response::text("ok"))),
    ("a body that is made while it is sent", |x| {
        x.send_response(200)?;
        x.send_header("Content-Length", 4)?;
        x.end_headers()?;
        x.wfile().write_all(b"ok")?;
        x.sleep(Duration::ZERO)?;
        x.wfile().write_all(b"ok")
    }),
];

#[test]
fn connection_keep_alive_of_a_handler_is_sent() {
    for (name, way) in WAYS {
        let service = move || {
            does(move |x| {
                x.send_header("Connection", "keep-alive")?;
                way(x)
            })
        };
        let bench = Bench::new(service());
        for request in [GET, b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"] {
            let mut client = bench.connect();
            client.send(request);
            let answer = text(client.take());
            assert_eq!(answer.matches("\r\nConnection: ").count(), 1, "{name}: {answer}");
            assert!(answer.contains("\r\nConnection: keep-alive\r\n"), "{name}: {answer}");
            assert!(get(&mut client).starts_with("HTTP/1.1 "), "{name}: the connection is open");
        }
        // A client can ask the server to close the connection. An HTTP/1.0 client does so implicitly, unless it asks
        // for keep-alive.
        for request in [&b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"[..], b"GET / HTTP/1.0\r\n\r\n"] {
            let mut client = bench.connect();
            client.send(request);
            let answer = text(client.take());
            assert_eq!(answer.matches("\r\nConnection: ").count(), 1, "{name}: {answer}");
            assert!(answer.contains("\r\nConnection: close\r\n"), "{name}: {answer}");
            client.finish();
            assert!(client.closed().is_some(), "{name}");
        }
    }
}

#[test]
fn connection_close_outweighs_keep_alive_in_any_order() {
    let orders: [fn(&Exchange<'_>) -> io::Result<()>; 4] = [
        |x| x.send_header("Connection", "keep-alive").and_then(|()| x.close_connection()),
        |x| x.close_connection().and_then(|()| x.send_header("Connection", "Keep-Alive")),
        |x| x.send_header("connection", "keep-alive, close"),
        |x| x.send_header("CONNECTION", "close"),
    ];
    for (number, set) in orders.into_iter().enumerate() {
        let respond = does(move |x| {
            set(x)?;
            x.respond(Response::text("ok").header("Connection", "keep-alive").unwrap())
        });
        let bench = Bench::new(respond);
        let mut client = bench.connect();
        let answer = get(&mut client);
        assert_eq!(answer.matches("\r\nConnection: ").count(), 1, "{number}: {answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{number}: {answer}");
    }
}

#[test]
fn connection_keep_alive_of_a_handler_keeps_an_http_1_0_connection_open() {
    let server = HttpServer::bind("127.0.0.1:0").unwrap().log(AccessLog::off()).protocol(Version::Http10);
    let server = TestServer::start(server.service(does(|x| {
        if x.path() == "/first" {
            x.send_header("Connection", "keep-alive")?;
        }
        x.respond(Response::text("ok"))
    })));
    let requests = b"GET /first HTTP/1.1\r\nHost: h\r\n\r\nGET /second HTTP/1.1\r\nHost: h\r\n\r\n";
    let answers = text(answer_of(&server, requests));
    let (first, second) = answers.split_once("ok").expect("a first answer");
    assert!(first.starts_with("HTTP/1.0 200 ") && first.contains("\r\nConnection: keep-alive\r\n"), "{answers}");
    assert!(second.starts_with("HTTP/1.0 200 ") && second.contains("\r\nConnection: close\r\n"), "{answers}");
}

#[test]
fn a_text_field_is_sent_as_latin1_and_bytes_unchanged() {
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
fn a_field_with_a_character_above_latin1_is_an_error_and_is_not_sent() {
    let bench = Bench::new(does(|x| {
        let refused = x.send_header("X-Price", "5 \u{20ac}").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(refused.to_string(), "invalid value for header \"X-Price\": '\u{20ac}' is not in Latin-1");
        // If truncated to eight bits, U+010D and U+010A would become CR and LF, and U+0100 would become NUL.
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
fn an_error_message_is_latin1_in_the_status_line_and_unchanged_on_the_page() {
    let ways: [fn(&Exchange<'_>) -> io::Result<()>; 3] = [
        |x| x.send_error(404, Some("caf\u{e9} \u{20ac}\u{10a}\r\nX-Split: 1"), None),
        |_| Err(HttpError::new(Status::NOT_FOUND).message("caf\u{e9} \u{20ac}\u{10a}\r\nX-Split: 1").into()),
        |x| {
            let message = Some("caf\u{e9} \u{20ac}\u{10a}\r\nX-Split: 1".into());
            let error = Some(ErrorText { message, ..ErrorText::default() });
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
fn a_request_field_is_read_as_latin1() {
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
fn a_cookie_is_read_with_the_value_that_was_set() {
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
fn the_server_name_is_sent_as_latin1() {
    let server = || HttpServer::bind("127.0.0.1:0").unwrap().log(AccessLog::off());
    assert!(server().server_name("\u{20ac}").is_err());
    let named = server().server_name("caf\u{e9}").unwrap();
    let server = TestServer::start(named.service(does(|x| ok(x, x.version_string()))));
    let answer = answer_of(&server, b"GET / HTTP/1.0\r\n\r\n");
    assert!(has(&answer, b"Server: caf\xe9"), "{}", answer.escape_ascii());
    assert!(answer.ends_with("caf\u{e9}".as_bytes()), "{}", answer.escape_ascii());
}
