//! `Tls` and its builder, which create a rustls configuration from files or with a self-signed certificate.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::{ServerConfig, SupportedProtocolVersion};

use super::certified::Pair;
use super::choice::CertificateChoice;
use super::client_auth::{AcceptedClients, ClientAuth, verifier};
use super::error::{TlsError, TlsErrorKind};
use super::{self_signed, warnings};
use crate::tls_info::certificate_pem;

/// A TLS version that a server can set as its minimum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    #[default]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl TlsVersion {
    /// Returns this version and all later ones.
    fn and_above(self) -> &'static [&'static SupportedProtocolVersion] {
        static ONLY_TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
        match self {
            TlsVersion::Tls12 => rustls::ALL_VERSIONS,
            TlsVersion::Tls13 => ONLY_TLS13,
        }
    }
}

/// The TLS configuration of a server. It is immutable and cheap to clone. To reread the files, a server builds a new
/// configuration.
///
/// The supported versions are TLS 1.2 and 1.3, with the cipher suites of rustls, all of which have forward secrecy. The
/// server prefers AES-128, then AES-256, then ChaCha20, but for a client that puts ChaCha20 first, ChaCha20 is used.
/// Sessions are resumed with stateless tickets, whose keys change every six hours. Early data is not supported.
///
/// ```no_run
/// use serve_forever::tls::Tls;
///
/// # fn main() -> Result<(), serve_forever::tls::TlsError> {
/// let tls = Tls::from_pem_files("site.crt", "site.key")?;
/// for warning in tls.warnings() {
///     eprintln!("{warning}");
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    warnings: Arc<[String]>,
    fingerprint: Option<String>,
    /// The default certificate in DER.
    certificate: Option<Arc<[u8]>>,
    accepted_clients: AcceptedClients,
}

