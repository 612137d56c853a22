//! The setters for TLS flags.

use std::ffi::OsStr;

use super::model::{BadValue, Options};
use super::values::{choice, file, is_host, must, number, port};

/// The number of seconds for `--hsts` without a value: one year.
const YEAR: u32 = 31_536_000;

impl Options {
    pub(in crate::cli) fn add_tls_cert(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.tls.certificates.push(file(value)?);
        Ok(())
    }

    pub(in crate::cli) fn add_tls_key(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.tls.keys.push(file(value)?);
        Ok(())
    }

    pub(in crate::cli) fn set_tls_password_file(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.tls.password_file = Some(file(value)?);
        Ok(())
    }

    pub(in crate::cli) fn set_tls_min(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.tls.only_tls13 = choice(&[("1.2", false), ("1.3", true)], value)?;
        Ok(())
    }

    pub(in crate::cli) fn set_tls_client_ca(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.tls.client_ca = Some(file(value)?);
        Ok(())
    }

    pub(in crate::cli) fn set_tls_client_auth(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.tls.client_auth_is_optional = Some(choice(&[("required", false), ("optional", true)], value)?);
        Ok(())
    }

    pub(in crate::cli) fn add_tls_self_signed(&mut self, value: Option<&OsStr>) -> Result<(), BadValue> {
        let names = self.tls.self_signed.get_or_insert_default();
        if let Some(value) = value {
            let name = value.to_str().filter(|name| is_host(name) && name.is_ascii());
            names.push(name.ok_or_else(|| must("be a DNS name or an address", "name", value))?.to_owned());
        }
        Ok(())
    }

    pub(in crate::cli) fn set_hsts(&mut self, value: Option<&OsStr>) -> Result<(), BadValue> {
        let seconds = match value {
            None => YEAR,
            Some(value) => number(value)
                .and_then(|seconds| seconds.try_into().ok())
                .ok_or_else(|| must("be from 0 to 4294967295", "number of seconds", value))?,
        };
        self.tls.hsts = Some(seconds);
        Ok(())
    }

    pub(in crate::cli) fn set_redirect_http(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.tls.redirect_http = Some(port(value)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_self_signed_certificate_are_collected() {
        let mut options = Options::default();
        options.add_tls_self_signed(None).unwrap();
        assert_eq!(options.tls.self_signed, Some(vec![]));
        options.add_tls_self_signed(Some("dev.example".as_ref())).unwrap();
        options.add_tls_self_signed(Some("::1".as_ref())).unwrap();
        assert_eq!(options.tls.self_signed, Some(vec!["dev.example".to_owned(), "::1".to_owned()]));
        for name in ["", "a b", "b\u{fc}cher.example", "a/b"] {
            let refused = options.add_tls_self_signed(Some(name.as_ref())).unwrap_err().to_string();
            assert_eq!(refused, format!("invalid name: '{name}' (must be a DNS name or an address)"));
        }
    }

    #[test]
    fn hsts_is_a_year_or_a_number_of_seconds() {
        let seconds = |value: Option<&str>| {
            let mut options = Options::default();
            options.set_hsts(value.map(OsStr::new)).map(|()| options.tls.hsts)
        };
        assert_eq!(seconds(None), Ok(Some(31_536_000)));
        assert_eq!(seconds(Some("0")), Ok(Some(0)));
        assert_eq!(seconds(Some("4294967295")), Ok(Some(u32::MAX)));
        for value in ["", "-1", "1.5", "4294967296", "x"] {
            let why = format!("invalid number of seconds: '{value}' (must be from 0 to 4294967295)");
            assert_eq!(seconds(Some(value)), Err(why.into()));
        }
    }
}
