//! The flags for the listening address, for TLS, and for header fields that all responses share.

use crate::cli::flag::{Action, Flag};
use crate::cli::options::Options;

pub(super) const GENERAL: &[Flag] = &[
    Flag {
        name: "port",
        letter: None,
        action: Action::Positional(Options::set_port),
        help: "port to listen on, or 0 for any free port (default: 8000)",
        more: "The line that the program prints when it is ready contains the port that it listens on. On a terminal, \
               a second line lists the URLs to open in a browser.",
    },
    Flag { name: "help", letter: Some('h'), action: Action::Help, help: "show this help and exit", more: "" },
    Flag { name: "version", letter: Some('V'), action: Action::Version, help: "show the version and exit", more: "" },
    Flag {
        name: "bind",
        letter: Some('b'),
        action: Action::One("ADDRESS", Options::set_bind),
        help: "address or host name to listen on (default: all interfaces)",
        more: "All interfaces means IPv6 and IPv4 if the system has both. With 127.0.0.1 or ::1, only this machine can \
               connect.",
    },
    Flag {
        name: "directory",
        letter: Some('d'),
        action: Action::One("DIRECTORY", Options::set_directory),
        help: "directory to serve (default: the current directory)",
        more: "Every client that can reach the port can read every file below this directory.",
    },
    Flag {
        name: "protocol",
        letter: Some('p'),
        action: Action::One("VERSION", Options::set_protocol),
        help: "HTTP/1.1, or HTTP/1.0 to close each connection after one response unless the client asks for keep-alive \
               (default: HTTP/1.1)",
        more: "",
    },
    Flag {
        name: "tls-cert",
        letter: None,
        action: Action::Many("PATH", Options::add_tls_cert),
        help: "PEM file with a certificate and its chain, to serve HTTPS; may be repeated, and each certificate is \
               used for its DNS names",
        more: "The first certificate is the default, for all other names. Of several certificates for one name, the \
               first with a type of key that the client supports is used, so that a client without ECDSA can get one \
               with an RSA key. A certificate that has expired, or that expires within 7 days, is served with a \
               warning.",
    },
    Flag {
        name: "tls-key",
        letter: None,
        action: Action::Many("PATH", Options::add_tls_key),
        help: "PEM file with the private key (default: the certificate file); may be repeated, once for each \
               --tls-cert",
        more: "Keys are RSA with 2048 to 4096 bits, P-256, P-384 or Ed25519.",
    },
    Flag {
        name: "tls-password-file",
        letter: None,
        action: Action::One("PATH", Options::set_tls_password_file),
        help: "file with the password for encrypted private keys",
        more: "White space around the password is removed. The program never asks for a password on the terminal.",
    },
    Flag {
        name: "tls-min",
        letter: None,
        action: Action::One("VERSION", Options::set_tls_min),
        help: "lowest TLS version: 1.2 or 1.3 (default: 1.2)",
        more: "",
    },
    Flag {
        name: "tls-client-ca",
        letter: None,
        action: Action::One("PATH", Options::set_tls_client_ca),
        help: "PEM file with the certificate authorities for client certificates",
        more: "Clients without a certificate from one of them are refused in the handshake, unless --tls-client-auth \
               is optional. Revocation lists are not read.",
    },
    Flag {
        name: "tls-client-auth",
        letter: None,
        action: Action::One("HOW", Options::set_tls_client_auth),
        help: "client certificates: required or optional (default: required)",
        more: "With optional, a client without a certificate is accepted too. Scripts can read the variable \
               SSL_CLIENT_VERIFY, which is then NONE.",
    },
    Flag {
        name: "tls-self-signed",
        letter: None,
        action: Action::Maybe("NAME", Options::add_tls_self_signed),
        help: "serve HTTPS with a certificate that is generated at startup for localhost, the address of --bind and \
               NAME, for development",
        more: "The certificate exists in memory only and is valid for 30 days. Its SHA-256 fingerprint is printed to \
               standard error.",
    },
    Flag {
        name: "hsts",
        letter: None,
        action: Action::Maybe("SECONDS", Options::set_hsts),
        help: "make browsers use only HTTPS for this host during the next SECONDS (without SECONDS: a year)",
        more: "Responses contain the header field Strict-Transport-Security (RFC 6797). With 0, browsers may use HTTP \
               again.",
    },
    Flag {
        name: "redirect-http",
        letter: None,
        action: Action::One("PORT", Options::set_redirect_http),
        help: "additional port that redirects unencrypted HTTP to HTTPS",
        more: "The port is opened on the address of --bind. Every response is a 308 redirect to the same host, path \
               and query.",
    },
    Flag {
        name: "header",
        letter: Some('H'),
        action: Action::Two(["NAME", "VALUE"], Options::add_header),
        help: "header field to add to every successful response; may be repeated",
        more: "Cache-Control, Content-Location, Expires and Vary are also added to 304 responses. A field with the \
               NAME Server replaces the server's own value in all responses, including errors; an empty VALUE leaves \
               the field out. Other fields that the server sets itself, such as Content-Type and Date, are refused. \
               VALUE cannot begin with a hyphen, unless it is a negative number.",
    },
];
