//! The routing table: one row per call, with the name by which the audit log, the limits and the faults know it.

use hyper::Method;

macro_rules! actions {
    ($($variant:ident $name:literal $method:ident $pattern:literal;)*) => {
        /// Every call there is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Action { $($variant),* }

        impl Action {
            /// Its name in audit log and faults.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }

        const TABLE: &[(Method, &str, Action)] = &[$((Method::$method, $pattern, Action::$variant)),*];
    };
}

actions! {
    AppList "app-list" GET "v1/apps";
    AppCreate "app-create" POST "v1/apps";
    AppGet "app-get" GET "v1/apps/{app}";
    AppDelete "app-delete" DELETE "v1/apps/{app}";
    MachineList "machine-list" GET "v1/apps/{app}/machines";
    MachineCreate "machine-create" POST "v1/apps/{app}/machines";
    MachineGet "machine-get" GET "v1/apps/{app}/machines/{id}";
    MachineUpdate "machine-update" POST "v1/apps/{app}/machines/{id}";
    MachineDelete "machine-delete" DELETE "v1/apps/{app}/machines/{id}";
    MachineStart "machine-start" POST "v1/apps/{app}/machines/{id}/start";
    MachineStop "machine-stop" POST "v1/apps/{app}/machines/{id}/stop";
    MachineRestart "machine-restart" POST "v1/apps/{app}/machines/{id}/restart";
    MachineSuspend "machine-suspend" POST "v1/apps/{app}/machines/{id}/suspend";
    MachineSignal "machine-signal" POST "v1/apps/{app}/machines/{id}/signal";
    MachineCordon "machine-cordon" POST "v1/apps/{app}/machines/{id}/cordon";
    MachineUncordon "machine-uncordon" POST "v1/apps/{app}/machines/{id}/uncordon";
    MachineWait "machine-wait" GET "v1/apps/{app}/machines/{id}/wait";
    MachineEvents "machine-events" GET "v1/apps/{app}/machines/{id}/events";
    MachineVersions "machine-versions" GET "v1/apps/{app}/machines/{id}/versions";
    LeaseGet "lease-get" GET "v1/apps/{app}/machines/{id}/lease";
    LeaseAcquire "lease-acquire" POST "v1/apps/{app}/machines/{id}/lease";
    LeaseRelease "lease-release" DELETE "v1/apps/{app}/machines/{id}/lease";
    MetadataGet "metadata-get" GET "v1/apps/{app}/machines/{id}/metadata";
    MetadataPatch "metadata-patch" PATCH "v1/apps/{app}/machines/{id}/metadata";
    MetadataPut "metadata-patch" PUT "v1/apps/{app}/machines/{id}/metadata";
    MetadataKeyGet "metadata-key-get" GET "v1/apps/{app}/machines/{id}/metadata/{key}";
    MetadataKeySet "metadata-key-set" POST "v1/apps/{app}/machines/{id}/metadata/{key}";
    MetadataKeyDelete "metadata-key-delete" DELETE "v1/apps/{app}/machines/{id}/metadata/{key}";
    SecretList "secret-list" GET "v1/apps/{app}/secrets";
    SecretUpdate "secret-update" POST "v1/apps/{app}/secrets";
    SecretGet "secret-get" GET "v1/apps/{app}/secrets/{key}";
    SecretSet "secret-set" POST "v1/apps/{app}/secrets/{key}";
    SecretDelete "secret-delete" DELETE "v1/apps/{app}/secrets/{key}";
    AppLogs "app-logs" GET "api/v1/apps/{app}/logs";
    RegionList "region-list" GET "v1/platform/regions";
    Info "info" GET "localcloud/v1/info";
    EdgeList "edge-list" GET "localcloud/v1/edges";
    Concurrency "concurrency" GET "localcloud/v1/concurrency";
    Traffic "traffic" GET "localcloud/v1/traffic";
    FaultList "fault-list" GET "localcloud/v1/faults";
    FaultReplace "fault-replace" PUT "localcloud/v1/faults";
    FaultAdd "fault-add" POST "localcloud/v1/faults";
    RegistryPrune "registry-prune" POST "localcloud/v1/registry/prune";
    FaultsStruck "faults-struck" GET "localcloud/v1/faults/struck";
    QuirksGet "quirks-get" GET "localcloud/v1/quirks";
    QuirksSet "quirks-set" PATCH "localcloud/v1/quirks";
    MachineLog "machine-log" GET "localcloud/v1/apps/{app}/machines/{id}/log";
    SiteList "site-list" GET "localcloud/v1/sites";
    SiteGet "site-get" GET "localcloud/v1/sites/{site}";
    SitePut "site-put" POST "localcloud/v1/sites/{site}";
    SiteMetadata "site-metadata" PATCH "localcloud/v1/sites/{site}/metadata";
    SiteDelete "site-delete" DELETE "localcloud/v1/sites/{site}";
}

impl Action {
    /// Whether it may change something.
    pub(crate) fn mutates(self) -> bool {
        let read = matches!(
            TABLE.iter().find(|(_, _, a)| *a == self),
            Some((method, _, _)) if *method == Method::GET
        );
        !read
    }

    /// Whether it steers the stand-in itself: no fault may stand in the way of ending it.
    pub(crate) fn is_control(self) -> bool {
        matches!(
            self,
            Self::Info
                | Self::FaultList
                | Self::FaultReplace
                | Self::FaultAdd
                | Self::FaultsStruck
                | Self::QuirksGet
                | Self::QuirksSet
        )
    }

    /// Whether a live lease of the machine keeps it from others. Leases guard themselves; metadata is free.
    pub(crate) fn is_leased(self) -> bool {
        matches!(
            self,
            Self::MachineUpdate
                | Self::MachineDelete
                | Self::MachineStart
                | Self::MachineStop
                | Self::MachineRestart
                | Self::MachineSuspend
                | Self::MachineSignal
                | Self::MachineCordon
                | Self::MachineUncordon
        )
    }
}

/// A call found in the table, with what the path names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) action: Action,
    /// App or site.
    pub(crate) app: Option<String>,
    pub(crate) machine: Option<String>,
    /// Metadata key or secret name.
    pub(crate) key: Option<String>,
}

