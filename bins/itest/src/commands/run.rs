//! `itest run`

use std::collections::BTreeMap;

use clikit::{Context, Exit, Failure, Interrupt, Output, Progress};
use itest::{Event, ExpectedIdentity, Filter, Limits, Report, Run, Target, Terminal, Variables, event_line};

use crate::{args::RunArgs, files};

pub(crate) fn exec(context: &Context, out: &Output, args: Box<RunArgs>) -> Result<Exit, Failure> {
    let run = Run {
        suites: files::suites(&context.current_dir, &args.paths),
        targets: targets(&args)?,
        variables: variables(context, &args)?,
        secrets: args.secrets.into_iter().map(|(name, _)| name).collect(),
        filter: Filter { tags: args.tags, name: args.filter },
        limits: Limits { jobs: args.jobs.into(), ..Limits::default() },
        fail_on_flaky: args.fail_on_flaky,
    };
    let progress = Progress::stderr(context);
    files::miss(&run.suites, &args.paths, &progress);
    let tell = |event: &Event| event_line(event, false).iter().for_each(|line| progress.line(line));
    let report = clikit::block_on(async {
        let interrupt = Interrupt::install()?;
        Ok(run.execute_until(&tell, interrupt.requested()).await)
    })?;
    let colour = context.terminals.stdout;
    out.conclude(exit(&report)?, &report, |report| Terminal::new(report).coloured(colour).to_string())
}

fn exit(report: &Report) -> Result<Exit, Failure> {
    let code = report.exit_code();
    let known = Exit::ALL.into_iter().find(|exit| exit.number() == code);
    known.ok_or_else(|| Failure::bug(format!("the report asks for the unknown exit code {code}")))
}

fn targets(args: &RunArgs) -> Result<BTreeMap<String, Target>, Failure> {
    let identity = args.environment.as_ref().map(|environment| ExpectedIdentity {
        version: args.version.clone(),
        commit: args.commit.clone(),
        ..ExpectedIdentity::environment(environment)
    });
    let mut targets = BTreeMap::new();
    for (name, url) in &args.targets {
        let target = Target { url: url.clone(), resolve: None, identity: identity.clone() };
        if targets.insert(name.clone(), target).is_some() {
            return Err(Failure::usage(format!("the target `{name}` is given twice")));
        }
    }
    for (name, address) in &args.resolve {
        let Some(target) = targets.get_mut(name) else {
            return Err(Failure::usage(format!(
                "--resolve names the target `{name}`, which no --target gives"
            ))
            .with_hint(format!("--target {name}=URL")));
        };
        target.resolve = Some(*address);
    }
    Ok(targets)
}

fn variables(context: &Context, args: &RunArgs) -> Result<Variables, Failure> {
    let mut variables: Variables = args.variables.iter().cloned().collect();
    for (name, variable) in &args.secrets {
        let value = context.var(variable).ok_or_else(|| {
            Failure::usage(format!("the environment variable {variable} for the secret `{name}` is not set"))
        })?;
        variables.set(name.clone(), value);
    }
    Ok(variables)
}
