//! The setters for the flags that control how files are served.

use std::ffi::OsStr;

use glob::Pattern;

use super::model::{BadValue, Options};
use super::values::{choice, file, invalid, is_media_type, must, pair, text};
use crate::cli::words::shown;
use crate::files::{CODINGS, Symlinks};
use crate::http::{Status, UrlPath, is_token};

/// The page that is served if `--spa` has no value.
const SPA_PAGE: &str = "index.html";

/// The value of `Cache-Control` for files whose content never changes under the same name. The lifetime is one year.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

impl Options {
    pub(in crate::cli) fn add_index(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let name = text("file name", value)?;
        if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
            return Err(must("be the name of a file, without a slash", "file name", value));
        }
        self.site.index.push(name.to_owned());
        Ok(())
    }

    pub(in crate::cli) fn set_spa(&mut self, value: Option<&OsStr>) -> Result<(), BadValue> {
        let page = value.unwrap_or(SPA_PAGE.as_ref());
        self.site.spa = Some(file(page)?);
        Ok(())
    }

    pub(in crate::cli) fn add_error_page(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let (code, page) = pair("CODE=FILE", value)?;
        let status = code.parse().ok().filter(|code| (400..600).contains(code)).and_then(Status::new);
        let status = status.ok_or_else(|| format!("'{}' is not in 400..=599", shown(code.as_ref())))?;
        self.site.error_pages.push((status, file(page.as_ref())?));
        Ok(())
    }

    pub(in crate::cli) fn set_no_listing(&mut self) {
        self.site.listing = false;
    }

    pub(in crate::cli) fn set_folders_first(&mut self) {
        self.site.folders_first = true;
    }

    pub(in crate::cli) fn set_hidden(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.site.hidden = choice(&[("serve", true), ("deny", false)], value)?;
        Ok(())
    }

    pub(in crate::cli) fn set_symlinks(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let known = [("follow", Symlinks::Follow), ("within", Symlinks::Within), ("deny", Symlinks::Deny)];
        self.site.symlinks = choice(&known, value)?;
        Ok(())
    }

    pub(in crate::cli) fn set_cors(&mut self, value: Option<&OsStr>) -> Result<(), BadValue> {
        let value = value.unwrap_or("*".as_ref());
        let origin = value.to_str().filter(|origin| is_origin(origin));
        let origin = origin
            .ok_or_else(|| must("be * or an origin such as https://app.example, without a path", "origin", value))?;
        self.site.cors = Some(origin.to_owned());
        Ok(())
    }

    pub(in crate::cli) fn set_coop_coep(&mut self) {
        self.site.coop_coep = true;
    }

    pub(in crate::cli) fn add_cache(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let whole = text("value", value)?;
        // The last `=` separates the pattern from the value, because a pattern may contain `=` and a value cannot.
        let (pattern, kept) = whole.rsplit_once('=').unwrap_or(("*", whole));
        Pattern::new(pattern).map_err(|_| must("be a glob such as *.js", "pattern", pattern.as_ref()))?;
        let control = match kept {
            "no-cache" => kept.to_owned(),
            "immutable" => IMMUTABLE.to_owned(),
            seconds => match seconds.parse::<u32>() {
                Ok(seconds) => format!("max-age={seconds}"),
                Err(_) => return Err(invalid("value", value).hint("choose from SECONDS, no-cache, immutable")),
            },
        };
        self.site.cache.push((pattern.to_owned(), control));
        Ok(())
    }

    pub(in crate::cli) fn add_encoding(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let (extension, coding) = pair("EXT=CODING", value)?;
        let extension = extension.strip_prefix('.').unwrap_or(extension);
        // An extension is the part of a name after its last dot, so an extension that contains a dot would never match.
        if extension.is_empty() || extension.contains(['/', '.']) {
            return Err(must("stand before the =, such as br, without a dot in it", "extension", value));
        }
        let codings = CODINGS.map(|coding| (coding, coding));
        let coding = choice(&codings, coding.to_ascii_lowercase().as_ref())?;
        self.site.encodings.push((extension.to_owned(), coding.to_owned()));
        Ok(())
    }

    pub(in crate::cli) fn set_charset(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let name = value.to_str().filter(|name| is_token(name.as_bytes()));
        let name = name.ok_or_else(|| invalid("charset", value).hint("must be a name such as iso-8859-1, or none"))?;
        self.site.charset = Some((!name.eq_ignore_ascii_case("none")).then(|| name.to_owned()));
        Ok(())
    }

    pub(in crate::cli) fn add_mime(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let (extension, content_type) = pair("EXT=TYPE", value)?;
        let extension = extension.strip_prefix('.').unwrap_or(extension);
        if extension.is_empty() || extension.contains('/') {
            return Err(must("stand before the =, such as md, without a slash", "extension", value));
        }
        if !is_media_type(content_type) {
            return Err(must("be a media type such as text/plain", "content type", content_type.as_ref()));
        }
        self.site.mime.push((extension.to_owned(), content_type.to_owned()));
        Ok(())
    }

    pub(in crate::cli) fn set_clean_urls(&mut self) {
        self.site.clean_urls = true;
    }

    pub(in crate::cli) fn set_precompressed(&mut self) {
        self.site.precompressed = true;
    }

    /// Adds an account. Errors do not quote the value, because it contains a password.
    pub(in crate::cli) fn add_auth(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let account = value.to_str().ok_or("an account must be UTF-8")?;
        self.site
            .accounts
            .push(account.parse().map_err(|why: crate::files::BadAccount| BadValue::from(why.to_string()))?);
        Ok(())
    }

    pub(in crate::cli) fn set_auth_file(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.site.auth_file = Some(file(value)?);
        Ok(())
    }

    pub(in crate::cli) fn set_base_path(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let path = value.to_str().filter(|path| is_base_path(path));
        let path =
            path.ok_or_else(|| must("be a path such as /docs, without segments . and .., ? and #", "path", value))?;
        self.site.base_path = path.to_owned();
        Ok(())
    }
}