/// What the path has when no row fits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoRoute {
    /// Rows with this path know other methods.
    Method,
    Path,
}

/// Finds the row of a request.
pub(crate) fn find(method: &Method, path: &str) -> Result<Route, NoRoute> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let mut no = NoRoute::Path;
    for (row_method, pattern, action) in TABLE {
        let mut route = Route { action: *action, app: None, machine: None, key: None };
        if !matches(pattern, &segments, &mut route) {
            continue;
        }
        if row_method == method {
            return Ok(route);
        }
        no = NoRoute::Method;
    }
    Err(no)
}

fn matches(pattern: &str, segments: &[&str], route: &mut Route) -> bool {
    if pattern.split('/').count() != segments.len() {
        return false;
    }
    pattern.split('/').zip(segments).all(|(wanted, segment)| {
        let slot = match wanted {
            "{app}" | "{site}" => &mut route.app,
            "{id}" => &mut route.machine,
            "{key}" => &mut route.key,
            _ => return wanted == *segment,
        };
        *slot = Some(crate::query::decode(segment, false));
        !segment.is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_and_refusals_differ() {
        let found = find(&Method::POST, "/v1/apps/web/machines/m1/metadata/a%2Fb").unwrap();
        assert_eq!(
            found,
            Route {
                action: Action::MetadataKeySet,
                app: Some(String::from("web")),
                machine: Some(String::from("m1")),
                key: Some(String::from("a/b"))
            }
        );
        assert_eq!(find(&Method::PUT, "/v1/apps"), Err(NoRoute::Method));
        assert_eq!(find(&Method::GET, "/v2/apps"), Err(NoRoute::Path));
        assert!(Action::MachineStop.mutates() && !Action::MachineWait.mutates());
    }
}
