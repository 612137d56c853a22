//! TLS for a client: the certificates that it trusts, and a TLS connection over any [`ClientStream`]. rustls implements
//! the protocol.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::settings::WaitLimits;
use super::{ClientStream, Error, Readiness, WaitPhase};

/// The certificates that a client trusts, and its other TLS settings. Clones are cheap. The server's name is always
/// verified. The supported versions are TLS 1.2 and 1.3.
#[derive(Clone)]
pub struct ClientTls(Arc<ClientConfig>);

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTls")
    }
}

impl PartialEq for ClientTls {
    /// True if one value is a clone of the other. The configurations are not compared.
    fn eq(&self, other: &ClientTls) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ClientTls {}

impl Hash for ClientTls {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl ClientTls {
    /// Trusts the system's root certificates, as Python does. The environment variables `SSL_CERT_FILE` and
    /// `SSL_CERT_DIR` select others. Each call reads the certificates from disk.
    ///
    /// # Errors
    /// Returns [`Error::Tls`] if no root certificate could be read.
    pub fn system_roots() -> Result<ClientTls, Error> {
        let found = rustls_native_certs::load_native_certs();
        let none = || Error::Tls("the system has no root certificates".to_owned());
        ClientTls::trusting(found.certs).ok_or_else(none)
    }

    /// Trusts the certificates in a PEM file, and no others. Each is the certificate of an authority, or the
    /// self-signed certificate of a server.
    ///
    /// rustls rejects a server that presents the certificate of an authority, which is the kind that `openssl req
    /// -x509` creates by default. This command creates a certificate for a server:
    ///
    /// ```sh
    /// openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -keyout site.key -out site.crt \
    ///     -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
    ///     -addext basicConstraints=critical,CA:FALSE
    /// ```
    ///
    /// # Errors
    /// Returns [`Error::Tls`] if the file cannot be read or contains no usable certificate.
    pub fn ca_file(path: impl AsRef<Path>) -> Result<ClientTls, Error> {
        let path = path.as_ref();
        let failed = |reason: &dyn fmt::Display| Error::Tls(format!("{}: {reason}", path.display()));
        let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        ClientTls::trusting(found.map_err(|error| failed(&error))?).ok_or_else(|| failed(&NO_CERTIFICATE))
    }

    /// Like [`ca_file`](ClientTls::ca_file), for certificates in memory, such as the result of `Tls::certificate_pem`.
    ///
    /// # Errors
    /// Returns [`Error::Tls`] if `pem` is malformed or contains no usable certificate.
    pub fn ca_pem(pem: impl AsRef<[u8]>) -> Result<ClientTls, Error> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_ref()).collect();
        let found = found.map_err(|error| Error::Tls(error.to_string()))?;
        ClientTls::trusting(found).ok_or_else(|| Error::Tls(NO_CERTIFICATE.to_owned()))
    }

    /// Trusts Mozilla's root certificates, which are compiled into the program. Use this on a machine without root
    /// certificates of its own.
    #[cfg(feature = "webpki-roots")]
    pub fn compiled_in_roots() -> ClientTls {
        ClientTls::with_roots(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect())
    }

    /// Uses a rustls configuration. It is unchanged except for ALPN, which is set to HTTP/1.1.
    pub fn from_config(config: Arc<ClientConfig>) -> ClientTls {
        let mut config = Arc::unwrap_or_clone(config);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        ClientTls(Arc::new(config))
    }

    /// Trusts only these certificates. Returns `None` if none of them can be parsed.
    fn trusting(certificates: Vec<CertificateDer<'static>>) -> Option<ClientTls> {
        let mut roots = RootCertStore::empty();
        // A system can have old root certificates that rustls cannot parse. They are skipped.
        let (added, _) = roots.add_parsable_certificates(certificates);
        (added > 0).then(|| ClientTls::with_roots(roots))
    }

