//! The text of an event in Windows' event viewer.

use super::event::Event;

/// The texts of codes in fields.
const CODES: &[(&str, &str)] = &[
    ("%%1538", "READ_CONTROL"),
    ("%%1541", "SYNCHRONIZE"),
    ("%%1833", "Impersonation"),
    ("%%1842", "Yes"),
    ("%%1843", "No"),
    ("%%4416", "ReadData (or ListDirectory)"),
    ("%%4417", "WriteData (or AddFile)"),
    ("%%4418", "AppendData (or AddSubdirectory or CreatePipeInstance)"),
    ("%%4419", "ReadEA"),
    ("%%4420", "WriteEA"),
    ("%%4423", "ReadAttributes"),
    ("%%4424", "WriteAttributes"),
    ("%%14592", "Inbound"),
    ("%%14593", "Outbound"),
    ("%%14610", "Receive/Accept"),
    ("%%14611", "Connect"),
];

impl Event {
    /// The definition's text with the values of the fields; without a text, the task and the fields line by line, as
    /// Sysmon has it.
    pub fn message(&self) -> String {
        let Some(text) = self.definition.message else {
            let lines = self.fields().map(|(name, value)| format!("\n{name}: {value}"));
            return format!("{}:{}", self.definition.task, lines.collect::<String>());
        };
        let mut message = String::with_capacity(2 * text.len());
        let mut rest = text;
        while let Some((before, (field, after))) = rest
            .split_once('{')
            .and_then(|(before, after)| Some((before, after.split_once('}')?)))
        {
            message.push_str(before);
            message.push_str(&decoded(self.get(field).unwrap_or("-")));
            rest = after;
        }
        message.push_str(rest);
        message
    }
}

fn decoded(value: &str) -> String {
    CODES.iter().fold(value.to_owned(), |value, (code, text)| {
        if value.contains(code) {
            value.replace(code, text)
        } else {
            value
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::{CONNECTION_PERMITTED, PIPE_CONNECTED};
    use super::*;

    #[test]
    fn a_message_has_the_values_of_the_fields_and_the_texts_of_their_codes() {
        let event = Event::new(&CONNECTION_PERMITTED, "", "atlas")
            .set("SourceAddress", "{DestPort}")
            .set("DestPort", "445")
            .set("Direction", "%%14592");
        let message = event.message();
        assert!(message.contains("\tDirection:\t\tInbound\n"), "{message}");
        assert!(message.contains("\tSource Address:\t\t{DestPort}\n"), "{message}");
        assert!(message.contains("\tDestination Port:\t\t445\n"), "{message}");
        assert!(message.contains("\tSource Port:\t\t-\n"), "{message}");
    }

    #[test]
    fn a_message_of_sysmon_is_the_fields_line_by_line() {
        let event = Event::new(&PIPE_CONNECTED, "", "atlas")
            .set("EventType", "ConnectPipe")
            .set("PipeName", "\\winreg");
        assert_eq!(
            event.message(),
            "Pipe Connected:\nEventType: ConnectPipe\nPipeName: \\winreg"
        );
    }
}
