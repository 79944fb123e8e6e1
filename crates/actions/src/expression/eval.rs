//! From a tree to a value. Comparisons are loose, and texts are compared without regard to case, as at GitHub.

use serde_json::Value;

use super::parse::Expression;

/// How what came before went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) has_failed: bool,
    pub(crate) is_cancelled: bool,
    /// Something that was needed did not run.
    pub(crate) is_short: bool,
}

impl Status {
    pub(crate) const fn is_good(self) -> bool {
        !self.has_failed && !self.is_cancelled && !self.is_short
    }
}

pub(super) fn eval(expression: &Expression, contexts: &Value, status: Status) -> Result<Value, String> {
    let of = |expression: &Expression| eval(expression, contexts, status);
    Ok(match expression {
        Expression::Literal(value) => value.clone(),
        Expression::Path(path) => look_up(contexts, path)?,
        Expression::Call(name, arguments) => {
            let arguments = arguments.iter().map(of).collect::<Result<Vec<_>, _>>()?;
            call(name, &arguments, status)?
        }
        Expression::Not(one) => Value::Bool(!is_true(&of(one)?)),
        Expression::Compare(a, sign, b) => Value::Bool(compare(&of(a)?, sign, &of(b)?)),
        Expression::And(a, b) => {
            let a = of(a)?;
            if is_true(&a) { of(b)? } else { a }
        }
        Expression::Or(a, b) => {
            let a = of(a)?;
            if is_true(&a) { a } else { of(b)? }
        }
    })
}

/// A context that is not there is a mistake; what it has not is nothing.
fn look_up(contexts: &Value, path: &[String]) -> Result<Value, String> {
    let find = |value: &Value, key: &str| {
        let map = value.as_object()?;
        map.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.clone())
    };
    let (first, rest) = path.split_first().ok_or("a name is missing")?;
    let context = find(contexts, first).ok_or_else(|| format!("there is no context `{first}` here"))?;
    Ok(rest.iter().try_fold(context, |value, key| find(&value, key)).unwrap_or(Value::Null))
}

fn call(name: &str, arguments: &[Value], status: Status) -> Result<Value, String> {
    let lower = |n: usize| arguments.get(n).map(|value| text(value).to_lowercase()).unwrap_or_default();
    Ok(Value::Bool(match name {
        "always" => true,
        "success" => status.is_good(),
        "failure" => status.has_failed && !status.is_cancelled,
        "cancelled" => status.is_cancelled,
        "contains" => lower(0).contains(&lower(1)),
        "startswith" => lower(0).starts_with(&lower(1)),
        "endswith" => lower(0).ends_with(&lower(1)),
        _ => return Err(format!("nobody runs the function `{name}` here")),
    }))
}

/// GitHub's "Literals": nothing, `false`, zero and the empty text are false.
pub(crate) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64().is_some_and(|number| number != 0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// As it stands in a text.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn compare(a: &Value, sign: &str, b: &Value) -> bool {
    if let (Value::String(a), Value::String(b)) = (a, b) {
        let (a, b) = (a.to_lowercase(), b.to_lowercase());
        return order(a.cmp(&b), sign);
    }
    number(a).partial_cmp(&number(b)).map_or(sign == "!=", |ordering| order(ordering, sign))
}

fn order(ordering: std::cmp::Ordering, sign: &str) -> bool {
    match sign {
        "==" => ordering.is_eq(),
        "!=" => ordering.is_ne(),
        "<" => ordering.is_lt(),
        ">" => ordering.is_gt(),
        "<=" => ordering.is_le(),
        _ => ordering.is_ge(),
    }
}

/// GitHub's "Operators": values of two kinds are compared as numbers.
fn number(value: &Value) -> f64 {
    match value {
        Value::Null => 0.0,
        Value::Bool(truth) => f64::from(u8::from(*truth)),
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
        Value::String(text) if text.is_empty() => 0.0,
        Value::String(text) => text.parse().unwrap_or(f64::NAN),
        Value::Array(_) | Value::Object(_) => f64::NAN,
    }
}
