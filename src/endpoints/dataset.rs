//! The items of `/json/{count}`: a built-in list, or a JSON file. The JSON parser only checks the syntax. For each item
//! it keeps the text and two numbers.

use std::fmt;

/// The reason why a JSON file is not a valid dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidDataset(String);

impl fmt::Display for InvalidDataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidDataset {}

/// An item, with the two numbers from which its `total` is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DatasetItem {
    /// The text of the JSON object without its closing brace.
    pub(super) members: String,
    pub(super) price: i64,
    pub(super) quantity: i64,
}

/// The maximum nesting depth of a value, so that a file cannot exhaust the stack.
const MOST_DEPTH: usize = 64;

/// The number of built-in items.
const BUILT_IN: i64 = 50;

/// The items that are used if no dataset is set.
pub(super) fn built_in() -> Vec<DatasetItem> {
    let item = |id: i64| {
        let (price, quantity) = (10 + id * 7 % 90, 1 + id * 3 % 10);
        let members = format!(
            "{{\"id\":{id},\"name\":\"Item {id}\",\"price\":{price},\"quantity\":{quantity},\"active\":{},\
             \"tags\":[\"tag{}\",\"tag{}\"],\"rating\":{{\"score\":{},\"count\":{}}}",
            id % 2 == 0,
            id % 5,
            id % 7,
            id * 11 % 50,
            id * 13 % 400
        );
        DatasetItem { members, price, quantity }
    };
    (1..=BUILT_IN).map(item).collect()
}

/// Parses a JSON array of at least one object. Each object must have the integers `price` and `quantity`, and must not
/// have a member `total`.
pub(super) fn parse(text: &str) -> Result<Vec<DatasetItem>, InvalidDataset> {
    let mut reader = JsonReader { text, at: 0 };
    let mut items = Vec::new();
    reader.sequence(b'[', b']', |reader| {
        items.push(reader.item()?);
        Ok(())
    })?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.wrong("the end"));
    }
    if items.is_empty() {
        return Err(InvalidDataset("the array is empty".to_owned()));
    }
    Ok(items)
}

