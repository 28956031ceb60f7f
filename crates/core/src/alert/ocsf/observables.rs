//! What to pivot on, gathered: each value with the path of the attribute that holds it.

use std::collections::BTreeSet;

use super::document::{Device, Evidence, Observable, Process, User};
use crate::alert::PipewardenFields;

/// Number and caption of an observable's type.
type Kind = (u8, &'static str);

const HOSTNAME: Kind = (1, "Hostname");
const IP_ADDRESS: Kind = (2, "IP Address");
const USER_NAME: Kind = (4, "User Name");
const FILE_NAME: Kind = (7, "File Name");
const PROCESS_NAME: Kind = (9, "Process Name");

/// Each value once per path, in order of paths.
pub(super) fn observables(
    device: &Device,
    evidences: &[Evidence],
    fields: &PipewardenFields,
) -> Vec<Observable> {
    let mut all = Collected::default();
    all.add("device.hostname", HOSTNAME, device.hostname.as_ref());
    all.add("device.ip", IP_ADDRESS, device.ip.as_ref());
    for evidence in evidences {
        if let Some(source) = &evidence.src_endpoint {
            all.add("evidences[].src_endpoint.ip", IP_ADDRESS, source.ip.as_ref());
            all.add(
                "evidences[].src_endpoint.hostname",
                HOSTNAME,
                source.hostname.as_ref(),
            );
        }
        if let Some(actor) = &evidence.actor {
            let user = actor.user.as_ref();
            all.add(
                "evidences[].actor.user.name",
                USER_NAME,
                user.map(|user| &user.name),
            );
            all.add_process(actor.process.as_ref());
        }
        let pipe = evidence.file.as_ref();
        all.add("evidences[].file.name", FILE_NAME, pipe.map(|pipe| &pipe.name));
    }
    for candidate in &fields.candidates {
        all.add(
            "unmapped.pipewarden.candidates[].ip",
            IP_ADDRESS,
            Some(&candidate.ip),
        );
    }
    all.0.into_iter().collect()
}

#[derive(Default)]
struct Collected(BTreeSet<Observable>);

impl Collected {
    fn add(&mut self, name: &'static str, (type_id, kind): Kind, value: Option<&impl ToString>) {
        self.0.extend(value.map(|value| Observable {
            name,
            type_id,
            kind,
            value: value.to_string(),
        }));
    }

    fn add_process(&mut self, process: Option<&Process>) {
        let Some(process) = process else { return };
        self.add(
            "evidences[].actor.process.name",
            PROCESS_NAME,
            process.name.as_ref(),
        );
        let user: Option<&User> = process.user.as_ref();
        self.add(
            "evidences[].actor.process.user.name",
            USER_NAME,
            user.map(|user| &user.name),
        );
    }
}
