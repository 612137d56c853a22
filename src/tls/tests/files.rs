//! Tests of certificate and key files: accepted files, rejected files with their error messages, and warnings.

use std::fs;

use super::fixture;
use crate::tls::certified::Pair;
use crate::tls::{CertificateSummary, Tls, TlsError, TlsErrorKind, warnings};

/// Builds a configuration from two fixture files.
fn load(certificate: &str, key: &str, password: Option<&str>) -> Result<Tls, TlsError> {
    let builder = Tls::builder().certificate(fixture(certificate), fixture(key));
    match password {
        Some(password) => builder.password(password).build(),
        None => builder.build(),
    }
}

/// The error message for two fixture files that are rejected, without the path of their directory.
fn refusal(certificate: &str, key: &str, password: Option<&str>) -> String {
    let message = load(certificate, key, password).unwrap_err().to_string();
    message.replace(fixture("").to_str().unwrap(), "")
}

#[test]
fn every_form_of_key_is_read() {
    for (certificate, key) in [
        ("ec.crt", "ec.key"),
        ("rsa.crt", "rsa.key"),
        ("rsa.crt", "rsa-pkcs1.key"),
        ("ed25519.crt", "ed25519.key"),
        ("p384.crt", "p384.key"),
        ("nameless.crt", "params.key"),
    ] {
        load(certificate, key, None).unwrap();
        load(certificate, key, Some("a password that is not needed")).unwrap();
    }
}

#[test]
fn every_form_of_encrypted_key_is_read() {
    for (certificate, key) in [
        ("ec.crt", "encrypted-aes256.key"),
        ("ec.crt", "encrypted-aes128.key"),
        ("ec.crt", "encrypted-3des.key"),
        ("ec.crt", "encrypted-scrypt.key"),
        ("ec.crt", "legacy-aes256.key"),
        ("ec.crt", "legacy-aes192.key"),
        ("ec.crt", "legacy-3des.key"),
        ("rsa.crt", "legacy-aes128-rsa.key"),
        ("combined.pem", "combined.pem"),
    ] {
        load(certificate, key, Some("secret")).unwrap();
        assert_eq!(
            refusal(certificate, key, Some("wrong")),
            format!("{key}: the password does not decrypt the private key")
        );
        assert_eq!(
            refusal(certificate, key, Some("")),
            format!("{key}: the password does not decrypt the private key")
        );
        assert_eq!(refusal(certificate, key, None), format!("{key}: the key is encrypted: a password is needed"));
    }
}

#[test]
fn no_wrong_password_passes_for_the_right_one() {
    // For about one in 256 wrong passwords, the padding happens to be valid.
    for number in 0..600 {
        let kind = load("ec.crt", "legacy-aes256.key", Some(&number.to_string())).unwrap_err();
        assert!(matches!(kind.kind(), TlsErrorKind::WrongPassword), "{number}: {kind}");
    }
}

#[test]
fn encryption_that_is_not_supported_is_named_before_a_password_is_asked_for() {
    for key in ["encrypted-pbes1.key", "legacy-camellia.key"] {
        for password in [None, Some("secret")] {
            let message = refusal("ec.crt", key, password);
            assert!(message.starts_with(&format!("{key}: the private key is encrypted in a way")), "{message}");
        }
    }
}

#[test]
fn keys_that_cannot_be_used_are_refused_with_the_reason() {
    let curve =
        "the private key cannot be used: the curve P-521 is not supported (must be RSA, P-256, P-384 or Ed25519)";
    let short = "the private key cannot be used: RSA with 1024 bits (must be 2048 to 4096)";
    let ed448 = "the private key cannot be used: Ed448 is not supported (must be RSA, P-256, P-384 or Ed25519)";
    assert_eq!(refusal("ec.crt", "p521.key", None), format!("p521.key: {curve}"));
    assert_eq!(refusal("rsa.crt", "rsa1024.key", None), format!("rsa1024.key: {short}"));
    assert_eq!(refusal("ec.crt", "ed448.key", None), format!("ed448.key: {ed448}"));
}

#[test]
fn a_key_of_another_certificate_is_refused_with_both_names() {
    for key in ["params.key", "rsa.key", "ed25519.key"] {
        let message = load("ec.crt", key, None).unwrap_err().to_string();
        let line = "the private key does not belong to the certificate in";
        assert_eq!(message, format!("{}: {line} {}", fixture(key).display(), fixture("ec.crt").display()));
    }
}

#[test]
fn a_file_without_the_block_that_is_looked_for_is_refused() {
    let no_certificate = "the file contains no certificate (a line -----BEGIN CERTIFICATE-----)";
    assert_eq!(refusal("ec.key", "ec.key", None), format!("ec.key: {no_certificate}"));
    let no_key = "the file contains no private key (a line -----BEGIN PRIVATE KEY-----)";
    assert_eq!(refusal("ec.crt", "ec.crt", None), format!("ec.crt: {no_key}"));
    let gone = "cannot read 'none': No such file or directory (os error 2)";
    assert_eq!(refusal("none", "ec.key", None), gone);
    assert_eq!(refusal("ec.crt", "none", None), gone);
    assert_eq!(refusal("", "ec.key", None), "cannot read '': Is a directory (os error 21)");
    let nothing = Tls::builder().build().unwrap_err();
    assert!(matches!(nothing.kind(), TlsErrorKind::NothingToServe));
}

