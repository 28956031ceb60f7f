//! Windows accounts, as events name them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A Windows account. The names of fields are those of 5140 and 5145; 4624 has `Target` for `Subject`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Account {
    /// `SubjectUserName`.
    pub name: Arc<str>,
    /// `SubjectDomainName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Arc<str>>,
    /// `SubjectUserSid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<Arc<str>>,
    /// `SubjectLogonId`, hexadecimal as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logon_id: Option<Arc<str>>,
}

impl Account {
    /// The SID, if it is an account's own in every log. Others, such as `S-1-5-18` or `S-1-5-7`, are of many accounts or of
    /// nobody, and identify none beyond the host that wrote them.
    pub fn lasting_sid(&self) -> Option<&Arc<str>> {
        const DOMAINS: &str = "S-1-5-21-";
        let is_lasting = |sid: &&Arc<str>| {
            sid.get(..DOMAINS.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(DOMAINS))
        };
        self.sid.as_ref().filter(is_lasting)
    }

    /// The id of its session on the host that logged it, as a number. `None` of the sessions that every host has under one
    /// and the same id, such as 0x3e7 of the host itself.
    pub fn session_id(&self) -> Option<u64> {
        const FIRST_OF_USERS: u64 = 0x400;
        let text = self.logon_id.as_ref()?.trim();
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
        let id = u64::from_str_radix(digits, 16).ok()?;
        (id >= FIRST_OF_USERS).then_some(id)
    }

    /// Whether it is the logon of nobody in particular: `ANONYMOUS LOGON`, in any language.
    pub fn is_anonymous(&self) -> bool {
        match &self.sid {
            Some(sid) => sid.eq_ignore_ascii_case("S-1-5-7"),
            None => self.name.eq_ignore_ascii_case("ANONYMOUS LOGON"),
        }
    }
}

/// `DOMAIN\name`, or the bare name.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.domain {
            Some(domain) => write!(f, "{domain}\\{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}
