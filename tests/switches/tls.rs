//! HTTPS: certificate and key files, the certificate for development, reloads, and the port that redirects.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::{Signal, geteuid};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection};
use tempfile::TempDir;

use crate::common::tls::{TlsClient, client_builder};
use crate::program::{Program, command, field, refusal, tree};

/// The path of a file in `tests/tls`.
fn fixture(name: &str) -> String {
    format!("{}/tests/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn with_certificate(words: &[&str]) -> Vec<String> {
    let pair = ["--tls-cert".to_owned(), fixture("ec.crt"), "--tls-key".to_owned(), fixture("ec.key")];
    pair.into_iter().chain(words.iter().map(|word| (*word).to_owned())).collect()
}

fn start(root: &Path, words: &[&str]) -> Program {
    Program::of(command(with_certificate(words)).current_dir(root))
}

/// The certificate of a new connection.
fn certificate(program: &Program) -> CertificateDer<'static> {
    let mut client = TlsClient::connect(program.address);
    client.get("/");
    client.0.conn.peer_certificates().unwrap()[0].clone()
}

fn certificate_in(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(fixture(name)).unwrap()
}

#[test]
fn a_folder_is_served_over_tls_and_the_ready_line_and_the_log_are_pythons() {
    let root = tree(&[("a", "over tls")]);
    let program = start(root.path(), &[]);
    let address = program.address;
    assert_eq!(program.ready, format!("Serving HTTPS on 127.0.0.1 port {} (https://{address}/) ...\n", address.port()));
    let mut client = TlsClient::connect(address);
    assert_eq!(client.get("/a").1, b"over tls");
    assert!(program.says("GET /a").ends_with("\"GET /a HTTP/1.1\" 200 8\n"));
    let clear = program.get("/a");
    assert!(clear.starts_with("HTTP/1.1 400 ") && clear.contains("https://h/a"), "{clear}");
    assert_eq!(program.end().0, Some(0));
}

#[test]
fn options_of_tls_without_the_one_that_they_need_are_refused() {
    let root = tree(&[]);
    let key = ["--tls-key".to_owned(), fixture("ec.key")];
    let password = ["--tls-password-file".to_owned(), fixture("ec.key")];
    for (words, why) in [
        (&key.each_ref().map(String::as_str)[..], "--tls-key requires --tls-cert to be set"),
        (&password.each_ref().map(String::as_str), "--tls-password-file requires --tls-cert to be set"),
        (&["--hsts"], "--hsts requires --tls-cert or --tls-self-signed to be set"),
        (&["--tls-min=1.1"], "argument --tls-min: invalid choice: '1.1' (choose from 1.2, 1.3)"),
        (&["--redirect-http=x"], "argument --redirect-http: invalid int value: 'x' (must be a number from 0 to 65535)"),
        (&["--tls-self-signed", "--tls-client-auth=optional"], "--tls-client-auth requires --tls-client-ca to be set"),
    ] {
        assert_eq!(refusal(root.path(), words), (2, format!("serve-forever: error: {why}")));
    }
}

#[test]
fn a_file_that_cannot_be_used_ends_the_start_with_a_line_that_names_it() {
    let root = tree(&[("junk", "junk"), ("password", "wrong\n")]);
    let [certificate, key] = [fixture("ec.crt"), fixture("ec.key")];
    let encrypted = fixture("encrypted-aes256.key");
    let pair = |certificate: &str, key: &str| {
        let words = ["--tls-cert", certificate, "--tls-key", key];
        refusal(root.path(), &words)
    };
    let error = |why: &str| (1, format!("serve-forever: error: {why}"));
    let gone = "cannot read 'none': No such file or directory (os error 2)";
    assert_eq!(pair("none", &key), error(gone));
    assert_eq!(pair(&certificate, "none"), error(gone));
    assert_eq!(
        pair("junk", &key),
        error("junk: the file contains no certificate (a line -----BEGIN CERTIFICATE-----)")
    );
    let other = fixture("params.key");
    let why = format!("{other}: the private key does not belong to the certificate in {certificate}");
    assert_eq!(pair(&certificate, &other), error(&why));
    let why = format!("{encrypted}: the key is encrypted: --tls-password-file is needed");
    assert_eq!(pair(&certificate, &encrypted), error(&why));
    let words = ["--tls-cert", &certificate, "--tls-key", &encrypted, "--tls-password-file", "password"];
    assert_eq!(
        refusal(root.path(), &words),
        error(&format!("{encrypted}: the password does not decrypt the private key"))
    );
    let words = [&words[..4], &["--tls-password-file", "none"]].concat();
    let why = "Failed to read TLS password file: No such file or directory (os error 2): 'none'";
    assert_eq!(refusal(root.path(), &words), (2, format!("serve-forever: error: {why}")));
    let words = [&words[..2], &["--tls-client-ca", &key]].concat();
    assert_eq!(refusal(root.path(), &words).0, 1);
}

