//! Parses one line of a trace as JSON. Numbers above 2^53, and JSON features that traces do not use, are not supported.

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Flag(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Parses a line. Returns `None` if the line is not exactly one value.
    pub(super) fn parse(line: &str) -> Option<Json> {
        let mut rest = line;
        let value = value(&mut rest)?;
        rest.trim().is_empty().then_some(value)
    }

    /// Returns the member with this name, or `None` if the value is not an object or has no such member.
    pub(super) fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.iter().find(|(other, _)| other == name).map(|(_, value)| value),
            _ => None,
        }
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Json::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Removes a token from the front of `rest`. Returns `None` if `rest` does not begin with the token.
fn take(rest: &mut &str, token: &str) -> Option<()> {
    *rest = rest.trim_start().strip_prefix(token)?;
    Some(())
}

fn value(rest: &mut &str) -> Option<Json> {
    *rest = rest.trim_start();
    match rest.as_bytes().first()? {
        b'{' => object(rest),
        b'[' => list(rest),
        b'"' => text(rest).map(Json::Text),
        b'n' => take(rest, "null").map(|()| Json::Null),
        b't' => take(rest, "true").map(|()| Json::Flag(true)),
        b'f' => take(rest, "false").map(|()| Json::Flag(false)),
        _ => {
            let is_part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let number = rest[..end].parse().ok()?;
            *rest = &rest[end..];
            Some(Json::Number(number))
        }
    }
}

fn object(rest: &mut &str) -> Option<Json> {
    let mut members = Vec::new();
    take(rest, "{")?;
    while take(rest, "}").is_none() {
        if !members.is_empty() {
            take(rest, ",")?;
        }
        *rest = rest.trim_start();
        let name = text(rest)?;
        take(rest, ":")?;
        members.push((name, value(rest)?));
    }
    Some(Json::Object(members))
}

fn list(rest: &mut &str) -> Option<Json> {
    let mut values = Vec::new();
    take(rest, "[")?;
    while take(rest, "]").is_none() {
        if !values.is_empty() {
            take(rest, ",")?;
        }
        values.push(value(rest)?);
    }
    Some(Json::List(values))
}

fn text(rest: &mut &str) -> Option<String> {
    let mut text = String::new();
    let mut characters = rest.strip_prefix('"')?.chars();
    loop {
        match characters.next()? {
            '"' => break,
            '\\' => text.push(match characters.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'u' => {
                    let digits: String = characters.by_ref().take(4).collect();
                    char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                }
                other => other,
            }),
            other => text.push(other),
        }
    }
    *rest = characters.as_str();
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_trace_is_read_and_a_cut_one_is_not() {
        let line = r#"{"name":"a\"b\\","ts":12.345,"args":{"list":[1,2],"none":null,"is":true}}"#;
        let event = Json::parse(line).unwrap();
        assert_eq!(event.get("name").and_then(Json::text), Some("a\"b\\"));
        assert_eq!(event.get("ts").and_then(Json::number), Some(12.345));
        let args = event.get("args").unwrap();
        assert_eq!(args.get("list"), Some(&Json::List(vec![Json::Number(1.0), Json::Number(2.0)])));
        assert_eq!((args.get("none"), args.get("is")), (Some(&Json::Null), Some(&Json::Flag(true))));
        for end in 0..line.len() {
            assert_eq!(Json::parse(&line[..end]), None, "{}", &line[..end]);
        }
        assert_eq!(Json::parse("{} x"), None);
    }
}
