//! Which languages there are: programs that are installed and, tried once, work for the user that runs code.

use std::{path::PathBuf, time::Duration};

use crate::{
    Options,
    execute::{self, Limits},
};

/// A language and the program that runs it.
#[derive(Debug, Clone)]
pub(crate) struct Language {
    /// As the API names it.
    pub(crate) id: &'static str,
    /// Its program.
    pub(crate) program: PathBuf,
    /// The name that a source file gets.
    pub(crate) file: &'static str,
}

/// Identifier, program, source file, and the shortest program that says `ok`.
const KNOWN: [(&str, &str, &str, &str); 3] = [
    ("python3", "python3", "main.py", "print('ok')"),
    ("nodejs", "node", "main.js", "console.log('ok')"),
    ("bash", "bash", "main.sh", "echo ok"),
];

/// A trial may take far longer than a request: the files may not be in memory yet.
const TRIAL_MAX: Duration = Duration::from_secs(20);

/// Looks along `PATH`; of each language the first program that works is taken.
pub(crate) async fn find(options: &Options) -> Vec<Language> {
    let [python, node, bash] = KNOWN.map(|known| find_one(options, known));
    let (python, node, bash) = tokio::join!(python, node, bash);
    [python, node, bash].into_iter().flatten().collect()
}

async fn find_one(options: &Options, known: (&'static str, &str, &'static str, &str)) -> Option<Language> {
    let (id, program, file, trial) = known;
    for dir in options.path.split(':').filter(|dir| dir.starts_with('/')) {
        let place = PathBuf::from(dir).join(program);
        if !place.is_file() {
            continue;
        }
        let language = Language { id, program: place, file };
        let result = execute::run(&language, trial, &Limits { wall: TRIAL_MAX, ..Limits::default() }).await;
        if result.is_ok_and(|outcome| outcome.stdout.trim() == "ok" && outcome.error.is_empty()) {
            return Some(language);
        }
    }
    None
}
