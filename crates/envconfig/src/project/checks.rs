//! What one environment or path alone cannot tell: references, circles, things used twice.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use super::{
    binding::Binding,
    component::ComponentKind,
    environment::{Class, Environment, Lifecycle, Located},
    policy_read::Path,
    store::{StoreRef, StoreUrl},
};
use crate::{
    Code, EnvironmentName, Resolved, SecretRef, Severity, Source,
    reading::{Sink, Span, suggest},
};

/// Everything about environments.
pub(super) fn environments(sink: &Sink<'_>, environments: &[Located], shared: &BTreeSet<SecretRef>) {
    for located in environments {
        class(sink, located);
        mirrors(sink, located, environments);
    }
    mirror_circles(sink, environments);
    tokens(sink, environments, shared);
    targets(sink, environments);
}

fn class(sink: &Sink<'_>, located: &Located) {
    let Environment { name, class, lifecycle, .. } = &located.value;
    let key = |field: &str| format!("environments.{name}.{field}");
    let named = match name.as_str() {
        "production" => Some(Class::Production),
        "staging" => Some(Class::Staging),
        "local" => Some(Class::Local),
        _ => None,
    };
    if let Some(named) = named.filter(|named| *named != class.value) {
        let what = format!("an environment called `{name}` has the class `{}`", class.value);
        let why = "whoever reads the name would believe the wrong thing";
        let hint = format!("remove `class`, which is `{named}` by default, or choose another name");
        let span = sink.span_of(&class.source);
        sink.error(Code::ClassConflict, &span, &key("class"), what, why, Some(hint));
    }
    if class.value == Class::Production && lifecycle.value != Lifecycle::Persistent {
        let what = format!("`{name}` is production and has the lifecycle `{}`", lifecycle.value);
        let why = "production is never taken down by a sweep, so it can only be `persistent`";
        let span = sink.span_of(&lifecycle.source);
        sink.error(Code::ClassConflict, &span, &key("lifecycle"), what, why, None);
    }
}

fn find<'e>(environments: &'e [Located], name: &EnvironmentName) -> Option<&'e Environment> {
    environments.iter().map(|located| &located.value).find(|e| e.name == *name)
}

fn mirrors(sink: &Sink<'_>, located: &Located, environments: &[Located]) {
    let environment = &located.value;
    let Some(mirrors) = &environment.mirrors else { return };
    let key = format!("environments.{}.mirrors", environment.name);
    let span = sink.span_of(&mirrors.source);
    match find(environments, &mirrors.value) {
        None => {
            let names: Vec<&str> = environments.iter().map(|e| e.value.name.as_str()).collect();
            let hint = suggest(mirrors.value.as_str(), &names);
            let what = format!("there is no environment `{}`", mirrors.value);
            sink.error(Code::NoEnvironment, &span, &key, what, "`[environments]` does not list it", hint);
        }
        Some(original) if original.class.value < environment.class.value => {
            let what = format!("`{}` is a mirror of `{}`", environment.name, original.name);
            let why = format!(
                "a mirror is of the same or a lower class, and `{}` is {} while `{}` is {}",
                environment.name, environment.class.value, original.name, original.class.value
            );
            sink.error(Code::ClassConflict, &span, &key, what, why, None);
        }
        Some(_) => {}
    }
}

fn mirror_circles(sink: &Sink<'_>, environments: &[Located]) {
    let edges: Vec<(&EnvironmentName, &EnvironmentName, Span, String)> = environments
        .iter()
        .filter_map(|located| {
            let mirrors = located.value.mirrors.as_ref()?;
            let key = format!("environments.{}.mirrors", located.value.name);
            Some((&located.value.name, &mirrors.value, sink.span_of(&mirrors.source), key))
        })
        .collect();
    circles(sink, &edges, "is a mirror of");
}

/// Promotion paths that come back to where they start.
pub(super) fn promotion_circles(sink: &Sink<'_>, paths: &[Path]) {
    let edges: Vec<_> = paths
        .iter()
        .map(|p| (&p.from, &p.to, p.span.clone(), format!("promotion.{}.{}", p.from, p.to)))
        .collect();
    circles(sink, &edges, "is promoted to");
}

