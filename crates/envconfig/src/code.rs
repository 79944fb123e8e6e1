//! The stable codes of problems. Each has a page in `docs/errors/`.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($name:ident = $code:literal, $title:literal;)+) => {
        /// A stable code. `E01…` reading any file, `E02…` the project file, `E03…` fly.toml, `E04…` files against each other
        /// and against an image, `E05…` workflows of GitHub Actions.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = concat!("`", $code, "`: ", $title, ".")] $name,)+
        }

        impl Code {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The code as it is printed.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// What it means, in a few words.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }
        }
    };
}

codes! {
    Syntax = "E0101", "the file cannot be parsed";
    UnknownKey = "E0102", "a key that is not known here";
    WrongType = "E0103", "a value of the wrong type";
    Missing = "E0104", "a required key is missing";
    Malformed = "E0105", "a value that cannot be read";
    UnknownWord = "E0106", "a word that is not one of the possible ones";
    SecretLiteral = "E0107", "a secret is written in the file";
    Unreadable = "E0108", "a file cannot be read";
    OtherFormat = "E0109", "a file is in another format than its name says";
    KeyTwice = "E0110", "a key stands twice in one table";
    KindUnclear = "E0201", "the kind of a component is unclear";
    ReservedName = "E0202", "a component has a reserved name";
    NoEnvironment = "E0203", "no environment has this name";
    NoComponent = "E0204", "no component has this name";
    NoGroup = "E0205", "no group of people has this name";
    NoSuite = "E0206", "no suite has this name";
    SharedSecret = "E0207", "two environments use the same secret";
    BoundTwice = "E0208", "two bindings name the same app, site or project";
    ClassConflict = "E0209", "the class contradicts the name, the lifecycle or the direction";
    Circle = "E0210", "environments refer to each other in a circle";
    WrongBinding = "E0211", "a binding does not fit the component's kind";
    TooFewApprovers = "E0212", "fewer people than approvals";
    Unproven = "E0213", "a component is promoted from where it does not run";
    StorePromoted = "E0214", "the journal is in a database that a promotion can change";
    CopyToken = "E0215", "images are copied with a token that deploys";
    IdleWave = "E0216", "a wave that changes nothing";
    NoEvidence = "E0217", "no suite is asked for before production";
    NobodyAsked = "E0218", "nobody is asked before production";
    ParkedTooShort = "E0219", "the earlier machines are parked for no longer than the soak";
    AnchorInStore = "E0220", "the anchors are kept in the store that they prove";
    FreezeSpan = "E0221", "a freeze that is never closed, or has two kinds of ends";
    Clamped = "E0301", "a duration outside of what Fly accepts";
    NoProcesses = "E0302", "a service does not say which processes it serves";
    NoProcessGroup = "E0303", "no process group has this name";
    MountTwice = "E0304", "more than one mount for a process group";
    PortTwice = "E0305", "two services take the same public port";
    Guest = "E0306", "a machine size that Fly does not have";
    StrategyVolumes = "E0307", "a strategy that cannot be used with volumes";
    CheckWithoutPort = "E0308", "a check without a port";
    EnvNotText = "E0309", "a variable that is no text";
    CheckTwice = "E0310", "two checks have one name";
    MinMachines = "E0311", "more machines are to run than Fly creates";
    OnlyFlyctl = "E0312", "a file that only `fly deploy` reads";
    NoSignal = "E0313", "a signal that does not exist";
    CheckPath = "E0314", "the path of a check does not begin with a slash";
    OtherApp = "E0401", "fly.toml names another app than the project file";
    NoChecks = "E0402", "a process group has no health check and no other proof";
    PolicyVolumes = "E0403", "the promotion's strategy cannot be used with the component's volumes";
    EnvSecret = "E0404", "a variable has the name of a secret";
    PathUnserved = "E0405", "the image does not serve the path of a check";
    NotProbed = "E0406", "the image could not be asked for the path of a check";
    NoSigners = "E0407", "people approve by SSH and no signature would count";
    SuiteTarget = "E0408", "a suite asks a target that is no component";
    ActionUnpinned = "E0501", "an action that can become another one";
    NothingDeclared = "E0502", "an expression reads what nothing declares";
    CleanupSkipped = "E0503", "a clean-up that is skipped when it matters";
    RunsRegardless = "E0504", "a job that runs whatever became of those before it";
    MatrixEmpty = "E0505", "a matrix that may be empty";
    TokenShared = "E0506", "one token deploys to production and to elsewhere";
    BuiltAnew = "E0507", "production is built anew instead of promoted";
    NoConcurrency = "E0508", "two runs may change one environment at once";
    NoPermissions = "E0509", "a workflow does not say what its token may do";
    NoTimeout = "E0510", "a job that may hang for hours";
    NoCheckout = "E0511", "a job reads files that it has not checked out";
    RunnerWaits = "E0512", "a machine is held while people think";
    SecretInCommand = "E0513", "a secret is written into a command line";
    ForeignText = "E0514", "anybody's text is written into a script";
    DoesNothing = "E0515", "a step that does nothing";
    NoFlyctl = "E0516", "a deploy without flyctl, or without its token";
    MergeStartsNothing = "E0517", "a merge that starts no workflow";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
