//! Images on their way: what the plan says of them, what is written down, and the tags that keep them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use flytypes::{Digest, ImageRef};
use promotion::engine::{Ask, Engine, EngineEvent, Handle, Outcome};
use promotion::machine::Phase;
use promotion::model::{EnvironmentName, Kind, Millis, Plan, Release, image_label};
use promotion::ports::{Clock, Copied, ImageFacts, Moved, PortError, Registry, Survey, Watch};
use promotion::testing::{Manners, Moment, Provider, Switch, World, env, name};

use crate::story::releases;

/// Releases whose commits are hashes, as real ones are.
fn hashed() -> (Release, Release) {
    let (first, second) = releases();
    let with = |release: Release, digit: &str| Release { commit: digit.repeat(40), ..release };
    (with(first, "a"), with(second, "b"))
}

async fn rehearsed() -> World {
    let world = World::new(1, Manners::default());
    let (first, second) = hashed();
    world.rehearsed(&first, &second).await;
    world
}

async fn planned(world: &World, ask: Ask) -> Plan {
    world.engine().plan(ask).await.unwrap().plan
}

async fn why(world: &World, handle: &Handle) -> String {
    let view = world.bystander().view(&handle.environment).await.unwrap();
    view.promotions[&handle.id].state.facts.failure.clone().map(|failure| failure.why).unwrap_or_default()
}

#[tokio::test]
async fn the_plan_says_what_a_copy_moves_and_its_hash_does_not() {
    let world = rehearsed().await;
    let ask = world.ask("production", Kind::Promote, &hashed().1);
    let before = planned(&world, ask.clone()).await;
    let api = &before.images[0];
    assert_eq!((api.from.repository(), api.to.repository()), ("api-staging", "api-production"));
    assert!(api.is_copied() && api.bytes_missing > 0 && api.bytes_missing == api.bytes_total);
    // Somebody copied it meanwhile: the same plan, with nothing to move.
    let nobody: Watch = Arc::new(|_| ());
    world.provider.ensure_copy(&env("production"), &api.from, &api.to, nobody).await.unwrap();
    let after = planned(&world, ask).await;
    assert_eq!((after.images[0].bytes_missing, after.hash), (0, before.hash));
    // What stays where it is is said, too.
    let staging = planned(&world, world.ask("staging", Kind::Deploy, &hashed().1)).await;
    assert!(staging.images.iter().all(|image| !image.is_copied() && image.bytes_missing == 0));
}

#[tokio::test]
async fn an_image_that_nobody_can_read_is_no_plan() {
    let world = rehearsed().await;
    world.provider.images().prune(&World::digest(2));
    let (handle, outcome) = world.put("production", Kind::Promote, &hashed().1).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    let why = why(&world, &handle).await;
    assert!(why.starts_with("gate image: the image of `api`: "), "{why}");
}

/// Index and platform, both in the journal: with them like is compared with like (fly.md 5: machines report either).
#[tokio::test]
async fn the_journal_has_the_digests_of_index_and_platforms() {
    let world = rehearsed().await;
    world.provider.images().platform(&World::digest(2), "linux/amd64", &World::digest(99));
    let handle = world.approved(&hashed().1).await;
    let mut events = handle.events();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let view = world.bystander().view(&handle.environment).await.unwrap();
    let images = &view.promotions[&handle.id].state.facts.images;
    let api = &images[&name("api")];
    assert_eq!(api.image.digest(), Some(&World::digest(2)));
    assert_eq!(api.platforms, BTreeMap::from([("linux/amd64".to_owned(), World::digest(99))]));
    assert!(api.bytes_sent > 0 && images[&name("web")].platforms.is_empty());
    // A fresh reader comes to the same.
    let replayed = world.engine().view(&handle.environment).await.unwrap();
    assert_eq!(replayed.promotions[&handle.id].state.facts.images, *images);

    let mut told = Vec::new();
    while let Some(event) = events.try_next() {
        if let EngineEvent::Copy { component, done, total, .. } = event {
            told.push((component, done, total));
        }
    }
    let api: Vec<_> = told.iter().filter(|(component, ..)| *component == name("api")).collect();
    assert!(api.len() >= 2 && api.windows(2).all(|pair| pair[0].1 < pair[1].1), "{told:?}");
    assert!(api.last().is_some_and(|(_, done, total)| done == total), "{told:?}");
}

