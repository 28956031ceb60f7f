//! The shapes in which one Windows event is published, as serde sees them.
//!
//! One struct holds the fields of all shapes side by side, so that a message is parsed once. Every name is
//! spelled as its shipper spells it; unknown fields are skipped without being built.

use std::ops::Deref;

use serde::Deserialize;

use super::field::{Scalar, Section, Texts};

/// A message: Winlogbeat 6 (flat), 7 to 9 (`winlog`), the same after Logstash or an ingest pipeline, an event
/// rendered from EVTX (`Event`), or NXLog's flat record. Boxed is what is large, or a document would be moved as all shapes
/// together.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Document<'a> {
    #[serde(rename = "@timestamp", borrow)]
    pub(super) timestamp: Scalar<'a>,
    pub(super) event: Section<EventSection<'a>>,
    pub(super) host: Section<Host<'a>>,
    pub(super) agent: Section<AgentSection<'a>>,
    pub(super) winlog: Option<Box<Section<Winlog<'a>>>>,
    // Moved there by the Sysmon module and by ingest pipelines.
    pub(super) source: Section<Endpoint<'a>>,
    pub(super) destination: Section<Endpoint<'a>>,
    pub(super) network: Section<Network<'a>>,
    pub(super) process: Section<ProcessSection<'a>>,
    pub(super) user: Section<User<'a>>,
    pub(super) file: Section<File<'a>>,
    // Winlogbeat 6.
    pub(super) beat: Section<Beat<'a>>,
    pub(super) event_id: Scalar<'a>,
    pub(super) source_name: Scalar<'a>,
    pub(super) log_name: Scalar<'a>,
    pub(super) computer_name: Scalar<'a>,
    pub(super) record_number: Scalar<'a>,
    pub(super) event_data: Option<Box<Section<EventData<'a>>>>,
    pub(super) keywords: Texts<'a>,
    // Rendered from EVTX.
    #[serde(rename = "Event")]
    pub(super) rendered: Option<Box<Section<Rendered<'a>>>>,
    // NXLog.
    #[serde(rename = "EventID")]
    pub(super) nxlog_event_id: Scalar<'a>,
    #[serde(rename = "SourceName")]
    pub(super) nxlog_source_name: Scalar<'a>,
    #[serde(rename = "Channel")]
    pub(super) nxlog_channel: Scalar<'a>,
    #[serde(rename = "Hostname")]
    pub(super) nxlog_hostname: Scalar<'a>,
    #[serde(rename = "RecordNumber")]
    pub(super) nxlog_record_number: Scalar<'a>,
    /// Where nothing has made `@timestamp` of it.
    #[serde(rename = "EventTime")]
    pub(super) nxlog_event_time: Scalar<'a>,
}

impl Document<'_> {
    /// Whether it has what documents of any shape that is read have.
    pub(super) fn has_known_shape(&self) -> bool {
        let ids = [&self.event_id, &self.nxlog_event_id];
        self.winlog.is_some() || self.rendered.is_some() || ids.iter().any(|id| !id.is_empty())
    }
}

/// `winlog` of Winlogbeat 7 and later.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Winlog<'a> {
    pub(super) event_id: Scalar<'a>,
    pub(super) provider_name: Scalar<'a>,
    pub(super) channel: Scalar<'a>,
    pub(super) computer_name: Scalar<'a>,
    pub(super) record_id: Scalar<'a>,
    pub(super) keywords: Texts<'a>,
    pub(super) event_data: Section<EventData<'a>>,
}

