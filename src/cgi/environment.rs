//! The environment of a script: the variables of RFC 3875 section 4.1 and of Python's `CGIHTTPRequestHandler`.
//!
//! The script itself is started in `spawn`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::script::{Script, quoted};
use super::tls_variables::tls_variables;
use crate::http::{BodyLength, Request};

/// The value of `PATH` if the server's environment does not set it.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The settings of the service that affect the environment of its scripts.
#[derive(Debug)]
pub(super) struct ServerVariables<'a> {
    /// The directory that the server serves.
    pub(super) root: &'a Path,
    /// The server's name and version, as in the `Server` field.
    pub(super) software: &'a str,
    /// True if scripts must always get `HTTPS=on`, because clients connect over TLS to a proxy.
    pub(super) https: bool,
    /// True if the service verifies the credentials of every request for a script. Each of these requests then has
    /// exactly one `Authorization` field, with Basic credentials.
    pub(super) authenticated: bool,
    /// The names of the server's environment variables that scripts inherit.
    pub(super) passed_on: &'a [OsString],
}

/// Environment variables, as a map from names to values.
pub(super) type Variables = BTreeMap<OsString, OsString>;

/// Builds the complete environment of a script. From the server's environment, the script inherits only `PATH` and the
/// variables in `passed_on`.
pub(super) fn environment(site: &ServerVariables<'_>, request: &Request, script: &Script) -> Variables {
    let mut variables = Variables::new();
    // The variables of the request are set last, so that no header field or server variable can replace them.
    inherit(&mut variables, site.passed_on);
    variables.extend(fields(request));
    of_the_request(&mut variables, site, request, script);
    variables
}

/// Adds the variables inherited from the server's environment.
fn inherit(variables: &mut Variables, names: &[OsString]) {
    variables.insert("PATH".into(), std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into()));
    for name in names {
        if let Some(value) = std::env::var_os(name) {
            variables.insert(name.clone(), value);
        }
    }
}

/// Returns an `HTTP_*` variable for each header field, with the following exceptions. `Content-Length` and `Content-Type`
/// have variables of their own. `Transfer-Encoding` is omitted because the body has already been decoded. Credentials
/// are not passed to scripts (RFC 3875 section 4.1.18). `Proxy` would become `HTTP_PROXY`, which many programs use to
/// find their proxy. A name with characters other than letters, digits and hyphens is omitted, because `X_A` and `X-A`
/// would share a variable.
fn fields(request: &Request) -> Variables {
    let mut variables = Variables::new();
    // As in Python, these three variables are set to an empty value if the request lacks the corresponding fields.
    for name in ["HTTP_COOKIE", "HTTP_REFERER", "HTTP_USER_AGENT"] {
        variables.insert(name.into(), OsString::new());
    }
    for (name, value) in request.headers().iter() {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let omitted =
            ["authorization", "proxy", "proxy-authorization", "content-length", "content-type", "transfer-encoding"];
        if !plain || omitted.iter().any(|other| name.eq_ignore_ascii_case(other)) {
            continue;
        }
        // Several fields with the same name are combined into one value. Cookies are joined with `; ` (RFC 6265), and
        // all other fields with `, `.
        let separator = if name.eq_ignore_ascii_case("cookie") { "; " } else { ", " };
        let name = format!("HTTP_{}", name.to_ascii_uppercase().replace('-', "_"));
        let joined = variables.entry(name.into()).or_default();
        if !joined.is_empty() {
            joined.push(separator);
        }
        joined.push(OsStr::from_bytes(value));
    }
    variables
}