#[test]
fn an_encrypted_key_is_opened_with_the_password_of_a_file() {
    let root = tree(&[("password", " \nsecret\n"), ("a", "a")]);
    let combined = fixture("combined.pem");
    let words = ["--tls-cert", &combined, "--tls-password-file", "password"];
    let program = Program::start(root.path(), &words);
    assert_eq!(TlsClient::connect(program.address).get("/a").1, b"a");
}

#[test]
fn the_password_file_is_read_like_pythons_and_must_be_utf8() {
    let root = tree(&[]);
    fs::write(root.path().join("password"), b"\xff").unwrap();
    let words = with_certificate(&["--tls-password-file=password"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let why = "Failed to read TLS password file: stream did not contain valid UTF-8: 'password'";
    assert_eq!(refusal(root.path(), &words), (2, format!("serve-forever: error: {why}")));
}

#[test]
fn a_certificate_with_a_fault_is_served_with_a_warning() {
    let root = tree(&[("a", "a")]);
    fs::copy(fixture("ec.key"), root.path().join("key")).unwrap();
    fs::set_permissions(root.path().join("key"), Permissions::from_mode(0o644)).unwrap();
    let chain = fixture("wrong-chain.crt");
    let program = Program::start(root.path(), &["--tls-cert", &chain, "--tls-key", "key"]);
    let line = program.says("does not issue");
    let what = "the second certificate does not issue the first, so clients may refuse it";
    assert_eq!(line, format!("serve-forever: warning: {chain}: {what}\n"));
    program.says("serve-forever: warning: key: other users can read the private key (mode 0644)");
    assert_eq!(TlsClient::connect(program.address).get("/a").1, b"a");
}

#[test]
fn a_self_signed_certificate_is_made_and_its_fingerprint_printed() {
    let root = tree(&[("a", "a")]);
    let program = Program::start(root.path(), &["--tls-self-signed=dev.example"]);
    let line = program.says("self-signed certificate with SHA-256 fingerprint ");
    let printed = line.trim_end().rsplit(' ').next().unwrap().to_owned();
    let served = certificate(&program);
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&served);
    let expected: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(printed, expected.join(":"));
    let text = String::from_utf8_lossy(&served);
    assert!(text.contains("localhost") && text.contains("dev.example"));
    assert!(fs::read_dir(root.path()).unwrap().count() == 1, "nothing is written");
    let (status, why) = refusal(root.path(), &["--tls-self-signed", "--tls-cert=x"]);
    assert_eq!(
        (status, &*why),
        (2, "serve-forever: error: argument --tls-self-signed: not allowed with argument --tls-cert")
    );
}

#[test]
fn hsts_is_sent_over_tls_only_and_with_errors_too() {
    let root = tree(&[("a", "a")]);
    let program = start(root.path(), &["--hsts=60", "--redirect-http=0"]);
    let mut client = TlsClient::connect(program.address);
    for path in ["/a", "/none"] {
        assert_eq!(field(&client.get(path).0, "Strict-Transport-Security"), Some("max-age=60"), "{path}");
    }
    client.say("NONSENSE\r\n\r\n");
    assert_eq!(field(&client.answer().0, "Strict-Transport-Security"), Some("max-age=60"));
    let clear = program.get("/a");
    assert!(clear.starts_with("HTTP/1.1 400 ") && field(&clear, "Strict-Transport-Security").is_none(), "{clear}");
    let program = start(root.path(), &[]);
    let head = TlsClient::connect(program.address).get("/a").0;
    assert_eq!(field(&head, "Strict-Transport-Security"), None);
}

/// A port that nothing listens on now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn the_other_port_redirects_everything_and_serves_nothing() {
    let root = tree(&[("a", "secret")]);
    let port = free_port();
    let program = start(root.path(), &["--hsts", &format!("--redirect-http={port}")]);
    let mut client = program.client_at(program.address.ip());
    client.stream = std::net::TcpStream::connect((program.address.ip(), port)).unwrap();
    for (request, line, location) in [
        ("GET /a?b%20c HTTP/1.1\r\nHost: x.example:80\r\n\r\n", "308", Some("/a?b%20c")),
        ("POST /a HTTP/1.1\r\nHost: x.example\r\nContent-Length: 1\r\n\r\nx", "308", Some("/a")),
        ("GET http://x.example:8080/abs HTTP/1.1\r\nHost: x.example:8080\r\n\r\n", "308", Some("/abs")),
        ("OPTIONS * HTTP/1.1\r\nHost: x.example\r\n\r\n", "400", None),
        ("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "400", None),
        ("GET /a HTTP/1.1\r\nHost: a b\r\n\r\n", "400", None),
    ] {
        let answer = client.say(request).answer();
        assert!(answer.head.starts_with(&format!("HTTP/1.1 {line} ")), "{}", answer.head);
        let expected = location.map(|rest| format!("https://x.example:{}{rest}", program.address.port()));
        assert_eq!(field(&answer.head, "Location"), expected.as_deref());
        assert_eq!(field(&answer.head, "Strict-Transport-Security"), None);
        assert!(!answer.body.windows(6).any(|bytes| bytes == b"secret"));
    }
    assert!(program.says("GET /a?b%20c").contains(" 308 "), "the redirects are logged");
}

/// A client's side of a new connection that shows this certificate.
fn client_with(certificate: &str, key: &str) -> ClientConnection {
    let key = PrivateKeyDer::from_pem_file(fixture(key)).unwrap();
    let config = client_builder().with_client_auth_cert(vec![certificate_in(certificate)], key).unwrap();
    connection(config)
}

fn connection(config: ClientConfig) -> ClientConnection {
    ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap()
}

#[test]
fn clients_need_a_certificate_of_the_authority() {
    let root = tree(&[("a", "a")]);
    let ca = format!("--tls-client-ca={}", fixture("ca.crt"));
    let refused = |program: &Program, connection: ClientConnection| {
        let mut client = TlsClient::on(program.address, connection);
        client.say("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
        client.0.conn.complete_io(&mut client.0.sock).is_err() || {
            let mut byte = [0];
            std::io::Read::read(&mut client.0, &mut byte).is_err()
        }
    };
    let known = || client_with("nameless.crt", "params.key");
    for words in [vec![ca.as_str()], vec![ca.as_str(), "--tls-client-auth=optional"]] {
        let program = start(root.path(), &words);
        assert_eq!(TlsClient::on(program.address, known()).get("/a").1, b"a");
        assert!(refused(&program, client_with("stranger.crt", "stranger.key")));
        let without = connection(client_builder().with_no_client_auth());
        if words.len() == 1 {
            assert!(refused(&program, without));
        } else {
            assert_eq!(TlsClient::on(program.address, without).get("/a").1, b"a");
        }
    }
}

/// A certificate and its key, in files that can be replaced.
struct Pair(TempDir);

impl Pair {
    fn new() -> Pair {
        let pair = Pair(tempfile::tempdir().unwrap());
        pair.put("ec.crt", "ec.key");
        pair
    }

    fn put(&self, certificate: &str, key: &str) {
        fs::copy(fixture(certificate), self.path("c")).unwrap();
        fs::copy(fixture(key), self.path("k")).unwrap();
        fs::set_permissions(self.path("k"), Permissions::from_mode(0o600)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn start(&self, root: &Path, words: &[&str]) -> Program {
        let mut command = command(words);
        command.arg("--tls-cert").arg(self.path("c")).arg("--tls-key").arg(self.path("k"));
        Program::of(command.current_dir(root))
    }
}

#[test]
fn a_reload_takes_the_new_certificate_and_ends_no_connection() {
    let (root, pair) = (tree(&[("a", "a")]), Pair::new());
    let program = pair.start(root.path(), &[]);
    let mut old = TlsClient::connect(program.address);
    old.get("/a");
    pair.put("rsa.crt", "rsa.key");
    program.signal(Signal::HUP);
    program.says(&format!("settings reloaded from '{}'", pair.path("c").display()));
    assert_eq!(certificate(&program), certificate_in("rsa.crt"));
    assert_eq!(old.get("/a").1, b"a");
    assert_eq!(old.0.conn.peer_certificates().unwrap()[0], certificate_in("ec.crt"));
}

/// Ends the clients of a test, also when the test fails.
struct EndsClients<'a>(&'a AtomicBool);

impl Drop for EndsClients<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_hundred_reloads_under_load_fail_no_request() {
    let (root, pair) = (tree(&[("a", "a")]), Pair::new());
    let program = pair.start(root.path(), &[]);
    let (address, is_over) = (program.address, AtomicBool::new(false));
    let get = |client: &mut TlsClient| assert_eq!(client.get("/a").1, b"a");
    thread::scope(|scope| {
        let end = EndsClients(&is_over);
        let kept = scope.spawn(|| {
            let mut client = TlsClient::connect(address);
            (0_u64..).take_while(|_| !is_over.load(Ordering::Relaxed)).inspect(|_| get(&mut client)).count()
        });
        let fresh = scope.spawn(|| {
            let requests = (0_u64..).take_while(|_| !is_over.load(Ordering::Relaxed));
            requests.inspect(|_| get(&mut TlsClient::connect(address))).count()
        });
        for pair_name in ["rsa", "ec"].iter().cycle().take(100) {
            pair.put(&format!("{pair_name}.crt"), &format!("{pair_name}.key"));
            program.signal(Signal::HUP);
            program.says("settings reloaded from '");
        }
        drop(end);
        assert!(kept.join().unwrap() > 0 && fresh.join().unwrap() > 0);
    });
}

#[test]
fn a_reload_with_broken_files_changes_nothing_and_says_why() {
    let (root, pair) = (tree(&[("a", "a")]), Pair::new());
    let program = pair.start(root.path(), &[]);
    fs::copy(fixture("rsa.crt"), pair.path("c")).unwrap();
    let refused = |why: &str| {
        program.signal(Signal::HUP);
        let line = program.says("settings not changed: ");
        assert!(line.ends_with(&format!("{why}\n")), "{line}");
        assert_eq!(certificate(&program), certificate_in("ec.crt"));
    };
    let (certificate, key) = (pair.path("c"), pair.path("k"));
    let unfit = format!("the private key does not belong to the certificate in {}", certificate.display());
    refused(&format!("settings not changed: {}: {unfit}", key.display()));
    fs::write(&key, "junk").unwrap();
    refused("the file contains no private key (a line -----BEGIN PRIVATE KEY-----)");
    fs::remove_file(&key).unwrap();
    refused(&format!("settings not changed: cannot read '{}': No such file or directory (os error 2)", key.display()));
    rustix::fs::mkfifoat(rustix::fs::CWD, &key, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    refused(&format!("settings not changed: cannot read '{}': not a file", key.display()));
}

#[test]
fn a_reload_neither_begins_nor_ends_tls() {
    let root = tree(&[("a", "a")]);
    let settings = tree(&[("c.toml", "tls-self-signed = true\n")]);
    let path = settings.path().join("c.toml");
    let program = Program::of(command(["--config"]).arg(&path).current_dir(root.path()));
    let before = certificate(&program);
    for (text, kept) in [("hsts = 5\n", "tls-self-signed"), ("tls-self-signed = true\nhsts = 5\n", "")] {
        // Without TLS the option would be refused, so the settings of the running server count for it too.
        fs::write(&path, text).unwrap();
        program.signal(Signal::HUP);
        program.says("settings reloaded from '");
        if !kept.is_empty() {
            assert!(program.says("takes effect only at the next start: ").contains(kept));
        }
        assert_eq!(certificate(&program), before, "browsers that trust it go on trusting it");
        let head = TlsClient::connect(program.address).get("/a").0;
        assert_eq!(field(&head, "Strict-Transport-Security"), Some("max-age=5"));
    }
}

#[test]
fn a_key_that_only_root_can_read_is_read_before_root_is_given_up() {
    if !geteuid().is_root() {
        return eprintln!("skipped, only root can become another user");
    }
    let (root, pair) = (tree(&[("a", "a")]), Pair::new());
    fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(pair.0.path(), Permissions::from_mode(0o755)).unwrap();
    let program = pair.start(root.path(), &["--user", "nobody"]);
    assert_eq!(TlsClient::connect(program.address).get("/a").1, b"a");
    program.signal(Signal::HUP);
    let line = program.says("settings not changed: ");
    assert!(line.ends_with(&format!("cannot read '{}': Permission denied (os error 13)\n", pair.path("k").display())));
    assert_eq!(certificate(&program), certificate_in("ec.crt"));
}

#[cfg(feature = "sandbox")]
#[test]
fn in_the_sandbox_a_renewed_certificate_is_read_again() {
    let (root, pair) = (tree(&[("a", "a")]), Pair::new());
    // As with certbot, the names are symbolic links to files in another folder.
    let links = tree(&[]);
    for name in ["c", "k"] {
        std::os::unix::fs::symlink(pair.path(name), links.path().join(name)).unwrap();
    }
    let mut command = command(["--sandbox", "--tls-cert"]);
    command.arg(links.path().join("c")).arg("--tls-key").arg(links.path().join("k")).current_dir(root.path());
    let program = match Program::try_of(&mut command) {
        Ok(program) => program,
        Err(output) => return eprintln!("skipped: {}", crate::program::last_line(&output)),
    };
    for name in ["c", "k"] {
        let (source, renewed) = (if name == "c" { "rsa.crt" } else { "rsa.key" }, pair.path(&format!("{name}2")));
        fs::copy(fixture(source), &renewed).unwrap();
        fs::remove_file(links.path().join(name)).unwrap();
        std::os::unix::fs::symlink(&renewed, links.path().join(name)).unwrap();
    }
    program.signal(Signal::HUP);
    program.says("settings reloaded from '");
    assert_eq!(certificate(&program), certificate_in("rsa.crt"));
}

#[test]
fn the_json_log_has_version_cipher_and_server_name() {
    let root = tree(&[("a", "a")]);
    let program = start(root.path(), &["--log-format=json"]);
    TlsClient::connect(program.address).get("/a");
    let line: serde_json::Value = serde_json::from_str(&program.says("GET /a")).unwrap();
    let tls = &line["tls"];
    assert_eq!(
        (&tls["version"], &tls["sni"], &tls["resumed"]),
        (&"TLSv1.3".into(), &"localhost".into(), &false.into())
    );
    assert!(tls["cipher"].as_str().unwrap().starts_with("TLS_AES_"), "{line}");
}

#[cfg(all(feature = "cgi", target_os = "linux"))]
#[test]
fn scripts_see_tls_and_the_certificate_of_the_client() {
    let root = tree(&[("cgi-bin/env", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'; env\n")]);
    fs::set_permissions(root.path().join("cgi-bin/env"), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
    let program = start(root.path(), &["--cgi", &format!("--tls-client-ca={}", fixture("ca.crt"))]);
    let mut client = TlsClient::on(program.address, client_with("nameless.crt", "params.key"));
    client.say("GET /cgi-bin/env HTTP/1.1\r\nHost: h\r\nHTTPS: off\r\nConnection: close\r\n\r\n");
    let text = String::from_utf8(client.rest().0).unwrap();
    for line in [
        "HTTPS=on",
        "HTTP_HTTPS=off",
        "REQUEST_SCHEME=https",
        "SSL_PROTOCOL=TLSv1.3",
        "SSL_TLS_SNI=localhost",
        "SSL_CLIENT_VERIFY=SUCCESS",
        "SSL_CLIENT_S_DN=CN=Carla Client,O=Tests",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is not in {text}");
    }
    assert!(!text.contains("password"), "{text}");
}
