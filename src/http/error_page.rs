//! The bodies of error responses: the trait for custom error pages, and the default page.
//!
//! The connection adds the fields and the framing of the response.

use super::{FieldBlock, Request, Status, escape_html};

/// The data from which an error page is rendered.
#[derive(Debug, Clone, Copy)]
pub struct ErrorInfo<'a> {
    /// The status of the response, such as 404.
    pub status: Status,
    /// The message, which is also the reason phrase. It is not escaped for HTML.
    pub message: &'a str,
    /// The explanation, a longer text than the message. It is not escaped for HTML.
    pub explain: &'a str,
    /// The parsed part of the request. If the request was rejected early, it may lack header fields or a target.
    pub request: &'a Request,
}

/// Renders the bodies of all error responses: for requests that violate the protocol (such as 400 and 431), for errors
/// of services (such as 404) and for failures of the server itself (500). This replaces Python's `error_message_format`
/// and `error_content_type`.
///
/// An implementation must escape all text that comes from the request.
///
/// The example `error_page` implements this trait.
pub trait ErrorPage: Send {
    /// The value of the `Content-Type` field.
    fn content_type(&self) -> &str;

    /// The value of the `Content-Security-Policy` field, which must be a valid field value. `None`, the default, omits
    /// the field.
    fn content_security_policy(&self) -> Option<&str> {
        None
    }

    /// True if the page depends only on the status, message and explanation, and not on the request. Such a page is
    /// rendered once and then reused. The default is false.
    fn is_same_for_all(&self) -> bool {
        false
    }

    /// Renders the page and appends it to `page`, which may already contain other bytes.
    fn render(&self, error: &ErrorInfo<'_>, page: &mut Vec<u8>);
}

/// An error page that is rendered from a template. The placeholders `%(code)d`, `%(code)s`, `%(message)s` and
/// `%(explain)s` are replaced with their values, and `%%` with `%`. In the values, `&`, `<` and `>` are escaped, but
/// quotes are not, so a placeholder must not be in an attribute. The default template is the page of CPython 3.14.
///
/// ```
/// use serve_forever::http::ErrorTemplate;
/// let page = ErrorTemplate::new("text/html;charset=utf-8", "<h1>%(code)d</h1><p>%(message)s</p>");
/// ```
#[derive(Debug, Clone)]
pub struct ErrorTemplate {
    content_type: String,
    parts: Vec<TemplatePart>,
    policy: Option<&'static str>,
}

/// A part of a template. The template is parsed once and rendered for every error.
#[derive(Debug, Clone, PartialEq, Eq)]
enum TemplatePart {
    Text(String),
    Code,
    Message,
    Explain,
}

/// The content security policy of the default page, which allows only the style sheet in that page.
const DEFAULT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

const DEFAULT_FORMAT: &str = r#"<!DOCTYPE HTML>
<html lang="en">
    <head>
        <meta charset="utf-8">
        <style type="text/css">
            :root {
                color-scheme: light dark;
            }
        </style>
        <title>Error response</title>
    </head>
    <body>
        <h1>Error response</h1>
        <p>Error code: %(code)d</p>
        <p>Message: %(message)s.</p>
        <p>Error code explanation: %(code)s - %(explain)s.</p>
    </body>
</html>
"#;

impl ErrorTemplate {
    /// Creates a page with this content type and template. A content type that is not a valid field value is replaced
    /// with `text/html;charset=utf-8`.
    pub fn new(content_type: impl Into<String>, format: impl Into<String>) -> ErrorTemplate {
        let content_type = content_type.into();
        let valid = FieldBlock::new().add("Content-Type", &content_type).is_ok();
        let content_type = if valid { content_type } else { "text/html;charset=utf-8".to_owned() };
        ErrorTemplate { content_type, parts: parts(&format.into()), policy: None }
    }
}

impl Default for ErrorTemplate {
    fn default() -> Self {
        let page = ErrorTemplate::new("text/html;charset=utf-8", DEFAULT_FORMAT);
        ErrorTemplate { policy: Some(DEFAULT_POLICY), ..page }
    }
}

impl ErrorPage for ErrorTemplate {
    fn content_type(&self) -> &str {
        &self.content_type
    }

    fn content_security_policy(&self) -> Option<&str> {
        self.policy
    }

    fn is_same_for_all(&self) -> bool {
        true
    }

    fn render(&self, error: &ErrorInfo<'_>, page: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                TemplatePart::Text(text) => page.extend_from_slice(text.as_bytes()),
                TemplatePart::Code => {
                    page.extend_from_slice(itoa::Buffer::new().format(error.status.code()).as_bytes())
                }
                TemplatePart::Message => page.extend_from_slice(escape_html(error.message, false).as_bytes()),
                TemplatePart::Explain => page.extend_from_slice(escape_html(error.explain, false).as_bytes()),
            }
        }
    }
}

/// Parses a template. A `%` that begins neither a placeholder nor `%%` is kept.
fn parts(format: &str) -> Vec<TemplatePart> {
    const PLACEHOLDERS: [(&str, TemplatePart); 4] = [
        ("%(code)d", TemplatePart::Code),
        ("%(code)s", TemplatePart::Code),
        ("%(message)s", TemplatePart::Message),
        ("%(explain)s", TemplatePart::Explain),
    ];
    let (mut parts, mut text, mut rest) = (Vec::new(), String::new(), format);
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((placeholder, part)) =
            PLACEHOLDERS.into_iter().find(|(placeholder, _)| rest.starts_with(placeholder))
        {
            parts.extend([TemplatePart::Text(std::mem::take(&mut text)), part]);
            rest = &rest[placeholder.len()..];
        } else {
            text.push('%');
            rest = rest.strip_prefix("%%").unwrap_or(&rest[1..]);
        }
    }
    text.push_str(rest);
    parts.push(TemplatePart::Text(text));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &ErrorTemplate, status: Status, message: &str, explain: &str) -> String {
        let request = Request::default();
        let mut page = Vec::new();
        template.render(&ErrorInfo { status, message, explain, request: &request }, &mut page);
        String::from_utf8(page).unwrap()
    }

    #[test]
    fn the_default_page_is_as_long_as_that_of_cpython_3_14() {
        let page =
            render(&ErrorTemplate::default(), Status::NOT_FOUND, "File not found", Status::NOT_FOUND.description());
        assert_eq!(page.len(), 460, "{page}");
    }

    #[test]
    fn values_are_escaped_and_not_searched_for_placeholders() {
        let template = ErrorTemplate::new("text/plain", "%(code)d|%(message)s|%(explain)s|100%%|%x|%");
        assert_eq!(render(&template, Status::BAD_REQUEST, "<b>", "%(code)d"), "400|&lt;b&gt;|%(code)d|100%|%x|%");
        for no_field_value in ["a\r\nb", "text/€"] {
            assert_eq!(ErrorTemplate::new(no_field_value, "").content_type(), "text/html;charset=utf-8");
        }
    }
}
