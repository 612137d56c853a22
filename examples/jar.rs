//! A cookie jar and `http.cookies`, controlled by JSON: one request per line on standard input, one response per line
//! on standard output. External tests in any language can use it:
//!
//! ```text
//! {"op": "new", "policy": {"mode": "rfc6265"}}
//! {"op": "set", "url": "https://www.example.com/", "headers": [["Set-Cookie", "a=1; Path=/"]], "now": 1700000000}
//! {"op": "header", "url": "https://www.example.com/x", "now": 1700000000}
//! ```
//!
//! Text represents bytes: the character U+00E9 is the byte 0xE9.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use serve_forever::cookiejar::{
    Cookie, CookieJar, FileOptions, InvalidUrl, LoadError, LwpFile, MozillaFile, Policy, RequestUrl, is_public_suffix,
};
use serve_forever::cookies::{AttributeValue, CookieError, Morsel, Output, SimpleCookie, quote, unquote};
use serve_forever::http::HttpDate;

fn main() -> io::Result<()> {
    let mut program = Program { jar: CookieJar::new(), kind: Kind::Plain, file: None };
    for line in io::stdin().lock().lines() {
        let response = match serde_json::from_str::<Map<String, Value>>(&line?) {
            Ok(request) => program.answer(&Request(request)).unwrap_or_else(|Failed(name)| json!({ "error": name })),
            Err(error) => json!({ "error": "InvalidInput", "message": error.to_string() }),
        };
        let mut output = io::stdout().lock();
        writeln!(output, "{response}")?;
        output.flush()?;
    }
    Ok(())
}

/// The name of an error.
struct Failed(&'static str);

impl From<InvalidUrl> for Failed {
    fn from(_: InvalidUrl) -> Self {
        Failed("InvalidInput")
    }
}

impl From<CookieError> for Failed {
    fn from(_: CookieError) -> Self {
        Failed("CookieError")
    }
}

impl From<LoadError> for Failed {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Io { error, .. } => error.into(),
            _ => Failed("LoadError"),
        }
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Failed(if error.kind() == io::ErrorKind::NotFound { "NotFound" } else { "IoError" })
    }
}

/// A request and its fields.
struct Request(Map<String, Value>);

impl Request {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    fn need(&self, name: &str) -> Result<&str, Failed> {
        self.text(name).ok_or(Failed("InvalidInput"))
    }

    fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    fn now(&self) -> i64 {
        self.0.get("now").and_then(Value::as_f64).unwrap_or(0.0) as i64
    }

