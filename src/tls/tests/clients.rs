//! Tests with in-memory handshakes: the certificate that a client gets, the accepted clients, and the resumption of
//! sessions.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, ConfigBuilder, Connection, DigitallySignedStruct, Error,
    HandshakeKind, ProtocolVersion, RootCertStore, ServerConnection, SignatureScheme, WantsVerifier,
};

use super::fixture;
use crate::tls::certified::{certificates, read_pem};
use crate::tls::{ClientAuth, Tls, TlsErrorKind, TlsVersion, private_key};

fn chain(name: &str) -> Vec<CertificateDer<'static>> {
    certificates(read_pem(&fixture(name)).unwrap().0)
}

fn key(name: &str) -> PrivateKeyDer<'static> {
    private_key::find(&read_pem(&fixture(name)).unwrap().0, None).unwrap()
}

fn server() -> Tls {
    Tls::from_pem_files(fixture("ec.crt"), fixture("ec.key")).unwrap()
}

fn roots(certificate: &CertificateDer<'static>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    roots
}

fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
}

/// A client without a certificate that trusts the authority of the fixtures.
fn client() -> ClientConfig {
    builder().with_root_certificates(roots(&chain("ca.crt")[0])).with_no_client_auth()
}

/// A client that supports only TLS 1.2.
fn client_of_tls12() -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS12]).unwrap();
    builder.with_root_certificates(roots(&chain("ca.crt")[0])).with_no_client_auth()
}

/// A client with a certificate.
fn client_with(certificate: &str, private_key: &str) -> ClientConfig {
    let builder = builder().with_root_certificates(roots(&chain("ca.crt")[0]));
    builder.with_client_auth_cert(chain(certificate), key(private_key)).unwrap()
}

/// A verifier that accepts every certificate, and offers these signature schemes.
#[derive(Debug)]
pub(super) struct AnyCertificate(pub(super) Vec<SignatureScheme>);

impl ServerCertVerifier for AnyCertificate {
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
        self.0.clone()
    }
}

/// A client that accepts every certificate, and offers these signature schemes.
fn any_client(schemes: &[SignatureScheme]) -> ClientConfig {
    let verifier = Arc::new(AnyCertificate(schemes.to_vec()));
    builder().dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
}

/// Passes all pending bytes from one side to the other. Returns true if any bytes were pending.
fn pass(from: &mut Connection, to: &mut Connection) -> Result<bool, Error> {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).unwrap();
    }
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        to.read_tls(&mut rest).unwrap();
        to.process_new_packets()?;
    }
    Ok(!bytes.is_empty())
}

/// Performs a handshake. Returns both sides, or the first error of either side.
pub(super) fn handshake(
    tls: &Tls,
    config: &ClientConfig,
    name: &str,
) -> Result<(ClientConnection, ServerConnection), Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client: Connection = ClientConnection::new(Arc::new(config.clone()), name).unwrap().into();
    let mut server: Connection = ServerConnection::new(Arc::clone(tls.server_config())).unwrap().into();
    while pass(&mut client, &mut server)? | pass(&mut server, &mut client)? {}
    match (client, server) {
        (Connection::Client(client), Connection::Server(server)) => Ok((client, server)),
        _ => unreachable!(),
    }
}

/// The certificate that a client receives if it requests this server name.
fn chosen(tls: &Tls, name: &str, schemes: &[SignatureScheme]) -> Result<CertificateDer<'static>, Error> {
    let (client, _) = handshake(tls, &any_client(schemes), name)?;
    Ok(client.peer_certificates().unwrap()[0].clone())
}

const RSA: SignatureScheme = SignatureScheme::RSA_PSS_SHA256;
const P256: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;
const P384: SignatureScheme = SignatureScheme::ECDSA_NISTP384_SHA384;
const ED25519: SignatureScheme = SignatureScheme::ED25519;

