//! Tests of the bodies of requests and responses: their framing, their limits, and how they wait for the client.

use super::*;

#[test]
fn a_small_response_has_a_content_length_and_is_sent_in_one_write() {
    let bench = Bench::new(does(|x| {
        x.send_response(201)?;
        x.send_header("X-Number", 5)?;
        x.end_headers()?;
        write!(x.wfile(), "hello, ")?;
        x.wfile().write_all(b"world")
    }));
    let answer = get(&mut bench.connect());
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    assert!(answer.contains("\r\nX-Number: 5\r\nContent-Length: 12\r\n\r\nhello, world"), "{answer}");
}

#[test]
fn a_long_response_is_chunked_and_waits_for_its_client() {
    let written = Rc::new(Cell::new(0_usize));
    thread_local!(static WRITTEN: RefCell<Option<Rc<Cell<usize>>>> = const { RefCell::new(None) });
    WRITTEN.set(Some(Rc::clone(&written)));
    let bench = Bench::new(does(|x| {
        let written = WRITTEN.with_borrow(|written| written.clone().unwrap());
        x.send_response(200)?;
        x.end_headers()?;
        for _ in 0..1000 {
            x.wfile().write_all(&[b'x'; 1000])?;
            written.set(written.get() + 1000);
        }
        Ok(())
    }));
    let mut client = bench.connect();
    client.open_window(0);
    client.send(GET);
    let ahead = written.get();
    assert!(ahead < 200_000, "the handler was {ahead} bytes ahead of a client that takes nothing");
    let mut answer = Vec::new();
    for _ in 0..100 {
        client.open_window(10_000);
        answer.extend(client.take());
        assert!(written.get() < answer.len() + 200_000);
    }
    assert_eq!(written.get(), 1_000_000);
    client.open_window(1_000_000);
    answer.extend(client.take());
    let answer = text(answer);
    assert!(answer.contains("Transfer-Encoding: chunked\r\n"));
    assert!(answer.ends_with("\r\n0\r\n\r\n"));
    assert_eq!(body(&answer).bytes().filter(|byte| *byte == b'x').count(), 1_000_000);
    assert_eq!(client.closed(), None);
}

#[test]
fn a_long_response_to_http_1_0_ends_with_the_connection() {
    let bench = Bench::new(does(|x| {
        x.send_response(200)?;
        x.end_headers()?;
        x.wfile().write_all(&[b'x'; 100_000])
    }));
    let mut client = bench.connect();
    client.send(b"GET / HTTP/1.0\r\n\r\n");
    let answer = text(client.take());
    assert!(!answer.contains("chunked") && !answer.contains("Content-Length"));
    assert_eq!(body(&answer).len(), 100_000);
    assert_eq!(client.closed(), Some(CloseReason::Complete));
}

#[test]
fn a_request_body_is_read_the_same_however_it_is_split() {
    let bench = Bench::new(does(|x| {
        let mut lines = Vec::new();
        for line in x.rfile().lines() {
            lines.push(line?);
        }
        ok(x, &lines.join("|"))
    }));
    let whole = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\none\ntwo\nabcGET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut client = bench.connect();
    client.send(whole);
    let expected = text(client.take());
    assert!(expected.contains("one|two|abcHTTP/1.1 200 OK"), "{expected}");
    let mut client = bench.connect();
    whole.iter().for_each(|byte| client.send(&[*byte]));
    let split = text(client.take());
    assert_eq!(split.matches("one|two|abc").count(), 1);
    assert_eq!(split.len(), expected.len());
    let mut client = bench.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\na\nb\r\n2\r\n\nc\r\n0\r\n\r\n");
    assert!(text(client.take()).ends_with("a|b|c"));
}

#[test]
fn a_body_streams_through_in_both_directions() {
    let bench = Bench::new(does(|x| {
        x.send_response(200)?;
        x.end_headers()?;
        io::copy(&mut x.rfile(), &mut x.wfile()).map(drop)
    }));
    let mut client = bench.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
    assert!(
        text(client.take()).ends_with("Transfer-Encoding: chunked\r\n\r\n"),
        "the head is sent before the request body has ended"
    );
    client.send(&[b'x'; 500_000]);
    assert!(client.take().len() >= 500_000);
    client.send(&[b'x'; 500_000]);
    let rest = text(client.take());
    assert!(rest.ends_with("\r\n0\r\n\r\n"));
    assert!(get(&mut client).starts_with("HTTP/1.1 200 OK\r\n"), "the connection is kept open");
}

