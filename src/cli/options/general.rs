//! The setters for flags that belong to no other group.

use std::ffi::OsStr;

use super::model::{BadValue, Options};
use super::values::{field_value, file, invalid, is_host, is_media_type, must, path, port, text};
use crate::cli::words::shown;
use crate::files::{SERVER, reserved};
use crate::http::{FieldBlock, is_token};

impl Options {
    pub(in crate::cli) fn set_port(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.port = port(value)?;
        Ok(())
    }

    pub(in crate::cli) fn set_bind(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let host = text("address", value)?;
        if !is_host(host) {
            return Err(must("be an address or a host name, without port and brackets", "address", value));
        }
        self.bind = Some(host.to_owned());
        Ok(())
    }

    pub(in crate::cli) fn set_directory(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.directory = path("directory", value)?;
        Ok(())
    }

    pub(in crate::cli) fn set_protocol(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let version = value.to_str().and_then(|text| text.parse().ok());
        self.protocol = version.ok_or_else(|| invalid("choice", value).hint("choose from HTTP/1.0, HTTP/1.1"))?;
        Ok(())
    }

    pub(in crate::cli) fn add_header(&mut self, name: &OsStr, value: &OsStr) -> Result<(), BadValue> {
        let text = name.to_str().filter(|name| is_token(name.as_bytes()));
        let text = text.ok_or_else(|| must("consist of letters, digits and !#$%&'*+-.^_`|~", "name", name))?;
        if text.eq_ignore_ascii_case(SERVER) {
            return self.set_server(value);
        }
        if let Some(field) = reserved(text) {
            return Err(field.refusal(&shown(value), field.switches).into());
        }
        let bytes = field_value(value).filter(|bytes| FieldBlock::new().add(text, bytes).is_ok());
        self.headers.push((text.to_owned(), bytes.ok_or_else(|| invalid_field(text, value))?));
        Ok(())
    }

    fn set_server(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let name = value.to_str().map(str::trim).filter(|name| FieldBlock::new().add(SERVER, name).is_ok());
        self.server = Some(name.ok_or_else(|| invalid_field(SERVER, value))?.to_owned());
        Ok(())
    }

    pub(in crate::cli) fn set_content_type(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let media_type = value.to_str().filter(|text| is_media_type(text));
        let media_type = media_type.ok_or_else(|| must("be a media type such as text/plain", "content type", value))?;
        self.content_type = Some(media_type.to_owned());
        Ok(())
    }

    pub(in crate::cli) fn set_config(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.config = Some(file(value)?);
        Ok(())
    }

    pub(in crate::cli) fn set_quiet(&mut self) {
        self.quiet = true;
    }
}