/// Reports every edge that lies on a circle.
fn circles(sink: &Sink<'_>, edges: &[(&EnvironmentName, &EnvironmentName, Span, String)], verb: &str) {
    for (from, to, span, key) in edges {
        let mut seen = BTreeSet::new();
        let mut open = vec![*to];
        while let Some(at) = open.pop() {
            if seen.insert(at) {
                open.extend(edges.iter().filter(|(f, ..)| *f == at).map(|(_, t, ..)| *t));
            }
        }
        if seen.contains(from) {
            let what = format!("`{from}` {verb} `{to}`, which leads back to `{from}`");
            sink.error(Code::Circle, span, key, what, "the order of environments has no circle", None);
        }
    }
}

/// Every token of an environment that the file or a default of its own names.
fn tokens_of(environment: &Environment) -> Vec<(&'static str, &Resolved<SecretRef>)> {
    let rights =
        [("registry.pull", &environment.registry.pull), ("registry.push", &environment.registry.push)];
    let own = rights.into_iter().filter(|(_, right)| !right.is_default());
    std::iter::once(("fly.token", &environment.fly.token)).chain(own).collect()
}

fn tokens(sink: &Sink<'_>, environments: &[Located], shared: &BTreeSet<SecretRef>) {
    let mut users: BTreeMap<&SecretRef, (&Environment, &str, &Resolved<SecretRef>)> = BTreeMap::new();
    for environment in environments.iter().map(|located| &located.value) {
        for (field, token) in tokens_of(environment) {
            let earlier = users.insert(&token.value, (environment, field, token));
            let Some((first, first_field, first_token)) = earlier else { continue };
            let is_one = first.name == environment.name || cfg!(feature = "sabotage-p11");
            if is_one || shared.contains(&token.value) {
                continue;
            }
            // One of the two was written by somebody: defaults differ.
            let (here, field, token, other) = if token.is_default() {
                (first, first_field, first_token, environment)
            } else {
                (environment, field, token, first)
            };
            let what = format!("`{}` and `{}` use the same token, `{}`", other.name, here.name, token.value);
            let why = "whoever holds one environment's token can change the other";
            let hint = format!(
                "use a token per environment, or say so: `[shared]` `secrets = [\"{}\"]`",
                token.value
            );
            let span = sink.span_of(&token.source);
            let key = format!("environments.{}.{field}", here.name);
            sink.error(Code::SharedSecret, &span, &key, what, why, Some(hint));
        }
    }
}

/// Promotions that copy images with more rights than that takes.
pub(super) fn copies(sink: &Sink<'_>, environments: &[Located], paths: &[Path]) {
    for path in paths {
        let (Some(from), Some(to)) = (find(environments, &path.from), find(environments, &path.to)) else {
            continue;
        };
        if !to.is_apart_from(from) {
            continue;
        }
        let rights = [
            (from, "registry.pull", &from.registry.pull, "read"),
            (to, "registry.push", &to.registry.push, "written"),
        ];
        for (environment, field, _, verb) in rights.into_iter().filter(|(_, _, right, _)| right.is_default())
        {
            let key = format!("environments.{}.{field}", environment.name);
            let name = &environment.name;
            let what = format!("images are {verb} in `{name}` with the token that deploys there");
            let why =
                format!("a promotion from `{}` to `{}` copies them, which takes less", from.name, to.name);
            let hint =
                format!("name one that only does that: `[environments.{name}]` `{field} = \"env:NAME\"`");
            sink.report(Severity::Note, Code::CopyToken, &path.span, &key, what, why, Some(hint));
        }
    }
}

fn targets(sink: &Sink<'_>, environments: &[Located]) {
    let mut users: BTreeMap<(ComponentKind, String), String> = BTreeMap::new();
    for environment in environments.iter().map(|located| &located.value) {
        for (component, binding) in &environment.bindings {
            let target = binding.target();
            let key = format!("environments.{}.{component}", environment.name);
            let Some(first) = users.insert((binding.kind(), target.value.clone()), key.clone()) else {
                continue;
            };
            let called = match binding.kind() {
                ComponentKind::Fly => "app",
                ComponentKind::Static => "site",
                ComponentKind::Supabase => "Supabase project",
            };
            let what = format!("the {called} `{}` is bound twice", target.value);
            let why = format!("`{first}` is it too, and a change of one would be a change of the other");
            sink.error(Code::BoundTwice, &sink.span_of(&target.source), &key, what, why, None);
        }
    }
}

