//! Tests of handlers that fail: errors, panics, wrong calls, timeouts and clients that disconnect.

use super::*;

#[test]
fn no_response_or_an_error_of_the_handler_is_500() {
    let (bench, log) = logged(does(|_| Ok(())));
    assert!(get(&mut bench.connect()).starts_with("HTTP/1.1 500 Internal Server Error\r\n"));
    assert_eq!(lines(bench, log)[0], "GET /a?b=c: the handler sent no response");

    let (bench, log) = logged(does(|x| x.send_response(200)));
    assert!(get(&mut bench.connect()).starts_with("HTTP/1.1 500 Internal Server Error\r\n"));
    assert_eq!(lines(bench, log)[0], "GET /a?b=c: end_headers was not called");

    let (bench, log) = logged(does(|x| {
        ok(x, "this will not be seen")?;
        Err(io::Error::other("the disk is full"))
    }));
    let answer = get(&mut bench.connect());
    assert!(answer.starts_with("HTTP/1.1 500 ") && !answer.contains("seen"), "{answer}");
    let lines = lines(bench, log);
    assert_eq!(lines[0], "GET /a?b=c: the handler failed: the disk is full");
    assert!(lines[2].starts_with("\"GET /a?b=c HTTP/1.1\" 500"), "{lines:?}");
}

#[test]
fn an_http_error_has_the_page_of_its_status() {
    let bench = Bench::new(does(|_| Err(HttpError::new(Status::UNPROCESSABLE_CONTENT).message("no number").into())));
    let mut client = bench.connect();
    assert!(get(&mut client).starts_with("HTTP/1.1 422 no number\r\n"));
    assert_eq!(client.closed(), None);
}

