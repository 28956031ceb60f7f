//! Providers and their events, as their manifests define them.

use pipewarden_core::event::providers;

use super::moves::Move;

/// A provider of events and the log that it writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provider {
    /// `winlog.provider_name`
    pub name: &'static str,
    /// `winlog.provider_guid`; a provider without a manifest has none.
    pub guid: Option<&'static str>,
    /// `winlog.channel`
    pub channel: &'static str,
}

impl Provider {
    /// Sysmon.
    pub const SYSMON: Self = Self {
        name: providers::SYSMON,
        guid: Some("{5770385f-c22a-43e0-bf4c-06f5698ffbd9}"),
        channel: providers::SYSMON_CHANNEL,
    };
    /// The audits of Windows.
    pub const SECURITY: Self = Self {
        name: providers::SECURITY,
        guid: Some("{54849625-5478-4994-a5ba-3e3b0328c30d}"),
        channel: providers::SECURITY_CHANNEL,
    };
    /// PowerShell since Windows Vista.
    pub const POWERSHELL: Self = Self {
        name: "Microsoft-Windows-PowerShell",
        guid: Some("{a0c1853b-5c40-4b15-8766-3cf1c58f985a}"),
        channel: "Microsoft-Windows-PowerShell/Operational",
    };
    /// PowerShell in the log that it had before.
    pub const POWERSHELL_CLASSIC: Self = Self {
        name: "PowerShell",
        guid: None,
        channel: "Windows PowerShell",
    };
}

/// Properties that all events of one kind share.
#[derive(Debug, PartialEq, Eq)]
pub struct Definition {
    /// Who writes it.
    pub provider: Provider,
    /// `winlog.event_id`
    pub id: u16,
    /// The version of its fields.
    pub version: u8,
    /// Its name in the event viewer.
    pub task: &'static str,
    /// The group of Sysmon's rules that it falls under.
    pub rule: Option<&'static str>,
    /// The fields, in the manifest's order.
    pub fields: &'static [&'static str],
    /// Windows' text, with the names of fields in braces; `None` where it lists the fields.
    pub message: Option<&'static str>,
    /// What the script modules of Winlogbeat 7 do with the fields.
    pub moved_by_module: &'static [Move],
    /// What the ingest pipelines do with them.
    pub moved_by_pipeline: &'static [Move],
}

impl Definition {
    /// Sysmon's text is the list of the fields, and its module does in Winlogbeat what the pipeline does.
    pub(super) const fn sysmon(
        id: u16,
        version: u8,
        task: &'static str,
        rule: &'static str,
        fields: &'static [&'static str],
        moves: &'static [Move],
    ) -> Self {
        Self {
            provider: Provider::SYSMON,
            id,
            version,
            task,
            rule: Some(rule),
            fields,
            message: None,
            moved_by_module: moves,
            moved_by_pipeline: moves,
        }
    }

    /// Others have a text of their own; neither modules nor pipelines move their fields, unless set otherwise.
    pub(super) const fn other(
        provider: Provider,
        id: u16,
        version: u8,
        task: &'static str,
        fields: &'static [&'static str],
        message: &'static str,
    ) -> Self {
        Self {
            provider,
            id,
            version,
            task,
            rule: None,
            fields,
            message: Some(message),
            moved_by_module: &[],
            moved_by_pipeline: &[],
        }
    }

    /// `event.action`
    pub fn action(&self) -> String {
        match self.rule {
            Some(rule) => format!("{} (rule: {rule})", self.task),
            None => self.task.to_owned(),
        }
    }
}
