//! A store in a bucket, with the keys that the surroundings have.

use std::sync::Arc;

use clikit::{Context, Failure};
use promotion::model::StoreId;
use promotion::ports::Import;
use stores::bucket::{Bucket, Credentials, Place, S3Address, S3Error};

use super::{Absent, no_journal};

/// The variables that Amazon's own tools read, and that `fly storage create` sets.
const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN: &str = "AWS_SESSION_TOKEN";
const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

pub(super) async fn open(
    context: &Context,
    address: &S3Address,
    absent: Absent,
    runner: &str,
    fresh: &StoreId,
) -> Result<Option<Arc<dyn Import>>, Failure> {
    let address = around(context, address)?;
    let place = connect(context, &address)?;
    let opened = match absent {
        Absent::Make => Bucket::open(place, runner, fresh).await.map(Some),
        Absent::Refuse | Absent::Imagine => Bucket::find(place, runner).await,
    };
    let opened = opened.map_err(|error| {
        Failure::unavailable(format!("the store {address} cannot be opened")).with_source(error).with_hint(
            "look at the bucket, the endpoint and the keys, which must be allowed to list, read and write",
        )
    })?;
    match opened {
        None if absent == Absent::Refuse => Err(no_journal(&address.to_string())),
        opened => Ok(opened.map(|journal| Arc::new(journal) as Arc<dyn Import>)),
    }
}

/// The address with what the surroundings say, where it says nothing.
pub(super) fn around(context: &Context, address: &S3Address) -> Result<S3Address, Failure> {
    let first = |names: [&str; 2]| names.into_iter().find_map(|name| context.var(name));
    let found = address.clone().or(first(REGIONS), first(ENDPOINTS));
    found.map_err(|error| unusable(address, error))
}

/// The way there, with the keys that the surroundings have.
pub(super) fn connect(context: &Context, address: &S3Address) -> Result<Place, Failure> {
    address.connect(&credentials(context)?).map_err(|error| unusable(address, error))
}

fn unusable(address: &S3Address, error: S3Error) -> Failure {
    Failure::usage(format!("the store {address} cannot be used"))
        .with_source(error)
        .with_hint("s3://BUCKET/PREFIX?region=REGION, and ?endpoint=URL for a storage that is not Amazon's")
}

fn credentials(context: &Context) -> Result<Credentials, Failure> {
    let var = |name: &str| {
        context.var(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            Failure::usage(format!("the variable {name} is not set"))
                .with_why("the store is in a bucket, and the key to it comes from there")
        })
    };
    Ok(Credentials {
        key_id: var(KEY_ID)?.to_owned(),
        secret: var(SECRET)?.into(),
        token: context.var(TOKEN).filter(|value| !value.is_empty()).map(Into::into),
    })
}
