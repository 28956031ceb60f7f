//! Providers of the events that matter, and the event logs that they write to, as Windows spells them.

/// The provider of Sysmon's events.
pub const SYSMON: &str = "Microsoft-Windows-Sysmon";
/// The log that Sysmon writes to.
pub const SYSMON_CHANNEL: &str = "Microsoft-Windows-Sysmon/Operational";
/// The provider of security audit events.
pub const SECURITY: &str = "Microsoft-Windows-Security-Auditing";
/// The log that security audit events are written to.
pub const SECURITY_CHANNEL: &str = "Security";