/// Labels, a part of the refusal, a part of the warning.
type Labelled<'t> = (&'t [(&'t str, &'t str)], Option<&'t str>, Option<&'t str>);

#[tokio::test]
async fn labels_that_are_not_the_releases_are_refused() {
    let commit = "b".repeat(40);
    let cases: [Labelled<'_>; 7] = [
        (&[(image_label::REVISION, &"c".repeat(40))], Some("says it is of commit cccc"), None),
        (&[(image_label::REVISION, &commit)], None, None),
        (&[(image_label::REVISION, "bbbbbbb"), (image_label::VERSION, "v1.1.0")], None, None),
        (
            &[(image_label::REVISION, &commit), (image_label::VERSION, "1.0.9")],
            Some("says it is version 1.0.9"),
            None,
        ),
        // As Ubuntu's images say, and all that are built on them.
        (&[(image_label::VERSION, "22.04")], None, Some("says it is version 22.04")),
        (&[(image_label::REVISION, ""), (image_label::VERSION, " ")], None, None),
        (&[("org.opencontainers.image.source", "https://example.org")], None, None),
    ];
    for (labels, refused, warned) in cases {
        let world = World::new(1, Manners::default());
        let (first, second) = hashed();
        world.put("staging", Kind::Bootstrap, &first).await.unwrap();
        for (key, value) in labels {
            world.provider.images().label(&World::digest(2), key, value);
        }
        let (handle, outcome) = world.put("staging", Kind::Deploy, &second).await.unwrap();
        let why = why(&world, &handle).await;
        match refused {
            Some(part) => {
                assert_eq!(outcome, Outcome::Ended(Phase::Blocked), "{labels:?}");
                assert!(why.starts_with("gate labels: the image of `api` ") && why.contains(part), "{why}");
            }
            None => assert_eq!(outcome, Outcome::Ended(Phase::Succeeded), "{labels:?}: {why}"),
        }
        let view = world.bystander().view(&env("staging")).await.unwrap();
        let plan = view.promotions[&handle.id].state.facts.plan.clone();
        let warnings = plan.map(|plan| plan.warnings).unwrap_or_default();
        let said = warnings.iter().filter(|text| text.contains("says it is")).collect::<Vec<_>>();
        assert_eq!(said.len(), usize::from(warned.is_some()), "{warnings:?}");
        assert!(said.iter().all(|text| text.contains(warned.unwrap())), "{warnings:?}");
    }
}

/// A release may bring one component and keep another: that one says the commit it came with.
#[tokio::test]
async fn a_component_that_stays_may_be_of_an_earlier_commit() {
    let world = World::new(1, Manners::default());
    let (first, second) = hashed();
    let second = Release {
        components: BTreeMap::from([(name("api"), World::digest(2)), (name("web"), World::digest(11))]),
        ..second
    };
    let says = |digit, commit: &str| {
        world.provider.images().label(&World::digest(digit), image_label::REVISION, commit)
    };
    says(1, &first.commit);
    says(11, &first.commit);
    says(2, &second.commit);
    world.put("production", Kind::Bootstrap, &first).await.unwrap();
    world.put("staging", Kind::Bootstrap, &first).await.unwrap();
    let (_, outcome) = world.put("staging", Kind::Deploy, &second).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
    // The release was let in on staging.
    let outcome = world.approved(&second).await.drive().await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
    // The same image once more, as if it were of another commit.
    let lie = Release {
        commit: "d".repeat(40),
        components: BTreeMap::from([(name("api"), World::digest(2))]),
        ..second
    };
    let single = World::new(1, Manners::default());
    single.provider.images().label(&World::digest(2), image_label::REVISION, &"b".repeat(40));
    let (_, outcome) = single.put("staging", Kind::Bootstrap, &lie).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
}

