//! `[[vm]]`: sizes of machines.

use flytypes::machine::Guest;

use super::{size::Base, tolerant};
use crate::{
    Code, Malformed, Severity,
    reading::{Section, Value},
};

/// A size. Without `processes` it is for every group, and one that names a group goes before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Vm {
    /// A preset such as `shared-cpu-2x`.
    pub size: Option<String>,
    /// Explicit values, which go before the preset's.
    pub guest: Guest,
}

/// Presets and what they mean: kind of CPU, number of CPUs, MB per CPU.
const SHARED: [u32; 5] = [1, 2, 4, 6, 8];
const PERFORMANCE: [u32; 9] = [1, 2, 4, 6, 8, 10, 12, 14, 16];
const SHARED_MB: u32 = 256;
const PERFORMANCE_MB: u32 = 2048;
/// GPU presets, and the name of the GPU. They have the CPUs of `performance-8x`, twice its memory, and one GPU.
const GPUS: [(&str, &str); 4] =
    [("a10", "a10"), ("l40s", "l40s"), ("a100-40gb", "a100-pcie-40gb"), ("a100-80gb", "a100-sxm4-80gb")];

/// The guest of a preset, or `None` when there is no such preset.
pub(super) fn preset(name: &str) -> Option<Guest> {
    let guest = |kind: &str, cpus: u32, mb: u32| Guest {
        cpu_kind: Some(kind.to_owned()),
        cpus: Some(cpus),
        memory_mb: Some(cpus * mb),
        ..Guest::default()
    };
    if let Some((_, gpu)) = GPUS.iter().find(|(size, _)| *size == name) {
        let base = guest("performance", 8, 2 * PERFORMANCE_MB);
        return Some(Guest { gpus: Some(1), gpu_kind: Some((*gpu).to_owned()), ..base });
    }
    let count = |rest: &str| rest.strip_suffix('x').and_then(|n| n.parse::<u32>().ok());
    if let Some(n) = name.strip_prefix("shared-cpu-").and_then(count) {
        return SHARED.contains(&n).then(|| guest("shared", n, SHARED_MB));
    }
    let n = name.strip_prefix("performance-").and_then(count)?;
    PERFORMANCE.contains(&n).then(|| guest("performance", n, PERFORMANCE_MB))
}

impl Vm {
    /// The guest: the preset (`shared-cpu-1x`, or `performance-8x` where a GPU is asked for), then the explicit values.
    pub fn to_guest(&self) -> Guest {
        let base = match (&self.size, &self.guest.gpu_kind) {
            (Some(size), _) => size.as_str(),
            (None, Some(_)) => "performance-8x",
            (None, None) => "shared-cpu-1x",
        };
        let mut guest = preset(base).unwrap_or_default();
        let own = self.guest.clone();
        guest.cpu_kind = own.cpu_kind.or(guest.cpu_kind);
        guest.cpus = own.cpus.or(guest.cpus);
        guest.memory_mb = own.memory_mb.or(guest.memory_mb);
        guest.max_memory_mb = own.max_memory_mb;
        guest.gpus = own.gpus.or(guest.gpus);
        guest.gpu_kind = own.gpu_kind.or(guest.gpu_kind);
        guest.host_dedication_id = own.host_dedication_id;
        guest.kernel_args = own.kernel_args;
        guest.persist_rootfs = own.persist_rootfs;
        guest
    }
}

/// Reads a size; the caller reads `processes` and finishes the section.
pub(super) fn read(section: &Section<'_>) -> Vm {
    let vm = values(section);
    report(section, impossible(&vm.to_guest()));
    vm
}

/// Reads what may be a part of a size, and only together with another part says whether Fly has it.
pub(super) fn read_part(section: &Section<'_>) -> Vm {
    let vm = values(section);
    let step = || {
        let odd = vm.guest.memory_mb.filter(|mb| !mb.is_multiple_of(256))?;
        Some(format!(
            "a shared CPU has 256 to 2048 MB in steps of 256, a performance CPU 2048 to 8192 MB in steps of 1024, \
             so no machine has {odd}"
        ))
    };
    report(
        section,
        match vm.size {
            Some(_) => impossible(&vm.to_guest()),
            None => impossible(&vm.guest).or_else(step),
        },
    );
    vm
}

fn report(section: &Section<'_>, why: Option<String>) {
    let Some(why) = why else { return };
    let what = format!("`{}` is a size that Fly does not have", section.path);
    section.sink.report(Severity::Warning, Code::Guest, &section.span, &section.path, what, why, None);
}

