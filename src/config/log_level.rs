//! `log.level`: a level, or a filter by module.

use crate::diagnostics::did_you_mean;

/// What tracing calls the levels.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// The filter as tracing takes it. By itself tracing takes any other word for the name of a module, and logs nothing else.
///
/// # Errors
/// What is wrong with it, with what would be right.
pub(crate) fn filter(level: &str) -> Result<String, String> {
    let directives: Result<Vec<String>, String> =
        level.split(',').map(|part| directive(part.trim())).collect();
    Ok(directives?.join(","))
}

fn directive(text: &str) -> Result<String, String> {
    match text.rsplit_once('=') {
        Some((module, word)) if !word.contains(['[', ']', '{', '}']) => {
            Ok(format!("{module}={}", level(word)?))
        }
        // A filter by spans and fields.
        _ if text.contains('[') => Ok(text.to_owned()),
        _ => level(text),
    }
}

fn level(word: &str) -> Result<String, String> {
    let lower = word.to_ascii_lowercase();
    let known = match &*lower {
        "warning" => Some("warn"),
        _ => LEVELS.into_iter().find(|known| *known == lower),
    };
    known.map(str::to_owned).ok_or_else(|| {
        let hint = did_you_mean(word, LEVELS);
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        format!(
            "log.level: {word:?} is no level; write error, warn, info, debug, trace or off, or a filter by module such as \
             info,pipewarden_kafka=debug{hint}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_rejected_and_warning_is_warn() {
        for (level, expected) in [
            ("info", "info"),
            ("Warning", "warn"),
            ("info, pipewarden=DEBUG", "info,pipewarden=debug"),
            (
                "warn,pipewarden_kafka::client=trace",
                "warn,pipewarden_kafka::client=trace",
            ),
            ("[span{field=1}]=debug", "[span{field=1}]=debug"),
        ] {
            assert_eq!(filter(level).as_deref(), Ok(expected));
        }
        for (level, word) in [
            ("warnig", "did you mean warn"),
            ("pipewarden", "a filter by module"),
            ("info,", "\"\" is no level"),
            ("info,pipewarden=loud", "\"loud\" is no level"),
            ("", "is no level"),
        ] {
            let problem = filter(level).unwrap_err();
            assert!(problem.contains(word), "{problem}");
        }
    }
}
