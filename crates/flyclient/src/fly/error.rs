//! One error for all calls: what was tried, how often, what came of it, and what the caller can do.

use std::{fmt, time::Duration};

use flytypes::{AppName, MachineId};

use crate::Delivery;

/// A call that failed. It never holds the token, also not where the server sent it back.
#[derive(Debug)]
pub struct Error(Box<Context>);

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) operation: &'static str,
    pub(crate) app: Option<AppName>,
    pub(crate) machine: Option<MachineId>,
    pub(crate) status: Option<u16>,
    pub(crate) request_id: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) elapsed: Duration,
    pub(crate) kind: ErrorKind,
    pub(crate) delivery: Delivery,
    pub(crate) transient: bool,
    /// What the server said, shortened.
    pub(crate) detail: Option<String>,
    pub(crate) source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What a caller can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such app, machine, lease or key.
    NotFound,
    /// Leased by another, changed in between, or being changed.
    Conflict,
    /// The machine is not in a state that allows it.
    Precondition,
    /// The token is not accepted.
    Unauthenticated,
    /// The token does not reach this app, or the organisation may not do this.
    Forbidden,
    /// Too many requests, also after waiting.
    RateLimited {
        /// What the server asked for.
        retry_after: Option<Duration>,
    },
    /// The request itself is wrong.
    Invalid {
        /// The server's words.
        message: String,
    },
    /// There is no room for the machine or the volume.
    Capacity,
    /// The name is taken; names of apps are one space for all of Fly.
    NameTaken,
    /// The API does not work at the moment.
    Unavailable,
    /// No answer in time.
    Timeout,
    /// The answer is not what the API documents.
    Undecodable {
        /// Where in the JSON, for instance `[3].config.checks`.
        path: String,
    },
    /// No connection, or it was cut.
    Transport,
    /// The client is set up wrongly: base URL, redirect, nonce.
    Configuration,
}

impl Error {
    pub(crate) fn new(context: Context) -> Self {
        Self(Box::new(context))
    }

    /// What was tried, for instance `update machine`.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The app it was tried on.
    pub fn app(&self) -> Option<&AppName> {
        self.0.app.as_ref()
    }

    /// The machine it was tried on.
    pub fn machine(&self) -> Option<&MachineId> {
        self.0.machine.as_ref()
    }

    /// The status of the last answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Fly's id of the last request (`fly-request-id`); their support asks for it.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How many requests were sent.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// How long it took in all.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed
    }

    /// What a caller can do about it.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// What the server said, shortened to one line.
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// Whether it can go away by itself.
    pub fn is_transient(&self) -> bool {
        self.0.transient
    }

    /// Whether the request had an effect.
    pub fn delivery(&self) -> Delivery {
        self.0.delivery
    }

    /// Whether there is no such thing; a wish of whoever destroys.
    pub fn is_not_found(&self) -> bool {
        self.0.kind == ErrorKind::NotFound
    }
}

impl ErrorKind {
    fn words(&self) -> String {
        match self {
            Self::NotFound => "not found".to_owned(),
            Self::Conflict => "leased or changed by somebody else".to_owned(),
            Self::Precondition => "not possible in the present state".to_owned(),
            Self::Unauthenticated => {
                "the token is not accepted; create one with `fly tokens create org` and check which one is used".to_owned()
            }
            Self::Forbidden => {
                "the token does not reach this; a deploy token is for one app, other organisations need their own".to_owned()
            }
            Self::RateLimited { retry_after: None } => "too many requests".to_owned(),
            Self::RateLimited { retry_after: Some(wait) } => {
                format!("too many requests, try again in {} s", wait.as_secs())
            }
            Self::Invalid { .. } => "the request was rejected as invalid".to_owned(),
            Self::Capacity => "no capacity; try another region or a smaller machine".to_owned(),
            Self::NameTaken => "the name is taken; app names are one space for all of Fly".to_owned(),
            Self::Unavailable => "the API does not work at the moment".to_owned(),
            Self::Timeout => "no answer in time".to_owned(),
            Self::Undecodable { path } => format!("the answer cannot be read at `{path}`"),
            Self::Transport => "no connection".to_owned(),
            Self::Configuration => "the client is set up wrongly".to_owned(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let context = &*self.0;
        f.write_str(context.operation)?;
        if let Some(machine) = &context.machine {
            write!(f, " {machine}")?;
        }
        match &context.app {
            Some(app) if context.operation.ends_with(" app") => write!(f, " {app}")?,
            Some(app) => write!(f, " of app {app}")?,
            None => {}
        }
        write!(f, ": {}", context.kind.words())?;
        if let Some(status) = context.status {
            write!(f, " (status {status})")?;
        }
        let said = match (&context.kind, &context.detail) {
            (ErrorKind::Invalid { message }, _) => Some(message),
            (_, detail) => detail.as_ref(),
        };
        if let Some(said) = said.filter(|said| !said.is_empty()) {
            write!(f, ": {said}")?;
        }
        write!(f, "; {}", context.delivery)?;
        if let Some(id) = &context.request_id {
            write!(f, "; request {id}")?;
        }
        if context.attempts > 1 {
            write!(f, "; {} attempts in {:.1} s", context.attempts, context.elapsed.as_secs_f64())?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
