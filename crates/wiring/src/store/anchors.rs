//! Where the anchors of a journal are kept: anywhere but in its store.

use std::path::Path;
use std::sync::Arc;

use clikit::{Context, Failure};
use envconfig::SecretRef;
use envconfig::project::{Project, StoreUrl};
use promotion::ports::Anchors;
use providers::DirectoryAnchors;
use stores::bucket::{BucketAnchors, S3Address};
use url::Url;

use super::{Place, StoreAddress, bucket};

/// The place that the project file names; none where it names none.
pub(crate) fn open(
    context: &Context,
    project: &Project,
    store: &StoreAddress,
    secret: impl Fn(&SecretRef) -> Result<String, Failure>,
) -> Result<Option<Arc<dyn Anchors>>, Failure> {
    let Some(anchor) = project.store().and_then(|store| store.anchor.as_ref()) else { return Ok(None) };
    let text = match &anchor.url {
        StoreUrl::Literal(url) => url.to_string(),
        StoreUrl::Secret(reference) => secret(reference)?,
    };
    if text.starts_with("s3:") {
        let address = S3Address::parse(&text).map_err(|error| unusable().with_source(error))?;
        let address = bucket::around(context, &address)?;
        if let Place::Bucket(store) = &store.place
            && bucket::around(context, store)?.is_beside(&address)
        {
            return Err(in_store(&address.to_string()));
        }
        return Ok(Some(Arc::new(BucketAnchors::new(bucket::connect(context, &address)?))));
    }
    let url = Url::parse(&text).ok().filter(|url| url.scheme() == "file");
    let directory = url.and_then(|url| url.to_file_path().ok()).ok_or_else(unusable)?;
    if let Place::File(store) = &store.place
        && is_within(store, &directory)
    {
        return Err(in_store(&directory.display().to_string()));
    }
    Ok(Some(Arc::new(DirectoryAnchors::new(directory))))
}

/// Whether the store's file lies in the directory, or deeper in it.
fn is_within(file: &Path, directory: &Path) -> bool {
    let parent = file.parent().map(|parent| parent.canonicalize().unwrap_or_else(|_| parent.to_path_buf()));
    let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_path_buf());
    parent.is_some_and(|parent| parent.starts_with(directory))
}

fn unusable() -> Failure {
    Failure::usage("`store.anchor` is no place for anchors")
        .with_why("it is a directory or a bucket outside the store")
        .with_hint("anchor = \"file:///DIRECTORY\" or \"s3://BUCKET/PREFIX\" under [store], or env:NAME with one of them")
}

fn in_store(place: &str) -> Failure {
    Failure::refused(format!("the anchors would be kept where the journal is: {place}"))
        .with_why("whoever can change the journal there can change its anchors as well, and then they prove nothing")
        .with_hint("name another bucket, or another directory, with `anchor` under [store]")
}