/// Tags `<environment>-<sha>` of the release that runs and of the one before, in the repositories they run from.
#[tokio::test]
async fn what_runs_and_what_ran_before_is_kept_by_tags() {
    let world = rehearsed().await;
    let handle = world.approved(&hashed().1).await;
    let before = world.provider.images().tags();
    let key = |repository: &str, tag: String| (repository.to_owned(), tag);
    let (old, new) = (format!("production-{}", "a".repeat(40)), format!("production-{}", "b".repeat(40)));
    assert_eq!(before.get(&key("api-production", old.clone())), Some(&World::digest(1)));
    assert!(!before.contains_key(&key("api-production", new.clone())), "nothing runs there yet");
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let tags = world.provider.images().tags();
    let (first, second) = hashed();
    for component in ["api", "web"] {
        let (name, repository) = (name(component), format!("{component}-production"));
        assert_eq!(tags.get(&key(&repository, new.clone())), second.components.get(&name), "{tags:?}");
        assert_eq!(tags.get(&key(&repository, old.clone())), first.components.get(&name), "{tags:?}");
    }
    assert!(tags.contains_key(&key("api-staging", format!("staging-{}", "b".repeat(40)))), "{tags:?}");
}

/// A commit that is no hash is not in a tag, and a registry that takes none stops nobody.
#[tokio::test]
async fn a_tag_that_cannot_be_written_is_told_and_stops_nothing() {
    let world = World::new(1, Manners::default());
    let (first, _) = releases();
    world.put("staging", Kind::Bootstrap, &first).await.unwrap();
    let digits: String = World::digest(1).hex().chars().take(12).collect();
    let key = ("api-staging".to_owned(), format!("staging-{digits}"));
    assert_eq!(world.provider.images().tags().get(&key), Some(&World::digest(1)));

    let engine = over(&world, Meanwhile::NoTags);
    let handle = engine.request(world.ask("staging", Kind::Deploy, &releases().1)).await.unwrap();
    let mut events = handle.events();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let mut notes = Vec::new();
    while let Some(event) = events.try_next() {
        if let EngineEvent::Note { text, .. } = event {
            notes.push(text);
        }
    }
    assert!(notes.iter().any(|text| text.contains("is not kept by the tag `staging-")), "{notes:?}");
}

#[tokio::test]
async fn a_way_back_that_no_longer_resolves_is_said_before() {
    let world = rehearsed().await;
    let ask = world.ask("production", Kind::Promote, &hashed().1);
    let clean = planned(&world, ask.clone()).await;
    assert!(clean.warnings.iter().all(|text| !text.contains("resolve")), "{:?}", clean.warnings);
    world.provider.images().prune(&World::digest(1));
    let plan = planned(&world, ask).await;
    assert_eq!(plan.hash, clean.hash, "it is a warning");
    let said: Vec<_> =
        plan.warnings.iter().filter(|text| text.contains("does not resolve any more")).collect();
    let [one] = said[..] else { panic!("{:?}", plan.warnings) };
    assert!(one.contains(World::digest(1).as_str()) && one.contains("runs in `api-production`"), "{one}");

    // Of the next one, the parked fleet's.
    assert_eq!(world.approved(&hashed().1).await.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let third = World::release("1.2.0", 3, 13);
    world.put("staging", Kind::Deploy, &third).await.unwrap();
    let plan = planned(&world, world.ask("production", Kind::Promote, &third)).await;
    assert!(
        plan.warnings.iter().any(|text| text.contains("is parked in `api-production` and does not resolve")),
        "{:?}",
        plan.warnings
    );
}

/// The parked machines stand there: going back to them pulls nothing.
#[tokio::test]
async fn a_warm_way_back_does_not_need_the_registry() {
    let world = rehearsed().await;
    let (first, second) = hashed();
    let promoted = world.approved(&second).await;
    assert_eq!(promoted.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    world.provider.images().prune(&World::digest(1));
    let release = Release {
        components: BTreeMap::from([(name("api"), World::digest(1)), (name("web"), World::digest(11))]),
        ..first
    };
    let mut ask = world.ask("production", Kind::Rollback { of: promoted.id.clone() }, &release);
    // As `promote rollback` asks: from where it ran, and nothing is copied.
    ask.components.iter_mut().for_each(|component| component.source = component.image.clone());
    let handle = world.engine().request(ask).await.unwrap();
    let outcome = handle.drive().await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded), "{}", why(&world, &handle).await);
    assert_eq!(world.fleet("production", "api").await.digests(), [World::digest(1)].into());
}