impl Tls {
    /// Reads a certificate with its chain, and its private key, from PEM files. Both can be in the same file.
    ///
    /// # Errors
    /// Returns the same errors as [`TlsBuilder::build`].
    pub fn from_pem_files(certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Tls, TlsError> {
        Tls::builder().certificate(certificate, key).build()
    }

    /// Generates a certificate for these DNS names and addresses. It is valid for 30 days and exists only in memory.
    /// Clients trust the certificate only if they are configured to do so, for example with the
    /// [`fingerprint`](Tls::fingerprint) or with [`certificate_pem`](Tls::certificate_pem). The following test of a
    /// server with TLS needs the features `tls` and `client-tls`:
    ///
    /// ```
    /// use serve_forever::{HttpServer, service::Response, testing::TestServer, tls::Tls};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let tls = Tls::self_signed(["localhost"])?;
    /// let trusted = tls.certificate_pem().unwrap();
    /// let server = HttpServer::bind("127.0.0.1:0")?.service(|_| Response::text("hello")).tls(tls);
    /// let server = TestServer::start(server);
    /// # #[cfg(feature = "client-tls")] {
    /// use serve_forever::client::{ClientTls, HttpConnection};
    /// let mut client = HttpConnection::with_port("localhost", server.address().port())?;
    /// client = client.tls(ClientTls::ca_pem(trusted)?).connect_to("127.0.0.1", server.address().port());
    /// client.request("GET", "/", (), &[])?;
    /// assert_eq!(client.getresponse()?.read_all()?, b"hello");
    /// # }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Returns an error if a name is neither a DNS name nor an address, or if the system's random number generator
    /// fails.
    pub fn self_signed<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Result<Tls, TlsError> {
        Tls::builder().self_signed(names).build()
    }

    /// Uses a rustls configuration without changes. Even if it sets `ignore_client_order`, ChaCha20 is used for a
    /// client that prefers ChaCha20.
    pub fn from_config(config: Arc<ServerConfig>) -> Tls {
        Tls { config, warnings: Arc::default(), fingerprint: None, certificate: None, accepted_clients: None }
    }

    /// Returns a builder, which has more settings than the other constructors.
    pub fn builder() -> TlsBuilder {
        TlsBuilder::default()
    }

    /// The underlying rustls configuration.
    pub fn server_config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// Warnings about problems that do not prevent the use of the certificates, each as one line that names the file: a
    /// certificate has expired, is not valid yet, or expires within seven days; the second certificate in a file is not
    /// the issuer of the first; other users can read a key; or a certificate can never be selected because it has no
    /// DNS name.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The SHA-256 fingerprint of the default certificate, as hexadecimal pairs separated by colons. `None` after
    /// [`from_config`](Tls::from_config).
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// The default certificate in PEM, without the certificates of its issuers. If the certificate is self-signed, a
    /// client that trusts it accepts this server: pass the text to `ClientTls::ca_pem`, or write it to a file for `curl
    /// --cacert`. `None` after [`from_config`](Tls::from_config).
    pub fn certificate_pem(&self) -> Option<String> {
        self.certificate.as_deref().map(certificate_pem)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl From<Tls> for Arc<ServerConfig> {
    fn from(tls: Tls) -> Arc<ServerConfig> {
        tls.config
    }
}

impl From<&Tls> for Arc<ServerConfig> {
    fn from(tls: &Tls) -> Arc<ServerConfig> {
        Arc::clone(&tls.config)
    }
}

/// Builds a [`Tls`] from certificate files, or with a self-signed certificate.
///
/// ```no_run
/// use serve_forever::tls::{ClientAuth, Tls, TlsVersion};
///
/// # fn main() -> Result<(), serve_forever::tls::TlsError> {
/// let tls = Tls::builder()
///     .certificate("example.org.pem", "example.org.pem")
///     .certificate("example.net.crt", "example.net.key")
///     .client_ca("staff-ca.crt", ClientAuth::Required)
///     .min_version(TlsVersion::Tls13)
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct TlsBuilder {
    certificates: Vec<(PathBuf, PathBuf)>,
    self_signed: Vec<String>,
    /// The configuration whose certificates are used if no certificate files are given.
    certificates_of: Option<Tls>,
    password: Option<String>,
    client_ca: Option<(PathBuf, ClientAuth)>,
    min_version: TlsVersion,
    alpn: Vec<Vec<u8>>,
    predecessor: Option<Tls>,
}

impl Default for TlsBuilder {
    fn default() -> TlsBuilder {
        TlsBuilder {
            certificates: Vec::new(),
            self_signed: Vec::new(),
            certificates_of: None,
            password: None,
            client_ca: None,
            min_version: TlsVersion::default(),
            alpn: vec![b"http/1.1".to_vec()],
            predecessor: None,
        }
    }
}

/// The certificates of a server, after they have been read and checked.
struct Certificates {
    choice: Arc<dyn ResolvesServerCert>,
    /// The default certificate in DER, if it is known.
    first: Option<Arc<[u8]>>,
    warnings: Arc<[String]>,
}

impl TlsBuilder {
    /// Adds a certificate. The file must begin with the server's certificate, followed by the certificates of its
    /// issuers. The key is the first one in its file, which can be the same file.
    ///
    /// The first certificate is the default. Every other certificate is used for its DNS names, where `*` stands for
    /// one label. If several certificates have the same name, the first one with a kind of key that the client supports
    /// is used.
    pub fn certificate(mut self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> TlsBuilder {
        self.certificates.push((certificate.as_ref().to_owned(), key.as_ref().to_owned()));
        self
    }

    /// Generates a certificate for these DNS names and addresses, unless certificate files are given.
    pub fn self_signed<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> TlsBuilder {
        self.self_signed.extend(names.into_iter().map(Into::into));
        self
    }

    /// Uses the certificates of `other`, unless certificate files are given. With this method, a server can change its
    /// settings and keep its self-signed certificate, which clients may trust.
    ///
    /// ```
    /// use serve_forever::tls::{Tls, TlsVersion};
    ///
    /// # fn main() -> Result<(), serve_forever::tls::TlsError> {
    /// let running = Tls::self_signed(["localhost"])?;
    /// let next = Tls::builder().certificates_of(&running).min_version(TlsVersion::Tls13).build()?;
    /// assert_eq!(next.fingerprint(), running.fingerprint());
    /// # Ok(()) }
    /// ```
    pub fn certificates_of(mut self, other: &Tls) -> TlsBuilder {
        self.certificates_of = Some(other.clone());
        self
    }

    /// Sets the password for encrypted keys. Keys that are not encrypted do not need a password.
    pub fn password(mut self, password: impl Into<String>) -> TlsBuilder {
        self.password = Some(password.into());
        self
    }

    /// Requests certificates from clients. They must have been issued by one of the authorities in this PEM file.
    pub fn client_ca(mut self, file: impl AsRef<Path>, mode: ClientAuth) -> TlsBuilder {
        self.client_ca = Some((file.as_ref().to_owned(), mode));
        self
    }

    /// Sets the lowest version that clients may use. Default: TLS 1.2.
    pub fn min_version(mut self, version: TlsVersion) -> TlsBuilder {
        self.min_version = version;
        self
    }

    /// Sets the protocols for ALPN (RFC 7301), in order of preference. Default: `http/1.1`. A client that offers only
    /// other protocols is rejected; a client that offers no protocols is accepted.
    pub fn alpn_protocols<P: Into<Vec<u8>>>(mut self, protocols: impl IntoIterator<Item = P>) -> TlsBuilder {
        self.alpn = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Keeps the ticket keys of `predecessor`, so that sessions that began under it can be resumed. If the accepted
    /// clients have changed, new keys are used, because a resumed client is not verified again.
    pub fn succeeding(mut self, predecessor: &Tls) -> TlsBuilder {
        self.predecessor = Some(predecessor.clone());
        self
    }

    /// Reads the files, checks them, and builds the configuration.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read or does not have the expected content; if a key cannot be decrypted,
    /// does not match its certificate, or is of an unsupported kind; or if no certificate is given, neither by files,
    /// nor by names for a self-signed certificate, nor by another configuration.
    pub fn build(self) -> Result<Tls, TlsError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let provider = Arc::new(provider());
        let Certificates { choice, first, warnings } = self.certificates(now)?;
        let (verifier, accepted_clients) = match &self.client_ca {
            Some((file, mode)) => verifier(file, *mode, Arc::clone(&provider))?,
            None => (WebPkiClientVerifier::no_client_auth(), None),
        };
        let predecessor = self.predecessor.as_ref().filter(|tls| tls.accepted_clients == accepted_clients);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(self.min_version.and_above())?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(choice);
        config.ignore_client_order = true;
        config.alpn_protocols = self.alpn;
        config.ticketer = match predecessor {
            Some(predecessor) => Arc::clone(&predecessor.config.ticketer),
            // The ticket keys are random and change every six hours.
            None => ring::Ticketer::new()?,
        };
        // The state of a session is contained in its ticket, so the server stores no sessions.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Tls {
            config: Arc::new(config),
            warnings,
            fingerprint: first.as_deref().map(fingerprint),
            certificate: first,
            accepted_clients,
        })
    }

    fn certificates(&self, now: Duration) -> Result<Certificates, TlsError> {
        if self.certificates.is_empty() {
            if let Some(Tls { config, certificate, warnings, .. }) = &self.certificates_of {
                let choice = Arc::clone(&config.cert_resolver);
                return Ok(Certificates { choice, first: certificate.clone(), warnings: Arc::clone(warnings) });
            }
            if self.self_signed.is_empty() {
                return Err(TlsErrorKind::NothingToServe.into());
            }
            let key = self_signed::certificate(self.self_signed.clone(), now)?;
            let first = Some(key.cert[0].as_ref().into());
            let choice = Arc::new(CertificateChoice::only(key));
            return Ok(Certificates { choice, first, warnings: Arc::default() });
        }
        let load = |(certificate, key): &(PathBuf, PathBuf)| Pair::load(certificate, key, self.password.as_deref());
        let pairs: Vec<Pair> = self.certificates.iter().map(load).collect::<Result<_, _>>()?;
        let now = now.as_secs().try_into().unwrap_or(i64::MAX);
        let mut warnings: Vec<String> = pairs.iter().flat_map(|pair| warnings::of_pair(pair, now)).collect();
        warnings.extend(warnings::of_names(&pairs));
        let first = Some(pairs[0].key.cert[0].as_ref().into());
        Ok(Certificates { choice: Arc::new(CertificateChoice::new(pairs)), first, warnings: warnings.into() })
    }
}

impl fmt::Debug for TlsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only this field is printed, so that the password never is.
        f.debug_struct("TlsBuilder").field("certificates", &self.certificates).finish_non_exhaustive()
    }
}

/// The ring provider, with its cipher suites in the server's order of preference. AES-128 comes first because it needs
/// less computation than AES-256, especially for the hash function that the handshake uses with it.
fn provider() -> CryptoProvider {
    use rustls::crypto::ring::cipher_suite::*;
    let cipher_suites = vec![
        TLS13_AES_128_GCM_SHA256,
        TLS13_AES_256_GCM_SHA384,
        TLS13_CHACHA20_POLY1305_SHA256,
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ];
    CryptoProvider { cipher_suites, ..ring::default_provider() }
}

/// The SHA-256 of a certificate, as hexadecimal pairs separated by colons.
fn fingerprint(certificate: &[u8]) -> String {
    let pairs: Vec<String> = hmac_sha256::Hash::hash(certificate).iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}
