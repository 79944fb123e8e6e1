//! Names and ids. A name is a short text without white space; which names exist is the embedder's business.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}: expected 1 to 200 printable characters without white space")]
pub struct NameError {
    what: &'static str,
    text: String,
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and takes `text`.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                let good = (1..=200).contains(&text.len())
                    && text.chars().all(|c| !c.is_whitespace() && !c.is_control());
                if good { Ok(Self(text.into())) } else { Err(NameError { what: $what, text }) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                Self::from(&*name.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
    )*};
}

names! {
    /// An environment, such as `staging` or `production`.
    EnvironmentName = "environment name";
    /// A component of a release, such as `api` or `web`.
    ComponentName = "component name";
    /// A process group of a component; one group runs one configuration.
    GroupName = "group name";
    /// A region in the provider's own spelling.
    RegionName = "region";
    /// A unit (machine) in the provider's own spelling.
    UnitId = "unit id";
    /// The provider's version of a unit; changes with every update.
    UnitVersion = "unit version";
    /// A promotion. Ids sort by the time they were made.
    PromotionId = "promotion id";
    /// A store (journal); marks what it deployed, so that two stores notice each other.
    StoreId = "store id";
    /// A place in the new fleet, `group/region/index`: the natural key of a unit that is created.
    Slot = "slot";
    /// A provider lease's secret number: who shows it may change the unit.
    Nonce = "nonce";
    /// Who somebody is, `ssh:SHA256:…` or `github:<id>`, or a name on a local stand-in.
    Person = "person";
    /// An item of a checklist.
    ItemName = "item of a checklist";
    /// A test suite.
    SuiteName = "suite name";
}