/// Somebody ends the promotion while a long copy is under way: nobody waits for the end of that.
#[tokio::test]
async fn a_copy_that_takes_long_can_be_ended() {
    let world = Arc::new(rehearsed().await);
    let handle = world.approved(&hashed().1).await;
    let slow = Meanwhile::Slow(world.clone(), Mutex::new(Some(Box::new(handle.clone()))));
    let engine = over(&world, slow);
    let outcome = engine.handle(handle.environment.clone(), handle.id.clone()).drive().await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Aborted));
    assert!(why(&world, &handle).await.contains("wrong one"));
    assert_eq!(world.fleet("production", "api").await.digests(), [World::digest(1)].into());
}

/// What a registry does beside its work.
#[derive(Debug)]
enum Meanwhile {
    /// Takes no tag.
    NoTags,
    /// Copies for an hour; somebody ends the promotion meanwhile.
    Slow(Arc<World>, Mutex<Option<Box<Handle>>>),
}

#[derive(Debug)]
struct Odd {
    inner: Provider,
    clock: Arc<dyn Clock>,
    meanwhile: Meanwhile,
}

fn over(world: &World, meanwhile: Meanwhile) -> Engine {
    let mut ports = world.ports(&Switch::new(Moment::Never));
    ports.registry = Arc::new(Odd { inner: world.provider.clone(), clock: world.clock.clone(), meanwhile });
    Engine::new(world.options.clone(), ports)
}

#[async_trait]
impl Registry for Odd {
    async fn resolve(&self, environment: &EnvironmentName, image: &ImageRef) -> Result<Digest, PortError> {
        self.inner.resolve(environment, image).await
    }

    async fn look(&self, environment: &EnvironmentName, image: &ImageRef) -> Result<ImageFacts, PortError> {
        self.inner.look(environment, image).await
    }

    async fn survey(
        &self,
        environment: &EnvironmentName,
        from: &ImageRef,
        to: &ImageRef,
    ) -> Result<Survey, PortError> {
        self.inner.survey(environment, from, to).await
    }

    async fn ensure_copy(
        &self,
        environment: &EnvironmentName,
        from: &ImageRef,
        to: &ImageRef,
        watch: Watch,
    ) -> Result<Copied, PortError> {
        if let Meanwhile::Slow(world, handle) = &self.meanwhile {
            watch(Moved { done: 1, total: 1000 });
            let handle = handle.lock().unwrap().take();
            if let Some(handle) = handle {
                world.abort(&handle, "wrong one").await.unwrap();
            }
            self.clock.sleep(Millis::secs(3600)).await;
        }
        self.inner.ensure_copy(environment, from, to, watch).await
    }

    async fn ensure_tag(
        &self,
        environment: &EnvironmentName,
        image: &ImageRef,
        tag: &str,
    ) -> Result<(), PortError> {
        match self.meanwhile {
            Meanwhile::NoTags => Err(PortError::refused("denied: the token may not write")),
            Meanwhile::Slow(..) => self.inner.ensure_tag(environment, image, tag).await,
        }
    }
}
