//! A request to the program, and its fields.

use std::time::Duration;

use serde_json::{Map, Value};
use serve_forever::http::FieldValue;

use crate::answers::Failed;

/// A request and its fields.
pub struct Request(Map<String, Value>);

/// The body of an HTTP request, owned.
pub enum Body {
    None,
    Bytes(Vec<u8>),
    Reader(Vec<u8>),
    Pieces(Vec<Vec<u8>>),
}

impl Request {
    pub fn parse(line: &str) -> Result<Request, Failed> {
        serde_json::from_str(line).map(Request).map_err(|_| Failed::name("InvalidInput"))
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    pub fn need(&self, name: &str) -> Result<&str, Failed> {
        self.text(name).ok_or(Failed::name("InvalidInput"))
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).and_then(Value::as_bool)
    }

    pub fn number(&self, name: &str) -> Option<usize> {
        self.get(name).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok())
    }

    pub fn port(&self, name: &str) -> Result<Option<u16>, Failed> {
        let port = self.number(name).map(u16::try_from).transpose();
        port.map_err(|_| Failed::name("InvalidURL"))
    }

    pub fn seconds(&self, name: &str) -> Option<Duration> {
        self.get(name).and_then(Value::as_f64).map(Duration::from_secs_f64)
    }

    /// A host and a port.
    pub fn place(&self, name: &str) -> Option<(String, u16)> {
        let place = self.get(name)?.as_array()?;
        Some((place.first()?.as_str()?.to_owned(), u16::try_from(place.get(1)?.as_u64()?).ok()?))
    }

    /// The strings of a list.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        self.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Names and values of header fields.
    pub fn headers(&self) -> Vec<(&str, &str)> {
        let lines = self.get("headers").and_then(Value::as_array).into_iter().flatten();
        lines.filter_map(|line| Some((line.get(0)?.as_str()?, line.get(1)?.as_str()?))).collect()
    }

    pub fn body(&self) -> Result<Body, Failed> {
        if let Some(text) = self.text("text").or(self.text("body")) {
            return bytes(text).map(Body::Bytes);
        }
        if let Some(text) = self.text("file") {
            return bytes(text).map(Body::Reader);
        }
        if self.get("chunks").is_some() {
            return self.texts("chunks").into_iter().map(bytes).collect::<Result<_, _>>().map(Body::Pieces);
        }
        Ok(Body::None)
    }
}

/// The bytes of a text, as Python encodes a body.
pub fn bytes(text: &str) -> Result<Vec<u8>, Failed> {
    let mut bytes = Vec::new();
    text.append_to(&mut bytes).map_err(|_| Failed::name("InvalidBody"))?;
    Ok(bytes)
}
