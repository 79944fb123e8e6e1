//! One connection to the server, made when it is needed and made anew when it was lost.
//!
//! The connection has no task of its own: whoever asks drives it until the answer is there. A caller that goes away in
//! the middle takes the connection along, so that no statement of nobody's is sent later.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use promotion::ports::JournalError;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{Client, Error, NoTls, Row};

use super::error::{is_beaten, is_busy, is_lost, told};
use super::tls::Tls;
use super::value::Value;
use super::{Address, OpenError, TlsMode};

/// How long one statement may take. The longest wait behind another runner's commit, which takes milliseconds.
const STATEMENT_MAX: Duration = Duration::from_secs(30);

/// How often a statement is sent in all: once more on a new connection when the old one was lost, and again when
/// another runner was quicker, of which each time one has got on.
const TRIES_MAX: u32 = 5;

/// For how long a server is asked for a connection that is there and lets nobody in: one that starts again after a crash
/// takes seconds, and somebody waits for us.
pub(super) const BUSY_MAX: Duration = Duration::from_secs(10);

/// The pause before it is asked again; its connections are worth more than our haste.
const PAUSE: Duration = Duration::from_millis(250);

type Driver = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// What is sent.
enum Question<'a> {
    /// One statement.
    One(&'a str, &'a [Value<'a>]),
    /// Several that happen together or not at all.
    Batch(&'a str),
}

/// A connection and what drives it.
struct Link {
    client: Client,
    driver: Driver,
}

/// A server, reached or not.
pub(super) struct Server {
    pub(super) address: Address,
    tls: Option<Tls>,
    link: Mutex<Option<Link>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.address).finish()
    }
}

/// Why a statement brought nothing.
#[derive(Debug)]
pub(super) enum Failed {
    /// No connection could be made.
    Unreached(OpenError),
    /// The server said so, or the connection was lost again.
    Said(Error),
    /// No answer in time.
    Late,
}

impl Failed {
    /// As the journal's callers have it.
    pub(super) fn while_(self, server: &Server, step: &'static str) -> JournalError {
        let message = match self {
            Self::Unreached(error) => error.to_string(),
            other => format!("{}: {}", server.address, other.said()),
        };
        JournalError::Store { step, message }
    }

    /// As whoever opens the store has it.
    pub(super) fn opening(self, server: &Server, step: &'static str) -> OpenError {
        match self {
            Self::Unreached(error) => error,
            other => OpenError::Refused { place: server.address.to_string(), step, why: other.said() },
        }
    }

    fn said(&self) -> String {
        match self {
            Self::Unreached(error) => error.to_string(),
            Self::Said(error) => told(error),
            Self::Late => format!("there was no answer within {} s", STATEMENT_MAX.as_secs()),
        }
    }
}

impl Server {
    /// Nothing is sent yet.
    pub(super) fn new(address: Address) -> Result<Self, OpenError> {
        let tls = match address.tls {
            TlsMode::Disable => None,
            _ => Some(Tls::new(&address).map_err(|why| OpenError::Tls { place: address.to_string(), why })?),
        };
        Ok(Self { address, tls, link: Mutex::new(None) })
    }

    /// Asks one statement, which must be one that may be done twice: after a lost connection it is sent again.
    pub(super) async fn query(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, Failed> {
        self.attempt(Question::One(sql, values)).await
    }

    /// Several statements that happen together or not at all, without values.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), Failed> {
        self.attempt(Question::Batch(sql)).await.map(|_| ())
    }

    async fn attempt(&self, question: Question<'_>) -> Result<Vec<Row>, Failed> {
        let mut held = self.link.lock().await;
        let mut tries = 0;
        loop {
            tries += 1;
            // Taken out, so that a caller who goes away leaves no connection with half a statement behind.
            let mut link = match held.take() {
                Some(link) if !link.client.is_closed() => link,
                _ => self.connect().await.map_err(Failed::Unreached)?,
            };
            let Ok(answer) = timeout(STATEMENT_MAX, link.ask(&question)).await else {
                return Err(Failed::Late);
            };
            match answer {
                Ok(answer) => {
                    *held = Some(link);
                    return Ok(answer);
                }
                Err(error) if is_lost(&error) && tries < TRIES_MAX => {}
                Err(error) if is_beaten(&error) && tries < TRIES_MAX => *held = Some(link),
                Err(error) => {
                    if !is_lost(&error) {
                        *held = Some(link);
                    }
                    return Err(Failed::Said(error));
                }
            }
        }
    }

    /// A connection, also to a server that is only just starting.
    async fn connect(&self) -> Result<Link, OpenError> {
        let until = Instant::now() + BUSY_MAX;
        loop {
            match self.dial().await {
                Ok(link) => return Ok(link),
                Err(error) if is_busy(&error) && Instant::now() + PAUSE < until => sleep(PAUSE).await,
                Err(error) => return Err(OpenError::connecting(self.address.to_string(), &error)),
            }
        }
    }

    async fn dial(&self) -> Result<Link, Error> {
        let config = &self.address.config;
        match &self.tls {
            Some(tls) => config.connect(tls.clone()).await.map(|(client, driver)| Link::new(client, driver)),
            None => config.connect(NoTls).await.map(|(client, driver)| Link::new(client, driver)),
        }
    }
}

impl Link {
    fn new(client: Client, driver: impl Future<Output = Result<(), Error>> + Send + 'static) -> Self {
        Self { client, driver: Box::pin(driver) }
    }

    async fn ask(&mut self, question: &Question<'_>) -> Result<Vec<Row>, Error> {
        let Self { client, driver } = self;
        match question {
            Question::One(sql, values) => {
                let typed: Vec<_> = values.iter().map(Value::typed).collect();
                drive(driver, client.query_typed(sql, &typed)).await
            }
            Question::Batch(sql) => drive(driver, client.batch_execute(sql)).await.map(|()| Vec::new()),
        }
    }
}

/// Waits for `answer` and drives the connection meanwhile. What ended the connection says more than that it ended.
async fn drive<T>(driver: &mut Driver, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match select(Box::pin(answer), driver).await {
        Either::Left((answer, _)) => answer,
        Either::Right((Err(error), _)) => Err(error),
        Either::Right((Ok(()), answer)) => answer.await,
    }
}
