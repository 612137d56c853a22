//! Options that exclude each other.

use std::time::Duration;

use super::exit::Exit;
use super::options::Options;
use super::words::shown;
use crate::files::Symlinks;

/// Refuses combinations of options that cannot be fulfilled.
pub(super) fn check(options: &Options) -> Result<(), Exit> {
    check_scripts(options)?;
    check_confinement(options)
}

/// Refuses `--cgi` with `--symlinks`, because starting a script follows symbolic links, and the options of scripts
/// without `--cgi`.
fn check_scripts(options: &Options) -> Result<(), Exit> {
    let scripts = &options.scripts;
    if scripts.run {
        return match options.site.symlinks {
            Symlinks::Follow => Ok(()),
            _ => Err(Exit::usage("argument --cgi: not allowed with argument --symlinks")),
        };
    }
    let seconds = |time: &Duration| time.as_secs_f64().to_string();
    // In the order of `--help`: the error names the first of them that is set, with its value.
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

/// Refuses `--sandbox` with `--cgi`: the sandbox does not let the process execute programs.
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
