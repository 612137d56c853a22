//! Both sides of TLS for tests: a server with the certificate of `localhost.pem`, and a client that accepts any certificate,
//! because these tests are about connections.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WantsClientCert};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, ConfigBuilder, DigitallySignedStruct, Error, HandshakeKind, ProtocolVersion,
    ServerConfig, SignatureScheme, StreamOwned, SupportedProtocolVersion,
};

use super::client::SAFETY;
use super::seeds::Random;

const PEM: &[u8] = include_bytes!("localhost.pem");

/// The configuration of a server for `localhost`.
pub fn server_config() -> Arc<ServerConfig> {
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

#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Builds the configuration of a client that accepts any certificate.
pub fn client_builder() -> ConfigBuilder<ClientConfig, WantsClientCert> {
    client_builder_of(rustls::DEFAULT_VERSIONS)
}

/// Builds the configuration of a client that accepts any certificate and supports these versions of TLS.
pub fn client_builder_of(
    versions: &[&'static SupportedProtocolVersion],
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let builder = ClientConfig::builder_with_provider(default_provider().into());
    let builder = builder.with_protocol_versions(versions).unwrap().dangerous();
    builder.with_custom_certificate_verifier(Arc::new(Trusting))
}

/// A client's side of a new connection to `localhost` that supports one version of TLS.
pub fn client_connection_of(version: &'static SupportedProtocolVersion) -> ClientConnection {
    client_connection_with(client_builder_of(&[version]).with_no_client_auth().into())
}

/// The configuration of a client that resumes no session.
pub fn client_config() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let mut config = client_builder().with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.into()
    });
    Arc::clone(config)
}

/// A client's side of a new connection to `localhost`.
pub fn client_connection() -> ClientConnection {
    client_connection_with(client_config())
}

/// A client's side of a new connection to `localhost` with this configuration.
pub fn client_connection_with(config: Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap()
}

/// A client of a simulation: it completes the handshake, sends its requests immediately, and stores the bytes that it
/// receives.
pub struct TlsEnd {
    connection: ClientConnection,
    /// The requests, until they are encrypted.
    pub asks: Option<Vec<u8>>,
    announces_end: bool,
    /// Determines the sizes of the records of the requests. If this is `None`, rustls determines them.
    random: Option<Random>,
    /// The number of bytes that the client has sent.
    sent: usize,
    /// Where records with parts of the requests end: the number of bytes that the client sends up to there, and the number of
    /// bytes of the requests in them.
    pub ends: Vec<(usize, usize)>,
    pub heard: Vec<u8>,
    /// True if the server has announced its end.
    pub is_told_the_end: bool,
}

impl TlsEnd {
    pub fn new(asks: Vec<u8>, announces_end: bool) -> TlsEnd {
        TlsEnd::on(client_connection(), asks, announces_end)
    }

    /// A client on this connection.
    pub fn on(connection: ClientConnection, asks: Vec<u8>, announces_end: bool) -> TlsEnd {
        let (random, sent, ends, heard) = (None, 0, Vec::new(), Vec::new());
        TlsEnd { connection, asks: Some(asks), announces_end, random, sent, ends, heard, is_told_the_end: false }
    }

    /// Sends the requests in records of any size, with new keys between some of them.
    pub fn with_records(mut self, random: Random) -> TlsEnd {
        self.random = Some(random);
        self
    }

    /// True if the handshake resumed a session. `None` before the server has decided.
    pub fn is_resumed(&self) -> Option<bool> {
        self.connection.handshake_kind().map(|kind| kind == HandshakeKind::Resumed)
    }

    /// Encrypts the requests into records.
    fn send(&mut self, asks: &[u8], records: &mut Vec<u8>) {
        let mut at = 0;
        // TLS 1.2 has no message for new keys.
        let can_renew_keys = self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        while at < asks.len() {
            let mut end = asks.len();
            if let Some(random) = &mut self.random {
                if random.one_in(4) && can_renew_keys {
                    self.connection.refresh_traffic_keys().unwrap();
                }
                end = end.min(at + 1 + random.below(9000));
            }
            self.connection.writer().write_all(&asks[at..end]).unwrap();
            self.write(records);
            self.ends.push((self.sent, end));
            at = end;
        }
    }

    /// Writes all records that rustls has.
    fn write(&mut self, records: &mut Vec<u8>) {
        while self.connection.wants_write() {
            self.sent += self.connection.write_tls(records).unwrap();
        }
    }

    /// Processes bytes from the server. Returns the bytes that the client then sends.
    pub fn exchange(&mut self, mut sent: &[u8]) -> Result<Vec<u8>, Error> {
        self.connection.set_buffer_limit(None);
        while !sent.is_empty() {
            self.connection.read_tls(&mut sent).unwrap();
            let state = self.connection.process_new_packets()?;
            self.is_told_the_end |= state.peer_has_closed();
            let mut part = vec![0; state.plaintext_bytes_to_read()];
            self.connection.reader().read_exact(&mut part).unwrap();
            self.heard.extend(part);
        }
        let mut records = Vec::new();
        if !self.connection.is_handshaking()
            && let Some(asks) = self.asks.take()
        {
            self.send(&asks, &mut records);
            if self.announces_end {
                self.connection.send_close_notify();
            }
        }
        self.write(&mut records);
        Ok(records)
    }
}

/// A client on a real socket that waits for expected bytes, with a time limit.
pub struct TlsClient(pub StreamOwned<ClientConnection, TcpStream>);

impl TlsClient {
    pub fn connect(address: SocketAddr) -> TlsClient {
        TlsClient::on(address, client_connection())
    }

    /// Connects with this client's side.
    pub fn on(address: SocketAddr, connection: ClientConnection) -> TlsClient {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(SAFETY)).unwrap();
        stream.set_write_timeout(Some(SAFETY)).unwrap();
        TlsClient(StreamOwned::new(connection, stream))
    }

    pub fn say(&mut self, text: &str) -> &mut TlsClient {
        self.0.write_all(text.as_bytes()).unwrap();
        self.0.flush().unwrap();
        self
    }

    /// The head and the body of a response with a counted body.
    pub fn answer(&mut self) -> (String, Vec<u8>) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap_or("0");
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).unwrap();
        (head, body)
    }

    pub fn get(&mut self, target: &str) -> (String, Vec<u8>) {
        self.say(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")).answer()
    }

    /// Everything until the end, and true if the end was announced.
    pub fn rest(&mut self) -> (Vec<u8>, bool) {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => (rest, true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => (rest, false),
            Err(error) => panic!("{error}"),
        }
    }
}
