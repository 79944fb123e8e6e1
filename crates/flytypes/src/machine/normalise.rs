//! One form for configurations that mean the same, so that comparing them finds real differences only.

use serde_json::Value;

use super::{Check, MachineConfig, Other, Restart, RestartPolicy, Service};
use crate::tolerant::is_default;

/// The API's default number of restarts under `on-failure`.
const DEFAULT_MAX_RETRIES: u32 = 10;

impl MachineConfig {
    /// The same meaning in one form, for comparisons; send the original.
    ///
    /// * an object without content (`"init": {}`) is absent; `null` among unknown fields is absent;
    /// * `restart` with the API's default (`on-failure`, ten attempts) is absent;
    /// * words without case (`protocol`, check `type`, `kind`, HTTP method, signal) have one case, and a check's
    ///   `http` protocol, `GET` and `/`, all defaults, are absent;
    /// * booleans whose absence means false (`tls_skip_verify`) are absent.
    ///
    /// Reading has already folded `autostop` booleans and words, `never` and `no`, and all ways to write a duration.
    /// Lists keep their order; environment, metadata and image are not touched.
    #[must_use]
    pub fn normalised(&self) -> Self {
        let mut config = self.clone();
        config.restart = config.restart.take().map(restart);
        if let Some(stop) = &mut config.stop_config {
            stop.signal = stop.signal.take().map(|signal| signal.to_ascii_uppercase());
            strip(&mut stop.other);
        }
        if let Some(init) = &mut config.init {
            strip(&mut init.other);
        }
        if let Some(guest) = &mut config.guest {
            strip(&mut guest.other);
        }
        if let Some(dns) = &mut config.dns {
            strip(&mut dns.other);
        }
        if let Some(metrics) = &mut config.metrics {
            strip(&mut metrics.other);
        }
        if let Some(rootfs) = &mut config.rootfs {
            strip(&mut rootfs.other);
        }
        absent(&mut config.init);
        absent(&mut config.guest);
        absent(&mut config.restart);
        absent(&mut config.stop_config);
        absent(&mut config.dns);
        absent(&mut config.metrics);
        absent(&mut config.rootfs);
        config.services.iter_mut().for_each(service);
        config.checks.values_mut().for_each(check);
        config.mounts.iter_mut().for_each(|mount| strip(&mut mount.other));
        config.statics.iter_mut().for_each(|part| strip(&mut part.other));
        config.files.iter_mut().for_each(|file| strip(&mut file.other));
        config.processes.iter_mut().for_each(|process| strip(&mut process.other));
        config.schedule = config.schedule.filter(|schedule| !schedule.is_empty());
        config.size = config.size.filter(|size| !size.is_empty());
        config.disable_machine_autostart = config.disable_machine_autostart.filter(|&disabled| disabled);
        strip(&mut config.other);
        config
    }
}

/// Drops what says nothing.
fn strip(other: &mut Other) {
    other.retain(|_, value| !value.is_null());
}

fn absent<T: Default + PartialEq>(part: &mut Option<T>) {
    if part.as_ref().is_some_and(is_default) {
        *part = None;
    }
}

fn restart(mut restart: Restart) -> Restart {
    strip(&mut restart.other);
    if matches!(restart.policy, None | Some(RestartPolicy::OnFailure)) {
        restart.policy = None;
        restart.max_retries = restart.max_retries.filter(|&retries| retries != DEFAULT_MAX_RETRIES);
    }
    restart
}

fn service(service: &mut Service) {
    service.protocol.make_ascii_lowercase();
    service.checks.iter_mut().for_each(check);
    strip(&mut service.other);
    if let Some(concurrency) = &mut service.concurrency {
        strip(&mut concurrency.other);
    }
    absent(&mut service.concurrency);
    for port in &mut service.ports {
        strip(&mut port.other);
        if let Some(tls) = &mut port.tls_options {
            strip(&mut tls.other);
        }
        if let Some(http) = &mut port.http_options {
            strip(&mut http.other);
            if let Some(response) = &mut http.response {
                strip(&mut response.other);
                response.headers.retain(|_, value| *value != Value::Null);
            }
            absent(&mut http.response);
        }
        absent(&mut port.tls_options);
        absent(&mut port.http_options);
        absent(&mut port.proxy_proto_options);
    }
}

fn check(check: &mut Check) {
    check.check_type.make_ascii_lowercase();
    let lower = |text: String| text.to_ascii_lowercase();
    check.kind = check.kind.take().map(lower).filter(|kind| !kind.is_empty());
    check.protocol = check.protocol.take().map(lower).filter(|name| !name.is_empty() && name != "http");
    check.method = check
        .method
        .take()
        .map(|method| method.to_ascii_uppercase())
        .filter(|method| !method.is_empty() && method != "GET");
    check.path = check.path.take().filter(|path| !path.is_empty() && path != "/");
    check.tls_skip_verify = check.tls_skip_verify.filter(|&skip| skip);
    check.tls_server_name = check.tls_server_name.take().filter(|name| !name.is_empty());
    strip(&mut check.other);
}