#[test]
fn damaged_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name)
    };
    let refusal = |certificate, key| {
        let message = Tls::from_pem_files(certificate, key).unwrap_err().to_string();
        message.rsplit_once('/').unwrap().1.to_owned()
    };
    let block = |label: &str| format!("-----BEGIN {label}-----\nMAMCAQA=\n-----END {label}-----\n");
    let certificate = write("c.pem", &block("CERTIFICATE"));
    let why = "the certificate cannot be used: it is not X.509";
    assert_eq!(refusal(certificate, fixture("ec.key")), format!("c.pem: {why}"));
    for label in ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"] {
        let key = write("k.pem", &block(label));
        assert_eq!(refusal(fixture("ec.crt"), key), "k.pem: the private key cannot be parsed");
    }
    let cut = write("cut.pem", "x\n-----BEGIN CERTIFICATE-----\nMAMC");
    assert_eq!(refusal(cut, fixture("ec.key")), "cut.pem:2: the block has no end");
    let large = write("large.pem", &"#".repeat((1 << 20) + 1));
    assert_eq!(refusal(large, fixture("ec.key")), "large.pem: the file is larger than 1 MiB");
    let header = "-----BEGIN EC PRIVATE KEY-----\nDEK-Info: AES-256-CBC,XY\n\nMAMCAQA=\n-----END EC PRIVATE KEY-----\n";
    assert_eq!(refusal(fixture("ec.crt"), write("h.pem", header)), "h.pem: the private key cannot be parsed");
}

#[test]
fn a_certificate_is_warned_about_before_after_and_shortly_before_the_end_of_its_validity() {
    let pair = Pair::load(&fixture("ec.crt"), &fixture("ec.key"), None).unwrap();
    let certificate = fixture("ec.crt");
    let about_time = |now: i64| {
        let lines = warnings::of_pair(&pair, now).into_iter();
        let of_certificate = lines.filter_map(|line| Some(line.strip_prefix(certificate.to_str()?)?.to_owned()));
        of_certificate.collect::<Vec<_>>()
    };
    let (begin, end) = (1_577_836_800, 4_733_510_400);
    let line = |text: &str| vec![format!(": the certificate {text}")];
    assert_eq!(about_time(begin - 1), line("is not valid yet: it is valid from 2020-01-01T00:00:00Z on"));
    assert_eq!(about_time(begin), Vec::<String>::new());
    assert_eq!(about_time(end - 7 * 86_400), Vec::<String>::new());
    assert_eq!(about_time(end - 7 * 86_400 + 1), line("expires soon: it is valid until 2120-01-01T00:00:00Z"));
    assert_eq!(about_time(end), line("expires soon: it is valid until 2120-01-01T00:00:00Z"));
    assert_eq!(about_time(end + 1), line("has expired: it was valid until 2120-01-01T00:00:00Z"));
}

#[test]
fn a_chain_whose_second_certificate_does_not_issue_the_first_is_warned_about() {
    let about_chain = |certificate: &str, key: &str, password: &str| {
        let builder = Tls::builder().certificate(fixture(certificate), fixture(key)).password(password);
        builder.build().unwrap().warnings().iter().filter(|line| line.contains("does not issue")).count()
    };
    assert_eq!(about_chain("wrong-chain.crt", "ec.key", ""), 1);
    assert_eq!(about_chain("combined.pem", "combined.pem", "secret"), 0);
    assert_eq!(about_chain("ec.crt", "ec.key", ""), 0);
}

#[cfg(unix)]
#[test]
fn a_key_that_other_users_can_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    fs::copy(fixture("ec.key"), &key).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    for (mode, is_warned_about) in [(0o600, false), (0o400, false), (0o640, !is_root), (0o644, true), (0o660, true)] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let tls = Tls::from_pem_files(fixture("ec.crt"), &key).unwrap();
        let line = format!("{}: other users can read the private key (mode {mode:04o})", key.display());
        assert_eq!(tls.warnings().contains(&line), is_warned_about, "{mode:o}: {:?}", tls.warnings());
    }
}

#[test]
fn a_further_certificate_without_a_dns_name_is_warned_about() {
    let [first, nameless] = [("ec.crt", "ec.key"), ("nameless.crt", "params.key")];
    let build = |pairs: [(&str, &str); 2]| {
        let builder = pairs.iter().fold(Tls::builder(), |builder, (certificate, key)| {
            builder.certificate(fixture(certificate), fixture(key))
        });
        builder.build().unwrap().warnings().iter().filter(|line| line.contains("no DNS name")).count()
    };
    assert_eq!(build([first, nameless]), 1);
    assert_eq!(build([nameless, first]), 0);
}

#[test]
fn the_parts_of_a_certificate_are_read() {
    let pair = Pair::load(&fixture("nameless.crt"), &fixture("params.key"), None).unwrap();
    let summary = CertificateSummary::of(&pair.key.cert[0]).unwrap();
    assert_eq!(summary.subject, "CN=Carla Client,O=Tests");
    assert_eq!(summary.issuer, "CN=authority,O=serve-forever tests");
    assert_eq!(summary.serial_number, "1005");
    let pair = Pair::load(&fixture("ed25519.crt"), &fixture("ed25519.key"), None).unwrap();
    assert_eq!(pair.names, ["other.example", "*.other.example"]);
}

#[test]
fn neither_the_password_nor_a_key_is_printed() {
    let builder = Tls::builder().certificate(fixture("ec.crt"), fixture("ec.key")).password("secret");
    assert!(!format!("{builder:?}").contains("secret"));
    let tls = builder.build().unwrap();
    assert_eq!(format!("{tls:?}"), format!("Tls {{ fingerprint: Some({:?}), .. }}", tls.fingerprint().unwrap()));
}
