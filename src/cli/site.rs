//! Builds the file service from the options.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::exit::{Code, Exit};
use super::options::Options;
use super::words::shown;
use crate::connection::SERVER_NAME;
use crate::files::listing::ListingOptions;
use crate::files::{Account, AuthOffload, FileService, FileServiceBuilder, Gate, Gates};
use crate::service::Service;

/// Builds the service. The directory and every page that the options name must exist.
pub(super) fn service(options: &Options, accounts: Vec<Account>) -> Result<FileService, Exit> {
    let site = &options.site;
    let mut files = FileService::builder(&options.directory)
        .hidden(!site.hidden)
        .symlinks(site.symlinks)
        .coop_coep(site.coop_coep)
        .clean_urls(site.clean_urls)
        .precompressed(site.precompressed)
        .base_path(&site.base_path)
        .spa(site.spa.as_ref())
        .listing_options(ListingOptions { folders_first: site.folders_first, ..ListingOptions::default() })
        .listing(site.listing);
    if !site.index.is_empty() {
        files = files.index_names(&site.index);
    }
    if let Some(content_type) = &options.content_type {
        files = files.default_type(content_type);
    }
    if let Some(origin) = &site.cors {
        files = files.cors(origin);
    }
    files = fold(files, &options.headers, |files, (name, value)| files.extra_header(name, value));
    files = fold(files, &site.error_pages, |files, (status, page)| files.error_page(*status, page));
    files = fold(files, &site.cache, |files, (pattern, value)| files.cache_control(pattern, value));
    files = fold(files, &site.mime, |files, (extension, content_type)| files.mime(extension, content_type));
    files = fold(files, &site.encodings, |files, (extension, coding)| files.encoding(extension, coding));
    if let Some(charset) = &site.charset {
        files = files.charset(charset.as_ref());
    }
    files = accounts.into_iter().fold(files, FileServiceBuilder::auth);
    let files = files.build().map_err(|error| Exit::of(Code::File, error))?;
    pages(options).try_for_each(|page| check_file(&page))?;
    Ok(files)
}

/// If `gate` has slow password hashes, wraps the service so that worker threads verify passwords.
pub(super) fn off_loop(gate: Option<Arc<Gate>>, service: Box<dyn Service + Send>) -> Box<dyn Service + Send> {
    let gates = Gates::everywhere(gate);
    if gates.is_slow() { Box::new(AuthOffload::new(gates, service)) } else { service }
}

/// The pages of `--spa` and `--error-page`, which may be outside the directory.
pub(super) fn pages(options: &Options) -> impl Iterator<Item = PathBuf> {
    let pages = options.site.spa.iter().chain(options.site.error_pages.iter().map(|(_, page)| page));
    pages.map(|page| options.directory.join(page))
}

/// Calls a builder method once for each item, and returns the resulting builder.
fn fold<T>(
    files: FileServiceBuilder,
    settings: &[T],
    add: impl Fn(FileServiceBuilder, &T) -> FileServiceBuilder,
) -> FileServiceBuilder {
    settings.iter().fold(files, add)
}

/// Checks that `path` is a readable file, so that an error is reported at startup and not at the first request. Only
/// regular files are accepted, because opening a file of another kind, such as a FIFO, can block.
pub(super) fn check_file(path: &Path) -> Result<(), Exit> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {
            fs::File::open(path).map(drop).map_err(|error| Exit::cannot("read", path, error))
        }
        Ok(_) => Err(Exit::cannot("read", path, io::Error::other("not a file"))),
        Err(error) => Err(Exit::cannot("read", path, error)),
    }
}

/// The value of the `Server` field; empty if the field is omitted.
pub(super) fn server_name(options: &Options) -> &str {
    options.server.as_deref().unwrap_or(SERVER_NAME)
}

/// The accounts from `--auth` and from the file that `--auth-file` names.
pub(super) fn accounts(options: &Options) -> Result<Vec<Account>, Exit> {
    let mut accounts = options.site.accounts.clone();
    if let Some(path) = &options.site.auth_file {
        let text = fs::read_to_string(path).map_err(|error| Exit::cannot("read", path, error))?;
        // Some Windows editors begin UTF-8 files with a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        accounts.extend(
            accounts_in(text).map_err(|why| Exit::of(Code::File, format_args!("{}:{why}", shown(path.as_os_str()))))?,
        );
        if accounts.is_empty() {
            // Without accounts, the server would accept every client, which is hardly intended if an account file is
            // named.
            return Err(Exit::of(Code::File, format_args!("{}: the file contains no user", shown(path.as_os_str()))));
        }
    }
    Ok(accounts)
}

/// Parses one account per line. Lines end in LF or CRLF. Blank lines and comments are skipped. An error contains the
/// line number but does not quote the line, because it may contain a password.
fn accounts_in(text: &str) -> Result<Vec<Account>, String> {
    let lines =
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    let account =
        |(at, line): (usize, &str)| line.parse().map_err(|why: crate::files::BadAccount| format!("{}: {why}", at + 1));
    lines.map(account).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_from_lines_and_errors_have_the_number_of_the_line() {
        let accounts = accounts_in("# who may\n\nann:secret\r\nbob:a:b\n").unwrap();
        assert_eq!(accounts, [Account::new("ann", "secret"), Account::new("bob", "a:b")]);
        let forms = "an account is USER:PASSWORD, USER:sha256:HEX or USER:BCRYPT-HASH";
        assert_eq!(accounts_in(" \n # x\nann"), Err(format!("3: {forms}")));
        let refused = accounts_in("ann:secret\nbob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=").unwrap_err();
        assert_eq!(refused, "2: {SHA} hashes cannot be verified, allowed are bcrypt ($2y$) and sha256:HEX");
    }
}