/// Adds the variables of RFC 3875 section 4.1, as well as other variables that Python and Apache set and that scripts
/// use.
fn of_the_request(variables: &mut Variables, site: &ServerVariables<'_>, request: &Request, script: &Script) {
    let mut set = |name: &str, value: &[u8]| _ = variables.insert(name.into(), OsString::from_vec(value.to_vec()));
    let (client, server) = (request.client_address(), request.server_address());

    set("GATEWAY_INTERFACE", b"CGI/1.1");
    set("SERVER_SOFTWARE", site.software.as_bytes());
    set("SERVER_NAME", &server_name(request));
    set("SERVER_PORT", server.port().to_string().as_bytes());
    set("SERVER_PROTOCOL", request.version().as_str().as_bytes());
    // If the listener is bound to all addresses, the address that the client connected to is not known.
    if !server.ip().is_unspecified() {
        set("SERVER_ADDR", server.ip().to_string().as_bytes());
    }
    let tls = request.tls();
    if site.https || tls.is_some() {
        set("HTTPS", b"on");
        set("REQUEST_SCHEME", b"https");
    } else {
        set("REQUEST_SCHEME", b"http");
    }
    if let Some(tls) = tls {
        tls_variables(tls, &mut set);
    }
    set("DOCUMENT_ROOT", site.root.as_os_str().as_bytes());

    set("REMOTE_ADDR", client.ip().to_string().as_bytes());
    set("REMOTE_PORT", client.port().to_string().as_bytes());
    set("REMOTE_HOST", b"");
    if let Some((scheme, user)) = request.headers().get("Authorization").and_then(credentials) {
        // For unverified credentials, `AUTH_TYPE` is the scheme as the client wrote it, as in Python.
        set("AUTH_TYPE", if site.authenticated { b"Basic" } else { scheme });
        if let Some(user) = user {
            set("REMOTE_USER", &user);
        }
    }

    set("REQUEST_METHOD", request.method().as_str().as_bytes());
    set("REQUEST_URI", request.target());
    set("QUERY_STRING", request.query().unwrap_or_default());
    set("SCRIPT_NAME", &script.name);
    set("SCRIPT_FILENAME", script.file.as_os_str().as_bytes());
    set("PATH_INFO", &script.path_info);
    // RFC 3875 section 4.1.6: without `PATH_INFO` there is no `PATH_TRANSLATED`.
    if let Some(relative) = script.path_info.strip_prefix(b"/") {
        let translated = site.root.join(OsStr::from_bytes(relative));
        set("PATH_TRANSLATED", translated.as_os_str().as_bytes());
    }
    // PHP refuses to run without `REDIRECT_STATUS`, from which it infers that a web server has started it.
    set("REDIRECT_STATUS", b"200");

    set("CONTENT_TYPE", request.headers().get("Content-Type").unwrap_or(b"text/plain"));
    // The length of a chunked body is not known in advance. `CONTENT_LENGTH` is then empty, and the script must read
    // standard input until EOF.
    set(
        "CONTENT_LENGTH",
        &match request.body_length() {
            BodyLength::Known(length) => length.to_string().into_bytes(),
            BodyLength::None | BodyLength::Chunked => Vec::new(),
        },
    );
}

/// The value of `SERVER_NAME`: the host that the request names, without the port, or the IP address of the listener if
/// the request names no host (RFC 3875 section 4.1.14).
fn server_name(request: &Request) -> Vec<u8> {
    let authority = request.authority().filter(|authority| !authority.is_empty());
    let Some(authority) = authority else { return request.server_address().ip().to_string().into() };
    // In an IPv6 address without a port, the text after the last colon includes the closing bracket, so it is not a
    // number.
    let port = memchr::memrchr(b':', authority).filter(|colon| authority[colon + 1..].iter().all(u8::is_ascii_digit));
    authority[..port.unwrap_or(authority.len())].to_vec()
}

/// Parses the value of an `Authorization` field. Returns the scheme, and the user name if the scheme is Basic. The
/// credentials are not verified here.
fn credentials(value: &[u8]) -> Option<(&[u8], Option<Vec<u8>>)> {
    let space = memchr::memchr(b' ', value)?;
    let (scheme, token) = (&value[..space], value[space..].trim_ascii());
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return Some((scheme, None));
    }
    let pair = BASE64_STANDARD.decode(token).ok()?;
    let colon = memchr::memchr(b':', &pair)?;
    // NUL would truncate the variable's value, so the script would see a different user.
    let user = Some(pair[..colon].to_vec()).filter(|user| !user.contains(&0));
    Some((scheme, user))
}

