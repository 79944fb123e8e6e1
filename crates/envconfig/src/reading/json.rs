//! JSON (RFC 8259) with positions.

use super::tree::{Entry, Kind, Node, Parsed, Span, Wrong};

/// Tables and lists inside each other. As many as `serde_json` reads.
const DEPTH_MAX: usize = 127;

/// The document's root, and the keys that stand twice in one table: the last one counts, as in Go.
pub(super) fn parse(text: &str) -> Result<Parsed, Wrong> {
    let mut reader = Reader { text, at: 0, twice: Vec::new() };
    reader.blank();
    let root = reader.value(DEPTH_MAX)?;
    reader.blank();
    if reader.at < text.len() {
        return Err(reader.wrong("something stands after the end of the document"));
    }
    Ok(Parsed { root, twice: reader.twice })
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    twice: Vec<(Span, String)>,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// An error at the next character.
    fn wrong(&self, message: &str) -> Wrong {
        let len = self.rest().chars().next().map_or(0, char::len_utf8);
        (self.at..self.at + len, message.to_owned())
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn value(&mut self, depth: usize) -> Result<Node, Wrong> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') if depth > 0 => self.table(depth - 1)?,
            Some(b'[') if depth > 0 => self.list(depth - 1)?,
            Some(b'{' | b'[') => return Err(self.wrong("it is nested too deeply")),
            Some(b'"') => Kind::Text(self.text()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        Ok(Node { span: start..self.at, kind })
    }

    fn word(&mut self) -> Result<Kind, Wrong> {
        let words = [("true", Kind::Boolean(true)), ("false", Kind::Boolean(false)), ("null", Kind::Null)];
        for (word, kind) in words {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(kind);
            }
        }
        Err(self.wrong("a value is expected here"))
    }

    fn table(&mut self, depth: usize) -> Result<Kind, Wrong> {
        self.at += 1;
        let mut entries: Vec<Entry> = Vec::new();
        self.blank();
        if self.take(b'}') {
            return Ok(Kind::Table(entries));
        }
        loop {
            self.blank();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a key in double quotes is expected here"));
            }
            let start = self.at;
            let name = self.text()?;
            let span = start..self.at;
            self.blank();
            if !self.take(b':') {
                return Err(self.wrong("`:` is expected here"));
            }
            self.blank();
            let node = self.value(depth)?;
            if let Some(old) = entries.iter().position(|entry| entry.name == name) {
                entries.remove(old);
                self.twice.push((span.clone(), name.clone()));
            }
            entries.push(Entry { name, span, node });
            self.blank();
            if self.take(b'}') {
                return Ok(Kind::Table(entries));
            }
            if !self.take(b',') {
                return Err(self.wrong("`,` or `}` is expected here"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Kind, Wrong> {
        self.at += 1;
        let mut list = Vec::new();
        self.blank();
        if self.take(b']') {
            return Ok(Kind::Array(list));
        }
        loop {
            self.blank();
            list.push(self.value(depth)?);
            self.blank();
            if self.take(b']') {
                return Ok(Kind::Array(list));
            }
            if !self.take(b',') {
                return Err(self.wrong("`,` or `]` is expected here"));
            }
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Kind, Wrong> {
        let start = self.at;
        self.take(b'-');
        let whole = self.at;
        let digits = self.digits();
        if digits == 0 || (digits > 1 && self.text.as_bytes()[whole] == b'0') {
            self.at = start;
            return Err(self.wrong("this is no number of JSON"));
        }
        let mut is_integer = true;
        if self.take(b'.') {
            is_integer = false;
            if self.digits() == 0 {
                return Err(self.wrong("a digit is expected here"));
            }
        }
        if self.take(b'e') || self.take(b'E') {
            is_integer = false;
            let _sign = self.take(b'+') || self.take(b'-');
            if self.digits() == 0 {
                return Err(self.wrong("a digit is expected here"));
            }
        }
        let text = &self.text[start..self.at];
        if let (true, Ok(number)) = (is_integer, text.parse()) {
            return Ok(Kind::Integer(number));
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Kind::Float(number)),
            _ => Err((start..self.at, "the number is out of range".to_owned())),
        }
    }

    fn text(&mut self) -> Result<String, Wrong> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                return Err((start..start + 1, "the text is not closed".to_owned()));
            };
            match c {
                '"' => {
                    self.at += 1;
                    return Ok(text);
                }
                '\\' => text.push(self.escape()?),
                c if c < ' ' => return Err(self.wrong("a control character is written as `\\u…` in a text")),
                c => {
                    self.at += c.len_utf8();
                    text.push(c);
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Wrong> {
        self.at += 1;
        let Some(c) = self.peek() else { return Err(self.wrong("an escape is not finished")) };
        self.at += 1;
        Ok(match c {
            b'"' | b'\\' | b'/' => char::from(c),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => {
                self.at -= 1;
                return Err(self.wrong("JSON has no such escape"));
            }
        })
    }

    fn unicode(&mut self) -> Result<char, Wrong> {
        let first = self.hex()?;
        let code = match first {
            0xD800..=0xDBFF if self.rest().starts_with("\\u") => {
                self.at += 2;
                let second = self.hex()?;
                if !(0xDC00..=0xDFFF).contains(&second) {
                    return Err(self.wrong("half of a pair of `\\u…` is missing"));
                }
                0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(|| self.wrong("half of a pair of `\\u…` is missing"))
    }

    fn hex(&mut self) -> Result<u32, Wrong> {
        let digits = self.rest().get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(code) = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) else {
            return Err(self.wrong("four hexadecimal digits are expected here"));
        };
        self.at += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests;