/// The journal must survive whatever a promotion does to a database.
pub(super) fn store(sink: &Sink<'_>, store: Option<&StoreRef>, environments: &[Located]) {
    let Some(StoreRef { url: StoreUrl::Literal(url), source, .. }) = store else { return };
    for environment in environments.iter().map(|located| &located.value) {
        for (component, _) in environment.bindings.iter().filter(|(_, binding)| is_in(url, binding)) {
            let what = "the journal is in a database that a promotion can migrate or restore".to_owned();
            let why = format!("`environments.{}.{component}` is the same project", environment.name);
            let hint = "give the journal a database of its own, or a bucket".to_owned();
            sink.error(Code::StorePromoted, &sink.span_of(source), "store.url", what, why, Some(hint));
        }
    }
}

/// What proves the journal must not lie where the journal lies: whoever bends the one would bend the other.
pub(super) fn anchor(sink: &Sink<'_>, store: Option<&StoreRef>) {
    let Some((store, anchor)) = store.and_then(|store| Some((store, store.anchor.as_ref()?))) else { return };
    let is_in_it = match (&store.url, &anchor.url) {
        (StoreUrl::Secret(store), StoreUrl::Secret(anchor)) => store == anchor,
        (StoreUrl::Literal(store), StoreUrl::Literal(anchor)) => {
            let endpoint = |url: &Url| {
                url.query_pairs().find(|(name, _)| name == "endpoint").map(|it| it.1.into_owned())
            };
            store.scheme() == anchor.scheme()
                && store.host_str() == anchor.host_str()
                && endpoint(store) == endpoint(anchor)
        }
        _ => false,
    };
    if is_in_it {
        let what = "the anchors are kept in the store that they prove".to_owned();
        let why = "whoever can change the journal there can change its anchors as well".to_owned();
        let hint = "name another bucket, or a directory: `anchor = \"file:///…\"`".to_owned();
        sink.error(Code::AnchorInStore, &sink.span_of(&anchor.source), "store.anchor", what, why, Some(hint));
    }
}

/// Whether `url` is an address in the Supabase project that is bound. The reference is in the host of a direct
/// connection and in the user name of a pooled one.
pub(super) fn is_in(url: &Url, binding: &Binding) -> bool {
    let target = binding.target();
    let in_host = url.host_str().is_some_and(|host| host.split('.').any(|part| part == target.value));
    let in_user = url.username().split('.').any(|part| part == target.value);
    binding.kind() == ComponentKind::Supabase && (in_host || in_user)
}

/// Components that are promoted from an environment in which they do not run.
pub(super) fn unproven(sink: &Sink<'_>, environments: &[Located], paths: &[Path]) {
    for path in paths {
        let (Some(from), Some(to)) = (find(environments, &path.from), find(environments, &path.to)) else {
            continue;
        };
        for (component, binding) in &to.bindings {
            if from.bindings.contains_key(component) {
                continue;
            }
            // A database has no digest that could be tested elsewhere, so this is only worth knowing.
            let severity = match binding.kind() {
                ComponentKind::Fly | ComponentKind::Static => Severity::Warning,
                ComponentKind::Supabase => Severity::Note,
            };
            let key = format!("environments.{}.{component}", to.name);
            let what = format!("`{component}` is in `{}` and not in `{}`", to.name, from.name);
            let why = format!("so nothing of it can be tested before a promotion to `{}`", to.name);
            let hint = format!("add `{component}` to `[environments.{}]`", from.name);
            let span = match &binding.target().source {
                source @ Source::File { .. } => sink.span_of(source),
                _ => path.span.clone(),
            };
            sink.report(severity, Code::Unproven, &span, &key, what, why, Some(hint));
        }
    }
}