#[test]
fn a_handler_may_have_an_error_of_its_own() {
    struct Fails(&'static str);
    impl RequestHandler<anyhow::Error> for Fails {
        fn do_get(&mut self, x: &mut Exchange<'_>) -> anyhow::Result<()> {
            use anyhow::Context;
            match self.0 {
                "404" => Err(HttpError::new(404)).context("outer")?,
                "503" => Err(HttpError::new(503))?,
                _ => Err(io::Error::other("the disk is full")).context("cannot save")?,
            }
            ok(x, "never")?;
            Ok(())
        }
    }
    for status in ["404", "503"] {
        let (bench, log) = logged(Handlers::new(move || Fails(status)));
        assert!(get(&mut bench.connect()).starts_with(&format!("HTTP/1.1 {status} ")));
        assert!(!lines(bench, log).iter().any(|line| line.contains("failed")));
    }
    let (bench, log) = logged(Handlers::new(|| Fails("")));
    assert!(get(&mut bench.connect()).starts_with("HTTP/1.1 500 "));
    assert_eq!(lines(bench, log)[0], "GET /a?b=c: the handler failed: cannot save: the disk is full");

    let (bench, log) = logged(does(|_| {
        let cause = anyhow::Error::new(io::Error::other("the disk is full")).context("cannot save");
        Err(HttpError::new(503).explain("Try again <later>").cause(cause).into())
    }));
    let answer = get(&mut bench.connect());
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
    assert!(answer.contains("Try again &lt;later&gt;") && !answer.contains("disk"), "{answer}");
    assert_eq!(lines(bench, log)[0], "GET /a?b=c: cannot save: the disk is full");
}

#[test]
fn a_second_response_is_an_error() {
    let bench = Bench::new(does(|x| {
        ok(x, "one")?;
        assert_eq!(x.send_response(200).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(x.send_error(404, None, None).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(x.end_headers().unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(x.send_header("Too", "late").is_err());
        Ok(())
    }));
    let answer = get(&mut bench.connect());
    assert!(answer.ends_with("\r\n\r\none"), "{answer}");
}

#[test]
fn a_wrong_call_is_an_error_and_sends_nothing() {
    let bench = Bench::new(does(|x| {
        for (name, value) in [("A B", "c"), ("", "c"), ("A", "b\r\nC: d"), ("A", "\0"), ("Content-Length", "+1")] {
            assert_eq!(x.send_header(name, value).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert!(x.wfile().write_all(b"x").is_err(), "the head is not complete");
        assert!(x.end_headers().is_err());
        assert!(x.send_response(99).is_err() && x.send_response(1000).is_err() && x.send_response(103).is_err());
        ok(x, "fine")
    }));
    let answer = get(&mut bench.connect());
    assert!(answer.ends_with("\r\n\r\nfine") && !answer.contains("C: d"), "{answer}");
}

#[test]
fn a_panic_is_500_and_one_log_line() {
    let (bench, log) = logged(does(|x| {
        x.send_response(200)?;
        x.end_headers()?;
        panic!("no more {}", x.command());
    }));
    let mut client = bench.connect();
    let answer = get(&mut client);
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("Connection: close\r\n"), "{answer}");
    drop(client);
    let lines = lines(bench, log);
    assert_eq!(lines.iter().filter(|line| line.contains("panicked")).count(), 1, "{lines:?}");
    assert!(lines[0].contains("GET /a?b=c: the handler panicked: no more GET"), "{lines:?}");
}

#[test]
fn a_panic_after_the_head_cuts_the_connection() {
    let (bench, log) = logged(does(|x| {
        x.send_response(200)?;
        x.end_headers()?;
        x.wfile().write_all(b"abc")?;
        x.sleep(Duration::ZERO)?;
        x.wfile().write_all(&[b'x'; 100_000])?;
        panic!("too late");
    }));
    let mut client = bench.connect();
    client.send(GET);
    let answer = text(client.take());
    assert!(answer.contains("chunked") && !answer.ends_with("0\r\n\r\n"), "{answer}");
    client.finish();
    assert_eq!(client.closed(), Some(CloseReason::OutputCut));
    drop(client);
    assert!(lines(bench, log)[0].contains("GET /a?b=c: the handler panicked: too late"));
}

#[test]
fn a_handler_that_panicked_after_its_response_is_not_called_again() {
    let (bench, log) = logged(does(|x| {
        x.send_response(200)?;
        x.send_header("Content-Length", 2)?;
        x.end_headers()?;
        x.wfile().write_all(b"ok")?;
        x.sleep(Duration::from_secs(3600)).expect("the sleep is not interrupted");
        Ok(())
    }));
    let mut client = bench.connect();
    assert_eq!(body(&get(&mut client)), "ok");
    let answer = get(&mut client);
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("Connection: close\r\n"), "{answer}");
    drop(client);
    let lines = lines(bench, log);
    assert!(lines[1].starts_with("GET /a?b=c: the handler panicked: the sleep is not interrupted"), "{lines:?}");
}

#[test]
fn no_state_of_a_request_reaches_the_next() {
    let bench = Bench::new(does(|x| {
        if x.command() == "GET" {
            let mut left = String::new();
            x.rfile().read_to_string(&mut left)?;
            assert_eq!(left, "");
        }
        x.send_response(200)?;
        x.send_header("Content-Length", 2)?;
        x.end_headers()?;
        x.wfile().write_all(b"ok")
    }));
    let failing = Bench::new(does(|x| match x.command() {
        "GET" => Ok(()),
        "PUT" => ok(x, "of the second"),
        _ => ok(x, "of the first").and(Err(io::Error::other("after all"))),
    }));
    let mut client = failing.connect();
    client.send(b"DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(text(client.take()).starts_with("HTTP/1.1 500 "));
    assert!(get(&mut client).starts_with("HTTP/1.1 500 "), "the response of the first request");
    let mut client = failing.connect();
    client.send(b"DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\nPUT / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(text(client.take()).ends_with("\r\n\r\nof the second"));
    let mut client = bench.connect();
    for _ in 0..2 {
        client.send(b"HEAD / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nunread");
        assert!(text(client.take()).ends_with("\r\nContent-Length: 2\r\n\r\n"));
        let answer = get(&mut client);
        assert!(answer.starts_with("HTTP/1.1 200 ") && body(&answer) == "ok", "{answer}");
    }
}

#[test]
fn a_handler_that_returned_after_a_timeout_serves_the_next_request() {
    /// A handler that sleeps in its first request. The fields are a flag that makes it ignore the error for a
    /// disconnected client, the number of requests, and the number of sleeps.
    struct Late(bool, u32, u32);
    impl RequestHandler for Late {
        fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
            self.1 += 1;
            if self.1 == 1 {
                while (x.sleep(Duration::from_secs(3600)).is_ok() || self.0) && self.2 < TOO_OFTEN {
                    self.2 += 1;
                }
                assert!(self.2 < TOO_OFTEN, "the handler gets no error and is not unwound");
                // The request has timed out, so these interim responses must not become responses to the next request.
                x.send_response_only(102)?;
                x.end_headers()?;
            }
            ok(x, &self.1.to_string())
        }
    }
    for stubborn in [false, true] {
        let limits = Limits { answer_timeout: Duration::from_millis(1), ..Limits::default() };
        let bench = Bench::new(Handlers::new(move || Late(stubborn, 0, 0))).limits(limits);
        let mut client = bench.connect();
        client.send(GET);
        let mut answer = text(client.take());
        while answer.is_empty() {
            assert!(client.wait());
            answer = text(client.take());
        }
        assert!(answer.starts_with("HTTP/1.1 504 ") && !answer.contains("Connection: close"), "{answer}");
        let next = get(&mut client);
        match stubborn {
            false => assert!(next.starts_with("HTTP/1.1 200 ") && body(&next) == "2", "{next}"),
            // The handler was unwound, so its state may be inconsistent and it is not called again.
            true => assert!(next.starts_with("HTTP/1.1 500 ") && next.contains("Connection: close"), "{next}"),
        }
    }
}

/// The number of times that a handler in these tests repeats an operation that should fail, so that a test fails
/// instead of hanging.
const TOO_OFTEN: u32 = 10_000;

/// Increments the counter when this value is dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn operations_of_a_handler_fail_when_its_client_is_gone() {
    /// The test holds this lock so that the job cannot end before its handler waits for it.
    static GATE: Mutex<()> = Mutex::new(());
    let closed = GATE.lock().unwrap();
    let waits: [fn(&Exchange<'_>) -> io::Result<()>; 4] = [
        |x| x.sleep(Duration::from_secs(3600)),
        |x| x.rfile().read(&mut [0]).map(drop),
        |x| (0..TOO_OFTEN).try_for_each(|_| x.wfile().write_all(&[0; 1000])),
        |x| x.offload(|| drop(GATE.lock())),
    ];
    for (number, wait) in waits.into_iter().enumerate() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let errors = Arc::new(AtomicUsize::new(0));
        let (counter, seen) = (Arc::clone(&dropped), Arc::clone(&errors));
        let handlers = does(move |x| {
            let _guard = Dropped(Arc::clone(&counter));
            x.send_response(200)?;
            x.end_headers()?;
            let error = wait(x).expect_err("the client disconnects during the operation");
            if error.kind() == io::ErrorKind::ConnectionAborted {
                seen.fetch_add(1, Ordering::Relaxed);
            }
            Err(error)
        });
        let pool = Arc::clone(&handlers.context().resources.stacks);
        let (bench, log) = logged(handlers);
        let mut client = bench.connect();
        client.open_window(0);
        client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n");
        assert_eq!((dropped.load(Ordering::Relaxed), pool.taken()), (0, 1), "{number}: the handler is suspended");
        drop(client);
        assert_eq!((dropped.load(Ordering::Relaxed), pool.taken()), (1, 0), "{number}: the handler has ended");
        assert_eq!(errors.load(Ordering::Relaxed), 1, "{number}");
        let lines = lines(bench, log);
        assert!(lines[0].starts_with("cut after ") && lines[0].ends_with(": server stopped"), "{lines:?}");
        let request = [r#""POST / HTTP/1.1" 200 -"#];
        assert_eq!(lines[1..], request, "{number}: no other line about a gone client");
    }
    drop(closed);
}

#[test]
fn a_handler_that_ignores_a_gone_client_is_unwound() {
    let (dropped, told) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counter, errors) = (Arc::clone(&dropped), Arc::clone(&told));
    let handlers = does(move |x| {
        let _guard = Dropped(Arc::clone(&counter));
        for _ in 0..TOO_OFTEN {
            if x.sleep(Duration::from_secs(3600)).is_err() {
                errors.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    });
    let pool = Arc::clone(&handlers.context().resources.stacks);
    let bench = Bench::new(handlers);
    let mut client = bench.connect();
    client.send(GET);
    drop(client);
    assert_eq!((dropped.load(Ordering::Relaxed), pool.taken()), (1, 0));
    assert_eq!(told.load(Ordering::Relaxed), 100, "the handler gets this many errors and is then unwound");
}

#[test]
fn a_panicking_handler_cannot_suspend() {
    struct WaitsOnDrop<'x, 'y>(&'x Exchange<'y>);
    impl Drop for WaitsOnDrop<'_, '_> {
        fn drop(&mut self) {
            assert!(self.0.sleep(Duration::from_secs(3600)).is_err());
            assert!(self.0.rfile().read(&mut [0]).is_err());
        }
    }
    let bench = Bench::new(does(|x| {
        let _guard = WaitsOnDrop(x);
        panic!("out of order");
    }));
    let mut client = bench.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n");
    assert!(text(client.take()).starts_with("HTTP/1.1 500 "));
}