#[test]
fn a_certificate_is_chosen_by_exact_name_then_by_wildcard_and_else_the_first() {
    let tls = Tls::builder()
        .certificate(fixture("ec.crt"), fixture("ec.key"))
        .certificate(fixture("ed25519.crt"), fixture("ed25519.key"))
        .certificate(fixture("p384.crt"), fixture("p384.key"))
        .build()
        .unwrap();
    for (name, certificate) in [
        ("localhost", "ec.crt"),
        ("other.example", "ed25519.crt"),
        ("OTHER.Example", "ed25519.crt"),
        ("one.other.example", "ed25519.crt"),
        ("p384.example", "p384.crt"),
        ("two.one.other.example", "ec.crt"),
        ("unknown.example", "ec.crt"),
        // A client that connects to an address sends no server name.
        ("127.0.0.1", "ec.crt"),
    ] {
        assert_eq!(chosen(&tls, name, &[P256, P384, ED25519]).unwrap(), chain(certificate)[0], "{name}");
    }
    let refused = chosen(&tls, "p384.example", &[P256, ED25519]).unwrap_err();
    assert!(matches!(refused, Error::PeerIncompatible(_)), "a certificate for another name is of no use: {refused}");
}

#[test]
fn of_two_certificates_for_one_name_the_first_that_the_client_can_verify_is_chosen() {
    let tls = Tls::builder()
        .certificate(fixture("ec.crt"), fixture("ec.key"))
        .certificate(fixture("rsa.crt"), fixture("rsa.key"))
        .build()
        .unwrap();
    for name in ["localhost", "unknown.example", "127.0.0.1"] {
        assert_eq!(chosen(&tls, name, &[RSA, P256]).unwrap(), chain("ec.crt")[0], "{name}");
        assert_eq!(chosen(&tls, name, &[RSA]).unwrap(), chain("rsa.crt")[0], "{name}");
        let refused = chosen(&tls, name, &[ED25519]).unwrap_err();
        assert!(matches!(refused, Error::PeerIncompatible(_)), "{name}: {refused}");
    }
}

#[test]
fn versions_below_the_lowest_are_refused() {
    let (_, with_12) = handshake(&server(), &client_of_tls12(), "localhost").unwrap();
    assert_eq!(with_12.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    let tls = Tls::builder().certificate(fixture("ec.crt"), fixture("ec.key")).min_version(TlsVersion::Tls13);
    let refused = handshake(&tls.build().unwrap(), &client_of_tls12(), "localhost").unwrap_err();
    assert!(matches!(refused, Error::PeerIncompatible(_)), "{refused}");
    let (_, with_13) = handshake(&server(), &client(), "localhost").unwrap();
    assert_eq!(with_13.protocol_version(), Some(ProtocolVersion::TLSv1_3));
}

#[test]
fn a_configuration_with_the_certificates_of_another_one_has_its_own_settings() {
    let tls = Tls::builder().certificates_of(&server()).min_version(TlsVersion::Tls13).build().unwrap();
    let refused = handshake(&tls, &client_of_tls12(), "localhost").unwrap_err();
    assert!(matches!(refused, Error::PeerIncompatible(_)), "{refused}");
    assert_eq!(chosen(&tls, "localhost", &[P256]).unwrap(), chain("ec.crt")[0]);
    assert_eq!(tls.certificate_pem(), server().certificate_pem());
    let files = Tls::builder().certificates_of(&server()).certificate(fixture("rsa.crt"), fixture("rsa.key"));
    assert_eq!(chosen(&files.build().unwrap(), "localhost", &[RSA]).unwrap(), chain("rsa.crt")[0]);
}

#[test]
fn a_client_that_offers_only_other_protocols_is_refused() {
    let offering = |protocols: &[&str]| {
        let mut client = client();
        client.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        client
    };
    let (_, both) = handshake(&server(), &offering(&["h2", "http/1.1"]), "localhost").unwrap();
    assert_eq!(both.alpn_protocol(), Some(&b"http/1.1"[..]));
    let (_, none) = handshake(&server(), &offering(&[]), "localhost").unwrap();
    assert_eq!(none.alpn_protocol(), None);
    let refused = handshake(&server(), &offering(&["h2"]), "localhost").unwrap_err();
    assert_eq!(refused, Error::NoApplicationProtocol);
    let other = Tls::builder().certificate(fixture("ec.crt"), fixture("ec.key")).alpn_protocols(["own"]).build();
    let (_, own) = handshake(&other.unwrap(), &offering(&["own"]), "localhost").unwrap();
    assert_eq!(own.alpn_protocol(), Some(&b"own"[..]));
}

#[test]
fn every_suite_has_forward_secrecy_and_an_aead_and_there_is_no_early_data() {
    let tls = server();
    let config = tls.server_config();
    assert_eq!(config.max_early_data_size, 0);
    let suites: Vec<String> =
        config.crypto_provider().cipher_suites.iter().map(|suite| format!("{:?}", suite.suite())).collect();
    assert_eq!(suites.len(), 9);
    for suite in suites {
        let has_forward_secrecy = suite.starts_with("TLS13_") || suite.starts_with("TLS_ECDHE_");
        assert!(has_forward_secrecy && (suite.contains("_GCM_") || suite.contains("_CHACHA20_")), "{suite}");
    }
}

#[test]
fn the_server_prefers_aes_128() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let client = client.with_protocol_versions(&[version]).unwrap().dangerous();
        let verifier = AnyCertificate(vec![SignatureScheme::ECDSA_NISTP256_SHA256]);
        let client = client.with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
        // The client puts AES-256 first.
        assert!(format!("{:?}", client.crypto_provider().cipher_suites[0]).contains("AES_256"));
        let (_, server) = handshake(&server(), &client, "localhost").unwrap();
        let suite = format!("{:?}", server.negotiated_cipher_suite().unwrap().suite());
        assert!(suite.contains("AES_128"), "{suite}");
    }
}

