//! Tests of handlers that switch to another protocol, on an in-memory connection.

use super::*;

const SWAP: &str =
    "GET /swap HTTP/1.1\r\nHost: localhost\r\nUpgrade: other, Swap\r\nConnection: keep-alive, upgrade\r\n\r\n";

/// A handler that sends every byte back with its case swapped. It sends `bye` and ends when it receives `.`, and sends
/// `!` and ends at EOF.
fn swap(x: &mut Exchange<'_>) -> io::Result<()> {
    x.send_header("X-Set", "before")?;
    let mut stream = x.upgrade("swap")?;
    let mut byte = [0];
    while stream.read(&mut byte)? > 0 {
        if byte[0] == b'.' {
            return stream.write_all(b"bye");
        }
        stream.write_all(&[byte[0] ^ 0x20])?;
    }
    stream.write_all(b"!")
}

#[test]
fn an_upgrade_is_101_and_bytes_in_both_directions() {
    let (bench, log) = logged(does(swap));
    let mut client = bench.connect();
    client.send(SWAP.as_bytes());
    let head = text(client.take());
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    assert!(head.ends_with("\r\nX-Set: before\r\nUpgrade: swap\r\nConnection: Upgrade\r\n\r\n"), "{head}");
    for framing in ["Content-Length", "Transfer-Encoding", "close"] {
        assert!(!head.contains(framing), "{head}");
    }
    for (sent, received) in [("a", "A"), ("GET / HTTP", "get\0\x0f\0http"), ("bc", "BC")] {
        client.send(sent.as_bytes());
        assert_eq!(text(client.take()), received);
    }
    client.send(b"x.ignored");
    assert_eq!(text(client.take()), "Xbye", "the connection closes when the handler returns");
    assert_eq!(client.closed(), Some(CloseReason::Complete));
    drop(client);
    assert!(lines(bench, log)[0].starts_with("\"GET /swap HTTP/1.1\" 101 "));
}

#[test]
fn bytes_that_came_with_the_request_or_in_pieces_are_not_lost() {
    let all = format!("{SWAP}hello.");
    for size in [1, 2, 7, SWAP.len() - 1, SWAP.len(), SWAP.len() + 1, all.len()] {
        let bench = Bench::new(does(swap));
        let mut client = bench.connect();
        all.as_bytes().chunks(size).for_each(|piece| client.send(piece));
        assert!(text(client.take()).ends_with("\r\n\r\nHELLObye"), "in pieces of {size}");
    }
}

#[test]
fn more_bytes_than_fit_anywhere_pass_through_an_upgrade() {
    let bench = Bench::new(does(swap));
    let mut client = bench.connect();
    client.send(&[SWAP.as_bytes(), &vec![b'a'; 1 << 20], b"."].concat());
    client.run_to_end();
    let bytes = client.take();
    let body = &bytes[bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4..];
    assert_eq!(body.len(), (1 << 20) + 3);
    assert!(body[..1 << 20].iter().all(|byte| *byte == b'A'));
}

#[test]
fn a_handler_that_has_waited_before_its_upgrade_reads_the_other_protocol() {
    let bench = Bench::new(does(|x| {
        x.offload(|| ())?;
        swap(x)
    }));
    let mut client = bench.connect();
    client.send(SWAP.as_bytes());
    while client.closed().is_none() && !text(client.take()).starts_with("HTTP/1.1 101 ") {
        assert!(client.wait());
    }
    client.send(b"a.");
    assert_eq!(text(client.take()), "Abye");
}

#[test]
fn the_end_of_the_client_ends_the_input_of_an_upgrade() {
    let bench = Bench::new(does(swap));
    let mut client = bench.connect();
    client.send(SWAP.as_bytes());
    client.send(b"ab");
    client.finish();
    assert!(text(client.take()).ends_with("AB!"));
    assert!(client.closed().is_some());
}

#[test]
fn a_client_that_is_gone_ends_the_handler_of_an_upgrade() {
    let ended = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ended);
    let bench = Bench::new(does(move |x| {
        let result = x.upgrade("swap")?.read(&mut [0]);
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }));
    let mut client = bench.connect();
    client.send(SWAP.as_bytes());
    drop(client);
    assert_eq!(ended.load(Ordering::Relaxed), 1);
}

