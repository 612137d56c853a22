//! The client's pool in threads, with servers that follow a script.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Cursor;
use std::sync::mpsc;
use std::time::Duration;

use common::scripted::{LONG, Peer, Scripted, replies, script};
use serve_forever::client::{Error, Pool, PoolSettings, RequestBody, ThreadConnector};

const ONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none";
const TWO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo";

fn pool(set: impl FnOnce(&mut PoolSettings)) -> Pool {
    let mut settings = PoolSettings::default();
    settings.connection.timeout = Some(LONG);
    set(&mut settings);
    Pool::with_connector(ThreadConnector, settings)
}

fn url(server: &Scripted) -> String {
    format!("http://{}/", server.address)
}

/// The body of the response to a GET, and true if it arrived over a reused connection.
fn fetched(pool: &Pool, server: &Scripted) -> (String, bool) {
    let mut response = pool.fetch("GET", &url(server), (), &[]).unwrap();
    (String::from_utf8(response.read_all().unwrap()).unwrap(), response.was_reused())
}

/// A script that responds once and closes when the next request arrives, like a server whose idle time has just passed.
fn stale(then: &'static str) -> impl FnOnce(&mut Peer) + Send {
    move |peer| {
        peer.head();
        peer.say(ONE);
        peer.head();
        peer.say(then);
    }
}

#[test]
fn a_connection_is_used_again_and_servers_are_kept_apart() {
    let (first, second) = (Scripted::new(vec![replies(&[ONE, TWO])]), Scripted::new(vec![replies(&[ONE])]));
    let pool = pool(|_| {});
    assert_eq!(fetched(&pool, &first), ("one".into(), false));
    assert_eq!(fetched(&pool, &second), ("one".into(), false));
    assert_eq!(fetched(&pool, &first), ("two".into(), true));
    drop(pool);
    first.finish();
    second.finish();
}

#[test]
fn a_connection_that_ends_or_is_not_read_is_not_kept() {
    let close = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\none";
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\npart";
    let server = Scripted::new(vec![
        script(move |peer| {
            peer.head();
            peer.say(close);
        }),
        script(move |peer| {
            peer.head();
            peer.say(long);
            peer.rest();
        }),
        replies(&[TWO]),
    ]);
    let pool = pool(|_| {});
    assert_eq!(fetched(&pool, &server), ("one".into(), false));
    drop(pool.fetch("GET", &url(&server), (), &[]).unwrap());
    assert_eq!(fetched(&pool, &server), ("two".into(), false));
    drop(pool);
    server.finish();
}

#[test]
fn a_connection_is_not_used_under_settings_that_lead_elsewhere() {
    let (named, other) = (Scripted::new(vec![replies(&[ONE, TWO])]), Scripted::new(vec![replies(&[ONE])]));
    let pool = pool(|_| {});
    assert_eq!(fetched(&pool, &named), ("one".into(), false));
    let mut elsewhere = PoolSettings::default();
    elsewhere.connection.connect_to = Some(("127.0.0.1".to_owned(), other.address.port()));
    assert_eq!(fetched(&pool.with_settings(elsewhere), &named), ("one".into(), false));
    assert_eq!(fetched(&pool, &named), ("two".into(), true));
    drop(pool);
    named.finish();
    other.finish();
}

#[test]
fn a_used_connection_has_the_limits_of_the_current_settings() {
    let server = Scripted::new(vec![replies(&[ONE, TWO])]);
    let pool = pool(|_| {});
    assert_eq!(fetched(&pool, &server), ("one".into(), false));
    let mut strict = PoolSettings::default();
    strict.connection.limits.line = 10;
    let error = pool.with_settings(strict).fetch("GET", &url(&server), (), &[]).unwrap_err();
    assert_eq!(error.name(), "LineTooLong");
    drop(pool);
    server.finish();
}

#[test]
fn a_tunnel_is_not_kept_for_the_proxy_that_has_opened_it() {
    let proxy = Scripted::new(vec![
        script(|peer| {
            assert!(peer.head().starts_with("CONNECT far.example:80 "));
            peer.say("HTTP/1.1 200 Tunnel\r\n\r\n");
            peer.head();
            peer.say(ONE);
            assert_eq!(peer.rest(), b"");
        }),
        replies(&[TWO]),
    ]);
    let pool = pool(|_| {});
    let mut connection = pool.connection(&url(&proxy)).unwrap();
    connection.set_tunnel("far.example", None, &[]).unwrap();
    connection.request("GET", "/", (), &[]).unwrap();
    assert_eq!(connection.getresponse().unwrap().read_all().unwrap(), b"one");
    drop(connection);
    assert_eq!(fetched(&pool, &proxy), ("two".into(), false));
    drop(pool);
    proxy.finish();
}

