//! Checks the server's side of TLS with a client whose records are changed on the way: the server reads a prefix of the
//! client's plaintext, keeps a limited number of bytes, and sends only one alert after an error.
//!
//! The data is one byte of settings, followed by steps of three bytes each: a kind and two numbers.

use std::io::{self, Read as _, Write as _};
use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, version};
use serve_forever::session::Ready;
use serve_forever::transport::tls::{ServerSide, TlsStream};
use serve_forever::transport::{Handshake, Memory, Transport};

const PEM: &[u8] = include_bytes!("../../tests/common/localhost.pem");

/// More bytes than a stream may own: an unfinished message of 64 KiB, 64 KiB of records that the socket does not
/// accept, and a record of plaintext, each in a buffer that has doubled its size.
const MOST_MEMORY: usize = 300 * 1024;

pub fn check(data: &[u8]) {
    let Some((&settings, steps)) = data.split_first() else { return };
    let mut ends = Ends::new(settings & 1 == 0);
    // Half of all inputs begin after the handshake, which few inputs with random changes would complete.
    if settings & 2 == 0 {
        ends.connect();
    }
    for step in steps.chunks_exact(3).take(200) {
        ends.step(step[0], usize::from(step[1]), step[2]);
    }
    ends.read();
}

struct Ends {
    server: TlsStream<Memory, ServerSide>,
    client: ClientConnection,
    ready: Ready,
    is_complete: bool,
    has_failed: bool,
    has_ended: bool,
    /// The client has sent its last alert, after which rustls must not see more records.
    client_has_ended: bool,
    /// Plaintext that the client has written.
    written: Vec<u8>,
    /// Plaintext that the server has read.
    read: usize,
    /// Records of the client that are not on the wire yet.
    records: Vec<u8>,
}

impl Ends {
    fn new(is_newest: bool) -> Ends {
        let server = TlsStream::accept(Memory::default(), server_config(), Default::default()).unwrap();
        let client = ClientConnection::new(client_config(is_newest), "localhost".try_into().unwrap()).unwrap();
        Ends {
            server,
            client,
            ready: Ready::FRESH,
            is_complete: false,
            has_failed: false,
            has_ended: false,
            client_has_ended: false,
            written: Vec::new(),
            read: 0,
            records: Vec::new(),
        }
    }

    /// Completes the handshake.
    fn connect(&mut self) {
        for _ in 0..4 {
            self.take_records();
            self.deliver(usize::MAX);
            self.read();
            self.answer();
        }
        assert!(self.is_complete, "a handshake without changes");
    }

    fn step(&mut self, kind: u8, number: usize, byte: u8) {
        match kind % 12 {
            0 | 1 => self.write(number * usize::from(byte)),
            2 => self.change(number * 7, |records, at| records[at] ^= byte.max(1)),
            3 => self.change(number * 7, |records, at| records.insert(at, byte)),
            4 => self.change(number * 7, |records, at| _ = records.remove(at)),
            5 => self.change(number * 7, |records, at| records.truncate(at)),
            6 => self.records.extend(self.records.clone()),
            7 => self.deliver(number),
            8 => self.answer(),
            9 => self.send(number * usize::from(byte)),
            10 if byte < 20 => self.end(),
            10 if byte < 40 => self.server.socket().at_end = true,
            10 if byte < 80 => {
                self.client.send_close_notify();
                self.client_has_ended = true;
            }
            10 => _ = self.client.refresh_traffic_keys(),
            _ => {
                self.deliver(usize::MAX);
                self.read();
            }
        }
        let memory = self.server.memory();
        assert!(memory <= MOST_MEMORY, "{memory} bytes wait");
    }

    fn take_records(&mut self) {
        while self.client.wants_write() {
            if self.client.write_tls(&mut self.records).is_err() {
                break;
            }
        }
    }

    fn write(&mut self, length: usize) {
        let length = length.min(40_000);
        if self.client.is_handshaking() || self.written.len() > 200_000 {
            return;
        }
        self.client.set_buffer_limit(None);
        let bytes: Vec<u8> = (self.written.len()..self.written.len() + length).map(|at| (at % 251) as u8).collect();
        if self.client.writer().write_all(&bytes).is_ok() {
            self.written.extend(bytes);
        }
        self.take_records();
    }

