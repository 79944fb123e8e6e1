//! What only people know, and what is taken for granted where they say nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{FoundApp, Survey};
use crate::{
    ActionRef, AppName, ComponentName, Person,
    project::{Class, Project},
};

/// The group whose people approve, in a first project file.
const LEADS: &str = "leads";

/// What people say, or an existing project file does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answers {
    /// Production's app, where it is another one than its fly.toml says.
    pub production: BTreeMap<ComponentName, AppName>,
    /// Staging's app.
    pub staging: BTreeMap<ComponentName, AppName>,
    /// Who may approve.
    pub leads: Vec<Person>,
    /// Lines of the allowed signers (`ssh-keygen(1)`, ALLOWED SIGNERS), for those leads whose keys are known.
    pub signers: Vec<String>,
    /// The action with our binaries, where workflows are wanted.
    pub action: Option<ActionRef>,
}

/// Something that has to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// Production's app: its fly.toml names none, or that of another component.
    Production(ComponentName),
    /// Staging's app: its fly.toml names none, or one that does not fit, or one that is bound already.
    Staging(ComponentName),
    /// Anybody who may approve.
    Leads,
}

/// Something that nobody said.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assumed {
    /// Of which component.
    pub component: ComponentName,
    /// Staging's app is believed to have this name.
    pub staging: AppName,
}

/// A project's answers, whole.
#[derive(Debug)]
pub(super) struct Settled<'a> {
    pub(super) apps: BTreeMap<&'a ComponentName, (AppName, AppName)>,
    pub(super) leads: &'a [Person],
    pub(super) action: Option<&'a ActionRef>,
}

impl Answers {
    /// What a project file that is there already says.
    #[must_use]
    pub fn of(project: &Project) -> Self {
        let mut answers = Self::default();
        for environment in project.environments().values() {
            let apps = match environment.class.value {
                Class::Production => &mut answers.production,
                Class::Staging => &mut answers.staging,
                Class::Local | Class::Preview => continue,
            };
            apps.extend(
                environment.fly_apps().map(|(name, binding)| (name.clone(), binding.app.value.clone())),
            );
        }
        let groups = project.people().groups();
        answers.leads = groups
            .iter()
            .find(|(name, _)| name.as_str() == LEADS)
            .into_iter()
            .flat_map(|(_, all)| all)
            .cloned()
            .collect();
        answers.action = project.ci().map(|ci| ci.action.value.clone());
        answers
    }

    /// These, and `others` where these say nothing.
    #[must_use]
    pub fn or(mut self, others: Self) -> Self {
        for (component, app) in others.production {
            self.production.entry(component).or_insert(app);
        }
        for (component, app) in others.staging {
            self.staging.entry(component).or_insert(app);
        }
        if self.leads.is_empty() {
            (self.leads, self.signers) = (others.leads, others.signers);
        }
        self.action = self.action.or(others.action);
        self
    }

    fn production(&self, name: &ComponentName, found: &FoundApp) -> Option<AppName> {
        self.production.get(name).or(found.app.as_ref()).cloned()
    }

    fn staging(&self, name: &ComponentName, found: &FoundApp) -> Option<AppName> {
        let found = found.staging.as_ref().and_then(|it| it.app.as_ref());
        self.staging.get(name).or(found).cloned()
    }
}

/// `runner` → `runner-staging`, where Fly allows such a name.
fn usual(production: &AppName) -> Option<AppName> {
    format!("{production}-staging").parse().ok()
}

pub(super) fn assumed(survey: &Survey, answers: &Answers) -> Vec<Assumed> {
    let of = |(name, found): (&ComponentName, &FoundApp)| {
        let is_said = answers.staging(name, found).is_some();
        let staging = usual(&answers.production(name, found)?).filter(|_| !is_said)?;
        Some(Assumed { component: name.clone(), staging })
    };
    survey.apps.iter().filter_map(of).collect()
}

pub(super) fn settle<'a>(survey: &'a Survey, answers: &'a Answers) -> Result<Settled<'a>, Vec<Missing>> {
    let mut missing = Vec::new();
    let mut apps = BTreeMap::new();
    // Nothing is bound twice: what is deployed to one place is not deployed to another.
    let mut taken: BTreeSet<AppName> = BTreeSet::new();
    for (name, found) in &survey.apps {
        match answers.production(name, found) {
            Some(production) if taken.insert(production.clone()) => drop(apps.insert(name, production)),
            _ => missing.push(Missing::Production(name.clone())),
        }
    }
    let mut both = BTreeMap::new();
    for (name, production) in apps {
        let staging = answers.staging(name, &survey.apps[name]).or_else(|| usual(&production));
        match staging {
            Some(staging) if taken.insert(staging.clone()) => drop(both.insert(name, (production, staging))),
            _ => missing.push(Missing::Staging(name.clone())),
        }
    }
    if answers.leads.is_empty() {
        missing.push(Missing::Leads);
    }
    let settled = Settled { apps: both, leads: &answers.leads, action: answers.action.as_ref() };
    if missing.is_empty() { Ok(settled) } else { Err(missing) }
}