/// A server that accepts clients with certificates from an authority.
fn server_for_clients(file: &str, mode: ClientAuth) -> Tls {
    let builder = Tls::builder().certificate(fixture("ec.crt"), fixture("ec.key"));
    builder.client_ca(fixture(file), mode).build().unwrap()
}

#[test]
fn client_certificates_are_required_or_optional_and_always_verified() {
    let known = client_with("nameless.crt", "params.key");
    let stranger = client_with("stranger.crt", "stranger.key");
    for mode in [ClientAuth::Required, ClientAuth::Optional] {
        let tls = server_for_clients("ca.crt", mode);
        let (_, accepted) = handshake(&tls, &known, "localhost").unwrap();
        assert_eq!(accepted.peer_certificates().unwrap(), chain("nameless.crt"));
        let refused = handshake(&tls, &stranger, "localhost").unwrap_err();
        assert!(matches!(refused, Error::InvalidCertificate(_)), "{refused}");
    }
    let refused = handshake(&server_for_clients("ca.crt", ClientAuth::Required), &client(), "localhost").unwrap_err();
    assert_eq!(refused, Error::NoCertificatesPresented);
    let (_, accepted) = handshake(&server_for_clients("ca.crt", ClientAuth::Optional), &client(), "localhost").unwrap();
    assert_eq!(accepted.peer_certificates(), None);
}

#[test]
fn a_client_without_a_required_certificate_gets_the_alert_for_it() {
    let tls = server_for_clients("ca.crt", ClientAuth::Required);
    let name = ServerName::try_from("localhost").unwrap();
    let mut client: Connection = ClientConnection::new(Arc::new(client()), name).unwrap().into();
    let mut server: Connection = ServerConnection::new(Arc::clone(tls.server_config())).unwrap().into();
    let alert = loop {
        // The server's error occurs before the client reads the alert.
        let _ = pass(&mut client, &mut server);
        if let Err(error) = pass(&mut server, &mut client) {
            break error;
        }
    };
    assert_eq!(alert, Error::AlertReceived(AlertDescription::CertificateRequired));
}

#[test]
fn a_file_of_authorities_without_a_certificate_is_refused() {
    let builder = Tls::builder().certificate(fixture("ec.crt"), fixture("ec.key"));
    let refused = builder.client_ca(fixture("ec.key"), ClientAuth::Optional).build().unwrap_err();
    assert!(matches!(refused.kind(), TlsErrorKind::NoCertificate));
    assert_eq!(refused.path(), Some(&*fixture("ec.key")));
}