#[test]
fn a_pool_without_idle_connections_or_time_keeps_none() {
    for set in [|s: &mut PoolSettings| s.max_idle = 0, |s: &mut PoolSettings| s.idle_timeout = Duration::ZERO] {
        let server = Scripted::new(vec![replies(&[ONE]), replies(&[TWO])]);
        let pool = pool(set);
        assert_eq!(fetched(&pool, &server), ("one".into(), false));
        pool.close_idle();
        assert_eq!(fetched(&pool, &server), ("two".into(), false));
        drop(pool);
        server.finish();
    }
}

#[test]
fn the_connection_that_is_idle_longest_is_closed_for_another() {
    let (first, second) =
        (Scripted::new(vec![replies(&[ONE]), replies(&[TWO])]), Scripted::new(vec![replies(&[ONE, TWO])]));
    let pool = pool(|settings| settings.max_idle = 1);
    fetched(&pool, &first);
    fetched(&pool, &second);
    assert_eq!(fetched(&pool, &second), ("two".into(), true));
    assert_eq!(fetched(&pool, &first), ("two".into(), false));
    drop(pool);
    first.finish();
    second.finish();
}

#[test]
fn a_request_is_repeated_once_if_its_used_connection_ended_unanswered() {
    for method in ["GET", "PUT"] {
        let server = Scripted::new(vec![
            script(stale("")),
            script(move |peer| {
                assert!(peer.head().starts_with(method));
                peer.until("again");
                peer.say(TWO);
                assert_eq!(peer.rest(), b"");
            }),
        ]);
        let pool = pool(|_| {});
        fetched(&pool, &server);
        let mut response = pool.fetch(method, &url(&server), b"again", &[]).unwrap();
        assert_eq!((response.read_all().unwrap(), response.was_reused()), (b"two".to_vec(), false));
        drop((response, pool));
        server.finish();
    }
}

#[test]
fn a_request_that_may_have_had_an_effect_is_not_repeated() {
    let fetch = |then, method: &str, body: RequestBody<'_>| {
        // A second connection would find no script, and be refused when the server has ended.
        let server = Scripted::new(vec![script(stale(then))]);
        let pool = pool(|_| {});
        fetched(&pool, &server);
        let headers = serve_forever::http::HeaderList::new();
        let error = pool.fetch_with(method, &url(&server), body, &headers).unwrap_err();
        server.finish();
        error.name()
    };
    assert_eq!(fetch("", "POST", RequestBody::Bytes(b"x")), "RemoteDisconnected", "not idempotent");
    assert_eq!(fetch("HTTP/1.1 2", "GET", RequestBody::Empty), "IncompleteRead", "a byte of the response came");
    let mut reader = Cursor::new(b"once");
    let name = fetch("", "PUT", RequestBody::Reader(&mut reader));
    assert!(["RemoteDisconnected", "ConnectionReset"].contains(&name), "the body can be read only once: {name}");
}

#[test]
fn requests_beyond_the_number_for_a_server_wait_for_a_place() {
    let (free, wait) = mpsc::channel();
    let server = Scripted::new(vec![script(move |peer| {
        peer.head();
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\no");
        wait.recv().unwrap();
        peer.say("ne");
        peer.head();
        peer.say(TWO);
        assert_eq!(peer.rest(), b"");
    })]);
    let shared = pool(|settings| settings.max_per_host = 1);
    let mut first = shared.fetch("GET", &url(&server), (), &[]).unwrap();
    let mut impatient = PoolSettings::default();
    impatient.max_per_host = 1;
    impatient.connection.timeout = Some(Duration::from_millis(1));
    let full = shared.with_settings(impatient).fetch("GET", &url(&server), (), &[]);
    assert!(matches!(full, Err(Error::PoolFull)));
    std::thread::scope(|scope| {
        let second = scope.spawn(|| fetched(&shared, &server));
        free.send(()).unwrap();
        assert_eq!(first.read_all().unwrap(), b"one");
        drop(first);
        assert_eq!(second.join().unwrap(), ("two".into(), true));
    });
    drop(shared);
    server.finish();
}

#[test]
fn a_pool_without_places_refuses_every_request() {
    let mut settings = PoolSettings::default();
    settings.max_per_host = 0;
    let refused = Pool::new().with_settings(settings).fetch("GET", "http://127.0.0.1:9/", (), &[]);
    assert!(matches!(refused, Err(Error::PoolFull)));
}

#[test]
fn only_absolute_urls_of_http_are_fetched() {
    let pool = pool(|_| {});
    for url in ["/a", "ftp://h/", "http://user@h/", "http://h/ a"] {
        assert!(matches!(pool.fetch("GET", url, (), &[]), Err(Error::InvalidUrl(_))), "{url}");
    }
    assert_eq!(pool.fetch("GET", "https://h/", (), &[]).map(drop).unwrap_err().name(), "TlsError");
}
