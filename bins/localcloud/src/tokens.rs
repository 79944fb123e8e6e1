//! Tokens of this server: one file each, readable by the owner alone.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use clikit::{Exit, Failure, FailureExt as _};
use flyclient::Token;
use localcloud::{Right, Scope};

use crate::place::Place;

/// Whose apps are made when nobody says.
pub(crate) const OWN_ORG: &str = "personal";

/// A token, its organisation and what it is for. Not printable.
pub(crate) struct Given {
    pub(crate) token: String,
    pub(crate) org: String,
    /// None may do everything.
    pub(crate) scope: Option<Scope>,
}

/// Reads `TOKEN=ORG`, `TOKEN=ORG:RIGHT` or `TOKEN=ORG:RIGHT/APP`. The last `=` divides, since a token may end in some.
/// The text is never repeated.
pub(crate) fn parse(text: &str) -> Result<Given, Failure> {
    let wrong = |why: &str| {
        Err(Failure::usage("--token: this is no TOKEN=ORG[:RIGHT[/APP]]")
            .with_why(why)
            .with_hint("--token s3cret=acme, --token other=acme:pull"))
    };
    let Some((token, rest)) = text.rsplit_once('=') else { return wrong("it has no `=`") };
    let (org, scope) = match rest.split_once(':') {
        Some((org, scope)) => (org, Some(scope)),
        None => (rest, None),
    };
    let scope = match scope
        .map(|text| text.split_once('/').map_or((text, None), |(right, app)| (right, Some(app))))
    {
        None => None,
        Some((right, app)) => {
            let right = match right {
                "deploy" => Right::Deploy,
                "pull" => Right::Pull,
                "push" => Right::Push,
                _ => return wrong("a right is `deploy`, `pull` or `push`"),
            };
            let scope = Scope::new(right);
            Some(match app {
                None => scope,
                Some("") => return wrong("there is no app behind the `/`"),
                Some(app) => scope.of_app(app),
            })
        }
    };
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if org.is_empty() || org.len() > 60 || !org.chars().all(is_name) {
        return wrong("an organisation has small letters, digits and hyphens");
    }
    if token.contains([' ', ',']) || token.parse::<Token>().is_err() {
        return wrong(
            "the token is empty or has white space, a comma, or characters that no header can hold",
        );
    }
    Ok(Given { token: token.to_owned(), org: org.to_owned(), scope })
}

/// 128 random bits.
#[expect(clippy::disallowed_methods, reason = "a binary is the edge where chance enters")]
pub(crate) fn chance() -> u128 {
    rand::random()
}

/// The random token for [`OWN_ORG`], made when there is none yet.
pub(crate) fn own(place: &Place) -> Result<Given, Failure> {
    let path = path(place, OWN_ORG);
    let made = (|| {
        if !path.exists() {
            make_dir(&path)?;
            let unfinished = write_new(&path, &format!("lc_{:032x}{:032x}", chance(), chance()))?;
            // Unlike a rename, a link never replaces what another run has put there meanwhile.
            let linked = fs::hard_link(&unfinished, &path);
            fs::remove_file(&unfinished)?;
            linked.or_else(
                |error| if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) },
            )?;
        }
        fs::read_to_string(&path)
    })();
    let text = made
        .or_exit(Exit::Unavailable, || format!("cannot keep a token in `{}`", path.display()))
        .map_err(|failure| failure.with_hint("localcloud up --dir DIR, where one can write and has room"))?;
    Ok(Given { token: text.trim().to_owned(), org: OWN_ORG.to_owned(), scope: None })
}

/// Writes a given token down for the other verbs, and says where.
pub(crate) fn keep(place: &Place, given: &Given) -> Result<PathBuf, Failure> {
    let path = path(place, &given.org);
    let kept = (|| {
        make_dir(&path)?;
        fs::rename(write_new(&path, &given.token)?, &path)
    })();
    kept.or_exit(Exit::Unavailable, || format!("cannot keep a token in `{}`", path.display()))
        .map_err(|failure| failure.with_hint("localcloud up --dir DIR, where one can write and has room"))?;
    Ok(path)
}

fn path(place: &Place, org: &str) -> PathBuf {
    place.dir().join("tokens").join(org)
}

fn make_dir(path: &Path) -> io::Result<()> {
    let parent = path.parent().unwrap_or(path);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)
}

/// A file of its own beside `path`, complete when this returns.
fn write_new(path: &Path, token: &str) -> io::Result<PathBuf> {
    let unfinished = path.with_file_name(format!(".{:032x}", chance()));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    writeln!(file, "{token}")?;
    Ok(unfinished)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_may_hold_equals_signs_and_is_never_repeated() {
        let given = parse("dG9r==acme").unwrap();
        assert_eq!((given.token.as_str(), given.org.as_str()), ("dG9r=", "acme"));
        assert_eq!(parse("a=acme:pull").unwrap().scope, Some(Scope::new(Right::Pull)));
        let narrow = parse("a=acme:push/web").unwrap();
        assert_eq!(
            (narrow.org.as_str(), narrow.scope),
            ("acme", Some(Scope::new(Right::Push).of_app("web")))
        );
        for bad in [
            "hunter2=acme:read",
            "hunter2=acme:pull/",
            "hunter2=:pull",
            "hunter2",
            "=acme",
            "hunter2=",
            "hunter2=Acme",
            "hunter2 x=acme",
            "hunter2,b=acme",
            "hunter2=../x",
        ] {
            let Err(failure) = parse(bad) else { panic!("{bad} is taken") };
            assert!(!failure.render().contains("hunter2"), "{bad}");
        }
    }
}