/// The payload, as Windows names its fields. NXLog writes these at the top level.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase", bound(deserialize = "'de: 'a"))]
pub(super) struct EventData<'a> {
    pub(super) utc_time: Scalar<'a>,
    pub(super) pipe_name: Scalar<'a>,
    pub(super) image: Scalar<'a>,
    pub(super) process_guid: Scalar<'a>,
    pub(super) process_id: Scalar<'a>,
    pub(super) user: Scalar<'a>,
    pub(super) protocol: Scalar<'a>,
    pub(super) initiated: Scalar<'a>,
    pub(super) source_ip: Scalar<'a>,
    pub(super) source_port: Scalar<'a>,
    pub(super) source_hostname: Scalar<'a>,
    pub(super) destination_ip: Scalar<'a>,
    pub(super) destination_port: Scalar<'a>,
    pub(super) destination_hostname: Scalar<'a>,
    pub(super) share_name: Scalar<'a>,
    pub(super) relative_target_name: Scalar<'a>,
    pub(super) ip_address: Scalar<'a>,
    pub(super) ip_port: Scalar<'a>,
    pub(super) access_mask: Scalar<'a>,
    pub(super) subject_user_sid: Scalar<'a>,
    pub(super) subject_user_name: Scalar<'a>,
    pub(super) subject_domain_name: Scalar<'a>,
    pub(super) subject_logon_id: Scalar<'a>,
    // 4624.
    pub(super) target_user_sid: Scalar<'a>,
    pub(super) target_user_name: Scalar<'a>,
    pub(super) target_domain_name: Scalar<'a>,
    pub(super) target_logon_id: Scalar<'a>,
    pub(super) logon_type: Scalar<'a>,
    pub(super) authentication_package_name: Scalar<'a>,
    pub(super) lm_package_name: Scalar<'a>,
    pub(super) workstation_name: Scalar<'a>,
    // 5156.
    pub(super) direction: Scalar<'a>,
    pub(super) source_address: Scalar<'a>,
    pub(super) dest_address: Scalar<'a>,
    pub(super) dest_port: Scalar<'a>,
    pub(super) application: Scalar<'a>,
    #[serde(rename = "ProcessID")]
    pub(super) permitted_process_id: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct EventSection<'a> {
    pub(super) code: Scalar<'a>,
    pub(super) provider: Scalar<'a>,
    pub(super) created: Scalar<'a>,
    pub(super) outcome: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Host<'a> {
    pub(super) name: Scalar<'a>,
    pub(super) ip: Texts<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct AgentSection<'a> {
    pub(super) id: Scalar<'a>,
    pub(super) name: Scalar<'a>,
    pub(super) hostname: Scalar<'a>,
    #[serde(rename = "type")]
    pub(super) kind: Scalar<'a>,
    pub(super) version: Scalar<'a>,
}

/// What Winlogbeat 6 says of itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Beat<'a> {
    pub(super) name: Scalar<'a>,
    pub(super) hostname: Scalar<'a>,
    pub(super) version: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Endpoint<'a> {
    pub(super) ip: Scalar<'a>,
    pub(super) port: Scalar<'a>,
    pub(super) domain: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Network<'a> {
    pub(super) transport: Scalar<'a>,
    pub(super) direction: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct ProcessSection<'a> {
    pub(super) executable: Scalar<'a>,
    pub(super) entity_id: Scalar<'a>,
    pub(super) pid: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct User<'a> {
    pub(super) id: Scalar<'a>,
    pub(super) name: Scalar<'a>,
    pub(super) domain: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct File<'a> {
    pub(super) name: Scalar<'a>,
}

/// An event as the `evtx` crate renders it to JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase", bound(deserialize = "'de: 'a"))]
pub(super) struct Rendered<'a> {
    pub(super) system: Section<System<'a>>,
    pub(super) event_data: Section<EventData<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase", bound(deserialize = "'de: 'a"))]
pub(super) struct System<'a> {
    pub(super) provider: Section<Attributed<'a>>,
    #[serde(rename = "EventID")]
    pub(super) event_id: EventId<'a>,
    pub(super) time_created: Section<Attributed<'a>>,
    #[serde(rename = "EventRecordID")]
    pub(super) event_record_id: Scalar<'a>,
    pub(super) channel: Scalar<'a>,
    pub(super) computer: Scalar<'a>,
    pub(super) keywords: Texts<'a>,
}

/// An XML element that carries its content in attributes.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Attributed<'a> {
    #[serde(rename = "#attributes")]
    pub(super) attributes: Section<Attributes<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase", bound(deserialize = "'de: 'a"))]
pub(super) struct Attributes<'a> {
    pub(super) name: Scalar<'a>,
    pub(super) system_time: Scalar<'a>,
}

/// An event id: a number or, where the XML element has attributes, an object around it.
#[derive(Debug, Default)]
pub(super) struct EventId<'a>(Scalar<'a>);

impl<'a> Deref for EventId<'a> {
    type Target = Scalar<'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for EventId<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, bound(deserialize = "'de: 'a"))]
        enum Shape<'a> {
            Qualified {
                #[serde(rename = "#text", borrow)]
                text: Scalar<'a>,
            },
            Plain(Scalar<'a>),
        }
        Ok(Self(match Shape::deserialize(deserializer)? {
            Shape::Qualified { text } | Shape::Plain(text) => text,
        }))
    }
}
