//! The variables that describe TLS to a script, named as in Apache's `mod_ssl`.
//!
//! All other variables are in `environment`.

use crate::TlsInfo;
use crate::tls_info::certificate_pem;

/// Calls `set` with each variable and its value. No value contains NUL, which an environment variable cannot contain.
pub(super) fn tls_variables(tls: &TlsInfo, set: &mut dyn FnMut(&str, &[u8])) {
    set("SSL_PROTOCOL", tls.version().as_bytes());
    set("SSL_CIPHER", tls.cipher().as_bytes());
    if let Some(name) = tls.server_name() {
        set("SSL_TLS_SNI", name.as_bytes());
    }
    set("SSL_SESSION_RESUMED", if tls.is_resumed() { b"Resumed" } else { b"Initial" });
    match tls.peer_certificates().next() {
        Some(certificate) => client_variables(certificate, set),
        None => set("SSL_CLIENT_VERIFY", b"NONE"),
    }
}

/// Sets the variables for the client's certificate, which the handshake has verified.
fn client_variables(certificate: &[u8], set: &mut dyn FnMut(&str, &[u8])) {
    set("SSL_CLIENT_VERIFY", b"SUCCESS");
    set("SSL_CLIENT_CERT", certificate_pem(certificate).as_bytes());
    #[cfg(feature = "tls")]
    if let Some(summary) = crate::tls::CertificateSummary::of(certificate) {
        set("SSL_CLIENT_S_DN", summary.subject.as_bytes());
        set("SSL_CLIENT_I_DN", summary.issuer.as_bytes());
        set("SSL_CLIENT_M_SERIAL", summary.serial_number.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn variables(tls: &TlsInfo) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        let mut set = |name: &str, value: &[u8]| {
            variables.insert(name.to_owned(), String::from_utf8(value.to_vec()).unwrap());
        };
        tls_variables(tls, &mut set);
        variables
    }

    #[test]
    fn version_cipher_and_server_name_have_variables() {
        let tls = TlsInfo { version: "TLSv1.3", cipher: "TLS_X", server_name: Some("a".into()), ..TlsInfo::default() };
        let expected = [
            ("SSL_CIPHER", "TLS_X"),
            ("SSL_CLIENT_VERIFY", "NONE"),
            ("SSL_PROTOCOL", "TLSv1.3"),
            ("SSL_SESSION_RESUMED", "Initial"),
            ("SSL_TLS_SNI", "a"),
        ];
        assert_eq!(variables(&tls), expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_certificate_of_the_client_has_variables() {
        use base64::{Engine, prelude::BASE64_STANDARD};

        let file = include_str!("../../tests/tls/nameless.crt");
        let body: String = file.lines().filter(|line| !line.starts_with('-')).collect();
        let certificate = BASE64_STANDARD.decode(body).unwrap();
        let tls = TlsInfo { peer_certificates: vec![certificate.into()], ..TlsInfo::default() };
        let variables = variables(&tls);
        assert_eq!(variables["SSL_CLIENT_VERIFY"], "SUCCESS");
        assert_eq!(variables["SSL_CLIENT_S_DN"], "CN=Carla Client,O=Tests");
        assert_eq!(variables["SSL_CLIENT_I_DN"], "CN=authority,O=serve-forever tests");
        assert_eq!(variables["SSL_CLIENT_M_SERIAL"], "1005");
        assert_eq!(variables["SSL_CLIENT_CERT"], file);
    }
}
