//! The server's responses to a ClientHello: key exchange, renegotiation, compression, and the protection against a
//! downgrade.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, ClientConnection, NamedGroup, ServerConnection, SignatureScheme, SupportedProtocolVersion};

use super::clients::{AnyCertificate, handshake};
use super::fixture;
use crate::tls::Tls;

/// A client that supports one version and the given groups, and accepts every certificate.
fn client(version: &'static SupportedProtocolVersion, groups: &[NamedGroup]) -> ClientConfig {
    let mut provider = ring::default_provider();
    provider.kx_groups.retain(|group| groups.contains(&group.name()));
    let client = ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(&[version]).unwrap();
    let verifier = AnyCertificate(vec![SignatureScheme::ECDSA_NISTP256_SHA256]);
    client.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
}

fn server() -> Tls {
    Tls::from_pem_files(fixture("ec.crt"), fixture("ec.key")).unwrap()
}

#[test]
fn each_of_three_groups_is_enough_for_a_client() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for group in [NamedGroup::X25519, NamedGroup::secp256r1, NamedGroup::secp384r1] {
            let (_, server) = handshake(&server(), &client(version, &[group]), "localhost").unwrap();
            assert_eq!(server.negotiated_key_exchange_group().map(|group| group.name()), Some(group), "{version:?}");
        }
    }
}

/// The first message that a server sends to a TLS 1.2 client: its ServerHello.
fn server_hello() -> Vec<u8> {
    let client = Arc::new(client(&rustls::version::TLS12, &[NamedGroup::X25519]));
    let mut client = ClientConnection::new(client, "localhost".try_into().unwrap()).unwrap();
    let mut server = ServerConnection::new(Arc::clone(server().server_config())).unwrap();
    let mut wire = Vec::new();
    client.write_tls(&mut wire).unwrap();
    server.read_tls(&mut wire.as_slice()).unwrap();
    server.process_new_packets().unwrap();
    let mut wire = Vec::new();
    server.write_tls(&mut wire).unwrap();
    // The message follows the record header. The message has a header too, which contains its length.
    let length = usize::from(u16::from_be_bytes([wire[7], wire[8]]));
    wire[5..5 + 4 + length].to_vec()
}

/// The parts of a TLS 1.2 ServerHello (RFC 5246 section 7.4.1.3).
struct Hello<'a> {
    random: &'a [u8],
    compression: u8,
    /// The extensions, each as its type number and its body.
    extensions: Vec<(u16, &'a [u8])>,
}

fn take_apart(message: &[u8]) -> Hello<'_> {
    assert_eq!(message[0], 2, "a server's hello");
    let (random, rest) = message[6..].split_at(32);
    // Skip the session id, the cipher suite, the compression method and the length of the extensions.
    let rest = &rest[1 + usize::from(rest[0]) + 2..];
    let (compression, mut rest) = (rest[0], &rest[3..]);
    let number = |bytes: &[u8]| u16::from_be_bytes([bytes[0], bytes[1]]);
    let mut extensions = Vec::new();
    while !rest.is_empty() {
        let length = usize::from(number(&rest[2..]));
        extensions.push((number(rest), &rest[4..4 + length]));
        rest = &rest[4 + length..];
    }
    Hello { random, compression, extensions }
}

#[test]
fn a_hello_of_tls12_protects_against_renegotiation_compression_and_a_downgrade() {
    let message = server_hello();
    let hello = take_apart(&message);
    assert_eq!(hello.compression, 0);
    // RFC 8446 section 4.1.3: these bytes tell a client that supports TLS 1.3 that an attacker may have lowered the
    // version.
    assert_eq!(hello.random[24..], *b"DOWNGRD\x01");
    // The extension of RFC 5746 section 3.6 is empty in the first handshake; that of RFC 7627 section 5.1 is always
    // empty.
    for (name, extension) in [("renegotiation_info", (0xff01, &[0][..])), ("extended_master_secret", (0x17, &[][..]))] {
        assert!(hello.extensions.contains(&extension), "{name} is not in {:?}", hello.extensions);
    }
}