    fn with_roots(roots: RootCertStore) -> ClientTls {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        // NOTE(unwrap): ring has cipher suites for both versions.
        let builder = versions.expect("the provider supports the versions");
        ClientTls::from_config(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
    }
}

/// The reason given by [`Error::Tls`] if PEM data contains no usable certificate.
const NO_CERTIFICATE: &str = "no certificate that can be used (a block -----BEGIN CERTIFICATE-----)";

/// Converts an error that rustls returned for a connection. The message explains the most common mistake with
/// self-signed certificates, for which rustls gives only an internal name.
fn connection_error(error: &rustls::Error) -> Error {
    let text = error.to_string();
    if text.contains("CaUsedAsEndEntity") {
        return Error::Tls(format!(
            "{text}: the certificate of the server is that of an authority; a server needs one with \
             basicConstraints CA:FALSE, see ClientTls::ca_file"
        ));
    }
    Error::Tls(text)
}

/// A TLS connection over another stream.
///
/// Dropping it sends `close_notify` if the stream accepts that immediately.
#[derive(Debug)]
pub struct ClientTlsStream<S: ClientStream> {
    /// `None` only while [`over`](Self::over) consumes this stream.
    records: Option<TlsRecords<S>>,
}

/// The TLS state, and the stream that carries the TLS records.
#[derive(Debug)]
struct TlsRecords<S: ClientStream> {
    stream: S,
    tls: ClientConnection,
}

/// The maximum number of bytes in each of rustls's two send buffers: one for plaintext before the end of the handshake,
/// and one for records that the stream has not accepted yet.
const MOST_BUFFERED: usize = 64 * 1024;

/// Adapts a [`ClientStream`] to the `std` traits that rustls requires. The calls never block.
struct Unwaiting<'s, S>(&'s mut S);

impl<S: ClientStream> Read for Unwaiting<'_, S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

impl<S: ClientStream> Write for Unwaiting<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_would_block<T>(result: &io::Result<T>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

impl<S: ClientStream> ClientTlsStream<S> {
    /// Performs the handshake. `host` is the server's IP address or its name in ASCII.
    pub(super) fn connect(stream: S, tls: &ClientTls, host: &str, waits: WaitLimits) -> Result<Self, Error> {
        // The zone of an IPv6 address names an interface of this machine, which no certificate contains.
        let host = host.split('%').next().unwrap_or(host);
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Error::InvalidUrl(host.to_owned()))?;
        let mut connection = ClientConnection::new(Arc::clone(&tls.0), name).map_err(|e| Error::Tls(e.to_string()))?;
        connection.set_buffer_limit(Some(MOST_BUFFERED));
        let mut this = TlsRecords { stream, tls: connection };
        let in_phase = |error| Error::in_phase(error, WaitPhase::Tls);
        while this.tls.is_handshaking() {
            let received = this.receive();
            // Also called if the handshake has failed, to send the alert with the reason if the stream accepts it.
            let sent = this.send();
            match received {
                Ok(0) => return Err(Error::Io(io::ErrorKind::ConnectionReset.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    sent.map_err(in_phase)?;
                    if this.tls.is_handshaking() {
                        this.wait(Readiness::Input, waits.until(this.now())).map_err(in_phase)?;
                    }
                }
                Err(error) => return Err(in_phase(error)),
            }
        }
        Ok(ClientTlsStream { records: Some(this) })
    }

    /// Replaces the underlying stream with the one that `change` creates from it.
    pub(super) fn over<T: ClientStream>(
        mut self,
        change: impl FnOnce(S) -> io::Result<T>,
    ) -> io::Result<ClientTlsStream<T>> {
        // NOTE(unwrap): only this method takes the records out, and it consumes `self`, so it cannot run twice.
        let TlsRecords { stream, tls } = self.records.take().expect("a stream has its records");
        Ok(ClientTlsStream { records: Some(TlsRecords { stream: change(stream)?, tls }) })
    }

    fn records(&mut self) -> &mut TlsRecords<S> {
        // NOTE(unwrap): only `over` takes the records out, and it consumes `self`.
        self.records.as_mut().expect("a stream has its records")
    }
}

impl<S: ClientStream> TlsRecords<S> {
    /// Reads from the underlying stream once, and decrypts the complete records. Returns the number of bytes read,
    /// which is 0 at EOF.
    fn receive(&mut self) -> io::Result<usize> {
        let count = self.tls.read_tls(&mut Unwaiting(&mut self.stream))?;
        let processed = self.tls.process_new_packets();
        processed.map_err(|error| io::Error::from(connection_error(&error)))?;
        Ok(count)
    }

    /// Sends as many of the pending records as the stream accepts.
    fn send(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            let sent = self.tls.write_tls(&mut Unwaiting(&mut self.stream));
            if is_would_block(&sent) {
                return Ok(());
            }
            sent?;
        }
        Ok(())
    }
}

