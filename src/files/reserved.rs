//! The header fields that the server generates, and the settings that affect them. The modules that send the fields
//! generate their values.

/// A field whose value the server derives from the response, so that settings cannot set it directly.
#[derive(Debug)]
pub(crate) struct ReservedField {
    /// The name of the field, spelled as it is sent.
    pub(crate) name: &'static str,
    /// The program's options that affect the field. The list can be empty.
    #[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "only the program has options"))]
    pub(crate) switches: &'static [&'static str],
    /// The library's methods that affect the field. The list can be empty.
    pub(crate) methods: &'static [&'static str],
}

const RESERVED: &[ReservedField] = &[
    plain("Accept-Ranges"),
    plain("Allow"),
    ReservedField { name: "Connection", switches: &["--protocol"], methods: &["HttpServer::protocol"] },
    ReservedField {
        name: "Content-Encoding",
        switches: &["--precompressed", "--encoding"],
        methods: &["FileServiceBuilder::precompressed", "FileServiceBuilder::encoding"],
    },
    plain("Content-Length"),
    plain("Content-Range"),
    ReservedField {
        name: "Content-Type",
        switches: &["--mime", "--content-type", "--charset"],
        methods: &["FileServiceBuilder::mime", "FileServiceBuilder::default_type", "FileServiceBuilder::charset"],
    },
    plain("Date"),
    plain("ETag"),
    plain("Last-Modified"),
    plain("Location"),
    ReservedField { name: SERVER, switches: &["--header"], methods: &["HttpServer::server_name"] },
    plain("Transfer-Encoding"),
    ReservedField { name: "WWW-Authenticate", switches: &["--auth"], methods: &["FileServiceBuilder::auth"] },
];

/// The only reserved field that `--header` may set, because it has the same value in every response of a server.
pub(crate) const SERVER: &str = "Server";

const fn plain(name: &'static str) -> ReservedField {
    ReservedField { name, switches: &[], methods: &[] }
}

/// Finds the reserved field with this name; case is ignored.
pub(crate) fn reserved(name: &str) -> Option<&'static ReservedField> {
    RESERVED.iter().find(|field| field.name.eq_ignore_ascii_case(name))
}

impl ReservedField {
    /// Returns the error message for an attempt to set the field directly. `settings` are its
    /// [`switches`](ReservedField::switches) or its [`methods`](ReservedField::methods); `value` must be safe to print.
    pub(crate) fn refusal(&self, value: &str, settings: &[&str]) -> String {
        let change = settings.join(" or ");
        let hint = if settings.is_empty() { String::new() } else { format!(", see {change}") };
        format!("{} cannot be '{value}': the server makes this field{hint}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_regard_to_case() {
        assert_eq!(reserved("etag").map(|field| field.name), Some("ETag"));
        assert!(reserved("X-ETag").is_none() && reserved("Cache-Control").is_none());
    }

    #[test]
    fn a_refusal_names_field_value_and_settings() {
        let refusal = |name: &str| reserved(name).map(|field| field.refusal("x", field.switches));
        let made = "cannot be 'x': the server makes this field";
        assert_eq!(refusal("date"), Some(format!("Date {made}")));
        assert_eq!(
            refusal("content-type"),
            Some(format!("Content-Type {made}, see --mime or --content-type or --charset"))
        );
    }
}