/// A parser that checks the syntax of JSON (RFC 8259).
struct JsonReader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> JsonReader<'t> {
    fn item(&mut self) -> Result<DatasetItem, InvalidDataset> {
        self.skip_space();
        let (start, text) = (self.at, self.text);
        let (mut price, mut quantity, mut has_total) = (None, None, false);
        self.sequence(b'{', b'}', |reader| {
            let name = reader.name()?;
            let value_start = reader.at;
            reader.value(2)?;
            let number = || text[value_start..reader.at].trim().parse().ok();
            match name {
                "price" => price = number(),
                "quantity" => quantity = number(),
                "total" => has_total = true,
                _ => {}
            }
            Ok(())
        })?;
        let members = text[start..self.at - 1].trim_end().to_owned();
        match (price, quantity, has_total) {
            (Some(price), Some(quantity), false) => Ok(DatasetItem { members, price, quantity }),
            (_, _, true) => Err(InvalidDataset("an item has a member total, which is computed".to_owned())),
            _ => Err(InvalidDataset("an item has no price or no quantity that is a whole number".to_owned())),
        }
    }

    /// Parses the name of a member and the colon after it. Escapes in the name are not decoded.
    fn name(&mut self) -> Result<&'t str, InvalidDataset> {
        let start = self.at + 1;
        self.string()?;
        let name = &self.text[start..self.at - 1];
        self.skip_space();
        self.expect(b':')?;
        Ok(name)
    }

    fn value(&mut self, depth: usize) -> Result<(), InvalidDataset> {
        if depth > MOST_DEPTH {
            return Err(self.wrong("a value that is nested less deeply"));
        }
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.sequence(b'{', b'}', |reader| {
                reader.name()?;
                reader.value(depth + 1)
            }),
            Some(b'[') => self.sequence(b'[', b']', |reader| reader.value(depth + 1)),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    /// Parses an array or an object: the opening bracket, elements separated by commas, and the closing bracket.
    fn sequence(
        &mut self,
        open: u8,
        close: u8,
        mut element: impl FnMut(&mut Self) -> Result<(), InvalidDataset>,
    ) -> Result<(), InvalidDataset> {
        self.skip_space();
        self.expect(open)?;
        self.skip_space();
        if self.peek() == Some(close) {
            return self.expect(close);
        }
        loop {
            self.skip_space();
            element(self)?;
            self.skip_space();
            if self.peek() != Some(b',') {
                return self.expect(close);
            }
            self.at += 1;
        }
    }

    fn string(&mut self) -> Result<(), InvalidDataset> {
        self.expect(b'"')?;
        loop {
            match self.peek() {
                Some(b'"') => return self.expect(b'"'),
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                }
                Some(byte) if byte >= 0x20 => self.at += 1,
                _ => return Err(self.wrong("the end of a string")),
            }
        }
    }

    /// Parses the part of an escape sequence that follows the backslash.
    fn escape(&mut self) -> Result<(), InvalidDataset> {
        let digits = self.text.as_bytes().get(self.at + 1..self.at + 5);
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') if digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) => self.at += 5,
            _ => return Err(self.wrong("an escape")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), InvalidDataset> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let start = self.at;
        self.digits()?;
        // A number must not have leading zeros (RFC 8259 section 6).
        if self.text.as_bytes()[start] == b'0' && self.at > start + 1 {
            return Err(self.wrong("a number without a leading zero"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), InvalidDataset> {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(self.wrong("a digit")) } else { Ok(()) }
    }

    fn word(&mut self) -> Result<(), InvalidDataset> {
        let rest = &self.text[self.at..];
        let word = ["true", "false", "null"].into_iter().find(|word| rest.starts_with(word));
        let word = word.ok_or_else(|| self.wrong("a value"))?;
        self.at += word.len();
        Ok(())
    }

    fn expect(&mut self, byte: u8) -> Result<(), InvalidDataset> {
        if self.peek() != Some(byte) {
            return Err(self.wrong(&format!("'{}'", char::from(byte))));
        }
        self.at += 1;
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn wrong(&self, expected: &str) -> InvalidDataset {
        InvalidDataset(format!("expected {expected} at byte {}", self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_keep_their_text_and_their_numbers() {
        let text =
            r#" [ {"price": 3, "a": [1.5e-2, {"b": null}, "\u00e9\n,}"], "quantity":-7 } , {"quantity":0,"price":1}]"#;
        let items = parse(text).unwrap();
        assert_eq!(items.iter().map(|item| (item.price, item.quantity)).collect::<Vec<_>>(), [(3, -7), (1, 0)]);
        assert!(items[0].members.starts_with("{\"price\": 3") && items[0].members.ends_with("\"quantity\":-7"));
    }

    #[test]
    fn a_text_that_is_not_an_array_of_items_is_refused() {
        let item = r#"{"price":1,"quantity":1}"#;
        assert!(parse(&format!("[{item}]")).is_ok());
        let deep = format!("[{{\"price\":1,\"quantity\":1,\"a\":{}1{}}}]", "[".repeat(80), "]".repeat(80));
        let refused = ["", "[]", "{}", "[1]", "[{}]", "nothing", &deep];
        let changed = [
            format!("[{item}"),
            format!("[{item},]"),
            format!("[{item}] x"),
            "[{\"price\":1.5,\"quantity\":1}]".to_owned(),
            "[{\"price\":01,\"quantity\":1}]".to_owned(),
            "[{\"price\":1,\"quantity\":1,\"total\":1}]".to_owned(),
            "[{\"price\":1,\"quantity\":1,\"a\":\"\\x\"}]".to_owned(),
            "[{\"price\":1,\"quantity\":1,\"a\":tru}]".to_owned(),
            "[{\"price\":1,\"quantity\":1,\"a\":\"\n\"}]".to_owned(),
        ];
        for text in refused.into_iter().chain(changed.iter().map(String::as_str)) {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_built_in_items_are_json_with_fifty_numbers() {
        let text: Vec<String> = built_in().iter().map(|item| format!("{}}}", item.members)).collect();
        assert_eq!(parse(&format!("[{}]", text.join(","))).unwrap(), built_in());
        assert_eq!(text.len(), 50);
    }
}