impl<S: ClientStream> ClientStream for TlsRecords<S> {
    /// Implements [`ClientStream::try_read`]. Returns `UnexpectedEof` at EOF without `close_notify`, because an
    /// attacker on the network could have cut the connection.
    fn try_read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.tls.reader().read(into);
            if !is_would_block(&read) {
                return read;
            }
            // If the underlying stream is at EOF, the next read returns 0 or `UnexpectedEof`, which ends the loop.
            self.receive()?;
            // Some records, such as a request for new keys, make rustls queue records in response.
            self.send()?;
        }
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send()?;
        let taken = self.tls.writer().write(bytes)?;
        if taken == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // Records that the stream does not accept now are sent by the next call or wait.
        self.send()?;
        Ok(taken)
    }

    fn wait(&mut self, what: Readiness, until: Option<Instant>) -> io::Result<()> {
        self.send()?;
        match (what, self.tls.wants_write()) {
            // rustls has no pending records, so its buffer accepts more plaintext immediately.
            (Readiness::Output | Readiness::Either, false) => Ok(()),
            (Readiness::Input, false) => self.stream.wait(Readiness::Input, until),
            (Readiness::Output, true) => self.stream.wait(Readiness::Output, until),
            // The server may need the pending records before it sends anything.
            (Readiness::Input | Readiness::Either, true) => self.stream.wait(Readiness::Either, until),
        }
    }

    fn expect_input(&mut self) {
        self.stream.expect_input();
    }

    fn interrupt_reads(&mut self, on: bool) {
        self.stream.interrupt_reads(on);
    }

    /// Sends `close_notify` after the pending records. The sending side of the underlying stream is not shut down,
    /// because rustls may still have to send alerts and key updates.
    fn end_output(&mut self) -> io::Result<()> {
        self.tls.send_close_notify();
        self.send()
    }

    fn now(&self) -> Instant {
        self.stream.now()
    }
}

impl<S: ClientStream> ClientStream for ClientTlsStream<S> {
    fn try_read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.records().try_read(into)
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.records().try_write(bytes)
    }

    fn wait(&mut self, what: Readiness, until: Option<Instant>) -> io::Result<()> {
        self.records().wait(what, until)
    }

    fn expect_input(&mut self) {
        self.records().expect_input();
    }

    fn interrupt_reads(&mut self, on: bool) {
        self.records().interrupt_reads(on);
    }

    fn end_output(&mut self) -> io::Result<()> {
        self.records().end_output()
    }

    fn now(&self) -> Instant {
        // NOTE(unwrap): only `over` takes the records out, and it consumes `self`.
        self.records.as_ref().expect("a stream has its records").now()
    }
}

impl<S: ClientStream> Drop for ClientTlsStream<S> {
    /// Sends `close_notify` if the stream accepts that immediately.
    fn drop(&mut self) {
        if let Some(records) = &mut self.records {
            records.tls.send_close_notify();
            _ = records.send();
        }
    }
}