fn values(section: &Section<'_>) -> Vm {
    let text = |key: &str| section.get(key).and_then(|v| v.text().map(str::to_owned));
    // As for flyctl, zero and an empty text say nothing.
    let number = |key: &str| section.get(key).and_then(|v| v.count(0)).filter(|n| *n > 0);
    let text = |key: &str| text(key).filter(|text| !text.is_empty());
    let size = section.get("size").and_then(|v| read_size(&v));
    let memory = section.get("memory").and_then(|v| tolerant::size(&v, Base::Binary));
    let guest = Guest {
        cpu_kind: section.get("cpu_kind").and_then(|v| cpu_kind(&v)),
        cpus: number("cpus"),
        // flyctl copies the explicit fields last, so `memory_mb` goes before `memory`.
        memory_mb: section.get("memory_mb").and_then(|v| tolerant::size(&v, Base::Binary)).or(memory),
        max_memory_mb: number("max_memory_mb"),
        gpus: number("gpus"),
        gpu_kind: text("gpu_kind"),
        host_dedication_id: text("host_dedication_id"),
        kernel_args: section.get("kernel_args").map(|v| tolerant::texts(&v)).unwrap_or_default(),
        persist_rootfs: section.get("persist_rootfs").and_then(|v| persist_rootfs(&v)),
        ..Guest::default()
    };
    Vm { size, guest }
}

fn read_size(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    if preset(text).is_none() {
        let what = format!("`{}` is no size of Fly's machines", text.escape_debug());
        let why = "sizes are `shared-cpu-1x`, `-2x`, `-4x`, `-6x`, `-8x`, `performance-1x` to `-16x`, `a10`, `l40s`, \
                   `a100-40gb`, `a100-80gb`";
        value.error(Code::Guest, what, why, None);
        return None;
    }
    Some(text.to_owned())
}

fn cpu_kind(value: &Value<'_>) -> Option<String> {
    const WORDS: &[&str] = &["shared", "performance"];
    let text = value.text()?;
    if WORDS.contains(&text) {
        return Some(text.to_owned());
    }
    value.malformed(&Malformed::none_of(text, "a kind of CPU", WORDS));
    None
}

fn persist_rootfs(value: &Value<'_>) -> Option<String> {
    const WORDS: &[&str] = &["never", "restart", "always"];
    match value.text()? {
        "" | "none" => None,
        text if WORDS.contains(&text) => Some(text.to_owned()),
        text => {
            value.malformed(&Malformed::none_of(text, "when the root file system is kept", WORDS));
            None
        }
    }
}

/// Why Fly would refuse the size: shared CPUs have 256 to 2048 MB each in steps of 256, performance CPUs 2048 to
/// 8192 MB each in steps of 1024.
pub(crate) fn impossible(guest: &Guest) -> Option<String> {
    let (kind, cpus, memory) = (guest.cpu_kind.as_deref()?, guest.cpus?, guest.memory_mb?);
    let (counts, least, most, step): (&[u32], u32, u32, u32) = match kind {
        "shared" => (&SHARED, 256, 2048, 256),
        _ => (&PERFORMANCE, 2048, 8192, 1024),
    };
    if !counts.contains(&cpus) {
        return Some(format!("machines have {counts:?} {kind} CPUs, not {cpus}"));
    }
    let range = least * cpus..=most * cpus;
    if !range.contains(&memory) || !memory.is_multiple_of(step) {
        return Some(format!(
            "with {cpus} {kind} CPU(s) a machine has {} to {} MB in steps of {step}, not {memory}",
            range.start(),
            range.end()
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// fly-go, machine presets: shared-cpu-Nx → 256 MB × N, performance-Nx → 2048 MB × N.
    #[test]
    fn presets_are_fly_s() {
        let of =
            |name: &str| preset(name).map(|g| (g.cpu_kind.unwrap(), g.cpus.unwrap(), g.memory_mb.unwrap()));
        assert_eq!(of("shared-cpu-1x"), Some(("shared".to_owned(), 1, 256)));
        assert_eq!(of("shared-cpu-8x"), Some(("shared".to_owned(), 8, 2048)));
        assert_eq!(of("performance-16x"), Some(("performance".to_owned(), 16, 32768)));
        assert_eq!(of("a10"), Some(("performance".to_owned(), 8, 32768)));
        assert_eq!(of("shared-cpu-3x"), None);
        assert_eq!(of("performance-1"), None);
    }

    #[test]
    fn sizes_that_fly_does_not_have_are_named() {
        let guest = |kind: &str, cpus, mb| Guest {
            cpu_kind: Some(kind.to_owned()),
            cpus: Some(cpus),
            memory_mb: Some(mb),
            ..Guest::default()
        };
        assert_eq!(impossible(&guest("shared", 1, 1024)), None);
        assert_eq!(impossible(&guest("performance", 2, 5120)), None);
        assert!(impossible(&guest("shared", 1, 4096)).is_some());
        assert!(impossible(&guest("shared", 3, 1024)).is_some());
        assert!(impossible(&guest("shared", 1, 300)).is_some());
        assert!(impossible(&guest("performance", 1, 1024)).is_some());
    }
}
