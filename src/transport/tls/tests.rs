//! Tests with rustls at both ends of an in-memory connection. The client is a buffered rustls connection.

use std::fs::File;
use std::io::{self, Read, Write};

use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, ClientConfig, ClientConnection, Error, RootCertStore, ServerConfig};

use super::scratch::MOST_PLAINTEXT;
use super::*;
use crate::session::Ready;
use crate::transport::{Handshake, Memory, Transport};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

/// A self-signed certificate for localhost, and its key.
const PEM: &[u8] = include_bytes!("../../../tests/common/localhost.pem");

fn server_config() -> ServerConfig {
    let certificate = CertificateDer::from_pem_slice(PEM).unwrap();
    let key = PrivateKeyDer::from_pem_slice(PEM).unwrap();
    let builder = ServerConfig::builder_with_provider(default_provider().into()).with_safe_default_protocol_versions();
    builder.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap()
}

/// The stream of a server, and the client at the other end.
struct Ends {
    server: TlsStream<Memory, ServerSide>,
    client: ClientConnection,
    ready: Ready,
}

impl Ends {
    fn new(config: ServerConfig, version: &'static SupportedProtocolVersion) -> Ends {
        Ends::with_provider(config, version, default_provider())
    }

    /// Creates both ends. The client uses `provider` for its cryptography.
    fn with_provider(
        config: ServerConfig,
        version: &'static SupportedProtocolVersion,
        provider: CryptoProvider,
    ) -> Ends {
        let server = TlsStream::accept(Memory::default(), config.into(), Default::default()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider.into());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(PEM).unwrap()).unwrap();
        let builder = builder.with_protocol_versions(&[version]).unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let client = ClientConnection::new(config.into(), "localhost".try_into().unwrap()).unwrap();
        Ends { server, client, ready: Ready::FRESH }
    }

    /// Both ends of a connection whose handshake is complete.
    fn connected(version: &'static SupportedProtocolVersion) -> Ends {
        let mut ends = Ends::new(server_config(), version);
        assert_eq!(ends.shake(&mut usize::MAX.clone()).unwrap(), Handshake::Complete);
        ends.receive().unwrap();
        ends
    }

    /// Sends `bytes` from the client to the server.
    fn send(&mut self, bytes: &[u8]) {
        self.server.socket().incoming.extend_from_slice(bytes);
    }

    /// Takes the bytes that the server has sent since the last call.
    fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.server.socket().sent)
    }

    /// Takes the records that the client wants to send.
    fn records(&mut self) -> Vec<u8> {
        let mut records = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut records).unwrap();
        }
        records
    }

    /// Transfers records in both directions until the handshake is complete or cannot continue.
    fn shake(&mut self, left: &mut usize) -> io::Result<Handshake> {
        loop {
            let records = self.records();
            self.send(&records);
            self.ready.read |= !records.is_empty();
            match self.server.handshake(&mut self.ready, left)? {
                Handshake::Waiting if self.receive().is_ok() && self.client.wants_write() => {}
                other => return Ok(other),
            }
        }
    }

    /// Lets the client process all bytes from the server. Returns their plaintext.
    fn receive(&mut self) -> Result<Vec<u8>, Error> {
        let mut plaintext = Vec::new();
        let sent = self.take();
        let mut rest = &sent[..];
        while !rest.is_empty() {
            self.client.read_tls(&mut rest).unwrap();
            self.client.process_new_packets()?;
            match self.client.reader().read_to_end(&mut plaintext) {
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        Ok(plaintext)
    }

    /// Encrypts `plaintext` as the client would send it. Returns the records without sending them.
    fn encrypt(&mut self, plaintext: &[u8]) -> Vec<u8> {
        self.client.set_buffer_limit(None);
        self.client.writer().write_all(plaintext).unwrap();
        self.records()
    }

    /// Reads all plaintext that the server can read, at most `size` bytes at a time.
    fn read(&mut self, size: usize) -> Vec<u8> {
        let (mut all, mut part) = (Vec::new(), vec![0; size]);
        loop {
            match self.server.recv(&mut part) {
                Ok(0) => return all,
                Ok(count) => all.extend_from_slice(&part[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return all,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Test data in which neighbouring bytes differ.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// The length of each record in `wire`, without its header.
fn lengths(mut wire: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let [_, _, _, high, low, rest @ ..] = wire {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        lengths.push(length);
        wire = &rest[length..];
    }
    lengths
}

#[test]
fn a_handshake_tells_what_was_agreed_on() {
    for (version, protocol, cipher) in
        [(VERSIONS[0], "TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"), (VERSIONS[1], "TLSv1.3", "TLS_AES_256_GCM_SHA384")]
    {
        let mut config = server_config();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut ends = Ends::new(config, version);
        assert!(ends.server.needs_handshake() && ends.server.tls().is_none());
        assert_eq!(ends.shake(&mut 9).unwrap(), Handshake::Complete);
        let info = ends.server.tls().unwrap();
        assert_eq!((info.version(), info.cipher()), (protocol, cipher));
        assert_eq!((info.server_name(), info.alpn()), (Some("localhost"), Some(&b"http/1.1"[..])));
        assert!(!info.is_resumed() && info.peer_certificates().len() == 0);
    }
}

#[test]
fn bytes_pass_in_both_directions_whatever_the_sizes() {
    for version in VERSIONS {
        let mut ends = Ends::connected(version);
        for size in [1, 100, 16_384, 16_385, 100_000] {
            let sent = pattern(size);
            let records = ends.encrypt(&sent);
            ends.send(&records);
            assert!(ends.read(1 + size / 3) == sent, "{size} bytes to the server");
            let (mut rest, mut heard) = (&sent[..], Vec::new());
            while !rest.is_empty() {
                let count = ends.server.send(rest, &[], false).unwrap();
                rest = &rest[count..];
                heard.extend(ends.receive().unwrap());
            }
            assert!(heard == sent, "{size} bytes to the client");
        }
        assert_eq!(ends.server.memory(), 0, "nothing waits");
    }
}

#[test]
fn every_split_of_the_records_gives_the_same_plaintext() {
    let sent = pattern(700);
    for split in 0..40 {
        let mut ends = Ends::connected(VERSIONS[1]);
        let records = ends.encrypt(&sent);
        let (before, after) = records.split_at(split * records.len() / 40);
        ends.send(before);
        let mut heard = ends.read(4096);
        assert_eq!(ends.server.memory() > 0, !before.is_empty(), "a part of a record waits");
        ends.send(after);
        heard.extend(ends.read(4096));
        assert_eq!(heard, sent, "split at {split}/40");
        assert_eq!(ends.server.memory(), 0);
    }
}

#[test]
fn a_short_head_and_body_share_one_record() {
    let mut ends = Ends::connected(VERSIONS[1]);
    let (head, body) = (pattern(200), pattern(100_000));
    assert_eq!(ends.server.send(&head, &body[..50], false).unwrap(), 250);
    let wire = ends.take();
    assert_eq!(lengths(&wire), [250 + 17]);
    // A longer body fills the rest of the head's record, and then further records.
    let count = ends.server.send(&head, &body, false).unwrap();
    assert_eq!(count, MOST_PLAINTEXT);
    assert_eq!(lengths(&ends.take()), [16_384 + 17; 4]);
}

#[test]
fn plaintext_that_does_not_fit_is_returned_by_the_next_reads_although_the_socket_is_empty() {
    let mut ends = Ends::connected(VERSIONS[1]);
    let sent = pattern(5000);
    let records = ends.encrypt(&sent);
    ends.send(&records);
    let mut part = [0; 2000];
    for expected in sent.chunks(2000) {
        let count = ends.server.recv(&mut part).unwrap();
        assert_eq!(&part[..count], expected);
        // While plaintext is left, a short read must not count as having emptied the socket. Otherwise the session
        // would wait for an event that never comes.
        assert!(count < part.len() || !ends.server.short_read_is_all());
    }
    assert_eq!(ends.server.recv(&mut part).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_socket_that_takes_nothing_stops_encryption_at_64_kib() {
    let mut ends = Ends::connected(VERSIONS[1]);
    ends.server.socket().open_window(1000);
    let body = pattern(200_000);
    let count = ends.server.send(&body, &[], false).unwrap();
    assert!(ends.server.has_pending());
    assert_eq!(count, MOST_PLAINTEXT);
    assert!(ends.server.memory() <= MOST_PLAINTEXT + 200, "{}", ends.server.memory());
    let error = ends.server.send(&body[count..], &[], false).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    ends.server.socket().open_window(usize::MAX / 2);
    ends.server.flush_pending().unwrap();
    assert!(ends.receive().unwrap() == body[..count]);
    assert_eq!(ends.server.memory(), 0);
}

#[test]
fn a_file_is_read_and_encrypted_in_slices() {
    let mut ends = Ends::connected(VERSIONS[1]);
    let body = pattern(150_000);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&body).unwrap();
    let sent = ends.server.send_file(&file, 10, 149_980).unwrap();
    assert_eq!(sent, 149_980);
    assert!(ends.receive().unwrap() == body[10..149_990]);
    assert_eq!(ends.server.send_file(&file, 150_000, 1).unwrap(), 0, "the end of the file");
    let directory = File::open("src").unwrap();
    assert_eq!(ends.server.send_file(&directory, 0, 10).unwrap(), 0, "a file that cannot be read");
}

#[test]
fn an_orderly_end_is_announced_once_and_nothing_follows_it() {
    for version in VERSIONS {
        let mut ends = Ends::connected(version);
        ends.server.announce_end().unwrap();
        ends.server.announce_end().unwrap();
        ends.receive().unwrap();
        assert!(ends.client.process_new_packets().unwrap().peer_has_closed());
        // A server that had not announced its end would respond to this request for new keys with a message of its own.
        if version == VERSIONS[1] {
            ends.client.refresh_traffic_keys().unwrap();
        }
        let records = ends.encrypt(b"more");
        ends.send(&records);
        ends.send(&[0x80; 50]);
        assert_eq!(ends.read(100), b"", "what still comes is discarded, good or bad");
        assert_eq!((ends.take(), ends.server.has_pending()), (Vec::new(), false));
    }
}

#[test]
fn the_clients_end_is_an_end_of_input_and_the_server_may_still_send() {
    let mut ends = Ends::connected(VERSIONS[1]);
    let mut records = ends.encrypt(b"request");
    ends.client.send_close_notify();
    records.extend(ends.records());
    ends.send(&records);
    ends.send(b"what follows is ignored");
    assert_eq!(ends.read(100), b"request");
    assert_eq!(ends.server.recv(&mut [0; 9]).unwrap(), 0);
    assert_eq!(ends.server.send(b"response", &[], false).unwrap(), 8);
    assert_eq!(ends.receive().unwrap(), b"response");
}

#[test]
fn a_closed_socket_without_notice_is_an_end_of_input_too() {
    let mut ends = Ends::connected(VERSIONS[1]);
    let records = ends.encrypt(b"request");
    ends.send(&records[..records.len() - 1]);
    ends.server.socket().at_end = true;
    assert_eq!(ends.server.recv(&mut [0; 9]).unwrap(), 0);
}

#[test]
fn a_changed_record_is_answered_by_an_alert_after_the_plaintext_before_it() {
    for version in VERSIONS {
        let mut ends = Ends::connected(version);
        let mut records = ends.encrypt(b"first");
        records.extend(ends.encrypt(b"second"));
        *records.last_mut().unwrap() ^= 1;
        ends.send(&records);
        let mut part = [0; 100];
        assert_eq!(ends.server.recv(&mut part).unwrap(), 5);
        assert_eq!(ends.receive(), Err(Error::AlertReceived(AlertDescription::BadRecordMac)));
        for _ in 0..2 {
            assert_eq!(ends.server.recv(&mut part).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
        assert_eq!(ends.server.send(b"x", &[], false).unwrap_err().kind(), io::ErrorKind::InvalidData);
        ends.server.announce_end().unwrap();
        assert!(ends.take().is_empty(), "one alert, and nothing after it");
    }
}

#[test]
fn the_order_of_the_server_yields_to_a_client_that_puts_chacha_first() {
    // The server prefers AES-256, because that is the first cipher suite in its list.
    let [aes_256, aes_128, chacha] = default_provider().cipher_suites[..3] else { unreachable!() };
    for (offered, ignore_client_order, wanted) in [
        ([aes_128, aes_256, chacha], true, aes_256),
        ([aes_128, chacha, aes_256], true, aes_256),
        ([chacha, aes_128, aes_256], true, chacha),
        ([aes_128, aes_256, chacha], false, aes_128),
    ] {
        let mut config = server_config();
        config.ignore_client_order = ignore_client_order;
        let provider = CryptoProvider { cipher_suites: offered.to_vec(), ..default_provider() };
        let mut ends = Ends::with_provider(config, VERSIONS[1], provider);
        assert_eq!(ends.shake(&mut usize::MAX.clone()).unwrap(), Handshake::Complete);
        ends.receive().unwrap();
        assert_eq!(ends.client.negotiated_cipher_suite(), Some(wanted), "{offered:?}");
    }
}

#[test]
fn garbage_instead_of_a_hello_gets_an_alert() {
    let mut ends = Ends::new(server_config(), VERSIONS[1]);
    ends.send(&[0x80; 30]);
    let error = ends.server.handshake(&mut ends.ready, &mut 1).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    let alert = ends.take();
    assert_eq!((alert[0], alert.len()), (21, 7), "{alert:?}");
}

#[test]
fn records_without_end_before_a_hello_are_refused_and_cost_no_memory() {
    for (name, record, alert) in [
        ("a handshake without content", &[22, 3, 1, 0, 0][..], &[21, 3, 3, 0, 2][..]),
        // The server does not respond to an alert with another alert.
        ("a warning", &[21, 3, 1, 0, 2, 1, 90], &[]),
        ("a change of the cipher", &[20, 3, 3, 0, 1, 1], &[21, 3, 3, 0, 2]),
        ("data", &[23, 3, 3, 0, 1, 0], &[21, 3, 3, 0, 2]),
        ("a heartbeat", &[24, 3, 3, 0, 3, 1, 0, 0], &[21, 3, 3, 0, 2]),
        ("a hello of SSL 2", &[0x80, 0x2e, 1, 3, 1, 0, 21, 0, 0, 0, 16], &[21, 3, 3, 0, 2]),
        ("a record that is too long", &[22, 3, 1, 0x48, 0x01, 1, 0, 0x47, 0xfd, 3, 3], &[21, 3, 3, 0, 2]),
    ] {
        let mut ends = Ends::new(server_config(), VERSIONS[1]);
        ends.send(&record.repeat(100));
        let left = &mut usize::MAX.clone();
        let refused = (0..100).find_map(|_| ends.server.handshake(&mut Ready::FRESH.clone(), left).err());
        assert_eq!(refused.map(|error| error.kind()), Some(io::ErrorKind::InvalidData), "{name}");
        let sent = ends.take();
        assert!(sent.starts_with(alert) && sent.len() == alert.len() / 5 * 7, "{name}: {sent:?}");
        assert_eq!(ends.server.memory(), 0, "{name}");
    }
}

#[test]
fn records_without_end_after_a_hello_are_refused() {
    let warning = [21, 3, 3, 0, 2, 1, 90];
    for (name, record) in [("a change of the cipher", &[20, 3, 3, 0, 1, 1][..]), ("a warning", &warning)] {
        let mut ends = Ends::new(server_config(), VERSIONS[1]);
        let hello = ends.records();
        ends.send(&[hello, record.repeat(100)].concat());
        let left = &mut usize::MAX.clone();
        let refused = (0..100).find_map(|_| ends.server.handshake(&mut Ready::FRESH.clone(), left).err());
        assert_eq!(refused.map(|error| error.kind()), Some(io::ErrorKind::InvalidData), "{name}");
        assert_eq!(ends.server.memory(), 0, "{name}");
    }
}

#[test]
fn a_hello_of_an_old_version_gets_the_alert_for_its_version() {
    for minor in 0..=2 {
        let mut ends = Ends::new(server_config(), VERSIONS[0]);
        // The ClientHello has no session id, two cipher suites and no compression. It has no extensions, because
        // clients of these versions need not send any.
        let body = [&[3, minor][..], &[7; 32], &[0, 0, 4, 0xc0, 0x09, 0xc0, 0x13, 1, 0]].concat();
        let length = u8::try_from(body.len()).unwrap();
        ends.send(&[&[22, 3, 1, 0, length + 4, 1, 0, 0, length], &body[..]].concat());
        let refused = ends.server.handshake(&mut ends.ready, &mut usize::MAX.clone()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        assert_eq!(ends.take(), [21, 3, 1, 0, 2, 2, 70], "{minor}");
    }
}

#[test]
fn text_instead_of_a_hello_is_passed_on() {
    let mut ends = Ends::new(server_config(), VERSIONS[1]);
    ends.send(b"GET / HTTP/1.1\r\n");
    assert_eq!(ends.server.handshake(&mut ends.ready, &mut 1).unwrap(), Handshake::Text);
    assert_eq!(ends.read(10), b"GET / HTTP/1.1\r\n");
    ends.send(b"Host: x");
    assert_eq!(ends.read(100), b"Host: x");
    ends.server.send(b"HTTP/1.1 ", b"400", false).unwrap();
    ends.server.announce_end().unwrap();
    assert_eq!(ends.take(), b"HTTP/1.1 400");
}

#[test]
fn a_handshake_without_a_share_of_the_turn_is_not_read() {
    let mut ends = Ends::new(server_config(), VERSIONS[1]);
    assert_eq!(ends.shake(&mut 0).unwrap(), Handshake::NextTurn);
    assert!(ends.take().is_empty() && ends.server.memory() == 0);
    let mut left = 1;
    assert_eq!(ends.shake(&mut left).unwrap(), Handshake::NextTurn);
    assert_eq!(left, 0, "the server's flight is the costly one");
    assert_eq!(ends.shake(&mut 1).unwrap(), Handshake::Complete);
}

#[test]
fn a_client_that_has_left_is_not_worth_a_flight() {
    let mut ends = Ends::new(server_config(), VERSIONS[1]);
    let hello = ends.records();
    ends.send(&hello);
    ends.server.socket().at_end = true;
    let mut left = 1;
    let error = ends.server.handshake(&mut ends.ready, &mut left).unwrap_err();
    assert_eq!((error.kind(), left), (io::ErrorKind::UnexpectedEof, 1));
    assert!(ends.take().is_empty());
    // Unencrypted HTTP still gets a response, because the client may have shut down its sending side after the request.
    let mut ends = Ends::new(server_config(), VERSIONS[1]);
    ends.send(b"GET / HTTP/1.0\r\n\r\n");
    ends.server.socket().at_end = true;
    assert_eq!(ends.server.handshake(&mut ends.ready, &mut 1).unwrap(), Handshake::Text);
    assert_eq!(ends.read(100), b"GET / HTTP/1.0\r\n\r\n");
}

#[test]
fn a_half_hello_waits_and_costs_its_own_size() {
    let mut ends = Ends::new(server_config(), VERSIONS[1]);
    let hello = ends.records();
    let mut left = 1;
    for (at, byte) in hello.iter().enumerate().take(hello.len() - 1) {
        ends.send(&[*byte]);
        ends.ready.read = true;
        assert_eq!(ends.server.handshake(&mut ends.ready, &mut left).unwrap(), Handshake::Waiting, "byte {at}");
        assert!(ends.server.memory() <= 2 * (at + 1));
    }
    assert_eq!(left, 1);
    ends.send(&hello[hello.len() - 1..]);
    ends.ready.read = true;
    ends.server.handshake(&mut ends.ready, &mut left).unwrap();
    assert_eq!((left, ends.server.memory()), (0, 0));
}

#[test]
fn a_message_that_never_ends_is_refused_at_64_kib() {
    let mut ends = Ends::new(server_config(), VERSIONS[1]);
    // A ClientHello of nearly 64 KiB is sent in records of one byte each, so that it takes up six times as many bytes
    // on the wire.
    ends.send(&[22, 3, 1, 0, 4, 1, 0, 0xff, 0xf0]);
    let mut records = 0;
    while records < 70_000 {
        ends.send(&[22, 3, 1, 0, 1, 0].repeat(100));
        records += 100;
        ends.ready.read = true;
        if ends.server.handshake(&mut ends.ready, &mut 9).is_err() {
            break;
        }
    }
    assert!(records < 12_000, "{records} records");
}

#[test]
fn new_keys_are_taken_and_an_answer_asked_for_is_given() {
    let mut ends = Ends::connected(VERSIONS[1]);
    ends.client.refresh_traffic_keys().unwrap();
    let records = ends.encrypt(b"with new keys");
    ends.send(&records);
    assert_eq!(ends.read(100), b"with new keys");
    ends.server.send(b"with new keys too", &[], false).unwrap();
    let wire = ends.take();
    assert_eq!(lengths(&wire).len(), 2, "the update, and the data");
    ends.take();
    let mut rest = &wire[..];
    while !rest.is_empty() {
        ends.client.read_tls(&mut rest).unwrap();
        ends.client.process_new_packets().unwrap();
    }
    let mut heard = [0; 17];
    ends.client.reader().read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"with new keys too");
}