/// True for a path that normalisation does not change, except for a trailing slash. `/a/../b` is rejected, because it
/// means `/b`.
fn is_base_path(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('/') else { return false };
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let written = inner.split('/').filter(|_| !inner.is_empty()).count();
    let is_normal = UrlPath::parse(text.as_bytes()).is_ok_and(|path| path.segments().count() == written);
    is_normal && !text.contains(['?', '#']) && !text.to_ascii_lowercase().contains("%2f")
}

/// True for `*`, or for a scheme and a host with an optional port (RFC 6454 section 6.2). Nothing may follow the port,
/// because browsers compare the whole text, and a trailing slash would never match.
fn is_origin(text: &str) -> bool {
    let plain = |host: &str| host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@\\,\"".contains(&byte));
    let parts = text.split_once("://");
    text == "*" || parts.is_some_and(|(scheme, host)| is_scheme(scheme) && !host.is_empty() && plain(host))
}

/// True for a scheme of a URI, such as `https` or `chrome-extension` (RFC 3986 section 3.1).
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options::SiteOptions;

    fn set(set: impl FnOnce(&mut Options) -> Result<(), BadValue>) -> Result<SiteOptions, BadValue> {
        let mut options = Options::default();
        set(&mut options).map(|()| options.site)
    }

    #[test]
    fn cache_rules_have_a_pattern_or_apply_to_all_files() {
        let cache = |text: &str| set(|options| options.add_cache(text.as_ref())).map(|mut site| site.cache.remove(0));
        let rule = |pattern: &str, value: &str| Ok((pattern.to_owned(), value.to_owned()));
        assert_eq!(cache("60"), rule("*", "max-age=60"));
        assert_eq!(cache("no-cache"), rule("*", "no-cache"));
        assert_eq!(cache("*.js=immutable"), rule("*.js", "public, max-age=31536000, immutable"));
        assert_eq!(cache("a=b/*=0"), rule("a=b/*", "max-age=0"));
        for text in ["", "-1", "1.5", "never", "*.js=", "*.js=x", "99999999999"] {
            let why: BadValue = format!("invalid value: '{text}' (choose from SECONDS, no-cache, immutable)").into();
            assert_eq!(cache(text), Err(why));
        }
        assert_eq!(cache("[a=1"), Err("invalid pattern: '[a' (must be a glob such as *.js)".into()));
    }

    #[test]
    fn an_origin_is_a_star_or_a_scheme_and_a_host_without_a_path() {
        for text in ["*", "https://app.example", "http://localhost:3000", "http://[::1]:8000", "git+x-1.0://a"] {
            assert_eq!(set(|options| options.set_cors(Some(text.as_ref()))).unwrap().cors.as_deref(), Some(text));
        }
        assert_eq!(set(|options| options.set_cors(None)).unwrap().cors.as_deref(), Some("*"));
        for text in [
            "",
            "app.example",
            "https://",
            "://a",
            "https://a/",
            "https://a b",
            "https://a\r\nX: y",
            "h s://a",
            "1h://a",
            "+h://a",
        ] {
            let why = must("be * or an origin such as https://app.example, without a path", "origin", text.as_ref());
            assert_eq!(set(|options| options.set_cors(Some(text.as_ref()))), Err(why));
        }
    }

    #[test]
    fn the_extension_of_a_mime_type_is_accepted_with_and_without_its_dot() {
        for text in ["rs=text/x-rust", ".rs=text/x-rust"] {
            let mime = set(|options| options.add_mime(text.as_ref())).unwrap().mime;
            assert_eq!(mime, [("rs".to_owned(), "text/x-rust".to_owned())]);
        }
        let why = |text: &str| set(|options| options.add_mime(text.as_ref())).unwrap_err().to_string();
        assert_eq!(why("rs"), "invalid EXT=TYPE: 'rs' (must contain =)");
        assert_eq!(
            why("=text/plain"),
            "invalid extension: '=text/plain' (must stand before the =, such as md, without a slash)"
        );
        assert_eq!(why("rs=text"), "invalid content type: 'text' (must be a media type such as text/plain)");
    }

    #[test]
    fn an_encoding_has_an_extension_and_a_known_coding() {
        let encodings = |text: &str| set(|options| options.add_encoding(text.as_ref())).map(|site| site.encodings);
        for text in ["br=br", ".br=BR"] {
            assert_eq!(encodings(text), Ok(vec![("br".to_owned(), "br".to_owned())]));
        }
        assert_eq!(encodings("br"), Err("invalid EXT=CODING: 'br' (must contain =)".into()));
        let why = must("stand before the =, such as br, without a dot in it", "extension", "=br".as_ref());
        assert_eq!(encodings("=br"), Err(why));
        let why = must("stand before the =, such as br, without a dot in it", "extension", "tar.gz=gzip".as_ref());
        assert_eq!(encodings("tar.gz=gzip"), Err(why));
        let why: BadValue = "invalid choice: 'zip' (choose from br, compress, deflate, gzip, identity, zstd)".into();
        assert_eq!(encodings("gz=zip"), Err(why));
    }

    #[test]
    fn a_charset_is_a_token_or_none() {
        let charset = |text: &str| set(|options| options.set_charset(text.as_ref())).map(|site| site.charset);
        assert_eq!(charset("euc-kr"), Ok(Some(Some("euc-kr".into()))));
        assert_eq!(charset("None"), Ok(Some(None)));
        for text in ["", "utf 8", "utf-8; x", "é"] {
            let why = invalid("charset", text.as_ref()).hint("must be a name such as iso-8859-1, or none");
            assert_eq!(charset(text), Err(why));
        }
    }

    #[test]
    fn error_pages_are_for_statuses_from_400_to_599() {
        let page = |text: &str| set(|options| options.add_error_page(text.as_ref())).map(|site| site.error_pages);
        assert_eq!(page("404=a=b.html"), Ok(vec![(Status::NOT_FOUND, "a=b.html".into())]));
        assert_eq!(page("404"), Err("invalid CODE=FILE: '404' (must contain =)".into()));
        assert_eq!(page("200=x"), Err("'200' is not in 400..=599".into()));
        assert_eq!(page("x\n=x"), Err("'x\\x0a' is not in 400..=599".into()));
        assert_eq!(page("404="), Err("invalid file: '' (must be the name of a file)".into()));
    }

    #[test]
    fn errors_about_accounts_do_not_quote_them() {
        let why = set(|options| options.add_auth("secret".as_ref())).unwrap_err().to_string();
        assert_eq!(why, "an account is USER:PASSWORD, USER:sha256:HEX or USER:BCRYPT-HASH");
        let why = set(|options| options.add_auth("ann:{SHA}secret".as_ref())).unwrap_err().to_string();
        assert!(!why.contains("secret"), "{why}");
    }

    #[test]
    fn values_of_symlinks_hidden_base_path_and_index_are_checked() {
        assert_eq!(
            set(|options| options.set_symlinks("outside".as_ref())),
            Err("invalid choice: 'outside' (choose from follow, within, deny)".into())
        );
        assert!(!set(|options| options.set_hidden("deny".as_ref())).unwrap().hidden);
        for path in ["/", "/docs", "/docs/", "/a/b", "/a%20b", "/.../x"] {
            assert_eq!(set(|options| options.set_base_path(path.as_ref())).unwrap().base_path, path);
        }
        for path in ["", "docs", "/a/../b", "/a/./b", "/..", "/a//b", "/%2e%2e/a", "/./x%2fy", "/a?b", "/a#b", "/%zz"] {
            let why = must("be a path such as /docs, without segments . and .., ? and #", "path", path.as_ref());
            assert_eq!(set(|options| options.set_base_path(path.as_ref())), Err(why));
        }
        for name in ["", ".", "..", "a/b"] {
            let why = must("be the name of a file, without a slash", "file name", name.as_ref());
            assert_eq!(set(|options| options.add_index(name.as_ref())), Err(why));
        }
    }
}