/// Checks that `name` is a valid name for an environment variable.
///
/// # Errors
/// Returns an error message that names the variable if the name is empty or contains `=` or NUL.
pub(super) fn is_name(name: &OsStr) -> Result<(), String> {
    let bytes = name.as_bytes();
    let valid = !bytes.is_empty() && !bytes.contains(&b'=') && !bytes.contains(&0);
    if valid { Ok(()) } else { Err(format!("{} is not the name of a variable", quoted(bytes))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(request: &Request) -> BTreeMap<String, String> {
        let script =
            Script { file: "/srv/cgi-bin/a".into(), name: b"/cgi-bin/a".to_vec(), path_info: b"/in fo/".to_vec() };
        let passed_on = ["CARGO_PKG_NAME".into(), "NO_SUCH_VARIABLE".into(), "QUERY_STRING".into()];
        let site = ServerVariables {
            root: Path::new("/srv"),
            software: "x/1",
            https: false,
            authenticated: false,
            passed_on: &passed_on,
        };
        let text = |text: OsString| text.into_string().unwrap();
        environment(&site, request, &script).into_iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    #[test]
    fn a_request_sets_these_variables() {
        let request = Request::builder("POST", "/cgi-bin/a/in%20fo/?q=%20")
            .header("Host", "example.org:81")
            .header("Content-Type", "a/b; c")
            .header("X-Custom-Thing", "v")
            .header("Cookie", "a=1")
            .header("Cookie", "b=2")
            .header("Accept", "x")
            .header("Accept", "y")
            .build();
        let mut variables = of(&request);
        assert!(variables.remove("PATH").is_some());
        let expected = [
            ("CARGO_PKG_NAME", "serve-forever"),
            ("CONTENT_LENGTH", ""),
            ("CONTENT_TYPE", "a/b; c"),
            ("DOCUMENT_ROOT", "/srv"),
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("HTTP_ACCEPT", "x, y"),
            ("HTTP_COOKIE", "a=1; b=2"),
            ("HTTP_HOST", "example.org:81"),
            ("HTTP_REFERER", ""),
            ("HTTP_USER_AGENT", ""),
            ("HTTP_X_CUSTOM_THING", "v"),
            ("PATH_INFO", "/in fo/"),
            ("PATH_TRANSLATED", "/srv/in fo/"),
            ("QUERY_STRING", "q=%20"),
            ("REDIRECT_STATUS", "200"),
            ("REMOTE_ADDR", "0.0.0.0"),
            ("REMOTE_HOST", ""),
            ("REMOTE_PORT", "0"),
            ("REQUEST_METHOD", "POST"),
            ("REQUEST_SCHEME", "http"),
            ("REQUEST_URI", "/cgi-bin/a/in%20fo/?q=%20"),
            ("SCRIPT_FILENAME", "/srv/cgi-bin/a"),
            ("SCRIPT_NAME", "/cgi-bin/a"),
            ("SERVER_NAME", "example.org"),
            ("SERVER_PORT", "0"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("SERVER_SOFTWARE", "x/1"),
        ];
        let expected: BTreeMap<String, String> =
            expected.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        assert_eq!(variables, expected);
    }

    #[test]
    fn a_request_over_tls_says_so_and_no_field_can() {
        let mut request = Request::builder("GET", "/").header("HTTPS", "on").header("Ssl-Client-Verify", "x").build();
        let variables = of(&request);
        assert_eq!((variables.get("HTTPS"), &*variables["HTTP_HTTPS"]), (None, "on"));
        assert_eq!((variables.get("SSL_CLIENT_VERIFY"), &*variables["REQUEST_SCHEME"]), (None, "http"));
        request.tls = Some(Default::default());
        let variables = of(&request);
        assert_eq!((&*variables["HTTPS"], &*variables["REQUEST_SCHEME"]), ("on", "https"));
        assert_eq!(variables["SSL_CLIENT_VERIFY"], "NONE");
    }

    #[test]
    fn credentials_proxy_framing_and_ambiguous_names_are_omitted() {
        let request = Request::builder("GET", "/")
            .header("Proxy", "http://evil.example/")
            .header("X_Custom", "evil")
            .header("Authorization", "Basic YWxpY2U6c2VjcmV0")
            .header("Transfer-Encoding", "chunked")
            .header("Content-Length", "5")
            .header("X.Y", "z")
            .build();
        let variables = of(&request);
        let fields: Vec<&str> = variables.keys().map(String::as_str).filter(|name| name.starts_with("HTTP")).collect();
        assert_eq!(fields, ["HTTP_COOKIE", "HTTP_REFERER", "HTTP_USER_AGENT"]);
        assert_eq!((&*variables["AUTH_TYPE"], &*variables["REMOTE_USER"]), ("Basic", "alice"));
        assert_eq!(variables["SERVER_NAME"], "0.0.0.0");
    }

    #[test]
    fn the_user_is_read_from_basic_credentials_only() {
        let user = |value: &'static str| credentials(value.as_bytes());
        assert_eq!(user("Basic YTpiOmM="), Some((&b"Basic"[..], Some(b"a".to_vec()))));
        assert_eq!(user("Bearer x"), Some((&b"Bearer"[..], None)));
        for broken in ["Basic", "Basic !", "Basic YWI="] {
            assert_eq!(user(broken), None, "{broken}");
        }
        assert_eq!(user("basic AGE6Yg=="), Some((&b"basic"[..], None)));
    }

    #[test]
    fn the_server_name_is_the_host_without_its_port() {
        for (host, name) in [("a:80", "a"), ("a", "a"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("a:", "a")] {
            assert_eq!(server_name(&Request::builder("GET", "/").header("Host", host).build()), name.as_bytes());
        }
    }

    #[test]
    fn variable_names_are_not_empty_and_have_no_equals_sign_and_no_nul() {
        assert!(is_name("HOME".as_ref()).is_ok());
        for bad in ["", "A=B", "A\0"] {
            assert!(is_name(bad.as_ref()).is_err(), "{bad:?}");
        }
    }
}