/// Creates the error for a value that is invalid in the header field `name`.
fn invalid_field(name: &str, value: &OsStr) -> BadValue {
    must("be one line of Latin-1 without control characters", &format!("value for {name}"), value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Version;

    fn port(text: &str) -> Result<u16, BadValue> {
        let mut options = Options::default();
        options.set_port(text.as_ref()).map(|()| options.port)
    }

    fn content_type(text: &str) -> Result<(), BadValue> {
        Options::default().set_content_type(text.as_ref())
    }

    fn header(name: &str, value: &str) -> Result<Vec<(String, Vec<u8>)>, BadValue> {
        let mut options = Options::default();
        options.add_header(name.as_ref(), value.as_ref()).map(|()| options.headers)
    }

    #[test]
    fn a_port_is_parsed_like_pythons_int() {
        for (text, number) in
            [("0", 0), ("+0", 0), (" 0 ", 0), ("0_0", 0), ("-0", 0), ("\t8_0\n", 80), ("0080", 80), ("65535", 65535)]
        {
            assert_eq!(port(text), Ok(number), "{text:?}");
        }
        for text in ["", " ", "abc", "8000x", "_1", "1_", "1__0", "+-1", "+ 1", "0x50", "1.5", "8 0"] {
            assert_eq!(port(text), Err(must("be a number from 0 to 65535", "int value", text.as_ref())), "{text:?}");
        }
    }

    #[test]
    fn a_port_out_of_range_is_refused_with_its_value() {
        for text in ["70000", "65536", "-1", "99999999999999999999999"] {
            assert_eq!(port(text), Err(format!("{text} is not in 0..=65535").into()));
        }
        assert_eq!(port(" +7_0000 "), Err("70000 is not in 0..=65535".into()));
    }

    #[test]
    fn protocols_are_http_1_0_and_http_1_1() {
        let mut options = Options::default();
        options.set_protocol("HTTP/1.0".as_ref()).unwrap();
        assert_eq!(options.protocol, Version::Http10);
        for text in ["SPDY/9", "http/1.1", "1.1", "HTTP/2", "HTTP/1.1 ", ""] {
            let why: BadValue = format!("invalid choice: '{text}' (choose from HTTP/1.0, HTTP/1.1)").into();
            assert_eq!(options.set_protocol(text.as_ref()), Err(why));
        }
    }

    #[test]
    fn an_address_has_no_port_and_no_brackets() {
        let bind = |text: &str| Options::default().set_bind(text.as_ref());
        for text in ["127.0.0.1", "::", "::1", "fe80::1%eth0", "localhost", "a-b.example", "my_host", "bücher.example"]
        {
            assert_eq!(bind(text), Ok(()), "{text}");
        }
        for text in ["", " ", "127.0.0.1:80", "[::1]", "http://h", "h/", "a b", "a\nb", "::g", "h?", "u@h", "1%2"] {
            let why = must("be an address or a host name, without port and brackets", "address", text.as_ref());
            assert_eq!(bind(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn an_empty_directory_is_refused() {
        assert_eq!(
            Options::default().set_directory("".as_ref()),
            Err("invalid directory: '' (must be the name of a directory)".into())
        );
    }

    #[test]
    fn headers_are_checked_by_the_setter() {
        assert_eq!(header("X-A", "b c").unwrap(), [("X-A".into(), b"b c".to_vec())]);
        assert_eq!(header("X-Empty", "").unwrap(), [("X-Empty".into(), Vec::new())]);
        assert_eq!(
            header("X A", "b"),
            Err("invalid name: 'X A' (must consist of letters, digits and !#$%&'*+-.^_`|~)".into())
        );
        assert_eq!(
            header("X-A:", "b"),
            Err("invalid name: 'X-A:' (must consist of letters, digits and !#$%&'*+-.^_`|~)".into())
        );
        assert_eq!(
            header("", "b"),
            Err("invalid name: '' (must consist of letters, digits and !#$%&'*+-.^_`|~)".into())
        );
        assert_eq!(
            header("X-A", "b\r\nC: d"),
            Err(r"invalid value for X-A: 'b\x0d\x0aC: d' (must be one line of Latin-1 without control characters)"
                .into())
        );
    }

    #[test]
    fn fields_that_the_server_sets_itself_are_refused() {
        for (name, hint) in [
            ("Content-Length", ""),
            ("Transfer-Encoding", ""),
            ("Connection", ", see --protocol"),
            ("Content-Type", ", see --mime or --content-type or --charset"),
            ("ETag", ""),
            ("Date", ""),
            ("WWW-Authenticate", ", see --auth"),
        ] {
            let why: BadValue = format!(r"{name} cannot be 'a\x0ab': the server makes this field{hint}").into();
            assert_eq!(header(name, "a\nb"), Err(why.clone()));
            assert_eq!(header(&name.to_lowercase(), "a\nb"), Err(why));
        }
    }

    #[test]
    fn the_last_value_of_server_counts_and_may_be_empty() {
        let mut options = Options::default();
        for (name, value) in [("Server", "mine/1 (x)"), ("server", " "), ("SERVER", "")] {
            options.add_header(name.as_ref(), value.as_ref()).unwrap();
            assert_eq!(options.server.as_deref(), Some(value.trim()));
        }
        assert_eq!(options.headers, []);
        let why: BadValue =
            r"invalid value for Server: 'a\x0ab' (must be one line of Latin-1 without control characters)".into();
        assert_eq!(options.add_header("Server".as_ref(), "a\nb".as_ref()), Err(why));
    }

    #[test]
    fn content_types_have_a_type_and_a_subtype() {
        for text in ["text/plain", "text/html; charset=utf-8", "application/vnd.x+json;a=\"b;c\"", "text/html ;q"] {
            assert_eq!(content_type(text), Ok(()), "{text}");
        }
        for text in ["", "text", "text/", "/plain", "text/plain/x", "te xt/plain", "text/plain;\n", ";"] {
            let why = must("be a media type such as text/plain", "content type", text.as_ref());
            assert_eq!(content_type(text), Err(why));
        }
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_not_utf8_are_kept_in_paths_and_header_values() {
        use std::os::unix::ffi::OsStrExt;
        let bytes = OsStr::from_bytes(b"d\xff");
        let mut options = Options::default();
        options.set_directory(bytes).unwrap();
        assert_eq!(options.directory.as_os_str(), bytes);
        options.add_header("X".as_ref(), bytes).unwrap();
        assert_eq!(options.headers, [("X".into(), b"d\xff".to_vec())]);
        assert_eq!(options.set_bind(bytes), Err(r"invalid address: 'd\xff' (must be UTF-8)".into()));
        assert_eq!(
            options.set_port(bytes),
            Err(r"invalid int value: 'd\xff' (must be a number from 0 to 65535)".into())
        );
    }
}