#[test]
fn a_request_that_does_not_ask_for_the_protocol_is_426() {
    let ask = |request: &str| {
        let bench = Bench::new(does(swap));
        let mut client = bench.connect();
        client.send(request.as_bytes());
        client.finish();
        text(client.take())
    };
    for request in [
        SWAP.replace("Upgrade: other, Swap\r\n", ""),
        SWAP.replace("Swap", "swapper"),
        SWAP.replace(", upgrade", ""),
        SWAP.replace("GET", "HEAD"),
        SWAP.replace("HTTP/1.1", "HTTP/1.0"),
        SWAP.replace("\r\n\r\n", "\r\nContent-Length: 3\r\n\r\nabc"),
    ] {
        let answer = ask(&request);
        assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{request}{answer}");
        assert!(answer.contains("\r\nUpgrade: swap\r\n") && answer.contains("Upgrade\r\n\r\n"), "{answer}");
        assert!(!answer.contains("X-Set"), "{answer}");
    }
}

#[test]
fn an_upgrade_after_the_response_has_begun_is_an_error() {
    let bench = Bench::new(does(|x| {
        x.send_response(200)?;
        assert_eq!(x.upgrade("swap").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        x.end_headers()?;
        assert_eq!(x.upgrade("swap").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        Ok(())
    }));
    let mut client = bench.connect();
    client.send(SWAP.as_bytes());
    assert!(text(client.take()).starts_with("HTTP/1.1 200 "));
    let bench = Bench::new(does(|x| {
        x.send_header("Content-Length", 3)?;
        x.upgrade("swap").map(drop)
    }));
    let mut client = bench.connect();
    client.send(SWAP.as_bytes());
    assert!(text(client.take()).starts_with("HTTP/1.1 500 "));
}

#[test]
fn a_handler_that_returns_at_once_after_an_upgrade_sends_what_it_wrote() {
    let bench = Bench::new(does(|x| x.upgrade("swap")?.write_all(b"hello")));
    let mut client = bench.connect();
    client.send(SWAP.as_bytes());
    client.finish();
    assert!(text(client.take()).ends_with("\r\n\r\nhello"));
}

#[test]
fn a_read_of_an_upgrade_waits_no_longer_than_its_timeout() {
    let bench = Bench::new(does(|x| {
        let mut stream = x.upgrade("swap")?;
        stream.set_nonblocking(true);
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        stream.set_read_timeout(Some(Duration::from_millis(1)));
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        stream.write_all(b"now")?;
        stream.set_nonblocking(false);
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        stream.write_all(&byte)
    }));
    let mut client = bench.connect();
    client.send(SWAP.as_bytes());
    let mut received = text(client.take());
    while !received.ends_with("now") {
        assert!(client.wait());
        received += &text(client.take());
    }
    client.send(b"x");
    assert_eq!(text(client.take()), "x");
}

#[test]
fn a_wait_of_an_upgrade_ends_with_a_change_or_with_bytes() {
    let shared = Shared::new(0);
    let seen = shared.clone();
    let bench = Bench::new(does(move |x| {
        let mut stream = x.upgrade("swap")?;
        for _ in 0..2 {
            match stream.wait_until(&seen, None, |value| (*value > 0).then(|| std::mem::take(value)))? {
                Some(value) => write!(stream, "{value}")?,
                None => {
                    let mut byte = [0];
                    stream.read_exact(&mut byte)?;
                    stream.write_all(&byte)?;
                }
            }
        }
        Ok(())
    }));
    let mut client = bench.connect();
    client.send(SWAP.as_bytes());
    assert!(text(client.take()).ends_with("\r\n\r\n"));
    shared.with(|value| *value = 7);
    assert!(client.wait());
    assert_eq!(text(client.take()), "7");
    client.send(b"x");
    assert_eq!(text(client.take()), "x");
}

#[test]
fn a_stopping_server_ends_the_input_of_an_upgrade() {
    let server = TestServer::start(HttpServer::bind("127.0.0.1:0").unwrap().log(AccessLog::off()).service(does(swap)));
    let mut client = TcpStream::connect(server.address()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    client.write_all(format!("{SWAP}a").as_bytes()).unwrap();
    let mut received = Vec::new();
    while !received.ends_with(b"\r\n\r\nA") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        received.push(byte[0]);
    }
    server.stop().unwrap();
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "!");
}
