//! Production's file with an environment's overlay written into it: comments, order and everything else stay.

use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::{Overlay, VmOverlay};
use crate::{AppName, VariableName, reading::Format};

/// Why a file cannot be written over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteOverError {
    /// Only TOML can be changed without losing comments and order.
    #[error("it is {format}, and only TOML can be written over; turn it into a `fly.toml` first")]
    NotToml {
        /// What it is.
        format: String,
    },
    /// The file cannot be parsed.
    #[error("it cannot be parsed; `stagectl check --config` names the place")]
    Unreadable,
}

/// The names of `[[vm]]`.
const VM: [&str; 3] = ["compute", "computes", "vm"];

impl Overlay {
    /// `text`, the content of `file`, with this overlay and `app` written into it.
    ///
    /// Reading the result is the same as reading `text`, then [`super::FlyToml::apply_overlay`], then the app. Only what
    /// an overlay can name is changed.
    ///
    /// # Errors
    /// When `file` is no TOML, by its name or by its content.
    pub fn write_over(&self, file: &str, text: &str, app: &AppName) -> Result<String, WriteOverError> {
        let format = Format::of_name(file);
        if format != Format::Toml {
            return Err(WriteOverError::NotToml { format: format.to_string() });
        }
        let mut document: DocumentMut = text.parse().map_err(|_| WriteOverError::Unreadable)?;
        let root = document.as_table_mut();
        set(root, "app", app.as_str());
        if let Some(region) = &self.primary_region {
            set(root, "primary_region", region.as_str());
        }
        self.env(root);
        if let Some(vm) = &self.vm {
            vm.write(root);
        }
        for name in ["http_service", "services"] {
            for table in root.get_mut(name).map(tables).unwrap_or_default() {
                self.service(table);
            }
        }
        Ok(document.to_string())
    }

    /// As a project file has it.
    pub(crate) fn to_inline(&self) -> InlineTable {
        let mut table = InlineTable::new();
        if !self.env.is_empty() {
            let env = self.env.iter().map(|(name, value)| (name.as_str(), Value::from(value.as_str())));
            table.insert("env", env.collect::<InlineTable>().into());
        }
        if !self.without_env.is_empty() {
            let names: Array = self.without_env.iter().map(VariableName::as_str).collect();
            table.insert("without-env", names.into());
        }
        if let Some(region) = &self.primary_region {
            table.insert("primary_region", region.as_str().into());
        }
        if let Some(vm) = &self.vm {
            table.insert("vm", vm.to_inline().into());
        }
        if let Some(least) = self.min_machines_running {
            table.insert("min_machines_running", i64::from(least).into());
        }
        if let Some(stop) = &self.auto_stop_machines {
            table.insert("auto_stop_machines", stop.as_str().into());
        }
        if let Some(start) = self.auto_start_machines {
            table.insert("auto_start_machines", start.into());
        }
        table
    }

    fn env(&self, root: &mut Table) {
        for table in root.get_mut("env").map(tables).unwrap_or_default() {
            for name in &self.without_env {
                table.remove(name.as_str());
            }
        }
        if self.env.is_empty() {
            return;
        }
        if root.get("env").is_none_or(|item| item.is_none()) {
            root.insert("env", Item::Table(Table::new()));
        }
        // The last table wins where there are several.
        let Some(table) = root.get_mut("env").map(tables).and_then(|mut all| all.pop()) else { return };
        for (name, value) in &self.env {
            set(table, name, value.as_str());
        }
    }

    fn service(&self, table: &mut dyn TableLike) {
        // One that says nothing is none.
        if table.is_empty() {
            return;
        }
        if let Some(least) = self.min_machines_running {
            set(table, "min_machines_running", i64::from(least));
        }
        if let Some(stop) = &self.auto_stop_machines {
            set(table, "auto_stop_machines", stop.as_str());
        }
        if let Some(start) = self.auto_start_machines {
            set(table, "auto_start_machines", start);
        }
    }
}

impl VmOverlay {
    fn to_inline(&self) -> InlineTable {
        let mut table = InlineTable::new();
        self.fill(&mut table);
        table
    }

