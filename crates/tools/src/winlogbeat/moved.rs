//! What Winlogbeat's modules and the ingest pipelines move, event by event.

use super::moves::Move;

pub(super) const NETWORK_CONNECTION_MOVES: &[Move] = &[
    Move::Time("UtcTime"),
    Move::Text("ProcessGuid", ("process", "entity_id")),
    Move::Number("ProcessId", ("process", "pid")),
    Move::Text("Image", ("process", "executable")),
    Move::Account("User"),
    Move::Text("Protocol", ("network", "transport")),
    Move::Direction("Initiated"),
    Move::Gone("SourceIsIpv6"),
    Move::Address("SourceIp", ("source", "ip")),
    Move::Text("SourceHostname", ("source", "domain")),
    Move::Number("SourcePort", ("source", "port")),
    Move::Gone("SourcePortName"),
    Move::Gone("DestinationIsIpv6"),
    Move::Address("DestinationIp", ("destination", "ip")),
    Move::Text("DestinationHostname", ("destination", "domain")),
    Move::Number("DestinationPort", ("destination", "port")),
    Move::Gone("DestinationPortName"),
];

pub(super) const PIPE_CONNECTED_MOVES: &[Move] = &[
    Move::Gone("EventType"),
    Move::Time("UtcTime"),
    Move::Text("ProcessGuid", ("process", "entity_id")),
    Move::Number("ProcessId", ("process", "pid")),
    Move::Text("PipeName", ("file", "name")),
    Move::Text("Image", ("process", "executable")),
    Move::Gone("User"),
];

/// The Security module leaves them alone.
pub(super) const SHARE_ACCESS_MOVES: &[Move] = &[
    Move::Address("IpAddress", ("source", "ip")),
    Move::Number("IpPort", ("source", "port")),
    Move::Text("RelativeTargetName", ("file", "name")),
];

/// The Security module leaves them alone, as those of 5145.
pub(super) const SHARE_SESSION_MOVES: &[Move] = &[
    Move::Address("IpAddress", ("source", "ip")),
    Move::Number("IpPort", ("source", "port")),
    Move::Copy("SubjectUserSid", ("user", "id")),
    Move::Copy("SubjectUserName", ("user", "name")),
    Move::Copy("SubjectDomainName", ("user", "domain")),
];

/// The account that logged on is copied; the account that asked for the logon stays in its `Subject` fields alone.
pub(super) const LOGON_MOVES: &[Move] = &[
    Move::Address("IpAddress", ("source", "ip")),
    Move::Number("IpPort", ("source", "port")),
    Move::Known("WorkstationName", ("source", "domain")),
    Move::Copy("TargetUserSid", ("user", "id")),
    Move::Copy("TargetUserName", ("user", "name")),
    Move::Copy("TargetDomainName", ("user", "domain")),
];
