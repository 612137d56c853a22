//! Options that exclude each other.

use std::time::Duration;

use super::exit::Exit;
use super::options::Options;
use super::words::shown;
use crate::files::Symlinks;

/// Refuses options that cannot be had together.
pub(super) fn check(options: &Options) -> Result<(), Exit> {
    check_scripts(options)?;
    check_confinement(options)
}

/// Refuses switches that cannot be obeyed: a symbolic link cannot be kept from being followed when a script is started,
/// and the settings of scripts need scripts.
fn check_scripts(options: &Options) -> Result<(), Exit> {
    let scripts = &options.scripts;
    if scripts.run {
        return match options.site.symlinks {
            Symlinks::Follow => Ok(()),
            _ => Err(Exit::usage("argument --cgi: not allowed with argument --symlinks")),
        };
    }
    let seconds = |time: &Duration| time.as_secs_f64().to_string();
    let without_scripts = [
        ("--cgi-env", scripts.variables.first().map(|name| shown(name))),
        ("--cgi-user", scripts.user.clone()),
        ("--cgi-timeout", scripts.timeout.as_ref().map(seconds)),
        ("--cgi-first-byte", scripts.first_byte.as_ref().map(seconds)),
        ("--cgi-max", scripts.most.map(|most| most.to_string())),
    ];
    match without_scripts.into_iter().find_map(|(switch, value)| Some((switch, value?))) {
        Some((switch, value)) => {
            Err(Exit::usage(format_args!("argument {switch}: '{value}' is only allowed with --cgi")))
        }
        None => Ok(()),
    }
}

/// Refuses what cannot be had together: in the sandbox nothing can be run.
fn check_confinement(options: &Options) -> Result<(), Exit> {
    if options.confinement.sandbox && options.scripts.run {
        return Err(Exit::wrong("--sandbox and --cgi exclude each other: no script could be run"));
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
    fn links_cannot_be_refused_for_scripts() {
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
    fn settings_of_scripts_need_scripts() {
        let time = Duration::from_millis(2500);
        for (scripts, why) in [
            (ScriptOptions { user: Some("web".into()), ..ScriptOptions::default() }, "--cgi-user: 'web'"),
            (ScriptOptions { variables: vec!["A".into()], ..ScriptOptions::default() }, "--cgi-env: 'A'"),
            (ScriptOptions { timeout: Some(time), ..ScriptOptions::default() }, "--cgi-timeout: '2.5'"),
            (ScriptOptions { first_byte: Some(Duration::ZERO), ..ScriptOptions::default() }, "--cgi-first-byte: '0'"),
            (ScriptOptions { most: Some(3), ..ScriptOptions::default() }, "--cgi-max: '3'"),
        ] {
            let mut options = Options { scripts, ..Options::default() };
            assert!(refused(&options).ends_with(&format!("argument {why} is only allowed with --cgi")), "{why}");
            options.scripts.run = true;
            assert!(check(&options).is_ok());
        }
    }
}
