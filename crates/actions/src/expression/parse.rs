//! From text to a tree. Operators bind as GitHub says: `!`, then comparisons, then `&&`, then `||`.

use serde_json::Value;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Literal(Value),
    /// A context and the keys behind it.
    Path(Vec<String>),
    Call(String, Vec<Self>),
    Not(Box<Self>),
    Compare(Box<Self>, &'static str, Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
}

impl Expression {
    /// Whether it asks how the steps or jobs before it went.
    pub(super) fn asks_status(&self) -> bool {
        match self {
            Self::Literal(_) | Self::Path(_) => false,
            Self::Call(name, arguments) => {
                ["always", "success", "failure", "cancelled"].contains(&name.as_str())
                    || arguments.iter().any(Self::asks_status)
            }
            Self::Not(one) => one.asks_status(),
            Self::Compare(a, _, b) | Self::And(a, b) | Self::Or(a, b) => a.asks_status() || b.asks_status(),
        }
    }
}

/// Where `}}` ends an expression, which may have it in a text.
pub(super) fn end_of(text: &str) -> usize {
    let mut is_quoted = false;
    for (n, c) in text.char_indices() {
        match c {
            '\'' => is_quoted = !is_quoted,
            '}' if !is_quoted && text[n..].starts_with("}}") => return n,
            _ => {}
        }
    }
    text.len()
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Text(String),
    Number(f64),
    Word(String),
    Sign(&'static str),
}

const SIGNS: [&str; 13] = ["&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "(", ")", ",", "."];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = if first == '\'' {
            let (token, n) = quoted(rest)?;
            tokens.push(token);
            n
        } else if first.is_ascii_digit() {
            let n = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            tokens.push(Token::Number(
                rest[..n].parse().map_err(|_| format!("`{}` is no number", &rest[..n]))?,
            ));
            n
        } else if first.is_ascii_alphabetic() || first == '_' {
            let n =
                rest.find(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..n].to_owned()));
            n
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(*sign));
            let sign = sign.ok_or_else(|| format!("`{first}` is not known here"))?;
            tokens.push(Token::Sign(sign));
            sign.len()
        };
        rest = rest[taken..].trim_start();
    }
    Ok(tokens)
}

/// A text between `'`; two of them stand for one.
fn quoted(rest: &str) -> Result<(Token, usize), String> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((n, c)) = chars.next() {
        if c != '\'' {
            text.push(c);
        } else if chars.next_if(|(_, next)| *next == '\'').is_some() {
            text.push('\'');
        } else {
            return Ok((Token::Text(text), n + 1));
        }
    }
    Err("a text has no end".to_owned())
}

pub(super) fn parse(text: &str) -> Result<Expression, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    let expression = parser.or()?;
    match parser.tokens.get(parser.at) {
        None => Ok(expression),
        Some(token) => Err(format!("{token:?} is one too many")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn takes(&mut self, sign: &'static str) -> bool {
        let is = self.tokens.get(self.at) == Some(&Token::Sign(sign));
        self.at += usize::from(is);
        is
    }

    fn or(&mut self) -> Result<Expression, String> {
        let mut left = self.and()?;
        while self.takes("||") {
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, String> {
        let mut left = self.comparison()?;
        while self.takes("&&") {
            left = Expression::And(Box::new(left), Box::new(self.comparison()?));
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Expression, String> {
        let left = self.unary()?;
        for sign in ["==", "!=", "<=", ">=", "<", ">"] {
            if self.takes(sign) {
                return Ok(Expression::Compare(Box::new(left), sign, Box::new(self.unary()?)));
            }
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, String> {
        if self.takes("!") { Ok(Expression::Not(Box::new(self.unary()?))) } else { self.one() }
    }

    fn one(&mut self) -> Result<Expression, String> {
        if self.takes("(") {
            let inner = self.or()?;
            return if self.takes(")") { Ok(inner) } else { Err("a `(` is not closed".to_owned()) };
        }
        let token = self.tokens.get(self.at).cloned().ok_or("something is missing at its end")?;
        self.at += 1;
        match token {
            Token::Text(text) => Ok(Expression::Literal(Value::from(text))),
            Token::Number(number) => Ok(Expression::Literal(Value::from(number))),
            Token::Word(word) if self.takes("(") => self.call(&word),
            Token::Word(word) => match word.as_str() {
                "true" => Ok(Expression::Literal(Value::Bool(true))),
                "false" => Ok(Expression::Literal(Value::Bool(false))),
                "null" => Ok(Expression::Literal(Value::Null)),
                _ => self.path(word),
            },
            Token::Sign(sign) => Err(format!("`{sign}` stands where a value is wanted")),
        }
    }

    fn path(&mut self, first: String) -> Result<Expression, String> {
        let mut path = vec![first];
        while self.takes(".") {
            match self.tokens.get(self.at) {
                Some(Token::Word(word)) => path.push(word.clone()),
                _ => return Err("a name is missing behind `.`".to_owned()),
            }
            self.at += 1;
        }
        Ok(Expression::Path(path))
    }

    fn call(&mut self, name: &str) -> Result<Expression, String> {
        let mut arguments = Vec::new();
        while !self.takes(")") {
            arguments.push(self.or()?);
            if !self.takes(",") && self.tokens.get(self.at) != Some(&Token::Sign(")")) {
                return Err(format!("`{name}(` is not closed"));
            }
        }
        Ok(Expression::Call(name.to_lowercase(), arguments))
    }
}