    fn change(&mut self, at: usize, change: impl FnOnce(&mut Vec<u8>, usize)) {
        self.take_records();
        if !self.records.is_empty() {
            let at = at % self.records.len();
            change(&mut self.records, at);
        }
    }

    fn deliver(&mut self, count: usize) {
        self.take_records();
        let count = count.min(self.records.len());
        self.server.socket().incoming.extend(self.records.drain(..count));
        self.ready.read = true;
    }

    /// Passes the server's records to the client, which may refuse them after a change.
    fn answer(&mut self) {
        let sent = std::mem::take(&mut self.server.socket().sent);
        let mut rest = &sent[..];
        while !rest.is_empty() && !self.client_has_ended {
            let has_failed = self.client.read_tls(&mut rest).is_err() || self.client.process_new_packets().is_err();
            self.client_has_ended = has_failed;
            _ = self.client.reader().read_to_end(&mut Vec::new());
        }
    }

    fn send(&mut self, length: usize) {
        if !self.is_complete || self.has_ended {
            return;
        }
        match self.server.send(&vec![7; length.max(1)], b"more", false) {
            Ok(count) => assert!(count > 0),
            Err(error) => self.fail(&error),
        }
    }

    fn end(&mut self) {
        let before = self.server.socket().sent.len();
        self.server.announce_end().unwrap();
        let is_announced = self.server.socket().sent.len() > before;
        assert_eq!(is_announced, self.is_complete && !self.has_failed && !self.has_ended);
        self.has_ended |= is_announced;
    }

    /// Reads all that the server can read.
    fn read(&mut self) {
        let sent = self.server.socket().sent.len();
        let had_failed = self.has_failed;
        self.read_until_blocked();
        let more = self.server.socket().sent.len() - sent;
        assert!(more == 0 || !(had_failed || self.has_ended), "{more} bytes after the last");
    }

    fn read_until_blocked(&mut self) {
        if !self.is_complete && !self.has_failed {
            match self.server.handshake(&mut self.ready, &mut 100) {
                Ok(Handshake::Complete) => self.is_complete = true,
                Ok(Handshake::Text) => self.has_failed = true,
                Ok(_) => return,
                Err(error) => return self.fail(&error),
            }
        }
        let mut part = [0; 3000];
        for _ in 0..1000 {
            match self.server.recv(&mut part) {
                Ok(0) => return,
                Ok(count) if self.server.is_text() => assert!(count > 0),
                Ok(count) => {
                    assert_eq!(self.written.get(self.read..self.read + count), Some(&part[..count]));
                    self.read += count;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.fail(&error),
            }
        }
        panic!("reading does not end");
    }

    fn fail(&mut self, error: &io::Error) {
        let kinds = [io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof, io::ErrorKind::NotConnected];
        assert!(kinds.contains(&error.kind()), "{error}");
        self.has_failed = true;
    }
}

fn server_config() -> Arc<ServerConfig> {
    static CONFIG: OnceLock<Arc<ServerConfig>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let certificate = CertificateDer::from_pem_slice(PEM).unwrap();
        let key = PrivateKeyDer::from_pem_slice(PEM).unwrap();
        let builder = ServerConfig::builder_with_provider(default_provider().into());
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        builder.with_single_cert(vec![certificate], key).unwrap().into()
    });
    Arc::clone(config)
}

/// Returns the configuration of a client that supports only TLS 1.3, or only TLS 1.2 if `is_newest` is false.
fn client_config(is_newest: bool) -> Arc<ClientConfig> {
    static CONFIGS: OnceLock<[Arc<ClientConfig>; 2]> = OnceLock::new();
    let configs = CONFIGS.get_or_init(|| {
        [&version::TLS12, &version::TLS13].map(|version| {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(PEM).unwrap()).unwrap();
            let builder = ClientConfig::builder_with_provider(default_provider().into());
            let builder = builder.with_protocol_versions(&[version]).unwrap().with_root_certificates(roots);
            let mut config = builder.with_no_client_auth();
            config.resumption = Resumption::disabled();
            config.into()
        })
    });
    Arc::clone(&configs[usize::from(is_newest)])
}
