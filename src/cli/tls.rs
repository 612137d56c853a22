//! Builds the TLS configuration from the options. `no_tls.rs` replaces this file in a program that was built without
//! TLS.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::exit::{Code, Exit};
use super::options::{Options, TlsOptions};
use super::words::shown;
pub(super) use crate::tls::Tls;
use crate::tls::{ClientAuth, TlsBuilder, TlsError, TlsErrorKind, TlsVersion};
use crate::{HttpServer, Reload};

/// The names in every `--tls-self-signed` certificate, in addition to those that the option lists.
const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Reads the files that the options name and builds the configuration. `None` if clients are served unencrypted.
///
/// `running` is the server's current configuration during a reload. A self-signed certificate is then kept, so that
/// browsers that trust it continue to do so, but all other TLS settings take effect.
pub(super) fn configuration(options: &Options, running: Option<&Tls>) -> Result<Option<Tls>, Exit> {
    let tls = &options.tls;
    if !tls.is_on() {
        return Ok(None);
    }
    let mut builder = match (&tls.self_signed, running) {
        (Some(_), Some(running)) => Tls::builder().certificates_of(running),
        _ => with_certificates(Tls::builder(), options),
    };
    if let Some(password) = password(tls)? {
        builder = builder.password(password);
    }
    if let Some(file) = &tls.client_ca {
        let is_optional = tls.client_auth_is_optional.unwrap_or_default();
        builder = builder.client_ca(file, if is_optional { ClientAuth::Optional } else { ClientAuth::Required });
    }
    if tls.only_tls13 {
        builder = builder.min_version(TlsVersion::Tls13);
    }
    if let Some(running) = running {
        builder = builder.succeeding(running);
    }
    builder.build().map(Some).map_err(|error| Exit::of(Code::Tls, explained(&error)))
}

/// Adds the certificates, or the names for a self-signed certificate.
fn with_certificates(builder: TlsBuilder, options: &Options) -> TlsBuilder {
    let tls = &options.tls;
    if let Some(names) = &tls.self_signed {
        let all = LOCAL_NAMES.map(str::to_owned).into_iter().chain(options.bind.clone()).chain(host_name());
        return builder.self_signed(all.chain(names.iter().cloned()).filter(|name| name.is_ascii()));
    }
    let keys = if tls.keys.is_empty() { &tls.certificates } else { &tls.keys };
    tls.certificates.iter().zip(keys).fold(builder, |builder, (certificate, key)| builder.certificate(certificate, key))
}

/// The host name of this machine, which other machines on the local network can resolve. `None` if it is `localhost` or
/// not set.
fn host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    (!name.is_empty() && name != "localhost" && name != "(none)").then_some(name)
}

/// The password for encrypted keys. It is the content of the whole file, without surrounding white space, as in Python.
fn password(tls: &TlsOptions) -> Result<Option<String>, Exit> {
    let Some(path) = &tls.password_file else { return Ok(None) };
    let read = fs::read_to_string(path);
    let failed =
        |error| Exit::usage(format_args!("Failed to read TLS password file: {error}: '{}'", shown(path.as_os_str())));
    Ok(Some(read.map_err(failed)?.trim().to_owned()))
}

/// The message for a TLS error. If the password for a key is missing, the message names the option
/// `--tls-password-file`.
fn explained(error: &TlsError) -> String {
    match (error.kind(), error.path()) {
        (TlsErrorKind::PasswordNeeded, Some(path)) => {
            format!("{}: the key is encrypted: --tls-password-file is needed", shown(path.as_os_str()))
        }
        _ => error.to_string(),
    }
}

/// Configures the server to use TLS with this configuration.
pub(super) fn secured(server: HttpServer, tls: &Tls, options: &Options) -> HttpServer {
    server.tls(tls).hsts(hsts(options))
}

/// Applies this configuration to new connections. Returns its warnings, each as one line for the log.
pub(super) fn renew(server: &Reload<'_>, tls: &Tls, options: &Options) -> Vec<String> {
    server.set_tls(tls);
    server.set_hsts(hsts(options));
    tls.warnings().iter().map(|line| format!("warning: {line}")).collect()
}

fn hsts(options: &Options) -> Option<Duration> {
    options.tls.hsts.map(|seconds| Duration::from_secs(seconds.into()))
}

/// The lines about the TLS configuration that are logged for the operator: the fingerprint of a generated certificate,
/// and the warnings.
pub(super) fn remarks(options: &Options, tls: &Tls) -> Vec<String> {
    let fingerprint = options.tls.self_signed.as_ref().and(tls.fingerprint());
    let made = fingerprint.map(|digits| format!("self-signed certificate with SHA-256 fingerprint {digits}"));
    made.into_iter().chain(tls.warnings().iter().map(|line| format!("warning: {line}"))).collect()
}

/// The files that the TLS options name: certificates, keys, password file and client authorities.
pub(super) fn files(tls: &TlsOptions) -> impl Iterator<Item = &Path> {
    let all = tls.certificates.iter().chain(&tls.keys).chain(&tls.password_file).chain(&tls.client_ca);
    all.map(PathBuf::as_path)
}

/// The directories that must be readable for a reload of the files in [`files`]. If a file is a symbolic link, the
/// directory of its target is included, because a renewed certificate is usually a new file in that directory.
pub(super) fn folders(tls: &TlsOptions) -> Vec<PathBuf> {
    let named = files(tls).map(Path::to_owned);
    let all = named.flat_map(|file| [fs::canonicalize(&file).ok(), Some(file)]).flatten();
    let folder = |file: PathBuf| match file.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Some(PathBuf::from(".")),
        Some(folder) => Some(folder.to_owned()),
        None => None,
    };
    all.filter_map(folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_keeps_a_self_signed_certificate_and_applies_the_other_settings() {
        let mut options = Options::default();
        options.tls.self_signed = Some(Vec::new());
        let running = configuration(&options, None).unwrap().unwrap();
        options.tls.only_tls13 = true;
        let next = configuration(&options, Some(&running)).unwrap().unwrap();
        assert_eq!(next.fingerprint(), running.fingerprint());
        options.tls.client_ca = Some("/no/such/file".into());
        assert!(configuration(&options, Some(&running)).is_err());
    }
}
