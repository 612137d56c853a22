//! From options to a service that runs scripts beside the files.

use std::io;

use super::exit::Exit;
use super::options::Options;
use crate::HttpServer;
use crate::files::{FileService, Symlinks};

/// What guards the files does not guard the scripts among them: whoever asks for both is told so, instead of being left
/// with a door open.
pub(super) fn check(options: &Options) -> Result<(), Exit> {
    let site = &options.site;
    let guards = [
        ("--auth", !site.accounts.is_empty()),
        ("--auth-file", site.auth_file.is_some()),
        ("--base-path", site.base_path != "/"),
        ("--hidden deny", !site.hidden),
        ("--symlinks", site.symlinks != Symlinks::Follow),
    ];
    match guards.iter().find(|(_, given)| *given && options.scripts.run) {
        Some((guard, _)) => Err(Exit::usage(format_args!("argument --cgi: not allowed with argument {guard}"))),
        None => Ok(()),
    }
}

/// Has the files served, and scripts run if that was asked for.
#[cfg(all(feature = "cgi", target_os = "linux"))]
pub(super) fn serve(server: HttpServer, files: FileService, options: &Options) -> io::Result<HttpServer> {
    use crate::cgi::{CgiService, ScriptUser};
    if !options.scripts.run {
        return Ok(server.service(files));
    }
    let mut scripts = CgiService::builder(&options.directory).pass_env(&options.scripts.variables);
    if let Some(user) = &options.scripts.user {
        scripts = scripts.user(ScriptUser::named(user)?);
    }
    Ok(server.service(scripts.build(files)?))
}

/// Has the files served.
#[cfg(not(all(feature = "cgi", target_os = "linux")))]
pub(super) fn serve(server: HttpServer, files: FileService, _: &Options) -> io::Result<HttpServer> {
    Ok(server.service(files))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_do_not_hide_behind_what_guards_files() {
        let mut options = Options::default();
        options.site.hidden = false;
        assert!(check(&options).is_ok());
        options.scripts.run = true;
        let exit = check(&options).unwrap_err();
        assert!(exit.text().ends_with("argument --cgi: not allowed with argument --hidden deny\n"), "{}", exit.text());
        options.site.hidden = true;
        assert!(check(&options).is_ok());
        options.site.accounts.push(crate::files::Account::new("a", "b"));
        assert!(check(&options).is_err());
    }
}