    fn write(&self, root: &mut Table) {
        let mut n = 0;
        for name in VM {
            for table in root.get_mut(name).map(tables).unwrap_or_default() {
                n += 1;
                if self.size().is_some() {
                    // A preset replaces what was there; whom it is for stays.
                    let keys: Vec<String> = table.iter().map(|(key, _)| key.to_owned()).collect();
                    for key in keys.iter().filter(|key| *key != "processes" && *key != "size") {
                        table.remove(key);
                    }
                }
                self.fill(table);
            }
        }
        if n == 0 {
            let mut table = Table::new();
            self.fill(&mut table);
            let mut list = ArrayOfTables::new();
            list.push(table);
            root.insert("vm", Item::ArrayOfTables(list));
        }
    }

    fn fill(&self, table: &mut dyn TableLike) {
        let guest = self.guest();
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let number = |number: Option<u32>| number.map(|n| Value::from(i64::from(n)));
        let kernel_args = (!guest.kernel_args.is_empty())
            .then(|| Value::from(guest.kernel_args.iter().map(String::as_str).collect::<Array>()));
        // `memory_mb` goes before `memory`, so only one of them may be left.
        let memory = match (guest.memory_mb, table.contains_key("memory_mb")) {
            (Some(mb), false) => ("memory", Some(Value::from(format!("{mb}mb")))),
            (mb, _) => ("memory_mb", number(mb)),
        };
        if guest.memory_mb.is_some() && memory.0 == "memory_mb" {
            table.remove("memory");
        }
        for (key, value) in [
            ("size", self.size().map(Value::from)),
            memory,
            ("cpu_kind", text(&guest.cpu_kind)),
            ("cpus", number(guest.cpus)),
            ("max_memory_mb", number(guest.max_memory_mb)),
            ("gpus", number(guest.gpus)),
            ("gpu_kind", text(&guest.gpu_kind)),
            ("host_dedication_id", text(&guest.host_dedication_id)),
            ("persist_rootfs", text(&guest.persist_rootfs)),
            ("kernel_args", kernel_args),
        ] {
            if let Some(value) = value {
                set(table, key, value);
            }
        }
    }
}

/// A table, or the tables of a list.
fn tables(item: &mut Item) -> Vec<&mut dyn TableLike> {
    match item {
        Item::Table(table) => vec![table],
        Item::Value(Value::InlineTable(table)) => vec![table],
        Item::ArrayOfTables(list) => list.iter_mut().map(|table| table as &mut dyn TableLike).collect(),
        Item::Value(Value::Array(list)) => {
            let inline = |value| match value {
                &mut Value::InlineTable(ref mut table) => Some(table as &mut dyn TableLike),
                _ => None,
            };
            list.iter_mut().filter_map(inline).collect()
        }
        Item::None | Item::Value(_) => Vec::new(),
    }
}

/// Sets a key: a value that stands there keeps its comment, a new key is indented like the others.
fn set(table: &mut dyn TableLike, key: &str, value: impl Into<Value>) {
    let mut value = value.into();
    if let Some(old) = table.get_mut(key).and_then(Item::as_value_mut) {
        *value.decor_mut() = old.decor().clone();
        *old = value;
        return;
    }
    let last = table.iter().last().map(|(last, _)| last.to_owned());
    let indent = last.as_deref().and_then(|last| {
        let prefix = table.key(last)?.leaf_decor().prefix()?.as_str()?;
        let indent = prefix.rsplit('\n').next().unwrap_or(prefix);
        indent.trim().is_empty().then(|| indent.to_owned())
    });
    // The blank before the brace of an inline table is the last value's.
    if let Some(old) = last.and_then(|last| table.get_mut(&last)?.as_value_mut()) {
        let suffix = old.decor().suffix().and_then(|suffix| suffix.as_str()).unwrap_or_default().to_owned();
        if !suffix.is_empty() && suffix.trim().is_empty() {
            old.decor_mut().set_suffix("");
            value.decor_mut().set_suffix(suffix);
            value.decor_mut().set_prefix(" ");
        }
    }
    table.insert(key, Item::Value(value));
    if let (Some(indent), Some(mut key)) = (indent, table.key_mut(key)) {
        key.leaf_decor_mut().set_prefix(indent);
    }
}