    fn texts(&self, name: &str) -> Option<Vec<String>> {
        let values = self.0.get(name)?.as_array()?;
        Some(values.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// The values of the fields of this name in `headers`.
    fn fields(&self, name: &str) -> Vec<&str> {
        let lines = self.0.get("headers").and_then(Value::as_array).into_iter().flatten();
        let pairs = lines.filter_map(|line| Some((line.get(0)?.as_str()?, line.get(1)?.as_str()?)));
        pairs.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    fn url(&self) -> Result<RequestUrl, Failed> {
        let url = RequestUrl::parse(self.need("url")?)?;
        let origin = self.text("origin").unwrap_or(url.host()).to_owned();
        Ok(if self.flag("unverifiable") { url.unverifiable(&origin) } else { url })
    }

    fn options(&self) -> FileOptions {
        FileOptions { ignore_discard: self.flag("ignore_discard"), ignore_expires: self.flag("ignore_expires") }
    }
}

enum Kind {
    Plain,
    Mozilla,
    Lwp,
}

struct Program {
    jar: CookieJar,
    kind: Kind,
    file: Option<PathBuf>,
}

type Response = Result<Value, Failed>;

impl Program {
    fn answer(&mut self, request: &Request) -> Response {
        match request.need("op")? {
            "new" => return self.new_jar(request),
            "set" => self.jar.extract(&request.url()?, request.fields("Set-Cookie"), request.now()),
            "header" => return self.header(request),
            "put" => self.jar.set_cookie(cookie(request.0.get("cookie").ok_or(Failed("InvalidInput"))?)),
            "list" => return Ok(json!({ "cookies": self.jar.iter().map(listed).collect::<Vec<_>>() })),
            "clear" => return self.clear(request),
            "clear_session" => self.jar.clear_session_cookies(),
            "clear_expired" => self.jar.clear_expired_cookies(request.now()),
            "save" | "load" | "revert" => return self.file_operation(request),
            "blocked" | "allowed" => return Ok(self.domains(request)),
            "cookies.parse" => return parse(request),
            "cookies.output" => return output(request),
            "cookies.quote" => return Ok(json!({ "text": quote(request.need("text")?) })),
            "cookies.unquote" => return Ok(json!({ "text": unquote(request.need("text")?) })),
            _ => return Err(Failed("Unsupported")),
        }
        Ok(json!({}))
    }

    fn new_jar(&mut self, request: &Request) -> Response {
        let empty = Map::new();
        let settings = request.0.get("policy").and_then(Value::as_object).unwrap_or(&empty);
        self.jar = CookieJar::with_policy(policy(&Request(settings.clone()))?);
        self.file = request.text("file").map(PathBuf::from);
        self.kind = match request.text("kind") {
            Some("mozilla") => Kind::Mozilla,
            Some("lwp") => Kind::Lwp,
            _ => Kind::Plain,
        };
        Ok(json!({}))
    }

    fn header(&mut self, request: &Request) -> Response {
        let header = self.jar.header(&request.url()?, request.now());
        // A field that the request already has is kept, as in `CookieJar::add_cookie_header`.
        let given = request.fields("Cookie").first().map(|value| (*value).to_owned());
        Ok(json!({ "cookie": given.or(header), "cookie2": request.fields("Cookie2").first() }))
    }

    fn clear(&mut self, request: &Request) -> Response {
        let found = match (request.text("domain"), request.text("path"), request.text("name")) {
            (Some(domain), Some(path), Some(name)) => self.jar.remove(domain, path, name).is_some(),
            (Some(domain), Some(path), None) => self.jar.clear_path(domain, path),
            (Some(domain), None, None) => self.jar.clear_domain(domain),
            (None, None, None) => {
                self.jar.clear();
                true
            }
            _ => return Err(Failed("InvalidInput")),
        };
        if found { Ok(json!({})) } else { Err(Failed("NotFound")) }
    }

    fn file_operation(&mut self, request: &Request) -> Response {
        let path = request.text("file").map(PathBuf::from).or_else(|| self.file.clone());
        let (now, options, jar) = (request.now(), request.options(), &mut self.jar);
        let path = path.ok_or(Failed("NoFilename"))?;
        match (&self.kind, request.need("op")?) {
            (Kind::Plain, _) => return Err(Failed("Unsupported")),
            (Kind::Mozilla, "save") => _ = MozillaFile::new(path).save(jar, now, options)?,
            (Kind::Mozilla, "load") => MozillaFile::new(path).load(jar, now, options)?,
            (Kind::Mozilla, _) => MozillaFile::new(path).revert(jar, now, options)?,
            (Kind::Lwp, "save") => _ = LwpFile::new(path).save(jar, now, options)?,
            (Kind::Lwp, "load") => LwpFile::new(path).load(jar, now, options)?,
            (Kind::Lwp, _) => LwpFile::new(path).revert(jar, now, options)?,
        }
        Ok(json!({}))
    }

    fn domains(&mut self, request: &Request) -> Value {
        let given = request.0.contains_key("domains").then(|| request.texts("domains"));
        let policy = self.jar.policy_mut();
        if request.text("op") == Some("allowed") {
            policy.allowed_domains = given.unwrap_or_else(|| policy.allowed_domains.take());
            return json!({ "domains": policy.allowed_domains });
        }
        if let Some(domains) = given {
            policy.blocked_domains = domains.unwrap_or_default();
        }
        json!({ "domains": policy.blocked_domains })
    }
}

fn policy(settings: &Request) -> Result<Policy, Failed> {
    let mut policy = match settings.text("mode") {
        None | Some("python") => Policy::python(),
        Some("rfc6265") => Policy::without_public_suffixes(),
        Some(_) => return Err(Failed("Unsupported")),
    };
    if settings.flag("rfc2965") || (settings.flag("public_suffix") && !cfg!(feature = "public-suffix")) {
        return Err(Failed("Unsupported"));
    }
    if settings.flag("public_suffix") {
        policy.is_public_suffix = is_public_suffix;
    }
    policy.netscape = settings.0.get("netscape").and_then(Value::as_bool).unwrap_or(true);
    policy.strict_domain = settings.flag("strict_domain");
    policy.strict_ns_unverifiable = settings.flag("strict_ns_unverifiable");
    policy.strict_ns_set_initial_dollar = settings.flag("strict_ns_set_initial_dollar");
    policy.strict_ns_set_path = settings.flag("strict_ns_set_path");
    let strictness = settings.0.get("strict_ns_domain").and_then(Value::as_u64).unwrap_or(0);
    policy.strict_ns_domain = u8::try_from(strictness).map_err(|_| Failed("InvalidInput"))?;
    policy.secure_protocols = settings.texts("secure_protocols").unwrap_or(policy.secure_protocols);
    policy.blocked_domains = settings.texts("blocked_domains").unwrap_or_default();
    policy.allowed_domains = settings.texts("allowed_domains");
    Ok(policy)
}

/// A cookie from the fields that `listed` gives; those that are absent have Python's defaults.
fn cookie(fields: &Value) -> Cookie {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    let flag = |name: &str, default| fields.get(name).and_then(Value::as_bool).unwrap_or(default);
    let rest = fields.get("rest").and_then(Value::as_object).into_iter().flatten();
    Cookie {
        name: text("name").unwrap_or_default(),
        value: if fields.get("value").is_some_and(Value::is_null) {
            None
        } else {
            text("value").or(Some(String::new()))
        },
        domain: text("domain").unwrap_or_default().to_lowercase(),
        domain_specified: flag("domain_specified", false),
        domain_initial_dot: flag("domain_initial_dot", false),
        path: text("path").unwrap_or_else(|| "/".to_owned()),
        path_specified: flag("path_specified", false),
        port: text("port"),
        port_specified: flag("port_specified", false),
        secure: flag("secure", false),
        expires: fields.get("expires").and_then(Value::as_f64).map(|expires| expires as i64),
        discard: flag("discard", true),
        version: fields.get("version").and_then(Value::as_u64).and_then(|v| v.try_into().ok()).unwrap_or(0),
        comment: text("comment"),
        comment_url: text("comment_url"),
        rest: rest.map(|(name, value)| (name.clone(), value.as_str().map(str::to_owned))).collect(),
    }
}

fn listed(cookie: &Cookie) -> Value {
    let rest: Map<String, Value> = cookie.rest.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "name": cookie.name, "value": cookie.value, "domain": cookie.domain, "path": cookie.path,
        "secure": cookie.secure, "expires": cookie.expires, "discard": cookie.discard, "version": cookie.version,
        "port": cookie.port, "port_specified": cookie.port_specified, "domain_specified": cookie.domain_specified,
        "domain_initial_dot": cookie.domain_initial_dot, "path_specified": cookie.path_specified,
        "comment": cookie.comment, "comment_url": cookie.comment_url, "rest": rest,
    })
}

fn parse(request: &Request) -> Response {
    let text = request.need("text")?;
    let cookies = match request.text("mode") {
        Some("rfc6265") => SimpleCookie::from_cookie_field(text),
        _ => {
            let mut cookies = SimpleCookie::new();
            cookies.load(text)?;
            cookies
        }
    };
    let shown = |morsel: &Morsel| {
        let attributes = morsel.attributes().map(|(name, value)| {
            let value = match value {
                AttributeValue::Text(text) => json!(text),
                AttributeValue::Flag(set) => json!(set),
            };
            (name.to_owned(), value)
        });
        json!({
            "key": morsel.key(), "value": morsel.value(), "coded_value": morsel.coded_value(),
            "attrs": attributes.collect::<Map<_, _>>(),
        })
    };
    Ok(json!({ "morsels": cookies.iter().map(shown).collect::<Vec<_>>() }))
}

fn output(request: &Request) -> Response {
    let mut cookies = SimpleCookie::new();
    for one in request.0.get("cookies").and_then(Value::as_array).into_iter().flatten() {
        let text = |name| one.get(name).and_then(Value::as_str).unwrap_or_default();
        let morsel = cookies.set(text("key"), text("value"))?;
        for (name, value) in one.get("attrs").and_then(Value::as_object).into_iter().flatten() {
            morsel.set(name, attribute(name, value))?;
        }
    }
    let attributes = request.texts("attrs");
    let attributes: Option<Vec<&str>> = attributes.as_ref().map(|names| names.iter().map(String::as_str).collect());
    let standard = Output::default();
    let output = Output {
        attributes: attributes.as_deref(),
        header: request.text("header").unwrap_or(standard.header),
        separator: request.text("sep").unwrap_or(standard.separator),
    };
    Ok(json!({ "text": cookies.output_with(&output) }))
}

fn attribute(name: &str, value: &Value) -> AttributeValue {
    match value {
        Value::Bool(set) => (*set).into(),
        Value::String(text) => text.as_str().into(),
        // Python expects a number of seconds from now. The library has no clock.
        Value::Number(seconds) if name.eq_ignore_ascii_case("expires") => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
            HttpDate::from_unix(now.saturating_add(seconds.as_i64().unwrap_or(0))).into()
        }
        other => other.to_string().into(),
    }
}