#[test]
fn a_client_that_sends_faster_than_the_handler_reads_waits() {
    let bench = Bench::new(does(|x| {
        x.sleep(Duration::from_millis(1))?;
        let count = io::copy(&mut x.rfile(), &mut io::sink())?;
        ok(x, &count.to_string())
    }));
    let mut client = bench.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
    client.send(&[b'x'; 1_000_000]);
    while !text(client.take()).ends_with("1000000") {
        assert!(client.wait());
    }
}

#[test]
fn a_response_to_head_has_a_content_length_and_no_body() {
    let bench = Bench::new(does(|x| ok(x, &"x".repeat(100_000))));
    let mut client = bench.connect();
    client.send(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = text(client.take());
    assert!(answer.contains("Content-Length: 100000\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert_eq!(client.closed(), None);
    let bench = Bench::new(does(|x| {
        x.send_response(204)?;
        x.end_headers()?;
        x.wfile().write_all(b"not sent")
    }));
    let answer = get(&mut bench.connect());
    assert!(answer.starts_with("HTTP/1.1 204 No Content\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn a_response_to_head_waits_for_the_whole_length() {
    let bench = Bench::new(does(|x| {
        ok(x, "one")?;
        x.sleep(Duration::from_millis(1))?;
        x.wfile().write_all(b"two")
    }));
    let mut client = bench.connect();
    client.send(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut answer = text(client.take());
    while answer.is_empty() {
        assert!(client.wait());
        answer = text(client.take());
    }
    assert!(answer.ends_with("\r\nContent-Length: 6\r\n\r\n"), "{answer}");
}

#[test]
fn a_body_has_its_declared_length_or_the_connection_is_cut() {
    let sends = |length: u64, body: &'static str| {
        does(move |x| {
            x.send_response(200)?;
            x.send_header("Content-Length", length)?;
            x.end_headers()?;
            x.wfile().write_all(body.as_bytes())
        })
    };
    let (bench, log) = logged(sends(3, "abcdef"));
    assert!(get(&mut bench.connect()).starts_with("HTTP/1.1 500 "), "no byte was sent");
    assert!(lines(bench, log)[0].contains("longer than its Content-Length of 3"));

    let (bench, log) = logged(does(|x| {
        x.send_response(200)?;
        x.send_header("Content-Length", 3)?;
        x.end_headers()?;
        _ = x.wfile().write_all(b"abcdef");
        Ok(())
    }));
    let mut client = bench.connect();
    assert!(get(&mut client).ends_with("\r\n\r\nabc"), "not more bytes than declared");
    assert!(client.closed().is_some());
    drop(client);
    assert_eq!(lines(bench, log)[0], "GET /a?b=c: the handler wrote more than 3 bytes with a Content-Length of 3");

    let (bench, log) = logged(sends(10, "abc"));
    let mut client = bench.connect();
    client.send(GET);
    assert!(text(client.take()).ends_with("Content-Length: 10\r\nConnection: close\r\n\r\nabc"));
    client.finish();
    assert_eq!(client.closed(), Some(CloseReason::OutputCut));
    drop(client);
    assert_eq!(lines(bench, log)[0], "GET /a?b=c: the handler wrote 3 bytes with a Content-Length of 10");

    let bench = Bench::new(sends(3, "abc"));
    let mut client = bench.connect();
    assert!(get(&mut client).ends_with("abc"));
    assert_eq!(client.closed(), None);
}

#[test]
fn a_request_body_over_the_limit_is_413() {
    let bench = Bench::new(does(|x| {
        x.limit_body(10)?;
        let mut bytes = Vec::new();
        x.rfile().read_to_end(&mut bytes)?;
        ok(x, &bytes.len().to_string())
    }));
    let mut client = bench.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n0123456789");
    assert!(text(client.take()).ends_with("10"));
    client
        .send(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n");
    assert!(text(client.take()).starts_with("HTTP/1.1 413 Content Too Large\r\n"));
    let mut client = bench.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1099511627776\r\n\r\n");
    assert!(text(client.take()).starts_with("HTTP/1.1 413 Content Too Large\r\n"), "before any byte of the body");
}

#[test]
fn a_limited_body_is_read_up_to_the_limit_before_every_later_read_fails() {
    // The pieces are separate chunks, each of which arrives after the handler has read the one before.
    for pieces in [&["0123456789abc"][..], &["0123", "456789abc"], &["0123456789", "abc"]] {
        let bench = Bench::new(does(|x| {
            x.limit_body(10)?;
            let (mut bytes, mut body) = (Vec::new(), x.rfile());
            let errors: Vec<_> = (0..3).filter_map(|_| body.read_to_end(&mut bytes).err()).collect();
            ok(x, &format!("{} errors after {}", errors.len(), String::from_utf8_lossy(&bytes)))
        }));
        let mut client = bench.connect();
        client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        for piece in pieces {
            client.send(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes());
        }
        assert_eq!(body(&text(client.take())), "3 errors after 0123456789", "{pieces:?}");
    }
}

#[test]
fn the_limit_of_a_body_includes_the_bytes_that_were_read_before() {
    let bench = Bench::new(does(|x| {
        let mut first = [0; 4];
        x.rfile().read_exact(&mut first)?;
        let (limit, mut rest) = (if x.path() == "/4" { 4 } else { 10 }, Vec::new());
        let result = x.limit_body(limit).and_then(|()| x.rfile().read_to_end(&mut rest));
        ok(x, &format!("{} {}", result.is_ok(), rest.len()))
    }));
    // The first chunk has five bytes, of which the handler reads four before it sets the limit.
    for (path, second, expected) in [("/10", "56789", "true 6"), ("/10", "56789a", "false 6"), ("/4", "5", "false 0")] {
        let mut client = bench.connect();
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send(format!("{head}5\r\n01234\r\n").as_bytes());
        client.send(format!("{:x}\r\n{second}\r\n0\r\n\r\n", second.len()).as_bytes());
        assert_eq!(body(&text(client.take())), expected, "{path} {second}");
    }
}

#[test]
fn continue_is_sent_when_the_handler_reads_the_body() {
    const ASK: &[u8] = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    struct ReadsBody(bool);
    impl RequestHandler for ReadsBody {
        fn do_post(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
            let mut text = String::new();
            x.rfile().read_to_string(&mut text)?;
            ok(x, &text)
        }
        fn handle_expect_100(&mut self, x: &mut Exchange<'_>) -> io::Result<bool> {
            if !self.0 {
                x.send_error(417, None, None)?;
            }
            Ok(self.0)
        }
    }
    let bench = Bench::new(Handlers::new(|| ReadsBody(true)));
    let mut client = bench.connect();
    client.send(ASK);
    assert_eq!(text(client.take()), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send(b"abc");
    assert!(text(client.take()).ends_with("abc"));

    let bench = Bench::new(Handlers::new(|| ReadsBody(false)));
    let mut client = bench.connect();
    client.send(ASK);
    let answer = text(client.take());
    assert!(answer.starts_with("HTTP/1.1 417 ") && answer.contains("Connection: close\r\n"), "{answer}");

    let bench = Bench::new(does(|x| ok(x, "without your body")));
    let mut client = bench.connect();
    client.send(ASK);
    let answer = text(client.take());
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("Connection: close\r\n"), "{answer}");
}

#[test]
fn a_file_is_the_body_or_is_copied_after_written_bytes() {
    let file = || {
        let mut file = tempfile::tempfile().unwrap();
        // The position of the file is its end. Nevertheless, the whole file is sent.
        file.write_all(&[b'f'; 40_000]).unwrap();
        file
    };
    let bench = Bench::new(does(move |x| {
        x.send_response(200)?;
        if x.path() == "/wrong" {
            x.send_header("Content-Length", 5)?;
        }
        x.end_headers()?;
        if x.path() == "/copied" {
            x.wfile().write_all(b"before")?;
        }
        x.send_file(file())?;
        if x.path() == "/copied" {
            x.wfile().write_all(b"behind")?;
        } else {
            assert!(x.wfile().write_all(b"behind").is_err(), "the file is the rest of the body");
        }
        Ok(())
    }));
    let mut client = bench.connect();
    let answer = get(&mut client);
    assert!(answer.contains("Content-Length: 40000\r\n"), "{}", &answer[..200]);
    assert_eq!(body(&answer), "f".repeat(40_000));
    client.send(b"GET /copied HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = text(client.take());
    assert_eq!(body(&answer).bytes().filter(|byte| *byte == b'f').count(), 40_000 + 1);
    client.send(b"GET /wrong HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(text(client.take()).starts_with("HTTP/1.1 500 "));
}
