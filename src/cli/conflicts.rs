//! Checks for mutually exclusive options, and for options that require another one.

use std::time::Duration;

use super::exit::Exit;
use super::options::{Options, TlsOptions};
use super::words::shown;
use crate::files::Symlinks;

/// Returns an error if some of the options are mutually exclusive, or if an option is set without another option that
/// it requires.
pub(super) fn check(options: &Options) -> Result<(), Exit> {
    check_tls(&options.tls)?;
    check_scripts(options)?;
    check_confinement(options)
}

/// Rejects a TLS option if the option that it requires is not set. The messages for `--tls-key` and
/// `--tls-password-file` are those of Python.
fn check_tls(tls: &TlsOptions) -> Result<(), Exit> {
    let requires = |switch, other| Exit::usage(format_args!("{switch} requires {other} to be set"));
    let first = |set: &[(&'static str, bool)]| set.iter().find(|(_, is_set)| *is_set).map(|(switch, _)| *switch);
    let for_files = [("--tls-key", !tls.keys.is_empty()), ("--tls-password-file", tls.password_file.is_some())];
    let for_tls = [
        ("--tls-min", tls.only_tls13),
        ("--tls-client-ca", tls.client_ca.is_some()),
        ("--tls-client-auth", tls.client_auth_is_optional.is_some()),
        ("--hsts", tls.hsts.is_some()),
        ("--redirect-http", tls.redirect_http.is_some()),
    ];
    if tls.certificates.is_empty()
        && let Some(switch) = first(&for_files)
    {
        return Err(requires(switch, "--tls-cert"));
    }
    if !tls.is_on() {
        return first(&for_tls).map_or(Ok(()), |switch| Err(requires(switch, "--tls-cert or --tls-self-signed")));
    }
    match () {
        () if cfg!(not(feature = "tls")) => Err(Exit::wrong("this program was built without TLS")),
        () if !tls.certificates.is_empty() && tls.self_signed.is_some() => {
            Err(Exit::usage("argument --tls-self-signed: not allowed with argument --tls-cert"))
        }
        () if !tls.keys.is_empty() && tls.keys.len() != tls.certificates.len() => {
            Err(Exit::usage("--tls-key must be given once for each --tls-cert, or not at all"))
        }
        () if tls.client_auth_is_optional.is_some() && tls.client_ca.is_none() => {
            Err(requires("--tls-client-auth", "--tls-client-ca"))
        }
        () => Ok(()),
    }
}

/// Rejects `--symlinks` together with `--cgi`, because starting a script follows symbolic links. Also rejects script
/// options without `--cgi`.
fn check_scripts(options: &Options) -> Result<(), Exit> {
    let scripts = &options.scripts;
    if scripts.run {
        return match options.site.symlinks {
            Symlinks::Follow => Ok(()),
            _ => Err(Exit::usage("argument --cgi: not allowed with argument --symlinks")),
        };
    }
    let seconds = |time: &Duration| time.as_secs_f64().to_string();
    // The options are listed in the order of `--help`. The error names the first one that is set, with its value.
    let without_scripts = [
        ("--cgi-env", scripts.variables.first().map(|name| shown(name))),
        ("--cgi-user", scripts.user.clone()),
        ("--cgi-timeout", scripts.timeout.as_ref().map(seconds)),
        ("--cgi-first-byte", scripts.first_byte.as_ref().map(seconds)),
        ("--cgi-max", scripts.max_running.map(|max| max.to_string())),
    ];
    match without_scripts.into_iter().find_map(|(switch, value)| Some((switch, value?))) {
        Some((switch, value)) => {
            Err(Exit::usage(format_args!("argument {switch}: '{value}' is only allowed with --cgi")))
        }
        None => Ok(()),
    }
}

/// Rejects `--sandbox` together with `--cgi`, because a sandboxed process cannot execute programs.
fn check_confinement(options: &Options) -> Result<(), Exit> {
    if options.confinement.sandbox && options.scripts.run {
        return Err(Exit::wrong("--sandbox and --cgi exclude each other: in the sandbox no script can be run"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options::ScriptOptions;

    fn refused(options: &Options) -> String {
        check(options).unwrap_err().text().trim_end().rsplit('\n').next().unwrap_or_default().to_owned()
    }

    #[test]
    fn scripts_are_refused_with_symlinks_but_not_with_other_options_of_files() {
        let mut options = Options::default();
        options.site.symlinks = Symlinks::Deny;
        assert!(check(&options).is_ok());
        options.scripts.run = true;
        assert!(refused(&options).ends_with("argument --cgi: not allowed with argument --symlinks"));
        options.site.symlinks = Symlinks::Follow;
        options.site.hidden = false;
        options.site.base_path = "/b".into();
        options.site.accounts.push(crate::files::Account::new("a", "b"));
        assert!(check(&options).is_ok());
    }

    #[test]
    fn options_of_tls_are_refused_without_the_one_that_they_need() {
        let file = || vec![std::path::PathBuf::from("x")];
        let (on, none) = (TlsOptions { certificates: file(), ..TlsOptions::default() }, TlsOptions::default());
        let or_self_signed = "requires --tls-cert or --tls-self-signed to be set";
        for (tls, why) in [
            (TlsOptions { keys: file(), ..none.clone() }, "--tls-key requires --tls-cert to be set".to_owned()),
            (
                TlsOptions { password_file: Some("x".into()), self_signed: Some(vec![]), ..none.clone() },
                "--tls-password-file requires --tls-cert to be set".to_owned(),
            ),
            (TlsOptions { only_tls13: true, ..none.clone() }, format!("--tls-min {or_self_signed}")),
            (TlsOptions { client_ca: Some("x".into()), ..none.clone() }, format!("--tls-client-ca {or_self_signed}")),
            (
                TlsOptions { client_auth_is_optional: Some(true), ..none.clone() },
                format!("--tls-client-auth {or_self_signed}"),
            ),
            (TlsOptions { hsts: Some(1), ..none.clone() }, format!("--hsts {or_self_signed}")),
            (TlsOptions { redirect_http: Some(1), ..none }, format!("--redirect-http {or_self_signed}")),
            #[cfg(feature = "tls")]
            (
                TlsOptions { self_signed: Some(vec![]), ..on.clone() },
                "argument --tls-self-signed: not allowed with argument --tls-cert".to_owned(),
            ),
            #[cfg(feature = "tls")]
            (
                TlsOptions { keys: [file(), file()].concat(), ..on.clone() },
                "--tls-key must be given once for each --tls-cert, or not at all".to_owned(),
            ),
            #[cfg(feature = "tls")]
            (
                TlsOptions { client_auth_is_optional: Some(false), ..on.clone() },
                "--tls-client-auth requires --tls-client-ca to be set".to_owned(),
            ),
            #[cfg(not(feature = "tls"))]
            (on, "this program was built without TLS".to_owned()),
        ] {
            let options = Options { tls, ..Options::default() };
            assert_eq!(refused(&options), format!("serve-forever: error: {why}"));
            assert_eq!(check(&options).unwrap_err().code(), crate::cli::Code::Usage);
        }
    }

    #[test]
    fn options_of_scripts_are_refused_without_cgi() {
        let time = Duration::from_millis(2500);
        for (scripts, why) in [
            (ScriptOptions { user: Some("web".into()), ..ScriptOptions::default() }, "--cgi-user: 'web'"),
            (ScriptOptions { variables: vec!["A".into()], ..ScriptOptions::default() }, "--cgi-env: 'A'"),
            (ScriptOptions { timeout: Some(time), ..ScriptOptions::default() }, "--cgi-timeout: '2.5'"),
            (ScriptOptions { first_byte: Some(Duration::ZERO), ..ScriptOptions::default() }, "--cgi-first-byte: '0'"),
            (ScriptOptions { max_running: Some(3), ..ScriptOptions::default() }, "--cgi-max: '3'"),
        ] {
            let mut options = Options { scripts, ..Options::default() };
            assert!(refused(&options).ends_with(&format!("argument {why} is only allowed with --cgi")), "{why}");
            options.scripts.run = true;
            assert!(check(&options).is_ok());
        }
    }
}
