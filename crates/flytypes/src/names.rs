//! Names that are checked once, when they are read, and are safe in a URL path ever after.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a text is no name of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {kind}: expected {rule}")]
pub struct NameError {
    kind: &'static str,
    rule: &'static str,
    text: String,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text as it was read.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let good: fn(&str) -> bool = $check;
                if good(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NameError { kind: $kind, rule: $rule, text: text.to_owned() })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The name of a Fly app. It becomes the host label of `<app>.fly.dev`, hence RFC 1123: lower-case letters,
    /// digits and hyphens, no hyphen at either end, 1 to 63 characters. One name space for all of Fly.
    ///
    /// ```
    /// use flytypes::AppName;
    /// assert_eq!("runner-staging".parse::<AppName>()?.as_str(), "runner-staging");
    /// assert!("Runner".parse::<AppName>().is_err());
    /// # Ok::<(), flytypes::NameError>(())
    /// ```
    AppName,
    "app name",
    "1 to 63 lower-case letters, digits and hyphens, with no hyphen at either end",
    |text| {
        (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-')
    }
}

name! {
    /// The id of a machine; today 14 hex digits, read leniently as 1 to 64 letters, digits, `-` and `_`.
    MachineId,
    "machine id",
    "1 to 64 letters, digits, hyphens and underscores",
    opaque
}

name! {
    /// The id of one version of a machine (`instance_id`, also called `version`); today a ULID, new on each update.
    InstanceId,
    "instance id",
    "1 to 64 letters, digits, hyphens and underscores",
    opaque
}

name! {
    /// A Fly region such as `fra`; 2 to 16 lower-case letters and digits.
    Region,
    "region",
    "2 to 16 lower-case letters and digits, for instance `fra`",
    |text| {
        (2..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    }
}

fn opaque(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_names_follow_the_host_label_rule() {
        let longest = "a".repeat(63);
        for good in ["a", "runner", "runner-2", "0x", longest.as_str()] {
            assert_eq!(good.parse::<AppName>().unwrap().to_string(), good);
        }
        let too_long = "a".repeat(64);
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "a b", "ä", "a/../b", too_long.as_str()] {
            let error = bad.parse::<AppName>().unwrap_err();
            assert!(error.to_string().contains("expected 1 to 63"), "{error}");
        }
    }

    #[test]
    fn ids_cannot_leave_their_path_segment() {
        for bad in ["", "..", "a/b", "a?b", "a%2fb", "a b"] {
            assert!(bad.parse::<MachineId>().is_err(), "{bad}");
            assert!(bad.parse::<InstanceId>().is_err(), "{bad}");
        }
        assert!("3287457df24987".parse::<MachineId>().is_ok());
        assert!("01HDQZ6VVFZJ8D4VJZ1T5TN0Z9".parse::<InstanceId>().is_ok());
    }

    #[test]
    fn a_bad_name_in_json_is_an_error_with_the_rule() {
        let error = serde_json::from_str::<Region>("\"FRA\"").unwrap_err();
        assert!(error.to_string().contains("is no region"), "{error}");
    }
}