/// True if a session that began under one configuration can be resumed under another.
fn is_resumed(first: &Tls, second: &Tls, config: &ClientConfig) -> bool {
    let mut config = config.clone();
    config.resumption = Resumption::in_memory_sessions(4);
    let (_, server) = handshake(first, &config, "localhost").unwrap();
    assert_eq!(server.handshake_kind(), Some(HandshakeKind::Full));
    let (_, server) = handshake(second, &config, "localhost").unwrap();
    server.handshake_kind() == Some(HandshakeKind::Resumed)
}

#[test]
fn sessions_are_resumed_by_tickets_which_a_successor_accepts_too() {
    let tls = server();
    assert!(is_resumed(&tls, &tls, &client()));
    let succeeding = |certificate, key| {
        let builder = Tls::builder().certificate(fixture(certificate), fixture(key));
        builder.succeeding(&tls).build().unwrap()
    };
    assert!(is_resumed(&tls, &succeeding("rsa.crt", "rsa.key"), &client()));
    assert!(!is_resumed(&tls, &server(), &client()), "another server has other keys");
    // In TLS 1.2, the type of the server's key is part of the cipher suite, and a session can be resumed only with the
    // same cipher suite.
    assert!(is_resumed(&tls, &succeeding("ec.crt", "ec.key"), &client_of_tls12()));
}

#[test]
fn no_session_is_resumed_where_other_clients_are_accepted() {
    let known = client_with("nameless.crt", "params.key");
    let required = server_for_clients("ca.crt", ClientAuth::Required);
    let succeeding = |file: &str, mode, predecessor: &Tls| {
        let builder = Tls::builder().certificate(fixture("ec.crt"), fixture("ec.key"));
        builder.client_ca(fixture(file), mode).succeeding(predecessor).build().unwrap()
    };
    let same = succeeding("ca.crt", ClientAuth::Required, &required);
    assert!(is_resumed(&required, &same, &known));
    let optional = succeeding("ca.crt", ClientAuth::Optional, &required);
    assert!(!is_resumed(&required, &optional, &known));
    let open = server();
    let closed = succeeding("ca.crt", ClientAuth::Required, &open);
    assert!(!is_resumed(&open, &closed, &known));
    // A client with a certificate from the removed authority is verified again and rejected.
    let other = succeeding("stranger.crt", ClientAuth::Required, &required);
    let mut config = known;
    config.resumption = Resumption::in_memory_sessions(4);
    handshake(&required, &config, "localhost").unwrap();
    let refused = handshake(&other, &config, "localhost").unwrap_err();
    assert!(matches!(refused, Error::InvalidCertificate(_)), "{refused}");
}

#[test]
fn a_self_signed_certificate_is_for_its_names_and_addresses() {
    let tls = Tls::self_signed(["localhost", "127.0.0.1", "::1", "dev.example"]).unwrap();
    let key = crate::tls::self_signed::certificate(vec!["a.example".into()], std::time::Duration::from_secs(86_400));
    let validity = crate::tls::x509::Certificate::parse(&key.unwrap().cert[0]).map(|c| (c.not_before, c.not_after));
    assert_eq!(validity, Some((86_400 - 3600, 86_400 - 3600 + 30 * 86_400)));
    // This client trusts only the generated certificate.
    let certificate = chosen(&tls, "localhost", &[P256]).unwrap();
    let client = builder().with_root_certificates(roots(&certificate)).with_no_client_auth();
    for name in ["localhost", "127.0.0.1", "::1", "dev.example"] {
        handshake(&tls, &client, name).unwrap();
    }
    assert!(matches!(handshake(&tls, &client, "other.example").unwrap_err(), Error::InvalidCertificate(_)));
    assert_eq!(tls.fingerprint().unwrap().len(), 32 * 3 - 1);
    assert!(tls.warnings().is_empty());
    let refused = Tls::self_signed(["b\u{fc}cher.example"]).unwrap_err().to_string();
    assert!(refused.starts_with("invalid name for a certificate: 'b\u{fc}cher.example'"), "{refused}");
}
